// Vectors of the instruction set that this file is compiled for: SEQUELA_SET is 512, 2 or 0.
//
// Nothing here may differ between a full and a partial vector, and nothing depends on where a row stands: products are
// fused where the set has it, written out by hand, and never left to the compiler (-ffp-contract=off).
#pragma once

#include <cstddef>
#include <cstdint>

#if SEQUELA_SET != 0
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define APART __attribute__((noinline))

namespace {

template <class T> struct Vector;

#if SEQUELA_SET == 512

template <> struct Vector<float> {
    static constexpr int lanes = 16;
    __m512 v;
    static INLINE Vector all(float a) { return {_mm512_set1_ps(a)}; }
    static INLINE Vector load(const float* p) { return {_mm512_loadu_ps(p)}; }
    static INLINE Vector load(const float* p, int n) {
        return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
    }
    INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
    INLINE void store(float* p, int n) const { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v); }
};
template <> struct Vector<double> {
    static constexpr int lanes = 8;
    __m512d v;
    static INLINE Vector all(double a) { return {_mm512_set1_pd(a)}; }
    static INLINE Vector load(const double* p) { return {_mm512_loadu_pd(p)}; }
    static INLINE Vector load(const double* p, int n) {
        return {_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1), p)};
    }
    INLINE void store(double* p) const { _mm512_storeu_pd(p, v); }
    INLINE void store(double* p, int n) const { _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1), v); }
};
using F = Vector<float>;
using E = Vector<double>;
INLINE F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
INLINE F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
INLINE F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
INLINE F operator/(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
INLINE F fused(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
INLINE E operator+(E a, E b) { return {_mm512_add_pd(a.v, b.v)}; }
INLINE E operator-(E a, E b) { return {_mm512_sub_pd(a.v, b.v)}; }
INLINE E operator*(E a, E b) { return {_mm512_mul_pd(a.v, b.v)}; }
INLINE E operator/(E a, E b) { return {_mm512_div_pd(a.v, b.v)}; }
INLINE E fused(E a, E b, E c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
// The second operand comes back where either is NaN, so the value stands second.
INLINE F at_least(F bound, F x) { return {_mm512_max_ps(bound.v, x.v)}; }
INLINE F at_most(F bound, F x) { return {_mm512_min_ps(bound.v, x.v)}; }
INLINE E at_least(E bound, E x) { return {_mm512_max_pd(bound.v, x.v)}; }
// 0 where x <= 0, else a: a NaN in x lets a pass, as in torch.
INLINE F unless_at_most_zero(F x, F a) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_NLE_UQ), a.v)};
}
INLINE E unless_at_most_zero(E x, E a) {
    return {_mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x.v, _mm512_setzero_pd(), _CMP_NLE_UQ), a.v)};
}
INLINE F nearest(F x) { return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
INLINE F times_power_of_two(F x, F n) { return {_mm512_scalef_ps(x.v, n.v)}; }
INLINE F magnitude(F x) {
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x.v), _mm512_set1_epi32(0x7fffffff)))};
}
INLINE F with_sign_of(F a, F x) {  // a >= 0
    __m512i sign = _mm512_and_si512(_mm512_castps_si512(x.v), _mm512_set1_epi32(INT32_MIN));
    return {_mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a.v), sign))};
}

// Keeps a vector in a register: of few rows the compiler would read it again for each, and loads would be the bound.
INLINE void held(F& a) { __asm__("" : "+v"(a.v)); }
INLINE void held(E& a) { __asm__("" : "+v"(a.v)); }

constexpr int tile_rows = 6;

#elif SEQUELA_SET == 2

alignas(32) constexpr int32_t lane_masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
INLINE __m256i first_lanes(int n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lane_masks + 8 - n));
}

