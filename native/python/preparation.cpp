// The preparation's native passes, for Python.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../rows.hpp"
#include "../timeline.hpp"
#include "module.hpp"

using namespace nb::literals;
using namespace sequela;

namespace {

// Arrays of the preparation, each of one axis; src/sequela/prepare/plain.py documents them.
template <class T> using Line = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Plane = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Of the right length, or refused.
template <class A> auto* checked(const A& array, size_t length, const char* name) {
    if (array.shape(0) != length) throw std::invalid_argument(std::string(name) + " has another length than expected");
    return array.data();
}

// Which no cell has, where there are none.
using Levels = std::optional<Line<const int32_t>>;

Cells cells_of(const Line<const int64_t>& offsets, const Line<const int32_t>& variable, const Line<const float>& number,
               const Levels& level, const Line<const int64_t>& time) {
    size_t cells = variable.shape(0);
    return {offsets.data(), variable.data(), checked(number, cells, "number"),
            level ? checked(*level, cells, "level") : nullptr, checked(time, cells, "time")};
}

Clock clock_of(int64_t span, const std::vector<Line<const int64_t>>& courses, const Line<const int64_t>& step_time,
               const Line<const uint8_t>& aggregate, const Cells& cells) {
    size_t count = courses.at(0).shape(0);
    if (span < 1) throw std::invalid_argument("span must be positive");
    return {static_cast<int64_t>(count), span, static_cast<int64_t>(aggregate.shape(0)), courses.at(0).data(),
            checked(courses.at(1), count, "stop"), checked(courses.at(2), count, "origin"),
            checked(courses.at(3), count, "reach"), step_time.data(), aggregate.data(), cells};
}

using Pair = std::pair<int64_t, int64_t>;

Pair most_bins_of(int64_t span, const std::vector<Line<const int64_t>>& courses, const Line<const int64_t>& step_time,
                  const Line<const uint8_t>& aggregate, const Line<const int64_t>& offsets,
                  const Line<const int32_t>& variable, const Line<const float>& number, const Levels& level,
                  const Line<const int64_t>& time) {
    const Size size =
        most_bins(clock_of(span, courses, step_time, aggregate, cells_of(offsets, variable, number, level, time)));
    return {size.rows, size.cells};
}

Pair fill_bins_of(int64_t span, const std::vector<Line<const int64_t>>& courses, const Line<const int64_t>& step_time,
                  const Line<const uint8_t>& aggregate, const Line<const int64_t>& offsets,
                  const Line<const int32_t>& variable, const Line<const float>& number, const Levels& level,
                  const Line<const int64_t>& time, const Line<int64_t>& rows, const Line<int64_t>& edge,
                  const Line<int64_t>& made_offsets, const Line<int32_t>& made_variable, const Line<float>& made_number,
                  const std::optional<Line<int32_t>>& made_level, const Line<int64_t>& made_time, int threads) {
    const Clock clock = clock_of(span, courses, step_time, aggregate, cells_of(offsets, variable, number, level, time));
    const size_t cells = made_variable.shape(0);
    const Bins bins{checked(rows, static_cast<size_t>(clock.courses), "rows"), edge.data(),
                    checked(made_offsets, edge.shape(0) + 1, "offsets"), made_variable.data(),
                    checked(made_number, cells, "number"), made_level ? checked(*made_level, cells, "level") : nullptr,
                    checked(made_time, cells, "time")};
    if (level.has_value() != made_level.has_value()) throw std::invalid_argument("level is missing on one side");
    nb::gil_scoped_release free;
    const Size most = most_bins(clock);
    if (edge.shape(0) < static_cast<size_t>(most.rows) || cells < static_cast<size_t>(most.cells))
        throw std::invalid_argument("there is not enough room");
    const Size size = fill_bins(clock, bins, threads);
    return {size.rows, size.cells};
}

// Columns that come by Arrow's interface for C: https://arrow.apache.org/docs/format/CStreamInterface.html
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    ArrowSchema **children, *dictionary;
    void (*release)(ArrowSchema*);
    void* private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void** buffers;
    ArrowArray **children, *dictionary;
    void (*release)(ArrowArray*);
    void* private_data;
};
struct ArrowArrayStream {
    int (*get_schema)(ArrowArrayStream*, ArrowSchema*);
    int (*get_next)(ArrowArrayStream*, ArrowArray*);
    const char* (*get_last_error)(ArrowArrayStream*);
    void (*release)(ArrowArrayStream*);
    void* private_data;
};
template <class T> struct Taken : T {
    Taken() : T{} {}
    ~Taken() {
        if (this->release != nullptr) this->release(this);
    }
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;
};

