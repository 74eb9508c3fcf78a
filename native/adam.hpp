// A step of Adam on some weights. Equations: src/sequela/train/adam.py.
//
// Plain loops, which the flags of each instruction set turn into its own; nothing is fused, so all sets give the same bits.
#pragma once

#include <cstdint>

#include "engine.h"

namespace {

template <class T> double squares(const T* at, int64_t count) {
    constexpr int64_t lanes = 16;
    double sums[lanes] = {};
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes)
        for (int64_t lane = 0; lane < lanes; ++lane) {
            const double x = static_cast<double>(at[i + lane]);
            sums[lane] += x * x;
        }
    for (; i < count; ++i) sums[i % lanes] += static_cast<double>(at[i]) * static_cast<double>(at[i]);
    double sum = 0;
    for (double of_lane : sums) sum += of_lane;
    return sum;
}

template <class T>
void adam_of(const sequela::Adam& a, const sequela::Factors& f, T* __restrict weight, const T* __restrict gradient,
             T* __restrict mean, T* __restrict square, int64_t count) {
    const T scale = static_cast<T>(f.scale), rate = static_cast<T>(f.rate), root = static_cast<T>(f.root);
    const T decay = static_cast<T>(a.weight_decay), small = static_cast<T>(a.epsilon);
    const T new_mean = static_cast<T>(1 - a.first), old_square = static_cast<T>(a.second);
    const T new_square = static_cast<T>(1 - a.second);
    for (int64_t i = 0; i < count; ++i) {
        const T g = gradient[i] * scale + decay * weight[i];
        const T m = mean[i] + new_mean * (g - mean[i]), v = square[i] * old_square + new_square * g * g;
        mean[i] = m, square[i] = v;
        T deviation;
        if constexpr (sizeof(T) == 4) deviation = __builtin_sqrtf(v);
        else deviation = __builtin_sqrt(v);
        weight[i] -= rate * m / (deviation / root + small);
    }
}

template <class T> void blend_of(double share, T* __restrict mean, const T* __restrict weight, int64_t count) {
    const T part = static_cast<T>(share);
    for (int64_t i = 0; i < count; ++i) mean[i] += part * (weight[i] - mean[i]);
}

double squares_at(int32_t type, const void* at, int64_t count) {
    return type == sequela::F32 ? squares(static_cast<const float*>(at), count)
                                : squares(static_cast<const double*>(at), count);
}

template <class T> void adam_at(const sequela::Adam& a, const sequela::Factors& f, const sequela::Trained& t, int64_t first, int64_t count) {
    adam_of(a, f, static_cast<T*>(t.weight) + first, static_cast<const T*>(t.gradient) + first,
            static_cast<T*>(t.mean) + first, static_cast<T*>(t.square) + first, count);
}

constexpr sequela::AdamTable adam = {
    squares_at,
    [](const sequela::Adam& a, const sequela::Factors& f, const sequela::Trained& t, int64_t first, int64_t count) {
        t.type == sequela::F32 ? adam_at<float>(a, f, t, first, count) : adam_at<double>(a, f, t, first, count);
    },
    [](int32_t type, double share, void* mean, const void* weight, int64_t count) {
        type == sequela::F32 ? blend_of(share, static_cast<float*>(mean), static_cast<const float*>(weight), count)
                             : blend_of(share, static_cast<double*>(mean), static_cast<const double*>(weight), count);
    },
};

}  // namespace
