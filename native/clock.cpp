// Records onto a regular clock: one walk over the cells, which writes each bin's summary as it ends.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "pool.hpp"
#include "rows.hpp"

namespace sequela {
namespace {

// The bin of an instant: the least k with origin + k * span >= time.
int64_t bin_of(int64_t time, int64_t origin, int64_t span) {
    int64_t since = time - origin, k = since / span;
    return k + (since % span > 0);
}

// One bin on its way: the summary of each variable, and which variables have one, as bits of bits.
class Summary {
public:
    explicit Summary(int64_t variables)
        : of_(static_cast<size_t>(variables)), some_(of_.size() / 64 + 1), any_(some_.size() / 64 + 1) {}

    void add(int32_t variable, float number, int32_t level, uint8_t aggregate) {
        const size_t v = static_cast<size_t>(variable), word = v / 64;
        Value& value = of_[v];
        if (!(some_[word] >> (v % 64) & 1)) {
            some_[word] |= uint64_t(1) << (v % 64), any_[word / 64] |= uint64_t(1) << (word % 64);
            value = {0, 0, -1};
        }
        value.level = level;
        if (std::isnan(number)) return;
        const double x = number;
        const bool begins = value.count++ == 0;
        switch (aggregate) {
            case MEAN: case SUM: value.number += x; break;
            case MIN: if (begins || x < value.number) value.number = x; break;
            case MAX: if (begins || x > value.number) value.number = x; break;
            default: value.number = x;
        }
    }
    // Calls put(variable, number, level) for each variable with a summary, in order, and forgets them.
    template <class Put> void drain(const uint8_t* aggregate, Put put) {
        for (size_t many = 0; many < any_.size(); ++many)
            for (; any_[many] != 0; any_[many] &= any_[many] - 1) {
                const size_t word = many * 64 + static_cast<size_t>(__builtin_ctzll(any_[many]));
                for (; some_[word] != 0; some_[word] &= some_[word] - 1) {
                    const size_t v = word * 64 + static_cast<size_t>(__builtin_ctzll(some_[word]));
                    put(static_cast<int32_t>(v), of_[v].summed_up(aggregate[v]), of_[v].level);
                }
            }
    }

private:
    struct Value {
        double number;
        int32_t count, level;
        float summed_up(uint8_t aggregate) const {
            if (count == 0) return std::nanf("");
            return static_cast<float>(aggregate == MEAN ? number / count : number);
        }
    };
    std::vector<Value> of_;
    std::vector<uint64_t> some_, any_;
};

// At least as much as a course has on the clock: one cell for each of its cells, and one row for each bin, but for those
// before the origin that hold nothing.
Size most_bins_of(const Clock& clock, int64_t course) {
    const int64_t first = clock.first[course], stop = clock.stop[course], origin = clock.origin[course];
    if (first >= stop) return {0, 0};
    const int64_t begin = bin_of(clock.step_time[first], origin, clock.span);
    const int64_t end = std::max(bin_of(clock.step_time[stop - 1], origin, clock.span), clock.reach[course]);
    const int64_t before = std::min(stop - first, std::max<int64_t>(1 - begin, 0));
    const int64_t after = std::max<int64_t>(end - std::max<int64_t>(begin, 1) + 1, 0);
    return {before + after, clock.cells.offsets[stop] - clock.cells.offsets[first]};
}

// What one task makes, until it knows where that goes.
struct Made {
    std::vector<int64_t> edge, offset, time;
    std::vector<int32_t> variable, level;
    std::vector<float> number;
    int64_t rows = 0, cells = 0;

    Made(size_t most_rows, size_t most_cells, bool levels)
        : edge(most_rows), offset(most_rows), time(most_cells), variable(most_cells), level(levels ? most_cells : 0),
          number(most_cells) {}

    void copy(const Bins& to, int64_t row, int64_t cell) const {
        std::copy_n(edge.data(), rows, to.edge + row);
        for (int64_t r = 0; r < rows; ++r) to.offsets[row + r] = cell + offset[static_cast<size_t>(r)];
        std::copy_n(variable.data(), cells, to.variable + cell);
        std::copy_n(number.data(), cells, to.number + cell);
        std::copy_n(time.data(), cells, to.time + cell);
        if (to.level != nullptr) std::copy_n(level.data(), cells, to.level + cell);
    }
};

class Walk {
public:
    Walk(const Clock& clock, Summary& summary, Made& made) : clock_(clock), summary_(summary), made_(made) {}

