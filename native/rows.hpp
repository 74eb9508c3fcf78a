// From cells to rows: what the preparation of records does once for each value. No Python.
//
// Letters: N rows (steps), M cells (measured values) in the order of their rows, V variables, F dense columns, S sequences.
// Times are whole microseconds. Every pointer is to contiguous memory, belongs to the caller and outlives the call.
// src/sequela/prepare/plain.py does the same with numpy, to the bit.
#pragma once

#include <cstdint>
#include <vector>

namespace sequela {

// Cuts S spans of rows into tasks of some thousand: task i has the spans cuts[i] .. cuts[i + 1].
std::vector<int64_t> cuts_of(int64_t count, const int64_t* first, const int64_t* stop);

// Cells of a timeline: row n has the cells offsets[n] .. offsets[n + 1].
struct Cells {
    const int64_t* offsets;   // [N + 1]
    const int32_t* variable;  // [M]
    const float* number;      // [M], NaN: a category, or what came without a value
    const int32_t* level;     // [M], -1: no category; null: none has one
    const int64_t* time;      // [M], when it was measured
};

enum Aggregate : uint8_t { MEAN = 0, LAST = 1, MIN = 2, MAX = 3, SUM = 4 };

// Courses that get a regular clock: bin k of a course is (origin + (k - 1) * span, origin + k * span].
struct Clock {
    int64_t courses, span, variables;
    const int64_t* first;      // [C] rows of the timeline
    const int64_t* stop;       // [C]
    const int64_t* origin;     // [C]
    const int64_t* reach;      // [C] the last bin that is asked for
    const int64_t* step_time;  // [N]
    const uint8_t* aggregate;  // [V]
    Cells cells;
};

struct Size {
    int64_t rows, cells;
};

// At least as much as all courses have on the clock.
Size most_bins(const Clock& clock);

// Courses on the clock, one after the other; row r has the cells offsets[r] .. offsets[r + 1], in the order of variables.
// There is room for most_bins: R rows and K cells.
struct Bins {
    int64_t* rows;      // [C] of each course
    int64_t* edge;      // [R] the right edge of each bin
    int64_t* offsets;   // [R + 1]
    int32_t* variable;  // [K]
    float* number;      // [K]
    int32_t* level;     // [K], null where that of the cells is
    int64_t* time;      // [K], that of the row
};

// Writes the rows and cells of all courses, and returns how many they are.
Size fill_bins(const Clock& clock, const Bins& bins, int threads);

// Dense columns and what stands in them where nothing was measured.
struct Columns {
    int64_t count;            // F
    const double* center;     // [F]
    const double* spread;     // [F]
    const float* fill;        // [F] scaled; stands where nothing is known
    const uint8_t* carried;   // [F] the last value stands until the next
    const int64_t* limit;     // [F] for how long
    const uint8_t* empty;     // [F] provenance of `fill`
    const uint8_t* stands;    // [F] provenance of a value that stands
    const int32_t* first;     // [V] first column of a variable, -1: it has none
    const int32_t* last;      // [V]
    const int32_t* of_level;  // [levels]
};

struct Spans {
    int64_t count;            // S
    const int64_t* first;     // [S] rows of the timeline
    const int64_t* stop;      // [S]
    const int64_t* start;     // [S] from where gaps of what was never seen are counted
    const int64_t* begin;     // [S] the first of its rows in `place`
    const int64_t* step_time; // [N]
    const uint8_t* flagged;   // [M] goes to the columns of a number after its first; null: 0
};

struct Rows {
    const int64_t* place;  // where each row is written; null: in order
    float* values;         // [rows, F]
    uint8_t* observed;     // [rows, F]
    float* gap_hours;      // [rows, F]
    uint8_t* provenance;   // [rows, F], null: not wanted
};

// Hours from each of `count` instants to `time`, in the arithmetic of one instruction set (native/hours.hpp).
using HoursSince = void (*)(int64_t time, const int64_t* since, float* hours, int64_t count);

void fill_rows(const Cells& cells, const Columns& columns, const Spans& spans, const Rows& rows, HoursSince hours_since,
               int threads);

}  // namespace sequela
