/* How many multiply-adds a second one core can do: sums that stay in registers, nothing is loaded or stored meanwhile.
   Compiled by roofline.py with the flags of the instruction set in question; VECTOR_BYTES is its vector's size.
   Twelve independent sums hide four cycles of latency of two or three units, and fit sixteen registers. */
typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

/* Floating-point operations of one call: 2 for a multiply-add. */
double operations(long rounds) { return 2.0 * rounds * 12 * (VECTOR_BYTES / sizeof(float)); }

float spin(long rounds, float factor) {
    const vector a = factor - (vector){0}, b = 0.5f - (vector){0};
#define DECLARE(i) vector sum##i = (float)i - (vector){0};
    EACH(DECLARE)
    for (long round = 0; round < rounds; ++round) {
        /* The empty instruction changes each sum in the compiler's eyes, so none is folded away. */
#define MULTIPLY_ADD(i)        \
    sum##i = sum##i * a + b; \
    __asm__ volatile("" : "+x"(sum##i));
        EACH(MULTIPLY_ADD)
    }
    float total = 0;
#define TOTAL(i) total += sum##i[0];
    EACH(TOTAL)
    return total;
}
