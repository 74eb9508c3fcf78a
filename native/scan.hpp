// The recurrence: packing of weights, the time loop forward and backward, the weight gradients. Written once; a cell gives
// its step and its slope. A tile of histories runs through all its steps by itself, and stops when its longest one ends.
// Longer than other files, so that a cell is short.
#pragma once

#include "adam.hpp"
#include "cells/gru.hpp"
#include "cells/lstm.hpp"
#include "cells/rnn.hpp"
#include "engine.h"
#include "fading.hpp"
#include "hours.hpp"

namespace {

using sequela::Problem;
using sequela::Stop;
using sequela::Update;
using sequela::Weights;
using sequela::Work;

INLINE bool stopped(const Stop& stop) {
    if (stop.ask != nullptr) stop.ask(stop.whom, stop.flag);
    return __atomic_load_n(stop.flag, __ATOMIC_RELAXED) != 0;
}
INLINE int64_t inputs_of(const Problem& p, int64_t layer) { return layer == 0 ? p.input : p.directions * p.hidden; }
INLINE int64_t dx_width(const Problem& p, int64_t layer) {
    return layer == 0 && p.dx_width > 0 ? p.dx_width : inputs_of(p, layer);
}
INLINE int64_t alive(const Problem& p, int64_t t, int64_t first, int64_t count) {
    int64_t m = p.offsets[t + 1] - p.offsets[t] - first;
    return m < 0 ? 0 : smaller(m, count);
}

// Where the rows of a tile stand at step t: the first of them, and how far the next.
struct Standing {
    int64_t row, apart;
};
INLINE Standing standing(const Problem& p, bool by_history, int64_t t, int64_t first) {
    if (by_history) return {first * p.steps + t, p.steps};
    return {p.offsets[t] + first, 1};
}

// Where a place reads its input from, and the mask that dropout lays on it.
template <class T> struct Input {
    const T* rows;
    const uint8_t* mask;
    int64_t width;
};
template <class T> INLINE Input<T> input_of(const Problem& p, int64_t layer) {
    int64_t width = inputs_of(p, layer), skip = (layer - 1) * p.rows * width;
    if (layer == 0) return {static_cast<const T*>(p.x), nullptr, width};
    return {static_cast<const T*>(p.inner) + skip, p.masks == nullptr ? nullptr : p.masks + skip, width};
}
template <class T> INLINE T* output_of(const Problem& p, int64_t layer) {
    if (layer == p.layers - 1) return static_cast<T*>(p.y);
    return static_cast<T*>(p.inner) + layer * p.rows * p.directions * p.hidden;
}
template <class T> INLINE const T* maybe(const void* all, int64_t skip) {
    return all == nullptr ? nullptr : static_cast<const T*>(all) + skip;
}

// The packed weights of a place, forward. Blocks of C::spread vectors of units; of a block first the biases, then the rows
// of h, then the rows of x: h is small where a history begins, and its sum keeps its digits when it is not added to that of
// x. A last, smaller block of a cell without windows is squeezed.
template <class T, class C> struct Gates {
    static constexpr int64_t lanes = Vector<T>::lanes, units = C::spread * lanes;
    using W = typename C::Full;

    struct Block {
        int64_t first, units, apart, vectors, width_x, width_h, skip_x, skip_h;
    };
    static Block block(int64_t first, int64_t hidden) {
        int64_t here = smaller(units, hidden - first);
        if (C::windowed || here == units)
            return {first,
                    here,
                    units,
                    W::NV,
                    (W::R2 - W::L2) * lanes,
                    (W::R1 - W::L1) * lanes,
                    W::L2 * lanes,
                    W::L1 * lanes};
        int64_t vectors = Panels<T>::vectors(C::slots * here);
        return {first, here, here, vectors, vectors * lanes, vectors * lanes, 0, 0};
    }
    static int64_t elements(const Block& b, int64_t inputs, int64_t hidden) {
        return b.vectors * lanes + inputs * b.width_x + hidden * b.width_h;
    }
    static int64_t elements(int64_t inputs, int64_t hidden) {
        int64_t sum = 0;
        for (int64_t first = 0; first < hidden; first += units) sum += elements(block(first, hidden), inputs, hidden);
        if (C::two_products) sum += Panels<T>::elements(hidden, hidden);
        return sum;
    }

    static void pack_rows(T* to, const Block& b, const T* weight, const int* from, int64_t width, int64_t skip, int64_t k,
                          int64_t hidden) {
        constexpr int64_t near = 32;  // rows of a panel that stay in the nearest cache while all units are written to them
        __builtin_memset(to, 0, static_cast<size_t>(k * width) * sizeof(T));
        for (int64_t low = 0; low < k; low += near)
            for (int slot = 0; slot < C::slots; ++slot) {
                if (from[slot] < 0) continue;
                for (int64_t u = 0; u < b.units; ++u) {
                    const T* row = weight + (from[slot] * hidden + b.first + u) * k;
                    T* column = to + slot * b.apart + u - skip;
                    for (int64_t i = low; i < smaller(k, low + near); ++i) column[i * width] = row[i];
                }
            }
    }
    static void pack(T* to, const Weights& w, int64_t inputs, int64_t hidden) {
        const T *bias_x = static_cast<const T*>(w.bias_ih), *bias_h = static_cast<const T*>(w.bias_hh);
        for (int64_t first = 0; first < hidden; first += units) {
            Block b = block(first, hidden);
            for (int64_t i = 0; i < b.vectors * lanes; ++i) to[i] = 0;
            for (int slot = 0; slot < C::slots; ++slot)
                for (int64_t u = 0; u < b.units; ++u) {
                    T* at = to + slot * b.apart + u;
                    bool of_h = C::from_h[slot] >= 0 || (C::two_products && slot == 0);
                    int gate = C::from_x[slot] >= 0 ? C::from_x[slot] : C::from_h[slot];
                    int64_t row = gate * hidden + first + u;
                    if (C::from_x[slot] >= 0 && bias_x != nullptr) *at = bias_x[row];
                    if (of_h && bias_h != nullptr) *at += bias_h[row];
                }
            to += b.vectors * lanes;
            pack_rows(to, b, static_cast<const T*>(w.weight_hh), C::from_h, b.width_h, b.skip_h, hidden, hidden);
            to += hidden * b.width_h;
            pack_rows(to, b, static_cast<const T*>(w.weight_ih), C::from_x, b.width_x, b.skip_x, inputs, hidden);
            to += inputs * b.width_x;
        }
        if (C::two_products) {
            const T* u = static_cast<const T*>(w.weight_hh) + 2 * hidden * hidden;
            Panels<T>::pack_transposed(to, hidden, hidden, u);
        }
    }

    // z = [h, x] W + bias for the rows of a tile.
    static APART void multiply_all(const T* packed, const T* x, int64_t ldx, int64_t inputs, const T* h, int64_t pad,
                                   int64_t hidden, T* z, int64_t zblock, int64_t rows) {
        Product<T> p{};
        p.lda1 = pad, p.k1 = hidden, p.lda2 = ldx, p.k2 = inputs, p.ldc = Panels<T>::width;
        p.last = static_cast<int>(lanes);
        for (int64_t first = 0; first < hidden; first += units) {
            Block b = block(first, hidden);
            bool full = C::windowed || b.units == units;
            p.plus = packed;
            p.b = packed + b.vectors * lanes;
            each_tile(rows, [&](int64_t row, int64_t m) {
                p.a1 = h + row * pad;
                p.a2 = x + row * ldx;
                p.c = z + row * p.ldc;
                (full ? of_height<T, W>(m) : of_size<T>(m, static_cast<int>(b.vectors)))(p);
            });
            packed += elements(b, inputs, hidden);
            z += zblock;
        }
    }
};

template <class T> INLINE char* cut(char*& from, int64_t elements, T*& to) {
    to = reinterpret_cast<T*>(from);
    from += round_up(elements * static_cast<int64_t>(sizeof(T)), 64) + 64;  // a line between, against equal sets
    return from;
}

// state *= decay, rows of a tile.
template <class T> APART void fade(T* state, int64_t pad, const T* decay, int64_t hidden, int64_t rows) {
    constexpr int64_t lanes = Vector<T>::lanes;
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t j = 0; j < hidden; j += lanes) {
            int n = static_cast<int>(smaller(lanes, hidden - j));
            T* at = state + row * pad + j;
            store(at, load(at, n) * load(decay + row * hidden + j, n), n);
        }
}

