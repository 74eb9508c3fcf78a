// The logistic function and the tangent of one instruction set (SEQUELA_SET) beside libm in double, over all magnitudes.
#include "../simd.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

namespace {

int failures = 0;

float of_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

void check(bool held, const char* claim, float x, float got, double expected) {
    if (held) return;
    if (++failures <= 20) std::printf("FAILED %s at %.9g: %.9g, not %.9g\n", claim, x, got, expected);
}

struct Worst {
    double error = 0;
    float at = 0;
    void see(double error_here, float x) {
        if (error_here > error) {
            error = error_here;
            at = x;
        }
    }
};

template <class Function> float apply(Function function, float x) {
    float lanes[F::lanes];
    function(F::all(x)).store(lanes);
    for (int i = 1; i < F::lanes; ++i)
        if (std::memcmp(&lanes[0], &lanes[i], sizeof(float)) != 0) check(false, "all lanes are equal", x, lanes[i], lanes[0]);
    return lanes[0];
}

}  // namespace

int main() {
#if SEQUELA_SET == 512
    bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx2");
#elif SEQUELA_SET == 2
    bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    bool runs = true;
#endif
    if (!runs) {
        std::printf("set %d: this processor does not run it\n", SEQUELA_SET);
        return 0;
    }
    Worst logistic_error, tangent_error, faded_error;
    const uint32_t stride = 4099;  // a prime: about a million values of every exponent and both signs
    for (uint64_t bits = 0; bits < (1ull << 32); bits += stride) {
        float x = of_bits(static_cast<uint32_t>(bits));
        if (!std::isfinite(x)) continue;
        float s = apply([](F v) { return logistic(v); }, x), t = apply([](F v) { return tangent(v); }, x);
        double s_right = 1 / (1 + std::exp(-static_cast<double>(x))), t_right = std::tanh(static_cast<double>(x));
        check(s >= 0 && s <= 1, "the logistic function lies in [0, 1]", x, s, s_right);
        check(t >= -1 && t <= 1, "the tangent lies in [-1, 1]", x, t, t_right);
        float g = apply([](F v) { return faded(v); }, x);
        double g_right = std::exp(-std::fmax(0.0, static_cast<double>(x)));
        check(g >= 0 && g <= 1, "what fades lies in [0, 1]", x, g, g_right);
        if (x <= 87) faded_error.see(std::fabs(g - g_right) / g_right, x);
        // Below the least normal number neither has full digits.
        if (s_right > 1.2e-38) logistic_error.see(std::fabs(s - s_right) / s_right, x);
        if (std::fabs(t_right) > 1.2e-38) tangent_error.see(std::fabs(t - t_right) / std::fabs(t_right), x);
    }
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    auto s = [](F v) { return logistic(v); };
    auto t = [](F v) { return tangent(v); };
    check(apply(s, infinity) == 1 && apply(s, -infinity) == 0, "the logistic function at infinity", infinity, apply(s, infinity), 1);
    check(apply(t, infinity) == 1 && apply(t, -infinity) == -1, "the tangent at infinity", infinity, apply(t, infinity), 1);
    auto g = [](F v) { return faded(v); };
    check(apply(g, -infinity) == 1 && apply(g, 0) == 1, "what does not fade stays", 0, apply(g, 0), 1);
    check(std::isnan(apply(g, nan)) && std::isnan(apply(g, -nan)), "NaN stays NaN", nan, apply(g, nan), nan);
    check(std::isnan(apply(s, nan)) && std::isnan(apply(t, nan)), "NaN stays NaN", nan, apply(s, nan), nan);
    check(std::isnan(apply(s, -nan)) && std::isnan(apply(t, -nan)), "NaN stays NaN", -nan, apply(t, -nan), nan);
    check(std::signbit(apply(t, -0.0f)) && apply(t, -0.0f) == 0, "the tangent of -0 is -0", -0.0f, apply(t, -0.0f), -0.0);
    std::printf("set %d: largest relative error: logistic %.3g at %.9g, tangent %.3g at %.9g, faded %.3g at %.9g\n",
                SEQUELA_SET, logistic_error.error, logistic_error.at, tangent_error.error, tangent_error.at,
                faded_error.error, faded_error.at);
    if (logistic_error.error > 3e-7 || tangent_error.error > 3e-7 || faded_error.error > 3e-7) {
        std::printf("FAILED: above 3e-7\n");
        ++failures;
    }
    return failures == 0 ? 0 : 1;
}
