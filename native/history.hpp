// Histories as training reads and hides them: src/sequela/train/hide.py and src/sequela/models/prefix.py, which do the same
// with torch, to the bit. No Python.
//
// Letters: B histories, T steps of the longest, N packed rows, F features, K columns, R reads. Every pointer is to contiguous
// memory, belongs to the caller and outlives the call. Histories are shared among threads: same bits for any number.
#pragma once

#include <cstdint>

namespace sequela {

// As in engine.h: step t owns the rows offsets[t] .. offsets[t + 1], one for each history longer than t.
struct Packing {
    int64_t histories, steps;
    const int64_t* offsets;  // [T + 1], offsets[0] = 0
    int64_t rows() const { return offsets[steps]; }
};

// Measurements, and what they become where some are hidden.
struct Hiding {
    int64_t features;
    const float* values;      // [N, F]
    const float* gap_hours;   // [N, F]
    const uint8_t* observed;  // [N, F], 0 or 1
    const float* chance;      // [N, F], a measurement is hidden where it is below the share of its history
    const float* shares;      // [B]
    float* new_values;        // [N, F]
    float* new_gap_hours;     // [N, F]
    uint8_t* new_observed;    // [N, F]
};

void hide(const Packing& packing, const Hiding& hiding, int threads);

// Rows of [N, K] that are read, each with all rows of its history before it.
struct Reading {
    int64_t columns, count;
    const int64_t* rows;  // [R] in any order, each of 0 .. N - 1
};

// T is float or double. Sums are added up one after the other, in double.
template <class T>
void prefix_sum(const Packing& packing, const Reading& reading, const T* rows, double* sums /* [R, K] */, int threads);
template <class T>
void prefix_sum_backward(const Packing& packing, const Reading& reading, const double* dsums /* [R, K] */,
                         T* drows /* [N, K] */, int threads);
// The largest, and the latest row that is as large. A NaN is larger than any number.
template <class T>
void prefix_max(const Packing& packing, const Reading& reading, const T* rows, T* largest /* [R, K] */,
                int64_t* source /* [R, K] */, int threads);

}  // namespace sequela
