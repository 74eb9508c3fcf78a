// Plain recurrent cell, tanh or relu. Equations: src/sequela/cells/rnn.py.
#pragma once

#include "step.hpp"

namespace {

template <bool Relu> struct Rnn {
    static constexpr int slots = 1, spread = tile_vectors;
    static constexpr int from_x[] = {0}, from_h[] = {0};
    static constexpr bool windowed = false, two_states = false, two_products = false, passes_by = false;
    using Full = Whole<tile_vectors>;

    template <class T, bool> static APART void step(const Step<T>& s) {
        using V = Vector<T>;
        each_unit<Rnn>(s, [&](int64_t row, int64_t j, int n, const T* z, int64_t) EACH {
            V in = load(z, n), h = Relu ? at_least(V::all(0), in) : tangent(in);
            h.store(s.h + row * s.pad + j);
            store(s.y + row * s.ldy + j, h, n);
        });
    }

    template <class T> static APART void slope(const Slope<T>& s) {
        using V = Vector<T>;
        each_unit(s, [&](int64_t row, int64_t j, int n) EACH {
            V h = load(s.y + row * s.ldy + j, n);
            V dh = V::load(s.dh + row * s.pad + j) + load(s.dy + row * s.lddy + j, n);
            store(s.slopes + row * s.ldslopes + j, Relu ? unless_at_most_zero(h, dh) : dh * (V::all(1) - h * h), n);
        });
    }
};

}  // namespace