    // Writes the bins of a course; a bin's records stand one after the other.
    void course(int64_t c) {
        const int64_t origin = clock_.origin[c], span = clock_.span, stop = clock_.stop[c], *time = clock_.step_time;
        int64_t bin = 0, edge = 0;
        for (int64_t row = clock_.first[c], end; row < stop; row = end) {
            const bool begins = row == clock_.first[c], next = !begins && time[row] - edge <= span;
            const int64_t here = next ? bin + 1 : bin_of(time[row], origin, span);
            if (!begins) nothing(origin, bin + 1, here);
            bin = here, edge = origin + here * span;
            for (end = row + 1; end < stop && time[end] <= edge;) ++end;
            records(edge, clock_.cells.offsets[row], clock_.cells.offsets[end]);
        }
        if (clock_.first[c] < stop) nothing(origin, bin + 1, clock_.reach[c] + 1);
    }

private:
    // Empty bins from `bin` on, up to `stop`; those before the origin are left out.
    void nothing(int64_t origin, int64_t bin, int64_t stop) {
        for (bin = std::max<int64_t>(bin, 1); bin < stop; ++bin) open(origin + bin * clock_.span);
    }
    void open(int64_t edge) {
        const size_t row = static_cast<size_t>(made_.rows++);
        made_.edge[row] = edge, made_.offset[row] = made_.cells;
    }
    void records(int64_t edge, int64_t cell, int64_t stop) {
        const Cells& cells = clock_.cells;
        open(edge);
        for (; cell < stop; ++cell) {
            const int32_t v = cells.variable[cell];
            summary_.add(v, cells.number[cell], cells.level == nullptr ? -1 : cells.level[cell], clock_.aggregate[v]);
        }
        summary_.drain(clock_.aggregate, [&](int32_t variable, float number, int32_t level) {
            const size_t at = static_cast<size_t>(made_.cells++);
            made_.variable[at] = variable, made_.number[at] = number, made_.time[at] = edge;
            if (cells.level != nullptr) made_.level[at] = level;
        });
    }

    const Clock& clock_;
    Summary& summary_;
    Made& made_;
};

// At least as much as the courses from `first` on have on the clock, up to `stop`.
Size most_bins_of(const Clock& clock, int64_t first, int64_t stop) {
    Size size{0, 0};
    for (int64_t c = first; c < stop; ++c) {
        const Size own = most_bins_of(clock, c);
        size.rows += own.rows, size.cells += own.cells;
    }
    return size;
}

// Room for what the largest task may make, for each slot.
std::vector<Made> room_for(const Clock& clock, const std::vector<int64_t>& cuts, int threads) {
    Size size{0, 0};
    for (size_t task = 0; task + 1 < cuts.size(); ++task) {
        const Size own = most_bins_of(clock, cuts[task], cuts[task + 1]);
        size.rows = std::max(size.rows, own.rows), size.cells = std::max(size.cells, own.cells);
    }
    const Made one(static_cast<size_t>(size.rows), static_cast<size_t>(size.cells), clock.cells.level != nullptr);
    return std::vector<Made>(static_cast<size_t>(slots(threads)), one);
}

}  // namespace

Size most_bins(const Clock& clock) { return most_bins_of(clock, 0, clock.courses); }

Size fill_bins(const Clock& clock, const Bins& bins, int threads) {
    const auto cuts = cuts_of(clock.courses, clock.first, clock.stop);
    auto made = room_for(clock, cuts, threads);
    std::vector<Summary> summaries(made.size(), Summary(clock.variables));
    Size size{0, 0};
    Turns turns;
    share_out(threads, static_cast<int64_t>(cuts.size()) - 1, [&](int64_t task, int slot) {
        Made& own = made[static_cast<size_t>(slot)];
        own.rows = own.cells = 0;
        Walk walk(clock, summaries[static_cast<size_t>(slot)], own);
        for (int64_t c = cuts[static_cast<size_t>(task)]; c < cuts[static_cast<size_t>(task) + 1]; ++c) {
            const int64_t before = own.rows;
            walk.course(c);
            bins.rows[c] = own.rows - before;
        }
        Size begin{0, 0};
        turns.take(task, [&] { begin = size, size.rows += own.rows, size.cells += own.cells; });
        own.copy(bins, begin.rows, begin.cells);
    });
    bins.offsets[size.rows] = size.cells;
    return size;
}

}  // namespace sequela
