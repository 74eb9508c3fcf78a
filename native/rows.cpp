#include "rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "pool.hpp"

namespace sequela {
namespace {

constexpr int64_t ROWS_A_TASK = 8192, SIDE_BY_SIDE = 64;  // what is known of so many stays near

// What is known of one sequence so far, column by column, and its row on the way. Bytes of padding spare remainders.
struct Known {
    std::vector<float> stands, gap;
    std::vector<int64_t> since;
    std::vector<uint8_t> some, source, observed;
    std::vector<int32_t> measured;  // columns, in this row
    explicit Known(size_t columns)
        : stands(columns), gap((columns + 15) / 16 * 16), since(gap.size()), some(columns), source(columns),
          observed(columns), measured(columns) {}
};

// Pointers stand in variables of their own here: of what a struct holds a compiler must believe that any byte written
// changes it.
class Writer {
public:
    Writer(const Cells& cells, const Columns& columns, const Spans& spans, const Rows& rows, HoursSince hours_since)
        : cells_(cells), columns_(columns), spans_(spans), rows_(rows), hours_since_(hours_since) {
        for (int64_t c = 0; c < columns.count; ++c)
            if (columns.carried[c] && columns.limit[c] < INT64_MAX) limited_.push_back(c);
    }

    // Writes sequences that lie side by side in the packed rows, step after step: memory is written where it was before.
    void side_by_side(std::vector<Known>& known, const int64_t* sequences, size_t count) const {
        int64_t longest = 0;
        for (size_t k = 0; k < count; ++k) {
            nothing(known[k], spans_.start[sequences[k]]);
            longest = std::max(longest, spans_.stop[sequences[k]] - spans_.first[sequences[k]]);
        }
        for (int64_t step = 0; step < longest; ++step)
            for (size_t k = 0; k < count; ++k) {
                const int64_t source = spans_.first[sequences[k]] + step;
                if (source < spans_.stop[sequences[k]]) row(known[k], source, spans_.begin[sequences[k]] + step);
            }
    }

private:
    void nothing(Known& known, int64_t start) const {
        const size_t F = static_cast<size_t>(columns_.count);
        std::memcpy(known.stands.data(), columns_.fill, F * sizeof(float));
        std::memcpy(known.source.data(), columns_.empty, F);
        std::memset(known.some.data(), 0, F);
        std::memset(known.observed.data(), 0, F);
        std::fill(known.since.begin(), known.since.end(), start);
    }
    void row(Known& known, int64_t source, int64_t number) const {
        const int64_t row = rows_.place == nullptr ? number : rows_.place[number], time = spans_.step_time[source];
        const int64_t cell = cells_.offsets[source], stop = cells_.offsets[source + 1];
        // Of the sequence's next rows: the processor does not follow so many of them by itself.
        __builtin_prefetch(cells_.number + stop + 16), __builtin_prefetch(cells_.variable + stop + 16);
        __builtin_prefetch(cells_.time + stop + 8), __builtin_prefetch(cells_.time + stop + 16);
        hours_since_(time, known.since.data(), known.gap.data(), static_cast<int64_t>(known.gap.size()));
        write(known, row, time, measure(known, cell, stop));
    }
    // Takes in the cells of a row; returns how many columns were measured.
    size_t measure(Known& known, int64_t cell, int64_t stop) const {
        const int32_t *variable = cells_.variable, *level = cells_.level, *first = columns_.first, *last = columns_.last;
        const float* number = cells_.number;
        const int64_t* time = cells_.time;
        const double *center = columns_.center, *spread = columns_.spread;
        float* stands = known.stands.data();
        int64_t* since = known.since.data();
        int32_t* measured = known.measured.data();
        size_t count = 0;
        const auto put = [&](int32_t c, float value, int64_t when) {
            stands[c] = value, since[c] = when, measured[count++] = c;
        };
        for (; cell < stop; ++cell) {
            const int32_t v = variable[cell], begin = first[v], end = last[v];
            const int32_t category = level == nullptr ? -1 : level[cell];
            if (begin < 0 || (category < 0 && std::isnan(number[cell]))) continue;
            if (category >= 0) {
                const int32_t hit = columns_.of_level[category];
                for (int32_t c = begin; c <= end; ++c) put(c, c == hit ? 1.0F : 0.0F, time[cell]);
                continue;
            }
            const double scaled = (static_cast<double>(number[cell]) - center[begin]) / spread[begin];
            put(begin, static_cast<float>(scaled), time[cell]);
            const float flag = spans_.flagged != nullptr && spans_.flagged[cell] ? 1.0F : 0.0F;
            for (int32_t c = begin + 1; c <= end; ++c) put(c, flag, time[cell]);
        }
        return count;
    }
    void write(Known& known, int64_t row, int64_t time, size_t count) const {
        const int64_t F = columns_.count;
        const size_t bytes = static_cast<size_t>(F);
        const int32_t* measured = known.measured.data();
        const uint8_t *carried = columns_.carried, *of_standing = columns_.stands;
        float *values = rows_.values + row * F, *stands = known.stands.data();
        uint8_t *observed = known.observed.data(), *some = known.some.data(), *source = known.source.data();
        std::memcpy(values, stands, bytes * sizeof(float));
        std::memcpy(rows_.gap_hours + row * F, known.gap.data(), bytes * sizeof(float));
        for (size_t i = 0; i < count; ++i) observed[measured[i]] = 1;
        std::memcpy(rows_.observed + row * F, observed, bytes);
        uint8_t* provenance = rows_.provenance == nullptr ? nullptr : rows_.provenance + row * F;
        if (provenance != nullptr) {
            std::memcpy(provenance, source, bytes);
            for (size_t i = 0; i < count; ++i) provenance[measured[i]] = 0;
        }
        for (int64_t c : limited_)
            if (some[c] && !observed[c] && time - known.since[static_cast<size_t>(c)] > columns_.limit[c]) {
                values[c] = columns_.fill[c];
                if (provenance != nullptr) provenance[c] = columns_.empty[c];
            }
        for (size_t i = 0; i < count; ++i) {
            const int32_t c = measured[i];
            observed[c] = 0, some[c] = 1;
            if (carried[c]) source[c] = of_standing[c];
            else stands[c] = columns_.fill[c];
        }
    }

