#include "rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "pool.hpp"

namespace sequela {
namespace {

constexpr double MICROSECONDS_PER_HOUR = 3600000000.0;
constexpr int64_t ROWS_A_TASK = 8192;

// Runs fn(task, slot) on the threads of the pool.
template <class Fn> void share_out(int threads, int64_t tasks, Fn fn) {
    share(threads, tasks, [](void* data, int64_t number, int slot) { (*static_cast<Fn*>(data))(number, slot); }, &fn);
}

int slots(int threads) { return std::clamp(threads, 1, most_threads); }

// Cuts S spans into tasks of about ROWS_A_TASK rows: task i has the spans cuts[i] .. cuts[i + 1].
std::vector<int64_t> cuts_of(int64_t count, const int64_t* first, const int64_t* stop) {
    std::vector<int64_t> cuts{0};
    int64_t rows = 0;
    for (int64_t s = 0; s < count; ++s) {
        rows += stop[s] - first[s] + 1;
        if (rows >= ROWS_A_TASK || s + 1 == count) cuts.push_back(s + 1), rows = 0;
    }
    return cuts;
}

// The bin of an instant: the least k with origin + k * span >= time.
int64_t bin_of(int64_t time, int64_t origin, int64_t span) {
    int64_t since = time - origin, k = since / span;
    return k + (since % span > 0);
}

// One bin on its way: each variable's summary, and which variables have one.
struct Summary {
    std::vector<double> value;
    std::vector<int32_t> count, level, seen;
    std::vector<uint8_t> open;

    explicit Summary(int64_t variables)
        : value(static_cast<size_t>(variables)), count(value.size()), level(value.size()), open(value.size()) {
        seen.reserve(value.size());
    }
    void add(int32_t v, float number, int32_t category, uint8_t aggregate) {
        size_t i = static_cast<size_t>(v);
        if (!open[i]) open[i] = 1, count[i] = 0, value[i] = 0, seen.push_back(v);
        level[i] = category;
        if (std::isnan(number)) return;
        double x = number;
        bool begins = count[i]++ == 0;
        switch (aggregate) {
            case MEAN: case SUM: value[i] += x; break;
            case MIN: if (begins || x < value[i]) value[i] = x; break;
            case MAX: if (begins || x > value[i]) value[i] = x; break;
            default: value[i] = x;
        }
    }
    float number(int32_t v, uint8_t aggregate) const {
        size_t i = static_cast<size_t>(v);
        if (count[i] == 0) return std::nanf("");
        return static_cast<float>(aggregate == MEAN ? value[i] / count[i] : value[i]);
    }
    void clear() {
        for (int32_t v : seen) open[static_cast<size_t>(v)] = 0;
        seen.clear();
    }
};

// Walks the bins of a course: open(k) before the cells of a bin, also of an empty one; add(cell); close() after them.
template <class Open, class Add, class Close>
void walk(const Clock& clock, int64_t course, Open open, Add add, Close close) {
    const int64_t origin = clock.origin[course], reach = clock.reach[course];
    bool any = false;
    int64_t bin = 0, edge = 0;
    for (int64_t row = clock.first[course]; row < clock.stop[course]; ++row) {
        const int64_t time = clock.step_time[row];
        if (!any || time > edge) {
            const int64_t here = bin_of(time, origin, clock.span);
            if (any) {
                close();
                for (int64_t k = std::max<int64_t>(bin + 1, 1); k < here; ++k) open(k), close();
            }
            any = true, bin = here, edge = origin + here * clock.span;
            open(bin);
        }
        for (int64_t cell = clock.cells.offsets[row]; cell < clock.cells.offsets[row + 1]; ++cell) add(cell);
    }
    if (!any) return;
    close();
    for (int64_t k = std::max<int64_t>(bin + 1, 1); k <= reach; ++k) open(k), close();
}

}  // namespace

void count_bins(const Clock& clock, int64_t* rows, int64_t* cells, int threads) {
    const auto cuts = cuts_of(clock.courses, clock.first, clock.stop);
    std::vector<std::vector<int64_t>> last(static_cast<size_t>(slots(threads)));
    for (auto& of : last) of.assign(static_cast<size_t>(clock.variables), -1);
    std::vector<int64_t> bins(last.size(), 0);
    share_out(threads, static_cast<int64_t>(cuts.size()) - 1, [&](int64_t task, int slot) {
        auto& seen = last[static_cast<size_t>(slot)];
        int64_t& number = bins[static_cast<size_t>(slot)];
        for (int64_t c = cuts[static_cast<size_t>(task)]; c < cuts[static_cast<size_t>(task) + 1]; ++c) {
            int64_t r = 0, m = 0;
            walk(clock, c, [&](int64_t) { ++r, ++number; },
                 [&](int64_t cell) {
                     int64_t& mark = seen[static_cast<size_t>(clock.cells.variable[cell])];
                     m += mark != number, mark = number;
                 },
                 [] {});
            rows[c] = r, cells[c] = m;
        }
    });
}

void fill_bins(const Clock& clock, const Bins& bins, int threads) {
    const auto cuts = cuts_of(clock.courses, clock.first, clock.stop);
    std::vector<Summary> summaries(static_cast<size_t>(slots(threads)), Summary(clock.variables));
    for (auto& of : summaries) of.seen.reserve(static_cast<size_t>(clock.variables));
    share_out(threads, static_cast<int64_t>(cuts.size()) - 1, [&](int64_t task, int slot) {
        Summary& summary = summaries[static_cast<size_t>(slot)];
        for (int64_t c = cuts[static_cast<size_t>(task)]; c < cuts[static_cast<size_t>(task) + 1]; ++c) {
            int64_t row = bins.row_begin[c], at = bins.cell_begin[c];
            walk(clock, c,
                 [&](int64_t k) { bins.edge[row] = clock.origin[c] + k * clock.span, bins.offsets[row] = at, ++row; },
                 [&](int64_t cell) {
                     int32_t v = clock.cells.variable[cell];
                     summary.add(v, clock.cells.number[cell], clock.cells.level[cell], clock.aggregate[v]);
                 },
                 [&] {
                     std::sort(summary.seen.begin(), summary.seen.end());
                     for (int32_t v : summary.seen) {
                         bins.variable[at] = v, bins.number[at] = summary.number(v, clock.aggregate[v]);
                         bins.level[at] = summary.level[static_cast<size_t>(v)], ++at;
                     }
                     summary.clear();
                 });
        }
    });
}

namespace {

// What is known of one sequence so far.
struct Known {
    std::vector<float> stands;
    std::vector<int64_t> since;
    std::vector<uint8_t> some, source;
    explicit Known(size_t columns) : stands(columns), since(columns), some(columns), source(columns) {}
};

struct Writer {
    const Cells& cells;
    const Columns& columns;
    const Spans& spans;
    const Rows& rows;
    const std::vector<int64_t>& limited;

