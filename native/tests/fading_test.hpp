// Fading inputs and states against their equations, and their gradients against differences: in double, one row after the
// other.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "../engine.h"

namespace fading_test {

using Values = std::vector<double>;

struct Given {
    int64_t layers, features, hidden, histories, steps;
    bool batch_first, of_x;
    Values values{}, gaps{}, mean{}, weight_x{}, bias_x{}, weight_h{}, bias_h{}, djoined{}, ddecay{};
    std::vector<uint8_t> observed{};

    int64_t rows() const { return histories * steps; }
    int64_t row_of(int64_t n) const { return batch_first ? n % histories * steps + n / histories : n; }
    std::vector<Values*> wanted() {
        if (of_x) return {&values, &gaps, &weight_x, &bias_x, &weight_h, &bias_h};
        return {&gaps, &weight_h, &bias_h};
    }
    std::string name() const {
        return "fading L" + std::to_string(layers) + " F" + std::to_string(features) + " H" + std::to_string(hidden) + " B" +
               std::to_string(histories) + " T" + std::to_string(steps) + (batch_first ? " [B, T]" : "") +
               (of_x ? "" : " of states only");
    }
};

inline Given drawn(std::mt19937_64& generator, Given g) {
    std::normal_distribution<double> normal(0, 1);
    std::exponential_distribution<double> gap(0.5);
    auto draw = [&](Values& v, int64_t count, double spread) {
        v.resize(static_cast<size_t>(count));
        for (double& each : v) each = spread * normal(generator);
    };
    const int64_t N = g.rows(), F = g.features, K = g.layers * g.hidden;
    draw(g.weight_h, K * F, 0.5), draw(g.bias_h, K, 0.5), draw(g.ddecay, N * K, 1);
    draw(g.values, N * F, 1), draw(g.mean, F, 1), draw(g.weight_x, F, 0.5), draw(g.bias_x, F, 0.5);
    draw(g.djoined, 2 * N * F, 1);
    g.gaps.resize(static_cast<size_t>(N * F)), g.observed.resize(static_cast<size_t>(N * F));
    for (double& each : g.gaps) each = gap(generator);
    for (uint8_t& each : g.observed) each = generator() % 2;
    return g;
}

// [x-hat, m] and the decay.
inline std::pair<Values, Values> run(const Given& g) {
    const int64_t N = g.rows(), F = g.features, H = g.hidden;
    Values joined(static_cast<size_t>(g.of_x ? 2 * N * F : 0)), decay(static_cast<size_t>(g.layers * N * H));
    auto factor = [](double z) { return std::exp(-std::fmax(0, z)); };
    for (int64_t n = 0; n < N; ++n) {
        const int64_t from = g.row_of(n) * F;
        for (int64_t j = 0; g.of_x && j < F; ++j) {
            double a = factor(g.weight_x[j] * g.gaps[from + j] + g.bias_x[j]), m = g.observed[from + j];
            double x = g.values[from + j];
            joined[2 * n * F + j] = m * x + (1 - m) * (a * x + (1 - a) * g.mean[j]);
            joined[2 * n * F + F + j] = m;
        }
        for (int64_t k = 0; k < g.layers * H; ++k) {
            double z = g.bias_h[k];
            for (int64_t j = 0; j < F; ++j) z += g.weight_h[k * F + j] * g.gaps[from + j];
            decay[(k / H * N + n) * H + k % H] = factor(z);
        }
    }
    return {joined, decay};
}

inline long double loss(const Given& g) {  // of so many terms that a sum in double hides small differences
    auto [joined, decay] = run(g);
    long double sum = 0;
    for (size_t i = 0; i < joined.size(); ++i) sum += i / g.features % 2 == 0 ? joined[i] * g.djoined[i] : 0;
    for (size_t i = 0; i < decay.size(); ++i) sum += decay[i] * g.ddecay[i];
    return sum;
}

// Each array an allocation of its own, just as long as it must be.
template <class T> struct Posed {
    std::vector<std::pair<std::unique_ptr<T[]>, size_t>> arrays;  // results last: joined, decay, gradients
    size_t results;
    sequela::Fading f{};

    T* room(size_t count) {
        arrays.emplace_back(new T[count], count);
        std::memset(arrays.back().first.get(), 0xff, count * sizeof(T));  // NaN: what is not written shows
        return arrays.back().first.get();
    }
    T* copy(const Values& from) {
        T* made = room(from.size());
        for (size_t i = 0; i < from.size(); ++i) made[i] = static_cast<T>(from[i]);
        return made;
    }
    Posed(const sequela::Run& run, const Given& g) {
        const size_t N = static_cast<size_t>(g.rows()), F = static_cast<size_t>(g.features);
        f.type = sizeof(T) == 4 ? sequela::F32 : sequela::F64;
        f.layers = g.layers, f.rows = g.rows(), f.features = g.features, f.hidden = g.hidden;
        f.histories = g.batch_first ? g.histories : 0;
        f.gaps = copy(g.gaps), f.weight_h = copy(g.weight_h), f.bias_h = copy(g.bias_h), f.ddecay = copy(g.ddecay);
        if (g.of_x) {
            f.values = copy(g.values), f.observed = g.observed.data(), f.mean = copy(g.mean);
            f.weight_x = copy(g.weight_x), f.bias_x = copy(g.bias_x), f.djoined = copy(g.djoined);
            f.djoined_apart = 2 * g.features;
        }
        results = arrays.size();
        if (g.of_x) f.joined = room(2 * N * F);
        f.decay = room(g.ddecay.size());
        if (g.of_x) f.dvalues = room(N * F);
        f.dgaps = room(N * F);
        if (g.of_x) f.dweight_x = room(F), f.dbias_x = room(F);
        f.dweight_h = room(g.weight_h.size()), f.dbias_h = room(g.bias_h.size());
        sequela::forward(run, f);
        sequela::backward(run, f);
    }
};

inline bool near(const double* a, const Values& b, double bound) {
    for (size_t i = 0; i < b.size(); ++i)
        if (!(std::fabs(a[i] - b[i]) <= bound * (1 + std::fabs(b[i])))) return false;
    return true;
}
template <class A, class B> bool same(const A& a, const B& b, size_t from, double bound) {
    for (size_t i = from; i < a.size(); ++i) {
        double largest = 0, apart = 0;
        for (size_t j = 0; j < a[i].second; ++j) {
            double x = static_cast<double>(a[i].first[j]), y = static_cast<double>(b[i].first[j]);
            largest = std::fmax(largest, std::fabs(y));
            if (!(std::fabs(x - y) <= apart)) apart = std::fabs(x - y);
        }
        if (!(apart <= bound * largest)) return false;
    }
    return true;
}

template <class Check> void check_one(std::mt19937_64& generator, const sequela::Table* table, Given g, Check check) {
    g = drawn(generator, g);
    const std::string name = std::string(table->name) + " " + g.name();
    const Posed<double> exact({table, 1, nullptr, nullptr}, g);
    const Posed<float> rounded({table, 1, nullptr, nullptr}, g);
    auto [joined, decay] = run(g);
    check(near(static_cast<const double*>(exact.f.joined), joined, 1e-13), name + ": joined");
    check(near(static_cast<const double*>(exact.f.decay), decay, 1e-12), name + ": decay");
    Given ahead = g, behind = g;
    double expected = 0;
    size_t at = exact.arrays.size() - g.wanted().size();
    for (size_t i = 0; i < g.wanted().size(); ++i, ++at)
        for (size_t j = 0; j < exact.arrays[at].second; ++j) {
            double way = std::normal_distribution<double>()(generator);
            (*ahead.wanted()[i])[j] += 1e-7 * way, (*behind.wanted()[i])[j] -= 1e-7 * way;
            expected += exact.arrays[at].first[j] * way;
        }
    double seen = static_cast<double>((loss(ahead) - loss(behind)) / 2e-7L);
    check(std::fabs(seen - expected) < 2e-6 * (1 + std::fabs(seen)), name + ": gradients and differences");
    check(same(rounded.arrays, exact.arrays, exact.results, 1e-4), name + ": float and double");
    for (int threads : {2, 3, 5}) {
        const Posed<float> other({table, threads, nullptr, nullptr}, g);
        check(same(other.arrays, rounded.arrays, exact.results, 0), name + ": other bits on other threads");
    }
}

template <class Check> void check_all(std::mt19937_64& generator, const sequela::Table* table, Check check) {
    for (bool batch_first : {false, true})
        for (bool of_x : {false, true}) {
            check_one(generator, table, Given{1, 1, 1, 1, 1, batch_first, of_x}, check);
            check_one(generator, table, Given{2, 5, 3, 7, 11, batch_first, of_x}, check);
            check_one(generator, table, Given{1, 37, 64, 9, 60, batch_first, of_x}, check);
            check_one(generator, table, Given{3, 70, 17, 31, 10, batch_first, of_x}, check);
            check_one(generator, table, Given{2, 1, 40, 5, 9, batch_first, of_x}, check);
            check_one(generator, table, Given{1, 3, 2, 90, 95, batch_first, of_x}, check);  // several blocks a sum
        }
}

}  // namespace fading_test
