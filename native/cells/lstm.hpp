// Long short-term memory: standard, with peepholes, coupled. Equations: src/sequela/cells/lstm.py.
#pragma once

#include "step.hpp"

namespace {

template <bool Peephole> struct Lstm {
    static constexpr int slots = 4, spread = 1;          // i f g o, a vector of units each
    static constexpr int from_x[] = {0, 1, 2, 3}, from_h[] = {0, 1, 2, 3};
    static constexpr bool windowed = false, two_states = true, two_products = false, passes_by = false;
    using Full = Whole<4>;

    template <class T, bool Keep> static APART void step(const Step<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        each_unit<Lstm>(s, [&](int64_t row, int64_t j, int n, const T* z, int64_t apart) EACH {
            T *ch = s.c + row * s.pad + j, *hh = s.h + row * s.pad + j;
            V c = V::load(ch), zi = load(z, n), zf = load(z + apart, n), zo = load(z + 3 * apart, n);
            if (Peephole) {
                zi = fused(load(s.peephole + j, n), c, zi);
                zf = fused(load(s.peephole + H + j, n), c, zf);
            }
            V i = logistic(zi), f = logistic(zf), g = tangent(load(z + 2 * apart, n));
            c = fused(f, c, i * g);
            if (Peephole) zo = fused(load(s.peephole + 2 * H + j, n), c, zo);
            V o = logistic(zo), h = o * tangent(c);
            c.store(ch);
            h.store(hh);
            store(s.y + row * s.ldy + j, h, n);
            if (Keep) {
                T* kept = s.kept + row * s.ldkept + j;
                store(kept, i, n), store(kept + H, f, n), store(kept + 2 * H, g, n), store(kept + 3 * H, o, n);
                store(kept + 4 * H, c, n);
            }
        });
    }

    template <class T> static APART void slope(const Slope<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        V one = V::all(1);
        each_unit(s, [&](int64_t row, int64_t j, int n) EACH {
            const T* kept = s.kept + row * s.ldkept + j;
            V i = load(kept, n), f = load(kept + H, n), g = load(kept + 2 * H, n), o = load(kept + 3 * H, n);
            V shown = tangent(load(kept + 4 * H, n)), before = entered(s.c.of(row), s.decay_c, row, H, j, n);
            T *dhh = s.dh + row * s.pad + j, *dcc = s.dc + row * s.pad + j, *to = s.slopes + row * s.ldslopes + j;
            V dh = V::load(dhh) + load(s.dy + row * s.lddy + j, n);
            V d_o = dh * shown * (o * (one - o));
            V dc = fused(dh * o, one - shown * shown, V::load(dcc));
            if (Peephole) dc = fused(d_o, load(s.peephole + 2 * H + j, n), dc);
            V di = dc * g * (i * (one - i)), df = dc * before * (f * (one - f)), dg = dc * i * (one - g * g);
            dc = dc * f;
            if (Peephole) dc = fused(di, load(s.peephole + j, n), fused(df, load(s.peephole + H + j, n), dc));
            dc.store(dcc);
            store(to, di, n), store(to + H, df, n), store(to + 2 * H, dg, n), store(to + 3 * H, d_o, n);
        });
    }
};

struct LstmCoupled {
    static constexpr int slots = 3, spread = 1;  // f g o; i = 1 - f
    static constexpr int from_x[] = {0, 1, 2}, from_h[] = {0, 1, 2};
    static constexpr bool windowed = false, two_states = true, two_products = false, passes_by = false;
    using Full = Whole<3>;

    template <class T, bool Keep> static APART void step(const Step<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        each_unit<LstmCoupled>(s, [&](int64_t row, int64_t j, int n, const T* z, int64_t apart) EACH {
            T *ch = s.c + row * s.pad + j, *hh = s.h + row * s.pad + j;
            V f = logistic(load(z, n)), g = tangent(load(z + apart, n)), o = logistic(load(z + 2 * apart, n));
            V c = fused(f, V::load(ch), (V::all(1) - f) * g), h = o * tangent(c);
            c.store(ch);
            h.store(hh);
            store(s.y + row * s.ldy + j, h, n);
            if (Keep) {
                T* kept = s.kept + row * s.ldkept + j;
                store(kept, f, n), store(kept + H, g, n), store(kept + 2 * H, o, n), store(kept + 3 * H, c, n);
            }
        });
    }

    template <class T> static APART void slope(const Slope<T>& s) {
        using V = Vector<T>;
        int64_t H = s.hidden;
        V one = V::all(1);
        each_unit(s, [&](int64_t row, int64_t j, int n) EACH {
            const T* kept = s.kept + row * s.ldkept + j;
            V f = load(kept, n), g = load(kept + H, n), o = load(kept + 2 * H, n);
            V shown = tangent(load(kept + 3 * H, n)), before = entered(s.c.of(row), s.decay_c, row, H, j, n);
            T *dhh = s.dh + row * s.pad + j, *dcc = s.dc + row * s.pad + j, *to = s.slopes + row * s.ldslopes + j;
            V dh = V::load(dhh) + load(s.dy + row * s.lddy + j, n);
            V d_o = dh * shown * (o * (one - o));
            V dc = fused(dh * o, one - shown * shown, V::load(dcc));
            V df = dc * (before - g) * (f * (one - f)), dg = dc * (one - f) * (one - g * g);
            (dc * f).store(dcc);
            store(to, df, n), store(to + H, dg, n), store(to + 2 * H, d_o, n);
        });
    }
};

}  // namespace