    void nothing(Known& known, int64_t start) const {
        size_t F = static_cast<size_t>(columns.count);
        std::memcpy(known.stands.data(), columns.fill, F * sizeof(float));
        std::memcpy(known.source.data(), columns.empty, F);
        std::memset(known.some.data(), 0, F);
        std::fill(known.since.begin(), known.since.end(), start);
    }
    void put(Known& known, int64_t row, int64_t column, float value, int64_t measured) const {
        const int64_t cell = row * columns.count + column;
        const size_t c = static_cast<size_t>(column);
        rows.values[cell] = value;
        rows.observed[cell] = 1;
        if (rows.provenance != nullptr) rows.provenance[cell] = 0;
        known.since[c] = measured, known.some[c] = 1;
        if (columns.carried[column]) known.stands[c] = value, known.source[c] = columns.stands[column];
    }
    float scaled(float number, int64_t column) const {
        return static_cast<float>((static_cast<double>(number) - columns.center[column]) / columns.spread[column]);
    }
    void one(Known& known, int64_t row, int64_t cell) const {
        const int32_t v = cells.variable[cell], first = columns.first[v], level = cells.level[cell];
        if (first < 0 || (level < 0 && std::isnan(cells.number[cell]))) return;
        if (level < 0) {
            put(known, row, first, scaled(cells.number[cell], first), cells.time[cell]);
            const float flag = spans.flagged != nullptr && spans.flagged[cell] ? 1.0F : 0.0F;
            for (int64_t c = first + 1; c <= columns.last[v]; ++c) put(known, row, c, flag, cells.time[cell]);
            return;
        }
        const int32_t hit = columns.of_level[level];
        for (int64_t c = first; c <= columns.last[v]; ++c) put(known, row, c, c == hit ? 1.0F : 0.0F, cells.time[cell]);
    }
    void row(Known& known, int64_t source, int64_t row) const {
        const int64_t F = columns.count, time = spans.step_time[source];
        const size_t bytes = static_cast<size_t>(F);
        float* gap = rows.gap_hours + row * F;
        for (int64_t c = 0; c < F; ++c)
            gap[c] = static_cast<float>(static_cast<double>(time - known.since[static_cast<size_t>(c)]) /
                                        MICROSECONDS_PER_HOUR);
        std::memcpy(rows.values + row * F, known.stands.data(), bytes * sizeof(float));
        std::memset(rows.observed + row * F, 0, bytes);
        if (rows.provenance != nullptr) std::memcpy(rows.provenance + row * F, known.source.data(), bytes);
        for (int64_t c : limited)
            if (known.some[static_cast<size_t>(c)] && time - known.since[static_cast<size_t>(c)] > columns.limit[c]) {
                rows.values[row * F + c] = columns.fill[c];
                if (rows.provenance != nullptr) rows.provenance[row * F + c] = columns.empty[c];
            }
        for (int64_t cell = cells.offsets[source]; cell < cells.offsets[source + 1]; ++cell) one(known, row, cell);
    }
    void sequence(Known& known, int64_t s) const {
        nothing(known, spans.start[s]);
        int64_t next = spans.begin[s];
        for (int64_t source = spans.first[s]; source < spans.stop[s]; ++source, ++next)
            row(known, source, rows.place == nullptr ? next : rows.place[next]);
    }
};

}  // namespace

void fill_rows(const Cells& cells, const Columns& columns, const Spans& spans, const Rows& rows, int threads) {
    if (columns.count == 0) return;
    const auto cuts = cuts_of(spans.count, spans.first, spans.stop);
    std::vector<int64_t> limited;
    for (int64_t c = 0; c < columns.count; ++c)
        if (columns.carried[c] && columns.limit[c] < INT64_MAX) limited.push_back(c);
    std::vector<Known> known(static_cast<size_t>(slots(threads)), Known(static_cast<size_t>(columns.count)));
    const Writer writer{cells, columns, spans, rows, limited};
    share_out(threads, static_cast<int64_t>(cuts.size()) - 1, [&](int64_t task, int slot) {
        Known& own = known[static_cast<size_t>(slot)];
        for (int64_t s = cuts[static_cast<size_t>(task)]; s < cuts[static_cast<size_t>(task) + 1]; ++s)
            writer.sequence(own, s);
    });
}

}  // namespace sequela
