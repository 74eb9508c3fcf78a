// Gated recurrent unit, reset after or before the recurrent product. Equations: src/sequela/cells/gru.py.
#pragma once

#include "step.hpp"

namespace {

struct GruAfter {
    static constexpr int slots = 4, spread = 1;  // n from x, r, z, n from h
    static constexpr int from_x[] = {2, 0, 1, -1}, from_h[] = {-1, 0, 1, 2};
    static constexpr bool windowed = true, two_states = false, two_products = false, passes_by = true;
    using Full = Window<4, 1, 4, 0, 3>;

    template <class T, bool Keep> static APART void step(const Step<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        each_unit<GruAfter>(s, [&](int64_t row, int64_t j, int n, const T* at, int64_t apart) EACH {
            T* hh = s.h + row * s.pad + j;
            V r = logistic(load(at + apart, n)), z = logistic(load(at + 2 * apart, n)), recurrent = load(at + 3 * apart, n);
            V offered = tangent(fused(r, recurrent, load(at, n)));
            V h = fused(z, V::load(hh) - offered, offered);
            h.store(hh);
            store(s.y + row * s.ldy + j, h, n);
            if (Keep) {
                T* kept = s.kept + row * s.ldkept + j;
                store(kept, r, n), store(kept + H, z, n), store(kept + 2 * H, offered, n);
                store(kept + 3 * H, recurrent, n);
            }
        });
    }

    // Slopes: r z n from x, n from h.
    template <class T> static APART void slope(const Slope<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        V one = V::all(1);
        each_unit(s, [&](int64_t row, int64_t j, int n) EACH {
            const T* kept = s.kept + row * s.ldkept + j;
            V r = load(kept, n), z = load(kept + H, n), offered = load(kept + 2 * H, n);
            V recurrent = load(kept + 3 * H, n), before = entered(s.h.of(row), s.decay_h, row, H, j, n);
            T *dhh = s.dh + row * s.pad + j, *to = s.slopes + row * s.ldslopes + j;
            V dh = V::load(dhh) + load(s.dy + row * s.lddy + j, n);
            V dn = dh * (one - z) * (one - offered * offered);
            store(to, dn * recurrent * (r * (one - r)), n);
            store(to + H, dh * (before - offered) * (z * (one - z)), n);
            store(to + 2 * H, dn, n), store(to + 3 * H, dn * r, n);
            (dh * z).store(dhh);
        });
    }
};

struct GruBefore {
    static constexpr int slots = 3, spread = 1;  // n from x, r, z
    static constexpr int from_x[] = {2, 0, 1}, from_h[] = {-1, 0, 1};
    static constexpr bool windowed = true, two_states = false, two_products = true, passes_by = true;
    using Full = Window<3, 1, 3, 0, 3>;

    // Before the second product: r h, and what enters the candidate from x.
    template <class T, bool Keep> static APART void reset(const Step<T>& s) {
        using V = Vector<T>;
        each_unit<GruBefore>(s, [&](int64_t row, int64_t j, int n, const T* z, int64_t apart) EACH {
            V r = logistic(load(z + apart, n));
            (r * V::load(s.h + row * s.pad + j)).store(s.reset + row * s.pad + j);
            load(z, n).store(s.offered + row * s.pad + j);
            if (Keep) store(s.kept + row * s.ldkept + j, r, n);
        });
    }

    template <class T, bool Keep> static APART void step(const Step<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        each_unit<GruBefore>(s, [&](int64_t row, int64_t j, int n, const T* at, int64_t apart) EACH {
            T* hh = s.h + row * s.pad + j;
            V z = logistic(load(at + 2 * apart, n)), offered = tangent(V::load(s.offered + row * s.pad + j));
            V h = fused(z, V::load(hh) - offered, offered);
            h.store(hh);
            store(s.y + row * s.ldy + j, h, n);
            if (Keep) {
                T* kept = s.kept + row * s.ldkept + j;
                store(kept + H, z, n), store(kept + 2 * H, offered, n);
            }
        });
    }

    // Slopes: r z n. First z and n; the product of n's with U gives the gradient of r h; then r.
    template <class T> static APART void slope(const Slope<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        V one = V::all(1);
        each_unit(s, [&](int64_t row, int64_t j, int n) EACH {
            const T* kept = s.kept + row * s.ldkept + j;
            V z = load(kept + H, n), offered = load(kept + 2 * H, n);
            V before = entered(s.h.of(row), s.decay_h, row, H, j, n);
            T *dhh = s.dh + row * s.pad + j, *to = s.slopes + row * s.ldslopes + j;
            V dh = V::load(dhh) + load(s.dy + row * s.lddy + j, n);
            store(to + H, dh * (before - offered) * (z * (one - z)), n);
            store(to + 2 * H, dh * (one - z) * (one - offered * offered), n);
            (dh * z).store(dhh);
        });
    }

    template <class T> static APART void slope_of_reset(const Slope<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        each_unit(s, [&](int64_t row, int64_t j, int n) EACH {
            V r = load(s.kept + row * s.ldkept + j, n), before = entered(s.h.of(row), s.decay_h, row, H, j, n);
            V dreset = load(s.dreset + row * s.pad + j, n);
            T* dhh = s.dh + row * s.pad + j;
            store(s.slopes + row * s.ldslopes + j, dreset * before * (r * (V::all(1) - r)), n);
            fused(dreset, r, V::load(dhh)).store(dhh);
        });
    }
};

}  // namespace
