// The tiled product. A register tile is up to `tile_rows` rows by `tile_vectors` vectors of columns; its sums run along K
// in order, one fused step after the other, whatever the height of the tile: a row's result does not know its neighbours.
#pragma once

#include "simd.hpp"

namespace {

// C = (A1 B1 + A2 B2) + plus. What is added comes last: at its start it would cost every later sum its small digits.
template <class T> struct Product {
    const T* a1;  // [M, K1], rows lda1 apart; transposed: [K1, M], rows lda1 apart
    const T* a2;  // [M, K2], rows lda2 apart
    int64_t lda1, k1, lda2, k2;
    const T* b;      // packed: K1 rows of the first window's vectors, then K2 rows of the second's
    const T* plus;  // [M, columns], rows ldplus apart (0: one row for all), or C itself; null: nothing
    int64_t ldplus;
    T* c;  // [M, columns], rows ldc apart
    int64_t ldc;
    int last;  // columns in the last vector
};

// Which of the NV vectors the first and the second A act on: all, or the two windows of a GRU.
template <int NV_, int L1_, int R1_, int L2_, int R2_> struct Window {
    static constexpr int NV = NV_, L1 = L1_, R1 = R1_, L2 = L2_, R2 = R2_;
};
template <int NV> using Whole = Window<NV, 0, NV, 0, NV>;

template <class T, int M, int NV, int L, int R, bool Transposed>
INLINE const T* accumulate(Vector<T> (&sum)[M][NV], const T* a, int64_t lda, int64_t k, const T* b) {
    constexpr int lanes = Vector<T>::lanes;
    for (; k > 0; --k) {
        Vector<T> right[NV];
        for (int j = L; j < R; ++j) __builtin_prefetch(b + (8 * (R - L) + j - L) * lanes);
#pragma GCC unroll 8
        for (int j = L; j < R; ++j) {
            right[j] = Vector<T>::load(b + (j - L) * lanes);
            held(right[j]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) {
            Vector<T> left = Vector<T>::all(Transposed ? a[i] : a[i * lda]);
#pragma GCC unroll 8
            for (int j = L; j < R; ++j) sum[i][j] = fused(left, right[j], sum[i][j]);
        }
        a += Transposed ? lda : 1;
        b += (R - L) * lanes;
    }
    return b;
}

template <class T, int M, class W, bool Transposed> APART void multiply(const Product<T>& p) {
    constexpr int lanes = Vector<T>::lanes, NV = W::NV;
    Vector<T> sum[M][NV];
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < NV; ++j)
            sum[i][j] = Vector<T>::all(0);
    const T* b = accumulate<T, M, NV, W::L1, W::R1, Transposed>(sum, p.a1, p.lda1, p.k1, p.b);
    if (!Transposed) accumulate<T, M, NV, W::L2, W::R2, false>(sum, p.a2, p.lda2, p.k2, b);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < NV; ++j) {
            T* c = p.c + i * p.ldc + j * lanes;
            int n = j + 1 < NV ? lanes : p.last;
            store(c, p.plus == nullptr ? sum[i][j] : sum[i][j] + load(p.plus + i * p.ldplus + j * lanes, n), n);
        }
}

template <class T> using Multiply = void (*)(const Product<T>&);

template <class T, class W, bool Transposed = false> INLINE Multiply<T> of_height(int64_t rows) {
    static constexpr Multiply<T> heights[] = {
        multiply<T, 1, W, Transposed>, multiply<T, 2, W, Transposed>, multiply<T, 3, W, Transposed>,
#if SEQUELA_SET == 512
        multiply<T, 4, W, Transposed>, multiply<T, 5, W, Transposed>, multiply<T, 6, W, Transposed>,
#endif
    };
    return heights[rows - 1];
}
template <class T, bool Transposed = false> INLINE Multiply<T> of_size(int64_t rows, int vectors) {
    switch (vectors) {
        case 1: return of_height<T, Whole<1>, Transposed>(rows);
        case 2: return of_height<T, Whole<2>, Transposed>(rows);
        case 3: return of_height<T, Whole<3>, Transposed>(rows);
        default: return of_height<T, Whole<4>, Transposed>(rows);
    }
}

// fn(row, rows) for register tiles as even as they can be: one of a single row takes as long as one of two.
template <class Fn> INLINE void each_tile(int64_t rows, Fn fn) {
    int64_t row = 0;
    for (int64_t tiles = (rows + tile_rows - 1) / tile_rows; tiles > 0; --tiles) {
        const int64_t here = (rows - row + tiles - 1) / tiles;
        fn(row, here);
        row += here;
    }
}

INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// A matrix [K, columns] packed in panels of up to tile_vectors vectors, the last one as narrow as it can be; `transposed`
// from a matrix [columns, K].
template <class T> struct Panels {
    static constexpr int64_t width = tile_vectors * Vector<T>::lanes;
    static int64_t vectors(int64_t columns) { return (columns + Vector<T>::lanes - 1) / Vector<T>::lanes; }
    static int64_t elements(int64_t k, int64_t columns) { return k * vectors(columns) * Vector<T>::lanes; }

    static void pack(T* to, int64_t k, int64_t columns, const T* from) { pack(to, k, columns, from, columns); }
    // Of rows that are `apart`, the first columns.
    static void pack(T* to, int64_t k, int64_t columns, const T* from, int64_t apart) {
        constexpr int64_t lanes = Vector<T>::lanes;
        for (int64_t first = 0; first < columns; first += width)
            for (int64_t row = 0; row < k; ++row)
                for (int64_t j = first; j < smaller(first + width, columns); j += lanes, to += lanes)
                    load(from + row * apart + j, static_cast<int>(smaller(lanes, columns - j))).store(to);
    }
    static void pack_transposed(T* to, int64_t k, int64_t columns, const T* from) {
        constexpr int64_t lanes = Vector<T>::lanes;
        for (int64_t first = 0; first < columns; first += width) {
            int64_t here = round_up(smaller(width, columns - first), lanes);
            for (int64_t row = 0; row < k; ++row)
                for (int64_t j = first; j < first + here; ++j) *to++ = j < columns ? from[j * k + row] : T(0);
        }
    }
};

// C [rows, columns] = A1 B1 + A2 B2 + plus, with B in panels of K1 + K2 rows.
template <class T> INLINE void multiply_panels(Product<T> p, int64_t rows, int64_t columns) {
    constexpr int64_t lanes = Vector<T>::lanes, width = Panels<T>::width;
    const T *a1 = p.a1, *a2 = p.a2, *plus = p.plus;
    T* c = p.c;
    for (int64_t first = 0; first < columns; first += width) {
        int64_t here = smaller(width, columns - first), vectors = Panels<T>::vectors(here);
        p.last = static_cast<int>(here - (vectors - 1) * lanes);
        each_tile(rows, [&](int64_t row, int64_t m) {
            p.a1 = a1 + row * p.lda1;
            p.a2 = a2 + row * p.lda2;
            p.plus = plus == nullptr ? nullptr : plus + row * p.ldplus + first;
            p.c = c + row * p.ldc + first;
            of_size<T>(m, static_cast<int>(vectors))(p);
        });
        p.b += (p.k1 + p.k2) * vectors * lanes;
    }
}

}  // namespace
