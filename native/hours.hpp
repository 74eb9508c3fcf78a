// Gaps in hours. A plain loop, which the flags of each instruction set turn into its own; same bits in all of them.
#pragma once

#include <cstdint>
#include <cstring>

namespace {

// A double of these bits.
inline double of_bits(uint64_t bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// The nearest double, as a cast gives it, of operations that every instruction set has for vectors: the upper half lies on
// 2^84, the lower one on 2^52; the upper half less what both lie on is exact, so only the last sum is rounded.
inline double nearest(int64_t whole) {
    const uint64_t bits = static_cast<uint64_t>(whole);
    const double upper = of_bits((bits >> 32) ^ 0x4530000080000000ULL);
    const double lower = of_bits((bits & 0xffffffffULL) | 0x4330000000000000ULL);
    return (upper - 0x1.00000801p84) + lower;  // 2^84 + 2^63 + 2^52
}

// hours[i] = (time - since[i]) / an hour of microseconds
void hours_since(int64_t time, const int64_t* since, float* hours, int64_t count) {
    for (int64_t i = 0; i < count; ++i) hours[i] = static_cast<float>(nearest(time - since[i]) / 3600000000.0);
}

}  // namespace
