// What the engine must compute, written as the equations stand: double, one history after the other, no thought of speed.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "../engine.h"

namespace reference {

using sequela::Shape;
using Values = std::vector<double>;

// A recurrence with its own memory, in double. Letters as in engine.h.
struct Given {
    int32_t cell;
    int64_t layers, directions, input, hidden;
    std::vector<int64_t> lengths;  // of the histories, longest first
    std::vector<int64_t> offsets;  // [T + 1]
    Values x, h0, c0, decay_h, decay_c;
    std::vector<uint8_t> masks;
    double mask_scale = 1;
    struct Place {
        Values weight_ih, weight_hh, bias_ih, bias_hh, peephole;
    };
    std::vector<Place> weights;

    int64_t histories() const { return static_cast<int64_t>(lengths.size()); }
    int64_t steps() const { return static_cast<int64_t>(offsets.size()) - 1; }
    int64_t rows() const { return offsets.back(); }
    int64_t places() const { return layers * directions; }
    int64_t width_into(int64_t layer) const { return layer == 0 ? input : directions * hidden; }
    Shape shape() const { return sequela::shape_of(cell); }
    bool has_cell_state() const { return shape().states == 2; }
};

struct Found {
    Values y, hn, cn;
};

inline double logistic(double a) { return 1 / (1 + std::exp(-a)); }

// h' and c' of one step; x has `width` elements.
inline void step(const Given& given, const Given::Place& w, const double* x, int64_t width, Values& h, Values& c) {
    const int64_t H = given.hidden;
    const int gates = given.shape().gates;
    Values from_x(gates * H), from_h(gates * H), h_new(H), c_new(H), r(H);
    for (int64_t row = 0; row < gates * H; ++row) {
        double a = w.bias_ih.empty() ? 0 : w.bias_ih[row], b = w.bias_hh.empty() ? 0 : w.bias_hh[row];
        for (int64_t j = 0; j < width; ++j) a += w.weight_ih[row * width + j] * x[j];
        for (int64_t j = 0; j < H && !w.weight_hh.empty(); ++j) b += w.weight_hh[row * H + j] * h[j];
        from_x[row] = a;
        from_h[row] = b;
    }
    auto gate = [&](int g, int64_t k) { return from_x[g * H + k] + from_h[g * H + k]; };
    for (int64_t k = 0; k < H; ++k) {
        switch (given.cell) {
            case sequela::LSTM: {
                c_new[k] = logistic(gate(1, k)) * c[k] + logistic(gate(0, k)) * std::tanh(gate(2, k));
                h_new[k] = logistic(gate(3, k)) * std::tanh(c_new[k]);
                break;
            }
            case sequela::LSTM_PEEPHOLE: {
                const double *p_i = &w.peephole[0], *p_f = &w.peephole[H], *p_o = &w.peephole[2 * H];
                double i = logistic(gate(0, k) + p_i[k] * c[k]), f = logistic(gate(1, k) + p_f[k] * c[k]);
                c_new[k] = f * c[k] + i * std::tanh(gate(2, k));
                h_new[k] = logistic(gate(3, k) + p_o[k] * c_new[k]) * std::tanh(c_new[k]);
                break;
            }
            case sequela::LSTM_COUPLED: {
                double f = logistic(gate(0, k));
                c_new[k] = f * c[k] + (1 - f) * std::tanh(gate(1, k));
                h_new[k] = logistic(gate(2, k)) * std::tanh(c_new[k]);
                break;
            }
            case sequela::GRU_AFTER: {
                double z = logistic(gate(1, k));
                double n = std::tanh(from_x[2 * H + k] + logistic(gate(0, k)) * from_h[2 * H + k]);
                h_new[k] = (1 - z) * n + z * h[k];
                break;
            }
            case sequela::GRU_BEFORE: {  // the candidate needs every r first
                r[k] = logistic(gate(0, k));
                break;
            }
            case sequela::RNN_TANH: h_new[k] = std::tanh(gate(0, k)); break;
            case sequela::RNN_RELU: h_new[k] = gate(0, k) > 0 ? gate(0, k) : 0; break;
            default: h_new[k] = std::exp(-(gate(0, k) > 0 ? gate(0, k) : 0));
        }
    }
    if (given.cell == sequela::GRU_BEFORE) {
        for (int64_t k = 0; k < H; ++k) {
            double a = from_x[2 * H + k] + (w.bias_hh.empty() ? 0 : w.bias_hh[2 * H + k]);
            for (int64_t j = 0; j < H; ++j) a += w.weight_hh[(2 * H + k) * H + j] * r[j] * h[j];
            double z = logistic(gate(1, k));
            h_new[k] = (1 - z) * std::tanh(a) + z * h[k];
        }
    }
    h = h_new;
    if (given.has_cell_state()) c = c_new;
}

inline Found run(const Given& given) {
    const int64_t H = given.hidden, D = given.directions, B = given.histories(), N = given.rows();
    Found found{{}, Values(given.places() * B * H), Values(given.places() * B * H)};
    Values below = given.x;
    for (int64_t layer = 0; layer < given.layers; ++layer) {
        const int64_t width = given.width_into(layer);
        if (layer > 0 && !given.masks.empty())
            for (int64_t e = 0; e < N * width; ++e)
                below[e] = given.masks[(layer - 1) * N * width + e] ? below[e] * given.mask_scale : 0;
        Values above(N * D * H);
        for (int64_t d = 0; d < D; ++d) {
            const int64_t place = layer * D + d;
            for (int64_t b = 0; b < B; ++b) {
                auto entering = [&](const Values& from) {
                    Values state(H);
                    if (!from.empty()) state.assign(&from[(place * B + b) * H], &from[(place * B + b) * H] + H);
                    return state;
                };
                Values h = entering(given.h0), c = entering(given.c0);
                for (int64_t s = 0; s < given.lengths[b]; ++s) {
                    const int64_t row = given.offsets[d == 0 ? s : given.lengths[b] - 1 - s] + b;
                    for (int64_t k = 0; k < H; ++k) {
                        if (!given.decay_h.empty()) h[k] *= given.decay_h[(place * N + row) * H + k];
                        if (!given.decay_c.empty()) c[k] *= given.decay_c[(place * N + row) * H + k];
                    }
                    step(given, given.weights[place], &below[row * width], width, h, c);
                    for (int64_t k = 0; k < H; ++k) above[row * D * H + d * H + k] = h[k];
                }
                for (int64_t k = 0; k < H; ++k) {
                    found.hn[(place * B + b) * H + k] = h[k];
                    found.cn[(place * B + b) * H + k] = c[k];
                }
            }
        }
        below = above;
    }
    found.y = below;
    return found;
}

}  // namespace reference