bool holds_words(ArrowArrayStream& stream) {
    Taken<ArrowSchema> schema;
    if (stream.get_schema(&stream, &schema) != 0) throw std::invalid_argument("a column without a schema");
    return std::string(schema.format) == "vu";
}

// The words are those of `stream`; None where it does not hold them as views.
std::optional<int64_t> number_words_of(const nb::object& capsule, const std::vector<std::string>& words,
                                       const Line<int32_t>& number, int threads) {
    auto* stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
    if (stream == nullptr) throw nb::python_error();
    if (!holds_words(*stream)) return std::nullopt;
    int64_t done = 0, none = 0;
    for (;;) {
        Taken<ArrowArray> chunk;
        if (stream->get_next(stream, &chunk) != 0) throw std::invalid_argument("a column that cannot be read");
        if (chunk.release == nullptr) break;
        if (done + chunk.length > static_cast<int64_t>(number.shape(0))) throw std::invalid_argument("number is too short");
        const WordColumn column{chunk.length, static_cast<const char*>(chunk.buffers[1]) + 16 * chunk.offset,
                                reinterpret_cast<const char* const*>(chunk.buffers + 2),
                                static_cast<const uint8_t*>(chunk.buffers[0]), chunk.offset};
        nb::gil_scoped_release free;
        none += number_words(words, column, number.data() + done, threads);
        done += chunk.length;
    }
    if (done != static_cast<int64_t>(number.shape(0))) throw std::invalid_argument("number is too long");
    return none;
}

int64_t mark_steps_of(const Line<const int64_t>& person, const Line<const int64_t>& known,
                      const Line<const int32_t>& variable, const Line<int64_t>& time, const Line<int64_t>& cell_offsets,
                      const Line<int64_t>& person_offsets, int threads) {
    const size_t count = person.shape(0);
    if (person_offsets.shape(0) < 1) throw std::invalid_argument("person_offsets is empty");
    const SortedEvents events{static_cast<int64_t>(count), static_cast<int64_t>(person_offsets.shape(0)) - 1, person.data(),
                              checked(known, count, "known"), checked(variable, count, "variable")};
    const Steps steps{checked(time, count, "time"), checked(cell_offsets, count + 1, "cell_offsets"),
                      person_offsets.data()};
    nb::gil_scoped_release free;
    return mark_steps(events, steps, threads);
}

