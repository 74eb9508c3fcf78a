// Shares a step of Adam among threads. Weights are cut into pieces by their number alone, so sums do not depend on threads.
#include <cmath>
#include <vector>

#include "engine.h"
#include "pool.hpp"

namespace sequela {
namespace {

constexpr int64_t piece = 8192;  // elements: some microseconds of one thread
constexpr size_t worth_sharing = 4;

struct Piece {
    size_t tensor;
    int64_t first, count;
};

template <class Tensor> std::vector<Piece> cut(const Tensor* tensors, size_t count) {
    std::vector<Piece> pieces;
    for (size_t i = 0; i < count; ++i)
        for (int64_t first = 0; first < tensors[i].count; first += piece)
            pieces.push_back({i, first, tensors[i].count - first < piece ? tensors[i].count - first : piece});
    return pieces;
}

template <class Fn> void each(const Run& run, const std::vector<Piece>& pieces, Fn fn) {
    const int threads = pieces.size() < worth_sharing ? 1 : slots(run.threads);
    share_out(threads, static_cast<int64_t>(pieces.size()),
              [&](int64_t number, int) { fn(static_cast<size_t>(number), pieces[static_cast<size_t>(number)]); });
}

const char* element(int32_t type, const void* at, int64_t first) {
    return static_cast<const char*>(at) + first * (type == F32 ? 4 : 8);
}

// What all gradients are multiplied by: 1, or what makes them as long as they may be. As torch's `clip_grad_norm_`.
double scale_of(const Run& run, const Adam& adam, const Trained* all, const std::vector<Piece>& pieces) {
    if (std::isinf(adam.max_norm)) return 1;
    std::vector<double> sums(pieces.size());
    each(run, pieces, [&](size_t number, const Piece& p) {
        const Trained& t = all[p.tensor];
        sums[number] = run.table->adam.squares(t.type, element(t.type, t.gradient, p.first), p.count);
    });
    double sum = 0;
    for (double of_piece : sums) sum += of_piece;
    const double scale = adam.max_norm / (std::sqrt(sum) + 1e-6);
    return scale > 1 ? 1 : scale;  // NaN stays
}

}  // namespace

void step(const Run& run, const Adam& adam, const Trained* all, size_t count) {
    const std::vector<Piece> pieces = cut(all, count);
    const double scale = scale_of(run, adam, all, pieces);
    std::vector<Factors> factors;
    for (size_t i = 0; i < count; ++i) {
        const double steps = static_cast<double>(all[i].steps);
        factors.push_back({scale, adam.learning_rate / (1 - std::pow(adam.first, steps)), std::sqrt(1 - std::pow(adam.second, steps))});
    }
    each(run, pieces, [&](size_t, const Piece& p) {
        run.table->adam.step(adam, factors[p.tensor], all[p.tensor], p.first, p.count);
    });
}

void blend(const Run& run, double share, const Blended* all, size_t count) {
    each(run, cut(all, count), [&](size_t, const Piece& p) {
        const Blended& t = all[p.tensor];
        run.table->adam.blend(t.type, share, const_cast<char*>(element(t.type, t.mean, p.first)),
                              element(t.type, t.weight, p.first), p.count);
    });
}

}  // namespace sequela