    const Cells& cells_;
    const Columns& columns_;
    const Spans& spans_;
    const Rows& rows_;
    HoursSince hours_since_;
    std::vector<int64_t> limited_;
};

// The sequences that have rows, those whose first rows are written side by side one after the other.
std::vector<int64_t> in_order_of_rows(const Spans& spans, const Rows& rows) {
    std::vector<int64_t> order;
    for (int64_t s = 0; s < spans.count; ++s)
        if (spans.first[s] < spans.stop[s]) order.push_back(s);
    const auto first = [&](int64_t s) { return rows.place[spans.begin[s]]; };
    if (rows.place != nullptr)
        std::sort(order.begin(), order.end(), [&](int64_t s, int64_t other) { return first(s) < first(other); });
    return order;
}

}  // namespace

std::vector<int64_t> cuts_of(int64_t count, const int64_t* first, const int64_t* stop) {
    std::vector<int64_t> cuts{0};
    int64_t rows = 0;
    for (int64_t s = 0; s < count; ++s) {
        rows += stop[s] - first[s] + 1;
        if (rows >= ROWS_A_TASK || s + 1 == count) cuts.push_back(s + 1), rows = 0;
    }
    return cuts;
}

void fill_rows(const Cells& cells, const Columns& columns, const Spans& spans, const Rows& rows, HoursSince hours_since,
               int threads) {
    if (columns.count == 0) return;
    const std::vector<int64_t> order = in_order_of_rows(spans, rows);
    const auto size = static_cast<int64_t>(order.size()), together = rows.place == nullptr ? 1 : SIDE_BY_SIDE;
    const std::vector<Known> one(static_cast<size_t>(together), Known(static_cast<size_t>(columns.count)));
    std::vector<std::vector<Known>> known(static_cast<size_t>(slots(threads)), one);
    const Writer writer(cells, columns, spans, rows, hours_since);
    share_out(threads, (size + together - 1) / together, [&](int64_t task, int slot) {
        const int64_t first = task * together;
        writer.side_by_side(known[static_cast<size_t>(slot)], order.data() + first,
                            static_cast<size_t>(std::min(together, size - first)));
    });
}

}  // namespace sequela