template <> struct Vector<float> {
    static constexpr int lanes = 8;
    __m256 v;
    static INLINE Vector all(float a) { return {_mm256_set1_ps(a)}; }
    static INLINE Vector load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static INLINE Vector load(const float* p, int n) { return {_mm256_maskload_ps(p, first_lanes(n))}; }
    INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
    INLINE void store(float* p, int n) const { _mm256_maskstore_ps(p, first_lanes(n), v); }
};
template <> struct Vector<double> {
    static constexpr int lanes = 4;
    __m256d v;
    static INLINE Vector all(double a) { return {_mm256_set1_pd(a)}; }
    static INLINE Vector load(const double* p) { return {_mm256_loadu_pd(p)}; }
    static INLINE Vector load(const double* p, int n) { return {_mm256_maskload_pd(p, first_lanes(2 * n))}; }
    INLINE void store(double* p) const { _mm256_storeu_pd(p, v); }
    INLINE void store(double* p, int n) const { _mm256_maskstore_pd(p, first_lanes(2 * n), v); }
};
using F = Vector<float>;
using E = Vector<double>;
INLINE F operator+(F a, F b) { return {_mm256_add_ps(a.v, b.v)}; }
INLINE F operator-(F a, F b) { return {_mm256_sub_ps(a.v, b.v)}; }
INLINE F operator*(F a, F b) { return {_mm256_mul_ps(a.v, b.v)}; }
INLINE F operator/(F a, F b) { return {_mm256_div_ps(a.v, b.v)}; }
INLINE F fused(F a, F b, F c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
INLINE E operator+(E a, E b) { return {_mm256_add_pd(a.v, b.v)}; }
INLINE E operator-(E a, E b) { return {_mm256_sub_pd(a.v, b.v)}; }
INLINE E operator*(E a, E b) { return {_mm256_mul_pd(a.v, b.v)}; }
INLINE E operator/(E a, E b) { return {_mm256_div_pd(a.v, b.v)}; }
INLINE E fused(E a, E b, E c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
INLINE F at_least(F bound, F x) { return {_mm256_max_ps(bound.v, x.v)}; }
INLINE F at_most(F bound, F x) { return {_mm256_min_ps(bound.v, x.v)}; }
INLINE E at_least(E bound, E x) { return {_mm256_max_pd(bound.v, x.v)}; }
INLINE F unless_at_most_zero(F x, F a) {
    return {_mm256_and_ps(_mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_NLE_UQ), a.v)};
}
INLINE E unless_at_most_zero(E x, E a) {
    return {_mm256_and_pd(_mm256_cmp_pd(x.v, _mm256_setzero_pd(), _CMP_NLE_UQ), a.v)};
}
INLINE F nearest(F x) { return {_mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
INLINE F times_power_of_two(F x, F n) {  // n in -126 .. 128, where 128 gives infinity
    __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23);
    return {_mm256_mul_ps(x.v, _mm256_castsi256_ps(bits))};
}
INLINE F magnitude(F x) { return {_mm256_and_ps(x.v, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)))}; }
INLINE F with_sign_of(F a, F x) {
    return {_mm256_or_ps(a.v, _mm256_and_ps(x.v, _mm256_castsi256_ps(_mm256_set1_epi32(INT32_MIN))))};
}

template <class V> INLINE void held(V&) {}  // there are not registers enough

constexpr int tile_rows = 3;

#else

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourBits __attribute__((vector_size(16)));
typedef double Two __attribute__((vector_size(16)));
typedef int64_t TwoBits __attribute__((vector_size(16)));

template <> struct Vector<float> {
    static constexpr int lanes = 4;
    Four v;
    static INLINE Vector all(float a) { return {Four{a, a, a, a}}; }
    static INLINE Vector load(const float* p) {
        Vector a;
        __builtin_memcpy(&a.v, p, sizeof a.v);
        return a;
    }
    static INLINE Vector load(const float* p, int n) {
        Vector a = all(0);
        for (int i = 0; i < n; ++i) a.v[i] = p[i];
        return a;
    }
    INLINE void store(float* p) const { __builtin_memcpy(p, &v, sizeof v); }
    INLINE void store(float* p, int n) const {
        for (int i = 0; i < n; ++i) p[i] = v[i];
    }
};
template <> struct Vector<double> {
    static constexpr int lanes = 2;
    Two v;
    static INLINE Vector all(double a) { return {Two{a, a}}; }
    static INLINE Vector load(const double* p) {
        Vector a;
        __builtin_memcpy(&a.v, p, sizeof a.v);
        return a;
    }
    static INLINE Vector load(const double* p, int n) {
        Vector a = all(0);
        for (int i = 0; i < n; ++i) a.v[i] = p[i];
        return a;
    }
    INLINE void store(double* p) const { __builtin_memcpy(p, &v, sizeof v); }
    INLINE void store(double* p, int n) const {
        for (int i = 0; i < n; ++i) p[i] = v[i];
    }
};
using F = Vector<float>;
using E = Vector<double>;
INLINE F operator+(F a, F b) { return {a.v + b.v}; }
INLINE F operator-(F a, F b) { return {a.v - b.v}; }
INLINE F operator*(F a, F b) { return {a.v * b.v}; }
INLINE F operator/(F a, F b) { return {a.v / b.v}; }
INLINE F fused(F a, F b, F c) { return {a.v * b.v + c.v}; }
INLINE E operator+(E a, E b) { return {a.v + b.v}; }
INLINE E operator-(E a, E b) { return {a.v - b.v}; }
INLINE E operator*(E a, E b) { return {a.v * b.v}; }
INLINE E operator/(E a, E b) { return {a.v / b.v}; }
INLINE E fused(E a, E b, E c) { return {a.v * b.v + c.v}; }
INLINE F at_least(F bound, F x) { return {bound.v > x.v ? bound.v : x.v}; }
INLINE F at_most(F bound, F x) { return {bound.v < x.v ? bound.v : x.v}; }
INLINE E at_least(E bound, E x) { return {bound.v > x.v ? bound.v : x.v}; }
INLINE F unless_at_most_zero(F x, F a) { return {x.v <= Four{} ? Four{} : a.v}; }
INLINE E unless_at_most_zero(E x, E a) { return {x.v <= Two{} ? Two{} : a.v}; }
INLINE F nearest(F x) {  // |x| < 2^22
    F magic = F::all(12582912.0f);
    return (x + magic) - magic;
}
INLINE F times_power_of_two(F x, F n) {
    F shifted = n + F::all(12582912.0f);
    FourBits bits = ((FourBits)shifted.v - 0x4b400000 + 127) << 23;
    return {x.v * (Four)bits};
}
INLINE F magnitude(F x) { return {(Four)((FourBits)x.v & 0x7fffffff)}; }
INLINE F with_sign_of(F a, F x) { return {(Four)((FourBits)a.v | ((FourBits)x.v & INT32_MIN))}; }