void fill_rows_of(const Line<const int64_t>& offsets, const Line<const int32_t>& variable, const Line<const float>& number,
                  const Levels& level, const Line<const int64_t>& time, const Line<const double>& center,
                  const Line<const double>& spread, const Line<const float>& fill, const Line<const uint8_t>& carried,
                  const Line<const int64_t>& limit, const Line<const uint8_t>& empty, const Line<const uint8_t>& stands,
                  const Line<const int32_t>& first_column, const Line<const int32_t>& last_column,
                  const Line<const int32_t>& of_level, const std::vector<Line<const int64_t>>& spans,
                  const Line<const int64_t>& step_time, const std::optional<Line<const uint8_t>>& flagged,
                  const std::optional<Line<const int64_t>>& place, const Plane<float>& values,
                  const Plane<uint8_t>& observed, const Plane<float>& gap_hours,
                  const std::optional<Plane<uint8_t>>& provenance, int threads) {
    size_t F = center.shape(0), count = spans.at(0).shape(0), rows = values.shape(0);
    Columns columns{static_cast<int64_t>(F), center.data(), checked(spread, F, "spread"), checked(fill, F, "fill"),
                    checked(carried, F, "carried"), checked(limit, F, "limit"), checked(empty, F, "empty"),
                    checked(stands, F, "stands"), first_column.data(),
                    checked(last_column, first_column.shape(0), "last_column"), of_level.data()};
    Spans of{static_cast<int64_t>(count), spans[0].data(), checked(spans.at(1), count, "stop"),
             checked(spans.at(2), count, "start"), checked(spans.at(3), count, "begin"), step_time.data(),
             flagged ? checked(*flagged, variable.shape(0), "flagged") : nullptr};
    if (values.shape(1) != F || observed.shape(1) != F || gap_hours.shape(1) != F || (provenance && provenance->shape(1) != F))
        throw std::invalid_argument("a table has another width than there are columns");
    Rows made{place ? checked(*place, rows, "place") : nullptr, values.data(), checked(observed, rows, "observed"),
              checked(gap_hours, rows, "gap_hours"), provenance ? checked(*provenance, rows, "provenance") : nullptr};
    Cells cells = cells_of(offsets, variable, number, level, time);
    nb::gil_scoped_release free;
    fill_rows(cells, columns, of, made, chosen->hours_since, threads);
}

}  // namespace

void sequela::add_preparation(nb::module_& module) {
    module.def("number_words", &number_words_of, "column"_a, "words"_a, "number"_a.noconvert(), "threads"_a,
               "Write which of the distinct words each word of a column is, -1 for none; return how many are none.");
    module.def("mark_steps", &mark_steps_of, "person"_a.noconvert(), "known"_a.noconvert(), "variable"_a.noconvert(),
               "time"_a.noconvert(), "cell_offsets"_a.noconvert(), "person_offsets"_a.noconvert(), "threads"_a,
               "Write the steps of ascending events; return how many, -1 where the events do not ascend.");
    module.def("most_bins", &most_bins_of, "span"_a, "courses"_a, "step_time"_a.noconvert(), "aggregate"_a.noconvert(),
               "offsets"_a.noconvert(), "variable"_a.noconvert(), "number"_a.noconvert(), "level"_a.noconvert().none(),
               "time"_a.noconvert(), "Return how many rows and cells courses have on a regular clock, at most.");
    module.def("fill_bins", &fill_bins_of, "span"_a, "courses"_a, "step_time"_a.noconvert(), "aggregate"_a.noconvert(),
               "offsets"_a.noconvert(), "variable"_a.noconvert(), "number"_a.noconvert(), "level"_a.noconvert().none(),
               "time"_a.noconvert(), "rows"_a.noconvert(), "edge"_a.noconvert(), "made_offsets"_a.noconvert(),
               "made_variable"_a.noconvert(), "made_number"_a.noconvert(), "made_level"_a.noconvert().none(),
               "made_time"_a.noconvert(), "threads"_a,
               "Write the rows and cells of courses on a regular clock; return how many.");
    module.def("fill_rows", &fill_rows_of, "offsets"_a.noconvert(), "variable"_a.noconvert(), "number"_a.noconvert(),
               "level"_a.noconvert().none(), "time"_a.noconvert(), "center"_a.noconvert(), "spread"_a.noconvert(),
               "fill"_a.noconvert(), "carried"_a.noconvert(), "limit"_a.noconvert(), "empty"_a.noconvert(),
               "stands"_a.noconvert(), "first_column"_a.noconvert(), "last_column"_a.noconvert(),
               "of_level"_a.noconvert(), "spans"_a, "step_time"_a.noconvert(), "flagged"_a.none(), "place"_a.none(),
               "values"_a.noconvert(), "observed"_a.noconvert(), "gap_hours"_a.noconvert(), "provenance"_a.none(),
               "threads"_a, "Write prepared rows of sequences.");
}
