// Inputs and states that fade while nothing is measured. Equations: src/sequela/cells/fading.py.
//
// All of a row is computed from this row alone. Sums over rows run in blocks of 256, each from zero, added in their order.
#pragma once

#include "engine.h"
#include "gemm.hpp"

namespace {

template <class T> struct Fader {
    using Fading = sequela::Fading;
    using V = Vector<T>;
    static constexpr int64_t lanes = V::lanes, line = 64 / static_cast<int64_t>(sizeof(T)), block = sequela::fading_rows;

    // What a block of rows works on.
    struct Room {
        T *gaps, *dgaps, *slopes, *right;
        int64_t elements;
        Room(const Fading& f, T* from) : elements(0) {
            auto cut = [&](T*& to, int64_t columns) {
                to = from == nullptr ? nullptr : from + elements;
                elements += round_up(block * columns, line);
            };
            cut(gaps, f.features), cut(dgaps, f.features), cut(slopes, f.layers * f.hidden);
            cut(right, round_up(f.features, lanes));
        }
    };

    static size_t scratch_bytes(const Fading& f) { return static_cast<size_t>(Room(f, nullptr).elements) * sizeof(T); }
    static size_t packed_bytes(const Fading& f) {
        int64_t forward = f.layers * Panels<T>::elements(f.features, f.hidden);
        int64_t backward = Panels<T>::elements(f.layers * f.hidden, f.features);
        return static_cast<size_t>(forward > backward ? forward : backward) * sizeof(T);
    }
    static int64_t sums(const Fading& f) { return f.layers * f.hidden * (f.features + 1) + 2 * f.features; }
    static size_t sums_bytes(const Fading& f) { return static_cast<size_t>(sums(f)) * sizeof(T); }

    static const T* of(const void* all, int64_t skip = 0) { return static_cast<const T*>(all) + skip; }
    static T* to(void* all, int64_t skip = 0) { return static_cast<T*>(all) + skip; }
    static int lanes_at(int64_t j, int64_t width) { return static_cast<int>(smaller(lanes, width - j)); }

    // Which row of the input packed row n is.
    static INLINE int64_t given(const Fading& f, int64_t n) {
        return f.histories == 0 ? n : n % f.histories * (f.rows / f.histories) + n / f.histories;
    }
    // The gaps of some packed rows, one after the other.
    static const T* gaps_of(const Fading& f, int64_t first, int64_t count, T* room) {
        if (f.histories == 0) return of(f.gaps, first * f.features);
        for (int64_t row = 0; row < count; ++row)
            __builtin_memcpy(room + row * f.features, of(f.gaps, given(f, first + row) * f.features),
                             static_cast<size_t>(f.features) * sizeof(T));
        return room;
    }

    static void pack(const Fading& f, bool backward, char* packed) {
        T* panel = reinterpret_cast<T*>(packed);
        if (backward) return Panels<T>::pack(panel, f.layers * f.hidden, f.features, of(f.weight_h));
        for (int64_t layer = 0; layer < f.layers; ++layer, panel += Panels<T>::elements(f.features, f.hidden))
            Panels<T>::pack_transposed(panel, f.features, f.hidden, of(f.weight_h, layer * f.hidden * f.features));
    }

    static void forward(const Fading& f, const char* packed, int64_t first, int64_t count, char* scratch) {
        const Room room(f, reinterpret_cast<T*>(scratch));
        const T *gaps = gaps_of(f, first, count, room.gaps), *panel = reinterpret_cast<const T*>(packed);
        if (f.joined != nullptr) join(f, gaps, first, count);
        for (int64_t layer = 0; layer < f.layers; ++layer, panel += Panels<T>::elements(f.features, f.hidden)) {
            Product<T> p{};
            p.a1 = gaps, p.lda1 = p.k1 = f.features;
            p.b = panel;
            p.plus = of(f.bias_h, layer * f.hidden);
            p.c = to(f.decay, (layer * f.rows + first) * f.hidden), p.ldc = f.hidden;
            multiply_panels(p, count, f.hidden);
            fade(p.c, count * f.hidden);
        }
    }
    static APART void fade(T* at, int64_t count) {
        for (int64_t i = 0; i < count; i += lanes) {
            int n = lanes_at(i, count);
            store(at + i, faded(load(at + i, n)), n);
        }
    }
    static APART void join(const Fading& f, const T* gaps, int64_t first, int64_t count) {
        const int64_t F = f.features;
        const T *mean = of(f.mean), *weight = of(f.weight_x), *bias = of(f.bias_x);
        for (int64_t row = 0; row < count; ++row, gaps += F) {
            const int64_t from = given(f, first + row) * F;
            const T* values = of(f.values, from);
            T* joined = to(f.joined, (first + row) * 2 * F);
            for (int64_t j = 0; j < F; ++j) joined[F + j] = static_cast<T>(f.observed[from + j]);
            for (int64_t j = 0; j < F; j += lanes) {
                int n = lanes_at(j, F);
                V m = load(joined + F + j, n), x = load(values + j, n), one = V::all(1);
                V g = faded(fused(load(gaps + j, n), load(weight + j, n), load(bias + j, n)));
                V pulled = fused(g, x, (one - g) * load(mean + j, n));
                store(joined + j, unless_at_most_zero(m, x) + unless_at_most_zero(one - m, pulled), n);
            }
        }
    }

    // Backward of up to 256 rows; what sums over rows is added to `sums`: weight_h, bias_h, weight_x, bias_x.
    static void backward(const Fading& f, const char* packed, int64_t first, int64_t count, char* sums, char* scratch) {
        const int64_t F = f.features, K = f.layers * f.hidden;
        const Room room(f, reinterpret_cast<T*>(scratch));
        const T* gaps = gaps_of(f, first, count, room.gaps);
        T *dweight_h = reinterpret_cast<T*>(sums), *dbias_h = dweight_h + K * F, *dweight_x = dbias_h + K;
        const bool of_x = f.djoined != nullptr, of_h = f.ddecay != nullptr;
        if (of_x) unjoin(f, gaps, first, count, dweight_x, dweight_x + F, f.dgaps == nullptr ? nullptr : room.dgaps);
        if (of_h) unfade(f, first, count, room.slopes, dbias_h);
        if (of_h && f.dweight_h != nullptr) outer(f, gaps, count, room, dweight_h);
        if (f.dgaps == nullptr) return;
        if (of_h) {
            Product<T> p{};
            p.a1 = room.slopes, p.lda1 = p.k1 = K;
            p.b = reinterpret_cast<const T*>(packed);
            p.c = room.dgaps, p.ldc = F;
            if (of_x) p.plus = p.c, p.ldplus = F;
            multiply_panels(p, count, F);
        }
        for (int64_t row = 0; row < count; ++row)
            __builtin_memcpy(to(f.dgaps, given(f, first + row) * F), room.dgaps + row * F, static_cast<size_t>(F) * sizeof(T));
    }

    // The gradient of what enters exp(-max(0, .)) from that of its factor; flat where nothing fades.
    static APART void unfade(const Fading& f, int64_t first, int64_t count, T* slopes, T* sums) {
        const int64_t H = f.hidden, K = f.layers * H;
        for (int64_t layer = 0; layer < f.layers; ++layer)
            for (int64_t j = 0; j < H; j += lanes) {
                int n = lanes_at(j, H);
                const T *g = of(f.decay, (layer * f.rows + first) * H + j), *dg = of(f.ddecay, (layer * f.rows + first) * H + j);
                T* slope = slopes + layer * H + j;
                V sum = V::all(0);
                for (int64_t row = 0; row < count; ++row, g += H, dg += H, slope += K) {
                    V factor = load(g, n);
                    V s = V::all(0) - unless_at_most_zero(V::all(1) - factor, factor * load(dg, n));
                    store(slope, s, n);
                    sum = sum + s;
                }
                T* at = sums + layer * H + j;
                store(at, load(at, n) + sum, n);
            }
    }
    static APART void unjoin(const Fading& f, const T* gaps, int64_t first, int64_t count, T* dweight, T* dbias, T* dgaps) {
        const int64_t F = f.features;
        for (int64_t j = 0; j < F; j += lanes) {
            int n = lanes_at(j, F);
            const V mean = load(of(f.mean, j), n), weight = load(of(f.weight_x, j), n), bias = load(of(f.bias_x, j), n);
            V sum = V::all(0), sum_of_gaps = sum;
            for (int64_t row = 0; row < count; ++row) {
                const int64_t packed = first + row, from = given(f, packed) * F + j;
                V m = load(of(f.joined, (packed * 2 + 1) * F + j), n), d = load(of(f.djoined, packed * f.djoined_apart + j), n);
                V gap = load(gaps + row * F + j, n), z = fused(gap, weight, bias), g = faded(z);
                V pulled = unless_at_most_zero(V::all(1) - m, d);
                if (f.dvalues != nullptr) store(to(f.dvalues, from), fused(pulled, g, unless_at_most_zero(m, d)), n);
                V slope = V::all(0) - unless_at_most_zero(z, g * (pulled * (load(of(f.values, from), n) - mean)));
                if (dgaps != nullptr) store(dgaps + row * F + j, slope * weight, n);
                sum = sum + slope;
                sum_of_gaps = fused(slope, gap, sum_of_gaps);
            }
            store(dweight + j, load(dweight + j, n) + sum_of_gaps, n);
            store(dbias + j, load(dbias + j, n) + sum, n);
        }
    }

    // to [K, F] += slopes^T gaps
    static void outer(const Fading& f, const T* gaps, int64_t count, const Room& room, T* to) {
        const int64_t F = f.features, K = f.layers * f.hidden;
        Panels<T>::pack(room.right, count, F, gaps);
        for (int64_t k = 0; k < K; k += tile_rows) {
            int64_t here = smaller(tile_rows, K - k);
            Product<T> p{};
            p.a1 = room.slopes + k, p.lda1 = K, p.k1 = count, p.b = room.right, p.ldc = p.ldplus = F;
            for (int64_t j = 0; j < F; j += Panels<T>::width) {
                int64_t columns = smaller(Panels<T>::width, F - j), vectors = Panels<T>::vectors(columns);
                p.plus = p.c = to + k * F + j;
                p.last = static_cast<int>(columns - (vectors - 1) * lanes);
                of_size<T, true>(here, static_cast<int>(vectors))(p);
                p.b += count * vectors * lanes;
            }
        }
    }

    // The gradients of the weights: the sums of all parts, in their order.
    static void add(const Fading& f, const char* parts, int64_t count) {
        const T* from = reinterpret_cast<const T*>(parts);
        auto total = [&](void* all, int64_t elements) {
            for (int64_t i = 0; all != nullptr && i < elements; ++i) {
                T sum = 0;
                for (int64_t part = 0; part < count; ++part) sum += from[part * sums(f) + i];
                *to(all, i) = sum;
            }
            from += elements;
        };
        total(f.dweight_h, f.layers * f.hidden * f.features), total(f.dbias_h, f.layers * f.hidden);
        total(f.dweight_x, f.features), total(f.dbias_x, f.features);
    }
};

#define SEQUELA_FADER(call) f.type == sequela::F32 ? Fader<float>::call : Fader<double>::call

constexpr sequela::FadingTable fading = {
    [](const sequela::Fading& f) { return SEQUELA_FADER(packed_bytes(f)); },
    [](const sequela::Fading& f) { return SEQUELA_FADER(scratch_bytes(f)); },
    [](const sequela::Fading& f) { return SEQUELA_FADER(sums_bytes(f)); },
    [](const sequela::Fading& f, bool backward, char* packed) { SEQUELA_FADER(pack(f, backward, packed)); },
    [](const sequela::Fading& f, const char* packed, int64_t first, int64_t count, char* scratch) {
        SEQUELA_FADER(forward(f, packed, first, count, scratch));
    },
    [](const sequela::Fading& f, const char* packed, int64_t first, int64_t count, char* sums, char* scratch) {
        SEQUELA_FADER(backward(f, packed, first, count, sums, scratch));
    },
    [](const sequela::Fading& f, const char* parts, int64_t count) { SEQUELA_FADER(add(f, parts, count)); },
};

}  // namespace
