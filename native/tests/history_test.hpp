// Histories with hidden measurements, and sums and maxima up to rows that are read: against loops over one history and one
// column each, to the bit, on one thread and on several.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../history.hpp"

namespace history_test {

using Whole = std::vector<int64_t>;

inline double drawn(std::mt19937_64& generator) {
    if (generator() % 50 == 0) return std::numeric_limits<double>::quiet_NaN();
    if (generator() % 3 == 0) return static_cast<double>(generator() % 3) - 1;  // ties
    return std::normal_distribution<double>(0, 1)(generator);
}

template <class T> std::vector<T> drawn(std::mt19937_64& generator, int64_t count) {
    std::vector<T> all(static_cast<size_t>(count));
    for (T& each : all) each = static_cast<T>(drawn(generator));
    return all;
}

struct Ragged {
    Whole offsets{0}, reads;
    int64_t columns;

    Ragged(std::mt19937_64& generator, const Whole& lengths, int64_t count, int64_t of_columns) : columns(of_columns) {
        for (int64_t step = 0; !lengths.empty() && step < lengths[0]; ++step) {
            int64_t alive = 0;
            for (int64_t length : lengths) alive += length > step;
            offsets.push_back(offsets.back() + alive);
        }
        for (int64_t k = 0; k < count && rows() > 0; ++k)
            reads.push_back(static_cast<int64_t>(generator() % static_cast<uint64_t>(rows())));
    }
    int64_t rows() const { return offsets.back(); }
    int64_t steps() const { return static_cast<int64_t>(offsets.size()) - 1; }
    sequela::Packing packing() const { return {steps() > 0 ? offsets[1] : 0, steps(), offsets.data()}; }
    sequela::Reading reading() const { return {columns, static_cast<int64_t>(reads.size()), reads.data()}; }
    size_t room(int64_t of_rows) const { return static_cast<size_t>(of_rows * columns); }
    // The rows of the history of a row, up to it; where `all`, to the history's end.
    Whole history(int64_t row, bool all) const {
        int64_t step = 0;
        while (offsets[static_cast<size_t>(step + 1)] <= row) ++step;
        const int64_t place = row - offsets[static_cast<size_t>(step)];
        Whole found;
        for (int64_t t = 0; t < steps() && (all || t <= step); ++t) {
            const int64_t begin = offsets[static_cast<size_t>(t)];
            if (begin + place < offsets[static_cast<size_t>(t + 1)]) found.push_back(begin + place);
        }
        return found;
    }
};

template <class T> bool same(const std::vector<T>& one, const std::vector<T>& other) {
    if (one.size() != other.size()) return false;
    for (size_t i = 0; i < one.size(); ++i)
        if (std::memcmp(&one[i], &other[i], sizeof(T)) != 0 && (one[i] == one[i] || other[i] == other[i])) return false;
    return true;
}

template <class T, class Check> void check_reads(std::mt19937_64& generator, const Ragged& r, Check& check) {
    const size_t K = static_cast<size_t>(r.columns), R = r.reads.size();
    const auto rows = drawn<T>(generator, r.rows() * r.columns);
    const auto gradient = drawn<double>(generator, static_cast<int64_t>(R) * r.columns);
    std::vector<double> sums(R * K), back(r.room(r.rows()));
    std::vector<T> largest(R * K);
    Whole source(R * K);
    for (size_t k = 0; k < R; ++k)
        for (size_t column = 0; column < K; ++column) {
            double sum = 0;
            int64_t at = -1;
            for (int64_t row : r.history(r.reads[k], false)) {
                const T x = rows[static_cast<size_t>(row) * K + column];
                sum += static_cast<double>(x);
                if (at < 0 || x != x || x >= rows[static_cast<size_t>(at) * K + column]) at = row;
            }
            sums[k * K + column] = sum, source[k * K + column] = at;
            largest[k * K + column] = rows[static_cast<size_t>(at) * K + column];
        }
    std::vector<Whole> reads_of(static_cast<size_t>(r.rows()));
    for (size_t k = 0; k < R; ++k) reads_of[static_cast<size_t>(r.reads[k])].push_back(static_cast<int64_t>(k));
    for (int64_t first = 0; first < r.packing().histories; ++first) {
        const Whole all = r.history(first, true);
        for (size_t column = 0; column < K; ++column) {
            double after = 0;
            for (size_t place = all.size(); place > 0; --place) {
                const size_t row = static_cast<size_t>(all[place - 1]);
                double here = 0;
                for (int64_t k : reads_of[row]) here += gradient[static_cast<size_t>(k) * K + column];
                back[row * K + column] = after += here;
            }
        }
    }
    const std::vector<T> of_type(back.begin(), back.end());
    for (int threads : {1, 4}) {
        std::vector<double> made_sums(R * K, 7);
        std::vector<T> made_back(back.size(), 7), made_largest(R * K, 7);
        Whole made_source(R * K, -7);
        sequela::prefix_sum(r.packing(), r.reading(), rows.data(), made_sums.data(), threads);
        sequela::prefix_sum_backward(r.packing(), r.reading(), gradient.data(), made_back.data(), threads);
        sequela::prefix_max(r.packing(), r.reading(), rows.data(), made_largest.data(), made_source.data(), threads);
        check(same(sums, made_sums), "sums up to a row are those of a loop");
        check(same(of_type, made_back), "derivatives of sums up to a row are those of a loop");
        check(same(largest, made_largest) && source == made_source, "maxima up to a row are the latest of a loop");
    }
}

template <class Check> void check_hiding(std::mt19937_64& generator, const Ragged& r, Check& check) {
    const size_t F = static_cast<size_t>(r.columns), N = static_cast<size_t>(r.rows());
    const auto values = drawn<float>(generator, r.rows() * r.columns), gaps = drawn<float>(generator, r.rows() * r.columns);
    std::vector<float> chance(N * F), shares(static_cast<size_t>(r.packing().histories));
    std::vector<uint8_t> observed(N * F);
    for (float& each : chance) each = static_cast<float>(generator() % 8) / 8;  // some are as large as the share
    for (float& each : shares) each = static_cast<float>(generator() % 9) / 8;
    for (uint8_t& each : observed) each = generator() % 2;
    std::vector<float> new_values(values), new_gaps(gaps);
    std::vector<uint8_t> new_observed(observed);
    for (size_t first = 0; first < shares.size(); ++first)
        for (size_t column = 0; column < F; ++column) {
            float kept = 0, longer = 0;
            bool lost = false;
            for (int64_t row : r.history(static_cast<int64_t>(first), true)) {
                const size_t i = static_cast<size_t>(row) * F + column;
                new_gaps[i] += longer;
                if (observed[i]) {
                    lost = chance[i] < shares[first];
                    longer = lost ? new_gaps[i] : 0;
                    new_observed[i] = !lost;
                    if (!lost) kept = values[i];
                }
                if (lost) new_values[i] = kept;
            }
        }
    for (int threads : {1, 4}) {
        std::vector<float> made_values(N * F, 7), made_gaps(N * F, 7);
        std::vector<uint8_t> made_observed(N * F, 7);
        sequela::hide(r.packing(), {r.columns, values.data(), gaps.data(), observed.data(), chance.data(), shares.data(),
                                    made_values.data(), made_gaps.data(), made_observed.data()}, threads);
        check(same(new_values, made_values) && same(new_gaps, made_gaps) && new_observed == made_observed,
              "measurements are hidden as by a loop");
    }
}

template <class Check> void check_all(std::mt19937_64& generator, Check check) {
    Whole uneven;
    for (int64_t history = 0; history < 120; ++history) uneven.push_back(150 - history);
    for (const Whole& lengths : {Whole{}, Whole{1}, Whole{9}, Whole{5, 5, 5}, Whole{12, 9, 9, 4, 3, 3, 2, 1, 1, 1}, uneven})
        for (int64_t columns : {0, 1, 5, 64})
            for (int64_t reads : {0, 1, 50}) {
                const Ragged ragged(generator, lengths, reads, columns);
                check_reads<float>(generator, ragged, check);
                check_reads<double>(generator, ragged, check);
                if (reads == 0) check_hiding(generator, ragged, check);
            }
}

}  // namespace history_test