template <class V> INLINE void held(V&) {}

constexpr int tile_rows = 3;

#endif

constexpr int tile_vectors = 4;

// A vector of the units of a row: all of its lanes, or the last few of a width that is no multiple of them.
template <class T> INLINE Vector<T> load(const T* p, int n) {
    return n == Vector<T>::lanes ? Vector<T>::load(p) : Vector<T>::load(p, n);
}
template <class T> INLINE void store(T* p, Vector<T> a, int n) {
    if (n == Vector<T>::lanes) a.store(p);
    else a.store(p, n);
}

// exp(r) - 1 = r + r^2 q(r) for |r| <= log(2) / 2, relative error below 2^-24 (coefficients: Cephes expf).
INLINE F exp_minus_one_near_zero(F r) {
    F q = F::all(1.9875691500e-4f);
    q = fused(q, r, F::all(1.3981999507e-3f));
    q = fused(q, r, F::all(8.3334519073e-3f));
    q = fused(q, r, F::all(4.1665795894e-2f));
    q = fused(q, r, F::all(1.6666665459e-1f));
    q = fused(q, r, F::all(5.0000001201e-1f));
    return fused(q, r * r, r);
}
INLINE F remainder_by_log_two(F x, F n) {
    return fused(n, F::all(2.12194440e-4f), fused(n, F::all(-0.693359375f), x));
}

// exp(-max(0, x)); NaN stays.
INLINE F faded(F x) {
    F t = at_least(F::all(-87.0f), F::all(0.0f) - at_least(F::all(0.0f), x));
    F n = nearest(t * F::all(1.44269504088896341f));
    return times_power_of_two(F::all(1.0f) + exp_minus_one_near_zero(remainder_by_log_two(t, n)), n);
}

INLINE F logistic(F x) {
    // Beyond these bounds exp is infinite or vanishes beside 1, as it does without them; they keep n in range.
    F t = at_least(F::all(-87.0f), at_most(F::all(88.9f), F::all(0.0f) - x));
    F n = nearest(t * F::all(1.44269504088896341f));
    F e = times_power_of_two(F::all(1.0f) + exp_minus_one_near_zero(remainder_by_log_two(t, n)), n);
    return F::all(1.0f) / (F::all(1.0f) + e);
}

// tanh |x| = -m / (2 + m) with m = exp(-2|x|) - 1, computed without cancellation: relative error stays small near zero.
INLINE F tangent(F x) {
    F t = at_least(F::all(-30.0f), F::all(-2.0f) * magnitude(x));
    F n = nearest(t * F::all(1.44269504088896341f));
    F near = exp_minus_one_near_zero(remainder_by_log_two(t, n));
    F power = times_power_of_two(F::all(1.0f), n);
    F m = fused(near, power, power - F::all(1.0f));
    return with_sign_of(magnitude(m / (F::all(2.0f) + m)), x);
}

INLINE E faded(E x) {
    x = at_least(E::all(0), x);
    E y;
    for (int i = 0; i < E::lanes; ++i) y.v[i] = __builtin_exp(-x.v[i]);
    return y;
}
INLINE E logistic(E x) {
    E y;
    for (int i = 0; i < E::lanes; ++i) y.v[i] = 1.0 / (1.0 + __builtin_exp(-x.v[i]));
    return y;
}
INLINE E tangent(E x) {
    E y;
    for (int i = 0; i < E::lanes; ++i) y.v[i] = __builtin_tanh(x.v[i]);
    return y;
}

}  // namespace