// Backward of it: the gradient of the decay, and of the state before it.
template <class T>
APART void unfade(T* dstate, int64_t pad, const T* decay, T* ddecay, const Past<T>& past, int64_t hidden, int64_t rows) {
    constexpr int64_t lanes = Vector<T>::lanes;
    for (int64_t row = 0; row < rows; ++row) {
        const T* before = past.of(row);
        for (int64_t j = 0; j < hidden; j += lanes) {
            int n = static_cast<int>(smaller(lanes, hidden - j));
            T* at = dstate + row * pad + j;
            Vector<T> d = load(at, n);
            if (ddecay != nullptr) store(ddecay + row * hidden + j, d * load(before + j, n), n);
            store(at, d * load(decay + row * hidden + j, n), n);
        }
    }
}

template <class T> APART void masked(T* to, const T* from, const uint8_t* mask, T scale, int64_t elements) {
    for (int64_t i = 0; i < elements; ++i) to[i] = from[i] * (mask[i] != 0 ? scale : T(0));
}

// A row of a state [H] into a row of a tile [pad] and back; null: zeros.
template <class T> INLINE void gather(T* tile, int64_t pad, const T* from, int64_t hidden) {
    constexpr int64_t lanes = Vector<T>::lanes;
    for (int64_t j = 0; j < pad; j += lanes) {
        int n = static_cast<int>(smaller(lanes, hidden - j));
        (from == nullptr ? Vector<T>::all(0) : load(from + j, n)).store(tile + j);
    }
}
template <class T> INLINE void scatter(T* to, const T* tile, int64_t hidden) {
    constexpr int64_t lanes = Vector<T>::lanes;
    for (int64_t j = 0; j < hidden; j += lanes)
        store(to + j, Vector<T>::load(tile + j), static_cast<int>(smaller(lanes, hidden - j)));
}

