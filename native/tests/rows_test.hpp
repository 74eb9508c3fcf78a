// Rows and bins of random records: the same on one thread and on several, every place written once. What they hold is
// held to numpy by tests/prepare/test_passes.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "../rows.hpp"

namespace rows_test {

using Whole = std::vector<int64_t>;

struct Records {
    Whole step_time, offsets{0}, time;
    std::vector<int32_t> variable, level;
    std::vector<float> number;
    std::vector<uint8_t> flagged;

    explicit Records(std::mt19937_64& generator, int64_t rows) {
        std::uniform_int_distribution<int64_t> gap(1, 50), coin(0, 3);
        int64_t now = -100;
        for (int64_t row = 0; row < rows; ++row) {
            step_time.push_back(now += gap(generator));
            for (int32_t v = 0; v < 4; ++v)
                if (coin(generator) == 0) {
                    variable.push_back(v), time.push_back(now - coin(generator));
                    level.push_back(v == 2 ? static_cast<int32_t>(coin(generator) % 2) : -1);
                    number.push_back(v == 2 || coin(generator) == 0 ? NAN : static_cast<float>(gap(generator)));
                    flagged.push_back(static_cast<uint8_t>(coin(generator) == 0));
                }
            offsets.push_back(static_cast<int64_t>(variable.size()));
        }
    }
    sequela::Cells cells() const { return {offsets.data(), variable.data(), number.data(), level.data(), time.data()}; }
};

struct Cut {  // into sequences of 37 rows
    Whole first, stop, start, begin;
    explicit Cut(int64_t rows) {
        for (int64_t at = 0; at < rows; at += 37)
            first.push_back(at), stop.push_back(std::min(at + 37, rows)), start.push_back(-200), begin.push_back(at);
    }
    int64_t count() const { return static_cast<int64_t>(first.size()); }
};

inline std::vector<char> filled(const Records& records, int64_t rows, int threads) {
    const int64_t F = 5;
    const double center[] = {3, 0, 1, 0, 0}, spread[] = {2, 1, 7, 1, 1};
    const float fill[] = {0, 0, -1, 0.5F, 0.5F};
    const uint8_t carried[] = {1, 1, 0, 1, 1}, empty[] = {2, 2, 3, 2, 2}, stands[] = {1, 1, 1, 7, 7};
    const int64_t limit[] = {INT64_MAX, 40, 40, INT64_MAX, INT64_MAX};
    const int32_t first[] = {0, 2, 3, -1}, last[] = {1, 2, 4, -1}, of_level[] = {3, 4};
    const Cut cut(rows);
    std::vector<float> values(static_cast<size_t>(rows * F), NAN), gaps(values.size(), NAN);
    std::vector<uint8_t> observed(values.size(), 9), provenance(values.size(), 9);
    sequela::fill_rows(records.cells(), {F, center, spread, fill, carried, limit, empty, stands, first, last, of_level},
                       {cut.count(), cut.first.data(), cut.stop.data(), cut.start.data(), cut.begin.data(),
                        records.step_time.data(), records.flagged.data()},
                       {nullptr, values.data(), observed.data(), gaps.data(), provenance.data()}, threads);
    std::vector<char> all(values.size() * 10);
    char* at = all.data();
    const size_t singles = values.size() * sizeof(float);
    std::memcpy(at, values.data(), singles), std::memcpy(at += singles, gaps.data(), singles);
    std::memcpy(at += singles, observed.data(), observed.size());
    std::memcpy(at + observed.size(), provenance.data(), provenance.size());
    for (size_t i = 0; i < values.size(); ++i)
        if (std::isnan(values[i]) || std::isnan(gaps[i]) || observed[i] > 1 || provenance[i] > 8) all.clear();
    return all;
}

inline Whole binned(const Records& records, int64_t rows, int threads) {
    const Cut cut(rows);
    const uint8_t aggregate[] = {sequela::MEAN, sequela::MAX, sequela::LAST, sequela::SUM};
    const Whole reach(cut.first.size(), 3);
    const sequela::Clock clock{cut.count(), 24, 4, cut.first.data(), cut.stop.data(), cut.start.data(), reach.data(),
                               records.step_time.data(), aggregate, records.cells()};
    Whole counted(cut.first.size()), cells(cut.first.size()), row_begin, cell_begin;
    sequela::count_bins(clock, counted.data(), cells.data(), threads);
    int64_t total = 0, measured = 0;
    for (size_t c = 0; c < counted.size(); ++c) {
        row_begin.push_back(total), cell_begin.push_back(measured);
        total += counted[c], measured += cells[c];
    }
    Whole edge(static_cast<size_t>(total)), offsets(static_cast<size_t>(total));
    std::vector<int32_t> variable(static_cast<size_t>(measured)), level(variable.size());
    std::vector<float> number(variable.size());
    sequela::fill_bins(clock, {row_begin.data(), cell_begin.data(), edge.data(), offsets.data(), variable.data(),
                               number.data(), level.data()}, threads);
    Whole all(edge);
    all.insert(all.end(), offsets.begin(), offsets.end());
    for (size_t m = 0; m < variable.size(); ++m)
        all.push_back(variable[m] * 10 + level[m] + (std::isnan(number[m]) ? 0 : std::lround(number[m] * 100)));
    return all;
}

}  // namespace rows_test
