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
#include "../timeline.hpp"

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

// What every instruction set does by its own flags (native/hours.hpp).
inline void hours_since(int64_t time, const int64_t* since, float* hours, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
        hours[i] = static_cast<float>(static_cast<double>(time - since[i]) / 3600000000.0);
}

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
                       {nullptr, values.data(), observed.data(), gaps.data(), provenance.data()}, hours_since, threads);
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
    const sequela::Size most = sequela::most_bins(clock);
    Whole counted(cut.first.size()), edge(static_cast<size_t>(most.rows)), offsets(edge.size() + 1);
    std::vector<int32_t> variable(static_cast<size_t>(most.cells)), level(variable.size());
    std::vector<float> number(variable.size());
    Whole time(variable.size());
    const sequela::Size made = sequela::fill_bins(clock, {counted.data(), edge.data(), offsets.data(), variable.data(),
                                                          number.data(), level.data(), time.data()}, threads);
    edge.resize(static_cast<size_t>(made.rows)), offsets.resize(edge.size() + 1);
    if (!std::is_sorted(offsets.begin(), offsets.end()) || offsets.back() != made.cells) return {};
    time.resize(static_cast<size_t>(made.cells)), variable.resize(time.size());
    edge.insert(edge.end(), counted.begin(), counted.end()), edge.insert(edge.end(), time.begin(), time.end());
    Whole all(edge);
    all.insert(all.end(), offsets.begin(), offsets.end());
    for (size_t m = 0; m < variable.size(); ++m)
        all.push_back(variable[m] * 10 + level[m] + (std::isnan(number[m]) ? 0 : std::lround(number[m] * 100)));
    return all;
}

// The steps of sorted events of 30 people, some of whom have none.
inline Whole timed(std::mt19937_64 generator, int64_t events, int threads) {
    std::uniform_int_distribution<int64_t> coin(0, 3);
    Whole person, known;
    std::vector<int32_t> variable;
    for (int64_t i = 0, who = 0, now = 0; i < events; ++i) {
        const bool another = who < 27 && i % (events / 30 + 1) == 0, later = another || variable.back() > 5 || coin(generator) > 0;
        if (another) who += 1 + coin(generator) % 2, now = 0;
        person.push_back(who), known.push_back(now += later), variable.push_back(later ? 0 : variable.back() + 1);
    }
    Whole time(person.size()), cells(person.size() + 1), people(31);
    const sequela::SortedEvents given{events, 30, person.data(), known.data(), variable.data()};
    const int64_t steps = sequela::mark_steps(given, {time.data(), cells.data(), people.data()}, threads);
    if (steps < 0) return {};
    time.resize(static_cast<size_t>(steps)), cells.resize(time.size() + 1);
    time.insert(time.end(), cells.begin(), cells.end()), time.insert(time.end(), people.begin(), people.end());
    return time;
}

}  // namespace rows_test