// The states of the histories first .. first + count of a place, of one of h0, c0 or their like; null: zeros.
INLINE int64_t state_of(const Problem& p, int64_t place, int64_t history) {
    return (place * p.histories + (p.order == nullptr ? history : p.order[history])) * p.hidden;
}
template <class T>
INLINE void gather_all(const Problem& p, int64_t place, int64_t first, int64_t count, T* tile, int64_t pad, const void* all) {
    for (int64_t row = 0; row < count; ++row)
        gather(tile + row * pad, pad, maybe<T>(all, state_of(p, place, first + row)), p.hidden);
}
template <class T>
INLINE void scatter_all(const Problem& p, int64_t place, int64_t first, int64_t count, const T* tile, int64_t pad, void* all) {
    if (all == nullptr) return;
    for (int64_t row = 0; row < count; ++row)
        scatter(static_cast<T*>(all) + state_of(p, place, first + row), tile + row * pad, p.hidden);
}

// A row of a table of states: [L, states, H].
template <class T> INLINE T* in_table(const Work& w, int64_t row, int64_t layer, int64_t state, int64_t states) {
    const Problem& p = *w.problem;
    return static_cast<T*>(w.update->table) + ((w.update->index[row] * p.layers + layer) * states + state) * p.hidden;
}

// Rows of a large table lie anywhere; the next tile's are asked for while this one is computed.
template <class T> INLINE void prefetch_rows(const Work& w, int64_t first, int64_t count, int64_t states) {
    const Problem& p = *w.problem;
    int64_t bytes = p.layers * states * p.hidden * static_cast<int64_t>(sizeof(T));
    for (int64_t row = first; row < smaller(first + count, p.histories); ++row) {
        const char* at = reinterpret_cast<const char*>(in_table<T>(w, row, 0, 0, states));
        for (int64_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch(at + byte, 1, 2);
    }
}

template <class T, class C> struct Scan {
    static constexpr int64_t lanes = Vector<T>::lanes, block_rows = 256;
    using G = Gates<T, C>;

    static int64_t pad(const Problem& p) { return round_up(p.hidden, lanes); }
    static int64_t blocks(const Problem& p) { return (p.hidden + G::units - 1) / G::units; }
    static int64_t widest(const Problem& p) {
        int64_t higher = p.layers > 1 ? p.directions * p.hidden : 0;
        return p.input > higher ? p.input : higher;
    }

    static size_t forward_bytes(const Problem& p) {
        return static_cast<size_t>(G::elements(widest(p), p.hidden)) * sizeof(T);
    }
    static void pack_forward(const Work& w, int64_t place) {
        const Problem& p = *w.problem;
        T* to = reinterpret_cast<T*>(w.packed_forward + static_cast<size_t>(place) * w.forward_stride);
        G::pack(to, p.weights[place], inputs_of(p, place / p.directions), p.hidden);
    }

    // Backward: W_hh as [G * H, H] in panels (of a cell with two products U first, then the rest), then W_ih.
    static size_t backward_bytes(const Problem& p) {
        int64_t gates = sequela::shape_of(p.cell).gates * p.hidden;
        return static_cast<size_t>(Panels<T>::elements(gates, p.hidden) + Panels<T>::elements(gates, widest(p))) *
               sizeof(T);
    }
    static void pack_backward(const Work& w, int64_t place) {
        const Problem& p = *w.problem;
        int64_t H = p.hidden, gates = sequela::shape_of(p.cell).gates * H, inputs = inputs_of(p, place / p.directions);
        T* to = reinterpret_cast<T*>(w.packed_backward + static_cast<size_t>(place) * w.backward_stride);
        const T* hh = static_cast<const T*>(p.weights[place].weight_hh);
        const T* ih = static_cast<const T*>(p.weights[place].weight_ih);
        if (C::two_products) {
            Panels<T>::pack(to, H, H, hh + 2 * H * H);
            to += Panels<T>::elements(H, H);
            gates -= H;
        }
        Panels<T>::pack(to, gates, H, hh);
        to += Panels<T>::elements(gates, H);
        if (C::two_products) gates += H;
        Panels<T>::pack(to, gates, dx_width(p, place / p.directions), ih, inputs);
    }

    static size_t scratch_bytes(const Problem& p, int64_t rows) {
        int64_t tile = rows * pad(p), lines = 8 * 128;
        int64_t forward = 4 * tile + blocks(p) * rows * Panels<T>::width + rows * widest(p);
        int64_t backward = 3 * tile + p.hidden;
        int64_t gradient = block_rows * Panels<T>::width + p.hidden;
        int64_t most = forward > backward ? forward : backward;
        if (gradient > most) most = gradient;
        return static_cast<size_t>(most) * sizeof(T) + static_cast<size_t>(lines);
    }

    template <bool Keep>
    static void forward_tile(const Work& w, int64_t first, int64_t count, char* scratch, const Stop& stop) {
        const Problem& p = *w.problem;
        const int64_t H = p.hidden, D = p.directions, N = p.rows;
        const sequela::Shape shape = sequela::shape_of(p.cell);
        Step<T> s{};
        s.hidden = H, s.pad = pad(p), s.zblock = count * Panels<T>::width;
        T *z, *x_masked;
        cut(scratch, count * s.pad, s.h);
        cut(scratch, count * s.pad, s.c);
        cut(scratch, count * s.pad, s.reset);
        cut(scratch, count * s.pad, s.offered);
        cut(scratch, blocks(p) * s.zblock, z);
        cut(scratch, count * widest(p), x_masked);
        s.z = z;
        s.ldkept = shape.kept * H;
        if (w.update != nullptr) prefetch_rows<T>(w, first + count, count, shape.states);
        int64_t steps = 0;
        while (steps < p.steps && alive(p, steps, first, count) > 0) ++steps;
        for (int64_t layer = 0; layer < p.layers; ++layer) {
            Input<T> in = input_of<T>(p, layer);
            for (int64_t direction = 0; direction < D; ++direction) {
                int64_t place = layer * D + direction;
                const T* packed = reinterpret_cast<const T*>(w.packed_forward + static_cast<size_t>(place) * w.forward_stride);
                const T* second = packed + (C::two_products ? G::elements(in.width, H) - Panels<T>::elements(H, H) : 0);
                const T* decay_h = maybe<T>(p.decay_h, place * N * H);
                const T* decay_c = C::two_states ? maybe<T>(p.decay_c, place * N * H) : nullptr;
                s.peephole = static_cast<const T*>(p.weights[place].peephole);
                if (w.update != nullptr) {
                    for (int64_t row = 0; row < count; ++row) {
                        gather(s.h + row * s.pad, s.pad, in_table<T>(w, first + row, layer, 0, shape.states), H);
                        if (C::two_states)
                            gather(s.c + row * s.pad, s.pad, in_table<T>(w, first + row, layer, 1, shape.states), H);
                    }
                } else {
                    gather_all(p, place, first, count, s.h, s.pad, p.h0);
                    if (C::two_states) gather_all(p, place, first, count, s.c, s.pad, p.c0);
                }
                for (int64_t n = 0; n < steps; ++n) {
                    if (stopped(stop)) return;
                    int64_t t = direction == 0 ? n : steps - 1 - n, row = p.offsets[t] + first;
                    s.rows = alive(p, t, first, count);
                    if (decay_h != nullptr) fade(s.h, s.pad, decay_h + row * H, H, s.rows);
                    if (decay_c != nullptr) fade(s.c, s.pad, decay_c + row * H, H, s.rows);
                    const Standing from = standing(p, layer == 0 && p.x_by_history, t, first);
                    const Standing to = standing(p, layer + 1 == p.layers && p.y_by_history, t, first);
                    const T* x = in.rows + from.row * in.width;
                    if (in.mask != nullptr) {
                        masked(x_masked, x, in.mask + row * in.width, static_cast<T>(p.mask_scale), s.rows * in.width);
                        x = x_masked;
                    }
                    G::multiply_all(packed, x, from.apart * in.width, in.width, s.h, s.pad, H, z, s.zblock, s.rows);
                    s.y = output_of<T>(p, layer) + to.row * D * H + direction * H;
                    s.ldy = to.apart * D * H;
                    if (Keep) s.kept = static_cast<T*>(p.kept) + (place * N + row) * s.ldkept;
                    if constexpr (C::two_products) {
                        C::template reset<T, Keep>(s);
                        Product<T> second_product{};
                        second_product.a1 = s.reset, second_product.lda1 = s.pad, second_product.k1 = H;
                        second_product.b = second;
                        second_product.plus = second_product.c = s.offered;
                        second_product.ldplus = second_product.ldc = s.pad;
                        multiply_panels(second_product, s.rows, H);
                    }
                    C::template step<T, Keep>(s);
                }
                if (w.update != nullptr) {
                    for (int64_t row = 0; row < count; ++row) {
                        scatter(in_table<T>(w, first + row, layer, 0, shape.states), s.h + row * s.pad, H);
                        if (C::two_states)
                            scatter(in_table<T>(w, first + row, layer, 1, shape.states), s.c + row * s.pad, H);
                    }
                } else {
                    scatter_all(p, place, first, count, s.h, s.pad, p.hn);
                    if (C::two_states) scatter_all(p, place, first, count, s.c, s.pad, p.cn);
                }
            }
        }
    }
    static void forward_tile(const Work& w, int64_t first, int64_t count, char* scratch, const Stop& stop) {
        if (w.problem->kept != nullptr) forward_tile<true>(w, first, count, scratch, stop);
        else forward_tile<false>(w, first, count, scratch, stop);
    }

    // The state before each row of `direction`: h, or c.
    static Past<T> past_h(const Work& w, int64_t place, const T* zeros) {
        const Problem& p = *w.problem;
        int64_t H = p.hidden, D = p.directions, direction = place % D;
        const int64_t* previous = place / D + 1 == p.layers ? w.previous_y : w.previous;
        return {output_of<T>(p, place / D) + direction * H, D * H, maybe<T>(p.h0, place * p.histories * H), H, zeros,
                previous + direction * p.rows};
    }
    static Past<T> past_c(const Work& w, int64_t place, const T* zeros) {
        const Problem& p = *w.problem;
        const sequela::Shape shape = sequela::shape_of(p.cell);
        int64_t H = p.hidden, ld = shape.kept * H;
        return {static_cast<const T*>(p.kept) + place * p.rows * ld + (shape.kept - 1) * H, ld,
                maybe<T>(p.c0, place * p.histories * H), H, zeros, w.previous + (place % p.directions) * p.rows};
    }

    static void backward_tile(const Work& w, int64_t place, int64_t first, int64_t count, char* scratch,
                              const Stop& stop) {
        const Problem& p = *w.problem;
        const int64_t H = p.hidden, D = p.directions, N = p.rows;
        const int64_t layer = place / D, direction = place % D, inputs = inputs_of(p, layer);
        const int64_t wanted = dx_width(p, layer);
        const sequela::Shape shape = sequela::shape_of(p.cell);
        const int64_t gates = shape.gates * H;
        Slope<T> s{};
        s.hidden = H, s.pad = pad(p);
        T* zeros;
        cut(scratch, count * s.pad, s.dh);
        cut(scratch, count * s.pad, s.dc);
        cut(scratch, count * s.pad, s.dreset);
        cut(scratch, H, zeros);
        for (int64_t j = 0; j < H; ++j) zeros[j] = T(0);
        gather_all(p, place, first, count, s.dh, s.pad, p.dhn);
        if (C::two_states) gather_all(p, place, first, count, s.dc, s.pad, p.dcn);
        s.peephole = static_cast<const T*>(p.weights[place].peephole);
        s.ldkept = shape.kept * H, s.ldslopes = shape.slopes * H;
        const Past<T> h = past_h(w, place, zeros), c = C::two_states ? past_c(w, place, zeros) : h;
        const T* decay_h = maybe<T>(p.decay_h, place * N * H);
        const T* decay_c = C::two_states ? maybe<T>(p.decay_c, place * N * H) : nullptr;
        T* ddecay_h = const_cast<T*>(maybe<T>(p.ddecay_h, place * N * H));
        T* ddecay_c = const_cast<T*>(maybe<T>(p.ddecay_c, place * N * H));
        const T* packed = reinterpret_cast<const T*>(w.packed_backward + static_cast<size_t>(place) * w.backward_stride);
        const T* packed_u = packed;
        if (C::two_products) packed += Panels<T>::elements(H, H);
        const T* packed_x = packed + Panels<T>::elements(C::two_products ? gates - H : gates, H);
        int64_t steps = 0;
        while (steps < p.steps && alive(p, steps, first, count) > 0) ++steps;
        for (int64_t n = 0; n < steps; ++n) {
            if (stopped(stop)) return;
            int64_t t = direction == 0 ? steps - 1 - n : n, row = p.offsets[t] + first;
            s.rows = alive(p, t, first, count);
            const bool top = layer + 1 == p.layers;
            const Standing of_x = standing(p, layer == 0 && p.x_by_history, t, first);
            const Standing of_y = standing(p, top && p.y_by_history, t, first);
            const Standing of_dy = standing(p, top && p.dy_by_history, t, first);
            s.dy = w.dupper == nullptr ? zeros : reinterpret_cast<const T*>(w.dupper) + of_dy.row * D * H + direction * H;
            s.lddy = w.dupper == nullptr ? 0 : of_dy.apart * D * H;
            s.y = output_of<T>(p, layer) + of_y.row * D * H + direction * H;
            s.ldy = of_y.apart * D * H;
            s.kept = static_cast<const T*>(p.kept) + (place * N + row) * s.ldkept;
            s.slopes = reinterpret_cast<T*>(w.slopes) + row * s.ldslopes;
            s.h = h, s.c = c;
            s.h.previous += row, s.c.previous += row;
            s.decay_h = decay_h == nullptr ? nullptr : decay_h + row * H;
            s.decay_c = decay_c == nullptr ? nullptr : decay_c + row * H;
            C::template slope<T>(s);
            Product<T> to_h{};
            to_h.a1 = s.slopes, to_h.lda1 = s.ldslopes, to_h.k1 = gates;
            to_h.b = packed;
            to_h.c = s.dh, to_h.ldc = s.pad;
            if constexpr (C::passes_by) to_h.plus = s.dh, to_h.ldplus = s.pad;
            if constexpr (C::two_products) {
                Product<T> to_reset{};
                to_reset.a1 = s.slopes + 2 * H, to_reset.lda1 = s.ldslopes, to_reset.k1 = H;
                to_reset.b = packed_u;
                to_reset.c = s.dreset, to_reset.ldc = s.pad;
                multiply_panels(to_reset, s.rows, H);
                C::template slope_of_reset<T>(s);
                to_h.k1 = 2 * H;
            } else if constexpr (C::windowed) {  // r and z, then n from h
                to_h.k1 = 2 * H;
                to_h.a2 = s.slopes + 3 * H, to_h.lda2 = s.ldslopes, to_h.k2 = H;
            }
            multiply_panels(to_h, s.rows, H);
            if (decay_h != nullptr)
                unfade(s.dh, s.pad, s.decay_h, ddecay_h == nullptr ? nullptr : ddecay_h + row * H, s.h, H, s.rows);
            if (decay_c != nullptr)
                unfade(s.dc, s.pad, s.decay_c, ddecay_c == nullptr ? nullptr : ddecay_c + row * H, s.c, H, s.rows);
            if (w.dx == nullptr) continue;
            Product<T> to_x{};
            to_x.a1 = s.slopes, to_x.lda1 = s.ldslopes, to_x.k1 = gates;
            to_x.b = packed_x;
            to_x.c = reinterpret_cast<T*>(w.dx) + of_x.row * wanted, to_x.ldc = of_x.apart * wanted;
            if (direction > 0) to_x.plus = to_x.c, to_x.ldplus = to_x.ldc;
            multiply_panels(to_x, s.rows, wanted);
            const uint8_t* mask = input_of<T>(p, layer).mask;
            if (mask != nullptr && direction + 1 == D)
                masked(to_x.c, to_x.c, mask + row * inputs, static_cast<T>(p.mask_scale), s.rows * inputs);
        }
        scatter_all(p, place, first, count, s.dh, s.pad, p.dh0);
        if (C::two_states) scatter_all(p, place, first, count, s.dc, s.pad, p.dc0);
    }

    // What a weight gradient multiplies the slopes with.
    struct Right {
        Input<T> input;              // rows of the input, which stand at `at` (null: one after the other), or
        const int64_t* at;
        Past<T> past;                // the state before, faded,
        const T *decay, *kept;       // times the reset gate
        int64_t ldkept;
        T scale;
        bool of_state;
    };
    static INLINE void pack_right(T* to, const Right& r, int64_t row0, int64_t rows, int64_t first, int64_t columns,
                                  int64_t hidden) {
        int64_t padded = round_up(columns, lanes);
        for (int64_t i = 0; i < rows; ++i, to += padded) {
            int64_t row = row0 + i;
            const T* from = r.of_state ? r.past.of(row) : r.input.rows + (r.at == nullptr ? row : r.at[row]) * r.input.width;
            for (int64_t j = 0; j < columns; j += lanes) {
                int n = static_cast<int>(smaller(lanes, columns - j));
                Vector<T> a = load(from + first + j, n);
                if (r.decay != nullptr) a = a * load(r.decay + row * hidden + first + j, n);
                if (r.kept != nullptr) a = a * load(r.kept + row * r.ldkept + first + j, n);
                a.store(to + j);
            }
            if (!r.of_state && r.input.mask != nullptr)
                masked(to, to, r.input.mask + row * r.input.width + first, r.scale, columns);
        }
    }

    // A right-hand side, and where its products go: out [G * H, columns] and the sums of the slopes; null: not wanted.
    struct Target {
        Right right;
        int64_t columns;
        T *out, *sums;
    };

    // Rows low .. high of each target = slopes[:, from .. from + high - low]^T right. In blocks of 256 rows of the batch,
    // each summed from zero, added in their order.
    static void outer(const T* slopes, int64_t ld, int64_t from, int64_t low, int64_t high, const Target* targets,
                      int64_t count, int64_t hidden, int64_t n, char* scratch, const Stop& stop) {
        const int64_t rows = high - low;
        T* panel;
        cut(scratch, block_rows * Panels<T>::width, panel);
        T* sums = nullptr;  // the same for every target: written once, copied in the end
        for (int64_t q = 0; q < count; ++q) {
            const Target& t = targets[q];
            if (t.out != nullptr)
                for (int64_t i = low * t.columns; i < high * t.columns; ++i) t.out[i] = T(0);
            if (t.sums == nullptr) continue;
            for (int64_t i = low; i < high; ++i) t.sums[i] = T(0);
            sums = t.sums;
        }
        for (int64_t row0 = 0; row0 < n; row0 += block_rows) {
            if (stopped(stop)) return;
            int64_t k = smaller(block_rows, n - row0);
            const T* left = slopes + row0 * ld + from;
            if (sums != nullptr) add_columns(left, ld, rows, k, sums + low);
            for (int64_t q = 0; q < count; ++q) {
                const Target& t = targets[q];
                if (t.out == nullptr) continue;
                for (int64_t first = 0; first < t.columns; first += Panels<T>::width) {
                    int64_t here = smaller(Panels<T>::width, t.columns - first), vectors = Panels<T>::vectors(here);
                    pack_right(panel, t.right, row0, k, first, here, hidden);
                    Product<T> p{};
                    p.k1 = k, p.lda1 = ld, p.b = panel, p.ldc = p.ldplus = t.columns;
                    p.last = static_cast<int>(here - (vectors - 1) * lanes);
                    each_tile(rows, [&](int64_t i, int64_t m) {
                        p.a1 = left + i;
                        p.plus = p.c = t.out + (low + i) * t.columns + first;
                        of_size<T, true>(m, static_cast<int>(vectors))(p);
                    });
                }
            }
        }
        for (int64_t q = 0; q < count; ++q)
            if (targets[q].sums != nullptr && targets[q].sums != sums)
                __builtin_memcpy(targets[q].sums + low, sums + low, sizeof(T) * static_cast<size_t>(rows));
    }
    static APART void add_columns(const T* from, int64_t ld, int64_t columns, int64_t rows, T* sums) {
        for (int64_t j = 0; j < columns; j += lanes) {
            int n = static_cast<int>(smaller(lanes, columns - j));
            Vector<T> sum = Vector<T>::all(0);
            for (int64_t r = 0; r < rows; ++r) sum = sum + load(from + r * ld + j, n);
            store(sums + j, load(sums + j, n) + sum, n);
        }
    }

    static void weight_gradient(const Work& w, int64_t place, int64_t part, int64_t parts, char* scratch,
                                const Stop& stop) {
        const Problem& p = *w.problem;
        const int64_t H = p.hidden, D = p.directions, N = p.rows, layer = place / D;
        const sequela::Shape shape = sequela::shape_of(p.cell);
        const int64_t gates = shape.gates * H, ld = shape.slopes * H;
        T* zeros;
        cut(scratch, H, zeros);
        for (int64_t j = 0; j < H; ++j) zeros[j] = T(0);
        const T* slopes = reinterpret_cast<const T*>(w.slopes);
        const Weights& to = p.dweights[place];
        Right x{}, h{};
        x.input = input_of<T>(p, layer), x.at = layer == 0 ? w.rows_x : nullptr, x.scale = static_cast<T>(p.mask_scale);
        h.of_state = true, h.past = past_h(w, place, zeros), h.decay = maybe<T>(p.decay_h, place * N * H);
        // Part of the rows of the weights, in whole register tiles.
        int64_t tiles = (gates + tile_rows - 1) / tile_rows;
        int64_t begin = smaller(gates, tiles * part / parts * tile_rows);
        int64_t end = smaller(gates, tiles * (part + 1) / parts * tile_rows);
        const Target of_x{x, x.input.width, static_cast<T*>(to.weight_ih), static_cast<T*>(to.bias_ih)};
        const Target of_h{h, H, static_cast<T*>(to.weight_hh), static_cast<T*>(to.bias_hh)};
        // Rows from .. until of the weights, whose slopes begin at column `slope`.
        auto rows_of = [&](const Target* targets, int64_t count, int64_t from, int64_t until, int64_t slope) {
            int64_t low = begin > from ? begin : from, high = smaller(end, until);
            if (low < high) outer(slopes, ld, slope + low - from, low, high, targets, count, H, N, scratch, stop);
        };
        const Target both[] = {of_x, of_h};
        if constexpr (C::two_products) {
            Target last[] = {of_x, of_h};
            last[1].right.kept = static_cast<const T*>(p.kept) + place * N * shape.kept * H;
            last[1].right.ldkept = shape.kept * H;
            rows_of(both, 2, 0, 2 * H, 0);
            rows_of(last, 2, 2 * H, gates, 2 * H);
        } else if constexpr (C::windowed) {
            rows_of(both, 2, 0, 2 * H, 0);
            rows_of(&of_x, 1, 2 * H, gates, 2 * H);
            rows_of(&of_h, 1, 2 * H, gates, 3 * H);
        } else {
            rows_of(both, 2, 0, gates, 0);
        }
        if (part == 0 && to.peephole != nullptr) peephole_gradient(w, place, zeros, static_cast<T*>(to.peephole));
    }

    // i and f see the c that entered, o the one that left.
    static void peephole_gradient(const Work& w, int64_t place, const T* zeros, T* to) {
        const Problem& p = *w.problem;
        const int64_t H = p.hidden, N = p.rows;
        const sequela::Shape shape = sequela::shape_of(p.cell);
        const Past<T> past = past_c(w, place, zeros);
        const T* decay = maybe<T>(p.decay_c, place * N * H);
        const T* left = static_cast<const T*>(p.kept) + place * N * shape.kept * H + (shape.kept - 1) * H;
        for (int64_t j = 0; j < 3 * H; ++j) to[j] = T(0);
        for (int64_t row0 = 0; row0 < N; row0 += block_rows)
            for (int64_t j = 0; j < H; j += lanes) {
                int n = static_cast<int>(smaller(lanes, H - j));
                Vector<T> i = Vector<T>::all(0), f = i, o = i;
                for (int64_t row = row0; row < smaller(N, row0 + block_rows); ++row) {
                    const T* slope = reinterpret_cast<const T*>(w.slopes) + row * shape.slopes * H + j;
                    Vector<T> before = entered(past.of(row), decay, row, H, j, n);
                    i = fused(load(slope, n), before, i);
                    f = fused(load(slope + H, n), before, f);
                    o = fused(load(slope + 3 * H, n), load(left + row * shape.kept * H + j, n), o);
                }
                store(to + j, load(to + j, n) + i, n);
                store(to + H + j, load(to + H + j, n) + f, n);
                store(to + 2 * H + j, load(to + 2 * H + j, n) + o, n);
            }
    }
};

// From the problem's cell and type to its instance.
#define SEQUELA_DISPATCH(p, call)                                              \
    (p).type == sequela::F32 ? SEQUELA_CELL(p, float, call) : SEQUELA_CELL(p, double, call)
#define SEQUELA_CELL(p, T, call)                                               \
    ((p).cell == sequela::LSTM              ? Scan<T, Lstm<false>>::call       \
     : (p).cell == sequela::LSTM_PEEPHOLE ? Scan<T, Lstm<true>>::call          \
     : (p).cell == sequela::LSTM_COUPLED  ? Scan<T, LstmCoupled>::call         \
     : (p).cell == sequela::GRU_AFTER     ? Scan<T, GruAfter>::call            \
     : (p).cell == sequela::GRU_BEFORE    ? Scan<T, GruBefore>::call           \
     : (p).cell == sequela::RNN_TANH      ? Scan<T, Rnn<false>>::call          \
                                          : Scan<T, Rnn<true>>::call)

size_t forward_bytes(const Problem& p) { return SEQUELA_DISPATCH(p, forward_bytes(p)); }
size_t backward_bytes(const Problem& p) { return SEQUELA_DISPATCH(p, backward_bytes(p)); }
size_t scratch_bytes(const Problem& p, int64_t rows) { return SEQUELA_DISPATCH(p, scratch_bytes(p, rows)); }
void pack_forward(const Work& w, int64_t place) { SEQUELA_DISPATCH(*w.problem, pack_forward(w, place)); }
void pack_backward(const Work& w, int64_t place) { SEQUELA_DISPATCH(*w.problem, pack_backward(w, place)); }
void forward_tile(const Work& w, int64_t first, int64_t count, char* scratch, const Stop& stop) {
    SEQUELA_DISPATCH(*w.problem, forward_tile(w, first, count, scratch, stop));
}
void backward_tile(const Work& w, int64_t place, int64_t first, int64_t count, char* scratch, const Stop& stop) {
    SEQUELA_DISPATCH(*w.problem, backward_tile(w, place, first, count, scratch, stop));
}
void weight_gradient(const Work& w, int64_t place, int64_t part, int64_t parts, char* scratch, const Stop& stop) {
    SEQUELA_DISPATCH(*w.problem, weight_gradient(w, place, part, parts, scratch, stop));
}

}  // namespace

#define SEQUELA_TABLE(name)                                                                                      \
    const sequela::Table sequela::table_##name = {#name,         forward_bytes, backward_bytes, scratch_bytes,  \
                                                  pack_forward,  pack_backward, forward_tile,   backward_tile,  \
                                                  weight_gradient, hours_since,   fading,         adam};
