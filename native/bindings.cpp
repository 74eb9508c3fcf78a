// The border between Python and the native core. Nothing but this file knows Python.
//
// Tensors come in as addresses: src/sequela/cells/operator.py has checked device, type, shape and contiguity, and holds
// them alive. The interpreter is released while the core works.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "pool.hpp"
#include "rows.hpp"
#include "timeline.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sequela;

namespace {

using Addresses = std::vector<uintptr_t>;

template <class T> T* pointer(uintptr_t address) { return reinterpret_cast<T*>(address); }

const Table* chosen = nullptr;

const Table* choose() {
    const char* wanted = std::getenv("SEQUELA_ISA");
    int count;
    const Table* const* all = tables(&count);
    if (wanted == nullptr || *wanted == '\0') return all[0];
    if (const Table* found = table_named(wanted)) return found;
    std::string here;
    for (int i = 0; i < count; ++i) here += std::string(i > 0 ? ", " : "") + all[i]->name;
    throw nb::import_error(("SEQUELA_ISA=" + std::string(wanted) + " is not an instruction set that this processor and "
                            "this build have; those are: " + here + ". Unset it to take the best.").c_str());
}

// Sizes, in this order: cell, type, layers, directions, histories, steps, rows, input, hidden, and bits of what stands history by
// history: 1 x, 2 y, 4 dy; then, where the gradient of only the first inputs is wanted, of how many.
Problem problem_of(const std::vector<int64_t>& s) {
    Problem p{};
    p.cell = static_cast<int32_t>(s.at(0)), p.type = static_cast<int32_t>(s.at(1));
    p.layers = s.at(2), p.directions = s.at(3), p.histories = s.at(4), p.steps = s.at(5);
    p.rows = s.at(6), p.input = s.at(7), p.hidden = s.at(8);
    p.x_by_history = s.at(9) & 1, p.y_by_history = s.at(9) & 2, p.dy_by_history = s.at(9) & 4;
    p.dx_width = s.size() > 10 ? s.at(10) : 0;
    if (p.dx_width < 0 || p.dx_width > p.input) throw std::invalid_argument("no gradient of so many inputs");
    if (p.cell < 0 || p.cell >= CELLS) throw std::invalid_argument("unknown cell");
    return p;
}

std::vector<int64_t> offsets_of(const Problem& p, const int64_t* batch_sizes) {
    std::vector<int64_t> offsets(static_cast<size_t>(p.steps) + 1, 0);
    int64_t before = p.histories;
    for (int64_t t = 0; t < p.steps; ++t) {
        if (batch_sizes[t] > before || batch_sizes[t] < 1 || (t == 0 && batch_sizes[t] != p.histories))
            throw std::invalid_argument(
                "batch_sizes must begin with the number of histories and never rise or fall below 1");
        before = batch_sizes[t];
        offsets[static_cast<size_t>(t) + 1] = offsets[static_cast<size_t>(t)] + before;
    }
    if (offsets.back() != p.rows) throw std::invalid_argument("batch_sizes must sum to the number of packed rows");
    if ((p.x_by_history || p.y_by_history || p.dy_by_history) && p.rows != p.steps * p.histories)
        throw std::invalid_argument("rows stand history by history only where all histories are equally long");
    return offsets;
}

void check_order(const Problem& p) {
    if (p.order == nullptr) return;
    std::vector<bool> seen(static_cast<size_t>(p.histories), false);
    for (int64_t i = 0; i < p.histories; ++i) {
        if (p.order[i] < 0 || p.order[i] >= p.histories || seen[static_cast<size_t>(p.order[i])])
            throw std::invalid_argument("sorted_indices must name every history of the batch once");
        seen[static_cast<size_t>(p.order[i])] = true;
    }
}

std::vector<Weights> weights_of(const Problem& p, const Addresses& a) {
    std::vector<Weights> weights(static_cast<size_t>(p.layers * p.directions));
    if (a.size() != weights.size() * 5) throw std::invalid_argument("five addresses a place");
    for (size_t i = 0; i < weights.size(); ++i)
        weights[i] = {pointer<void>(a[5 * i]), pointer<void>(a[5 * i + 1]), pointer<void>(a[5 * i + 2]),
                      pointer<void>(a[5 * i + 3]), pointer<void>(a[5 * i + 4])};
    return weights;
}

// Lets signals in every 50 ms.
struct Signals {
    std::chrono::steady_clock::time_point next = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
    static void ask(void* whom, int32_t* flag) {
        auto& self = *static_cast<Signals*>(whom);
        auto now = std::chrono::steady_clock::now();
        if (now < self.next) return;
        self.next = now + std::chrono::milliseconds(50);
        nb::gil_scoped_acquire held;
        if (PyErr_CheckSignals() != 0) {
            PyErr_Fetch(&self.type, &self.value, &self.trace);
            __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
        }
    }
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    [[noreturn]] void raise() {
        PyErr_Restore(type, value, trace);
        throw nb::python_error();
    }
};

template <class Fn> void released(Fn fn) {
    Signals signals;
    bool done;
    {
        nb::gil_scoped_release free;
        done = fn(signals);
    }
    if (!done) signals.raise();
}

void run_forward(const std::vector<int64_t>& sizes, uintptr_t batch_sizes, const Addresses& in, const Addresses& weights,
                 const Addresses& out, double mask_scale, int threads) {
    Problem p = problem_of(sizes);
    auto offsets = offsets_of(p, pointer<const int64_t>(batch_sizes));
    auto w = weights_of(p, weights);
    p.offsets = offsets.data(), p.weights = w.data(), p.mask_scale = mask_scale;
    p.x = pointer<void>(in.at(0)), p.h0 = pointer<void>(in.at(1)), p.c0 = pointer<void>(in.at(2));
    p.decay_h = pointer<void>(in.at(3)), p.decay_c = pointer<void>(in.at(4)), p.masks = pointer<uint8_t>(in.at(5));
    p.order = pointer<int64_t>(in.at(6));
    check_order(p);
    p.y = pointer<void>(out.at(0)), p.hn = pointer<void>(out.at(1)), p.cn = pointer<void>(out.at(2));
    p.inner = pointer<void>(out.at(3)), p.kept = pointer<void>(out.at(4));
    released([&](Signals& signals) { return forward({chosen, threads, Signals::ask, &signals}, p); });
}

void run_backward(const std::vector<int64_t>& sizes, uintptr_t batch_sizes, const Addresses& in, const Addresses& weights,
                  const Addresses& made, const Addresses& gradients, const Addresses& out, const Addresses& dweights,
                  double mask_scale, int threads) {
    Problem p = problem_of(sizes);
    auto offsets = offsets_of(p, pointer<const int64_t>(batch_sizes));
    auto w = weights_of(p, weights), dw = weights_of(p, dweights);
    p.offsets = offsets.data(), p.weights = w.data(), p.dweights = dw.data(), p.mask_scale = mask_scale;
    p.x = pointer<void>(in.at(0)), p.h0 = pointer<void>(in.at(1)), p.c0 = pointer<void>(in.at(2));
    p.decay_h = pointer<void>(in.at(3)), p.decay_c = pointer<void>(in.at(4)), p.masks = pointer<uint8_t>(in.at(5));
    p.order = pointer<int64_t>(in.at(6));
    check_order(p);
    p.y = pointer<void>(made.at(0)), p.inner = pointer<void>(made.at(1)), p.kept = pointer<void>(made.at(2));
    p.dy = pointer<void>(gradients.at(0)), p.dhn = pointer<void>(gradients.at(1)), p.dcn = pointer<void>(gradients.at(2));
    p.dx = pointer<void>(out.at(0)), p.dh0 = pointer<void>(out.at(1)), p.dc0 = pointer<void>(out.at(2));
    p.ddecay_h = pointer<void>(out.at(3)), p.ddecay_c = pointer<void>(out.at(4));
    released([&](Signals& signals) { return backward({chosen, threads, Signals::ask, &signals}, p); });
}

// Sizes, in this order: type, layers, rows, features, hidden, histories, distance of rows of djoined. In: values, observed, gaps, mean, weight_x, bias_x,
// weight_h, bias_h. Made: joined, decay.
Fading fading_of(const std::vector<int64_t>& s, const Addresses& in, const Addresses& made) {
    Fading f{};
    f.type = static_cast<int32_t>(s.at(0)), f.layers = s.at(1), f.rows = s.at(2), f.features = s.at(3), f.hidden = s.at(4);
    f.histories = s.at(5), f.djoined_apart = s.at(6);
    if (f.histories != 0 && f.rows % f.histories != 0) throw std::invalid_argument("rows must be histories times steps");
    f.values = pointer<void>(in.at(0)), f.observed = pointer<uint8_t>(in.at(1)), f.gaps = pointer<void>(in.at(2));
    f.mean = pointer<void>(in.at(3)), f.weight_x = pointer<void>(in.at(4)), f.bias_x = pointer<void>(in.at(5));
    f.weight_h = pointer<void>(in.at(6)), f.bias_h = pointer<void>(in.at(7));
    f.joined = pointer<void>(made.at(0)), f.decay = pointer<void>(made.at(1));
    return f;
}

void fade(const std::vector<int64_t>& sizes, const Addresses& in, const Addresses& made, int threads) {
    const Fading f = fading_of(sizes, in, made);
    nb::gil_scoped_release free;
    forward({chosen, threads, nullptr, nullptr}, f);
}

// Gradients: of joined, of decay. Out: of values, gaps, weight_x, bias_x, weight_h, bias_h.
void fade_backward(const std::vector<int64_t>& sizes, const Addresses& in, const Addresses& made,
                   const Addresses& gradients, const Addresses& out, int threads) {
    Fading f = fading_of(sizes, in, made);
    f.djoined = pointer<void>(gradients.at(0)), f.ddecay = pointer<void>(gradients.at(1));
    f.dvalues = pointer<void>(out.at(0)), f.dgaps = pointer<void>(out.at(1));
    f.dweight_x = pointer<void>(out.at(2)), f.dbias_x = pointer<void>(out.at(3));
    f.dweight_h = pointer<void>(out.at(4)), f.dbias_h = pointer<void>(out.at(5));
    nb::gil_scoped_release free;
    backward({chosen, threads, nullptr, nullptr}, f);
}

// A frozen cell and the sizes it was made with.
struct Snapshot {
    Frozen* frozen;
    Problem p;
    Snapshot(const std::vector<int64_t>& sizes, const Addresses& weights) : p(problem_of(sizes)) {
        auto w = weights_of(p, weights);
        p.weights = w.data();
        frozen = freeze(chosen, p);
        p.weights = nullptr;
    }
    ~Snapshot() { thaw(frozen); }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    Problem of(int64_t histories) const {
        Problem here = p;
        here.histories = here.rows = histories;
        here.steps = histories > 0 ? 1 : 0;
        return here;
    }
    // in: x, h, c, decay_h, decay_c; out: y, h, c.
    void step(int64_t histories, const Addresses& in, const Addresses& out, int threads) const {
        Problem here = of(histories);
        int64_t offsets[] = {0, histories};
        here.offsets = offsets;
        here.x = pointer<void>(in.at(0)), here.h0 = pointer<void>(in.at(1)), here.c0 = pointer<void>(in.at(2));
        here.decay_h = pointer<void>(in.at(3)), here.decay_c = pointer<void>(in.at(4));
        here.y = pointer<void>(out.at(0)), here.hn = pointer<void>(out.at(1)), here.cn = pointer<void>(out.at(2));
        nb::gil_scoped_release free;
        update({chosen, threads, nullptr, nullptr}, frozen, here, nullptr);
    }
    // in: x, decay_h, decay_c.
    void update_rows(uintptr_t table, int64_t patients, uintptr_t index, int64_t histories, const Addresses& in,
                     uintptr_t y, int threads) const {
        const int64_t* rows = pointer<const int64_t>(index);
        check_rows(rows, histories, patients);
        Problem here = of(histories);
        int64_t offsets[] = {0, histories};
        here.offsets = offsets, here.x = pointer<void>(in.at(0)), here.y = pointer<void>(y);
        here.decay_h = pointer<void>(in.at(1)), here.decay_c = pointer<void>(in.at(2));
        Update where{pointer<void>(table), rows};
        nb::gil_scoped_release free;
        update({chosen, threads, nullptr, nullptr}, frozen, here, &where);
    }
    // Before anything is written: two updates of one row in one call have no order.
    static void check_rows(const int64_t* rows, int64_t histories, int64_t patients) {
        static thread_local std::vector<uint64_t> seen;
        size_t words = static_cast<size_t>(patients + 63) / 64;
        if (seen.size() < words) seen.resize(words, 0);
        const char* wrong = nullptr;
        int64_t i = 0;
        for (; i < histories && wrong == nullptr; ++i) {
            if (rows[i] < 0 || rows[i] >= patients) {
                wrong = "rows must name rows of the table";
                break;
            }
            uint64_t bit = uint64_t(1) << (rows[i] % 64), &word = seen[static_cast<size_t>(rows[i] / 64)];
            if (word & bit) wrong = "rows must be distinct: two updates of one row in one call have no order";
            word |= bit;
        }
        while (i-- > 0) seen[static_cast<size_t>(rows[i] / 64)] &= ~(uint64_t(1) << (rows[i] % 64));
        if (wrong != nullptr) throw std::invalid_argument(wrong);
    }
};

// A block of recycled memory as a tensor of bytes; it goes back to its list when the last tensor on it dies.
nb::ndarray<nb::pytorch, uint8_t, nb::ndim<1>> buffer(size_t bytes) {
    struct Owned {
        void* block;
        size_t bytes;
    };
    auto* owned = new Owned{take_memory(bytes), bytes};
    if (owned->block == nullptr) {
        delete owned;
        throw std::bad_alloc();
    }
    nb::capsule owner(owned, [](void* p) noexcept {
        auto* o = static_cast<Owned*>(p);
        give_memory(o->block, o->bytes);
        delete o;
    });
    return nb::ndarray<nb::pytorch, uint8_t, nb::ndim<1>>(owned->block, {bytes}, owner);
}

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

NB_MODULE(_native, module) {
    module.doc() = "Native core of sequela.";
    chosen = choose();

    module.def("info", [] {
        nb::dict facts;
        facts["set"] = chosen->name;
        int count;
        const Table* const* all = tables(&count);
        nb::list names;
        for (int i = 0; i < count; ++i) names.append(all[i]->name);
        facts["sets"] = names;
        facts["threads"] = nb::module_::import_("torch").attr("get_num_threads")();
        facts["most_threads"] = most_threads;
        facts["held_bytes"] = held_memory();
        facts["flags"] = SEQUELA_FLAGS;
#ifdef __clang__
        facts["compiler"] = std::string("clang ") + __VERSION__;
#else
        facts["compiler"] = std::string("gcc ") + __VERSION__;
#endif
        return facts;
    }, "What the native core is, what it was built with, and what it holds.");
    module.def("spin_for", &spin_for, nb::arg("microseconds"),
               "Let the engine's threads wait awake so long for the next call.");
    module.def("choose", [](const std::string& name) {
        const Table* found = table_named(name.c_str());
        if (found == nullptr) throw std::invalid_argument("no instruction set of that name is supported here");
        chosen = found;
    }, nb::arg("name"), "Take another instruction set from now on: for tests and benchmarks. Snapshots keep theirs.");
    module.def("forward", &run_forward, nb::arg("sizes"), nb::arg("batch_sizes"), nb::arg("inputs"), nb::arg("weights"),
               nb::arg("outputs"), nb::arg("mask_scale"), nb::arg("threads"), "Run a recurrence. Arguments are addresses.");
    module.def("backward", &run_backward, nb::arg("sizes"), nb::arg("batch_sizes"), nb::arg("inputs"), nb::arg("weights"),
               nb::arg("made"), nb::arg("gradients"), nb::arg("outputs"), nb::arg("weight_gradients"),
               nb::arg("mask_scale"), nb::arg("threads"), "Run a recurrence backward. Arguments are addresses.");
    module.def("fade", &fade, "sizes"_a, "inputs"_a, "made"_a, "threads"_a,
               "Fade inputs and states while nothing is measured. Arguments are addresses.");
    module.def("fade_backward", &fade_backward, "sizes"_a, "inputs"_a, "made"_a, "gradients"_a, "outputs"_a, "threads"_a,
               "Run `fade` backward. Arguments are addresses.");
    module.def("buffer", &buffer, nb::arg("size"), "Return recycled memory as a tensor of bytes; its content is undefined.");
    module.def("release_memory", &release_memory, "Give recycled memory back to the system.");
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
    nb::class_<Snapshot>(module, "Snapshot", "Packed weights of a cell, never changed after they were made.")
        .def(nb::init<const std::vector<int64_t>&, const Addresses&>(), nb::arg("sizes"), nb::arg("weights"))
        .def("step", &Snapshot::step, nb::arg("histories"), nb::arg("inputs"), nb::arg("outputs"), nb::arg("threads"),
             "Advance histories by one step each.")
        .def("update", &Snapshot::update_rows, nb::arg("table"), nb::arg("patients"), nb::arg("index"),
             nb::arg("histories"), nb::arg("inputs"), nb::arg("y"), nb::arg("threads"),
             "Advance distinct rows of a table of states by one step each, in place.");
}
