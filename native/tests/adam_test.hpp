// Steps of Adam against their equations in double, and on one thread and on several.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../engine.h"

namespace adam_test {

template <class T> struct Weights {
    std::vector<std::vector<T>> weight, gradient, mean, square;

    explicit Weights(std::mt19937_64 generator) {
        std::normal_distribution<double> normal(0, 1);
        for (size_t count : {size_t{1}, size_t{37}, size_t{0}, size_t{50000}}) {
            auto drawn = [&](auto transform) {
                std::vector<T> v(count);
                for (T& each : v) each = static_cast<T>(transform(normal(generator)));
                return v;
            };
            auto as_is = [](double x) { return x; };
            weight.push_back(drawn(as_is)), gradient.push_back(drawn(as_is)), mean.push_back(drawn(as_is));
            square.push_back(drawn([](double x) { return x * x; }));
        }
    }
    void step(const sequela::Table* table, int threads, const sequela::Adam& adam) {
        std::vector<sequela::Trained> all;
        for (size_t i = 0; i < weight.size(); ++i)
            all.push_back({sizeof(T) == 4 ? sequela::F32 : sequela::F64, static_cast<int64_t>(weight[i].size()),
                           static_cast<int64_t>(i + 1), weight[i].data(), gradient[i].data(), mean[i].data(), square[i].data()});
        sequela::step({table, threads, nullptr, nullptr}, adam, all.data(), all.size());
    }
    void blend_gradients(const sequela::Table* table, int threads) {
        std::vector<sequela::Blended> all;
        for (size_t i = 0; i < weight.size(); ++i)
            all.push_back({sizeof(T) == 4 ? sequela::F32 : sequela::F64, static_cast<int64_t>(weight[i].size()),
                           weight[i].data(), gradient[i].data()});
        sequela::blend({table, threads, nullptr, nullptr}, 0.25, all.data(), all.size());
    }
    bool operator==(const Weights& other) const {
        return weight == other.weight && mean == other.mean && square == other.square;
    }
};

// The largest error of a step, of a number about one.
template <class T> double error(const Weights<T>& before, const Weights<T>& after, const sequela::Adam& a) {
    double sum = 0, worst = 0;
    for (const auto& of_tensor : before.gradient)
        for (T g : of_tensor) sum += static_cast<double>(g) * static_cast<double>(g);
    const double scale = std::fmin(1, a.max_norm / (std::sqrt(sum) + 1e-6));
    for (size_t i = 0; i < before.weight.size(); ++i)
        for (size_t j = 0; j < before.weight[i].size(); ++j) {
            const double w = before.weight[i][j], g = before.gradient[i][j] * scale + a.weight_decay * w, t = static_cast<double>(i + 1);
            const double m = a.first * before.mean[i][j] + (1 - a.first) * g;
            const double v = a.second * before.square[i][j] + (1 - a.second) * g * g;
            const double to = w - a.learning_rate * (m / (1 - std::pow(a.first, t))) / (std::sqrt(v / (1 - std::pow(a.second, t))) + a.epsilon);
            for (double e : {std::fabs(to - after.weight[i][j]) / (1 + std::fabs(to)), std::fabs(m - after.mean[i][j]),
                             std::fabs(v - after.square[i][j]) / (1 + v)})
                if (!(e <= worst)) worst = e;
        }
    return worst;
}

template <class T, class Check> void check_type(const std::mt19937_64& generator, const sequela::Table* table, Check& check) {
    const double infinite = std::numeric_limits<double>::infinity();
    for (double max_norm : {infinite, 3.0})
        for (double weight_decay : {0.0, 0.1}) {
            const sequela::Adam adam{0.01, 0.9, 0.999, 1e-8, weight_decay, max_norm};
            const Weights<T> before(generator);
            Weights<T> one = before, several = before;
            one.step(table, 1, adam), several.step(table, 4, adam);
            check(error(before, one, adam) < (sizeof(T) == 4 ? 2e-6 : 1e-14), "a step of Adam is that of its equations");
            one.blend_gradients(table, 1), several.blend_gradients(table, 4);
            check(one == several, "Adam has the same bits on any threads");
        }
}

template <class Check> void check_all(const std::mt19937_64& generator, const sequela::Table* table, Check check) {
    check_type<float>(generator, table, check);
    check_type<double>(generator, table, check);
}

}  // namespace adam_test
