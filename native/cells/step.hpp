// What a cell is given: the rows of a tile that are alive at one step.
#pragma once

#include "../gemm.hpp"

namespace {

// Forward. Rows of h and c are `pad` apart, padded to whole vectors.
template <class T> struct Step {
    int64_t rows, hidden, pad;
    const T* z;      // what enters the gates: [blocks][tile][Panels<T>::width], within a row one slot after the other
    int64_t zblock;  // elements of a block
    T *h, *c;        // [rows, pad]: in the state that enters (faded), out the state that leaves
    T* y;            // [rows, H], rows ldy apart
    int64_t ldy;
    T* kept;  // [rows, kept * H], rows ldkept apart
    int64_t ldkept;
    const T* peephole;  // [3, H]
    T *reset, *offered; // [rows, pad]: r h and the candidate's input, of a cell with two products a step
};

// The value of the step before: a row of `rows`, or of the initial state, or zeros.
template <class T> struct Past {
    const T* rows;
    int64_t ld;
    const T* initial;  // [B, H]
    int64_t hidden;
    const T* zeros;             // [H]
    const int64_t* previous;  // of the rows at hand
    INLINE const T* of(int64_t row) const {
        int64_t at = previous[row];
        return at >= 0 ? rows + at * ld : initial != nullptr ? initial + (-1 - at) * hidden : zeros;
    }
};

// Backward. dh and dc: in the gradient of the state that leaves, out that of the state that enters (faded); for dh only
// what passes by the gates (`passes_by`: something does), the products add the rest.
template <class T> struct Slope {
    int64_t rows, hidden, pad;
    T *dh, *dc;   // [rows, pad]
    const T* dy;  // [rows, H], rows lddy apart
    int64_t lddy;
    const T* y;  // [rows, H], rows ldy apart
    int64_t ldy;
    const T* kept;  // [rows, kept * H], rows ldkept apart
    int64_t ldkept;
    T* slopes;  // [rows, slopes * H], rows ldslopes apart
    int64_t ldslopes;
    Past<T> h, c;
    const T *decay_h, *decay_c;  // [rows, H] or null
    const T* peephole;           // [3, H]
    T* dreset;                   // [rows, pad]: gradient of r h
};

// The state that entered: what the step before left, faded.
template <class T> INLINE Vector<T> entered(const T* past, const T* decay, int64_t row, int64_t hidden, int64_t j, int n) {
    Vector<T> value = load(past + j, n);
    return decay == nullptr ? value : value * load(decay + row * hidden + j, n);
}

// fn(row, unit, lanes in use, place of the first slot in z, distance of slots) for each vector of units.
template <class C, class T, class Fn> INLINE void each_unit(const Step<T>& s, Fn fn) {
    constexpr int64_t lanes = Vector<T>::lanes, width = C::spread * lanes;
    for (int64_t row = 0; row < s.rows; ++row) {
        const T* z = s.z + row * Panels<T>::width;
        for (int64_t first = 0; first < s.hidden; first += width, z += s.zblock) {
            int64_t here = smaller(width, s.hidden - first), apart = C::windowed ? width : here;
            for (int64_t u = 0; u < here; u += lanes)
                fn(row, first + u, static_cast<int>(smaller(lanes, here - u)), z + u, apart);
        }
    }
}
template <class T, class Fn> INLINE void each_unit(const Slope<T>& s, Fn fn) {
    constexpr int64_t lanes = Vector<T>::lanes;
    for (int64_t row = 0; row < s.rows; ++row)
        for (int64_t j = 0; j < s.hidden; j += lanes) fn(row, j, static_cast<int>(smaller(lanes, s.hidden - j)));
}

#define EACH __attribute__((always_inline))

}  // namespace
