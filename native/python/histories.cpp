// Histories as training reads and hides them, for Python: tensors, each looked at and checked. Where one is not plainly
// right the answer is None, and torch's operations say what is wrong, or do the same with what stands otherwise.
#include <cstdint>
#include <vector>

#include "../history.hpp"
#include "module.hpp"
#include "tensors.hpp"

using namespace nb::literals;
using namespace sequela;

namespace {

// A packing whose offsets it holds.
struct Packed {
    std::vector<int64_t> offsets{0};
    Packing packing{};

    // False where sizes rise, fall below 1 or do not add up to the rows.
    bool read(const View& sizes, int64_t rows) {
        if (sizes.of.dimensions != 1 || !sizes.is(int64s, {sizes.size(0)}) || !sizes.contiguous()) return false;
        const int64_t steps = sizes.size(0), *size = sizes.data<int64_t>();
        if (steps > INT32_MAX) return false;
        for (int64_t t = 0; t < steps; ++t) {
            if (size[t] < 1 || size[t] > rows || (t > 0 && size[t] > size[t - 1])) return false;
            offsets.push_back(offsets.back() + size[t]);
        }
        packing = {steps > 0 ? size[0] : 0, steps, offsets.data()};
        return offsets.back() == rows;
    }
};

// What is read of rows [N, K], or, backward, of sums of them [R, K].
struct Asked {
    View rows, sizes, reads;
    Packed packed;
    Reading reading{};

    bool read(nb::handle of_rows, nb::handle batch_sizes, nb::handle of_reads) {
        if (!rows.look(of_rows.ptr()) || !sizes.look(batch_sizes.ptr()) || !reads.look(of_reads.ptr())) return false;
        if (rows.of.dimensions != 2 || !rows.contiguous() || !(single() || rows.of.type == doubles)) return false;
        if (reads.of.dimensions != 1 || !reads.is(int64s, {reads.size(0)}) || !reads.contiguous()) return false;
        reading = {rows.size(1), reads.size(0), reads.data<int64_t>()};
        return true;
    }
    bool packs(int64_t count) {
        if (!packed.read(sizes, count)) return false;
        for (int64_t k = 0; k < reading.count; ++k)
            if (reading.rows[k] < 0 || reading.rows[k] >= count) return false;
        return true;
    }
    bool single() const { return rows.of.type == floats; }
    nb::object make(DLType type, int64_t count, void** data) const {
        const int64_t shape[] = {count, reading.columns};
        return made_by(new_tensor(type, 2, shape, false, data));
    }
};

// Calls with(T{}), where T is double or, where `single`, float, without the interpreter.
template <class Fn> void released(bool single, Fn with) {
    nb::gil_scoped_release free;
    single ? with(float{}) : with(double{});
}

nb::object sum(nb::handle rows, nb::handle batch_sizes, nb::handle reads, int threads) {
    Asked given;
    if (!given.read(rows, batch_sizes, reads) || !given.packs(given.rows.size(0))) return nb::none();
    void* sums;
    nb::object made = given.make(doubles, given.reading.count, &sums);
    released(given.single(), [&](auto number) {
        prefix_sum(given.packed.packing, given.reading, given.rows.data<decltype(number)>(), static_cast<double*>(sums),
                   threads);
    });
    return made;
}

nb::object sum_backward(nb::handle gradient, nb::handle batch_sizes, nb::handle reads, int64_t count, bool single,
                        int threads) {
    Asked given;
    if (!given.read(gradient, batch_sizes, reads) || !given.packs(count)) return nb::none();
    if (given.single() || given.rows.size(0) != given.reading.count) return nb::none();
    void* rows;
    nb::object made = given.make(single ? floats : doubles, count, &rows);
    released(single, [&](auto number) {
        prefix_sum_backward(given.packed.packing, given.reading, given.rows.data<double>(),
                            static_cast<decltype(number)*>(rows), threads);
    });
    return made;
}

nb::object max(nb::handle rows, nb::handle batch_sizes, nb::handle reads, int threads) {
    Asked given;
    if (!given.read(rows, batch_sizes, reads) || !given.packs(given.rows.size(0))) return nb::none();
    void *largest, *source;
    nb::object values = given.make(given.rows.of.type, given.reading.count, &largest);
    nb::object sources = given.make(int64s, given.reading.count, &source);
    released(given.single(), [&](auto number) {
        using T = decltype(number);
        prefix_max(given.packed.packing, given.reading, given.rows.data<T>(), static_cast<T*>(largest),
                   static_cast<int64_t*>(source), threads);
    });
    return nb::make_tuple(values, sources);
}

nb::object hidden(nb::handle tensors, int threads) {
    const Tensors all(tensors);
    View values, gaps, observed, chance, shares, sizes;
    PyObject* const* objects = all.exactly(6);
    for (View* view : {&values, &gaps, &observed, &chance, &shares, &sizes})
        if (!view->look(*objects++) || !view->given || !view->contiguous()) return nb::none();
    if (values.of.dimensions != 2) return nb::none();
    Packed packed;
    const int64_t N = values.size(0), F = values.size(1);
    for (const View* view : {&values, &gaps, &chance})
        if (!view->is(floats, {N, F})) return nb::none();
    if (!observed.is(bools, {N, F}) || !packed.read(sizes, N) || !shares.is(floats, {packed.packing.histories, 1}))
        return nb::none();
    void *new_values, *new_gaps, *new_observed;
    nb::object made = nb::make_tuple(made_by(new_tensor(floats, 2, values.of.shape, false, &new_values)),
                                     made_by(new_tensor(floats, 2, values.of.shape, false, &new_gaps)),
                                     made_by(new_tensor(bools, 2, values.of.shape, false, &new_observed)));
    nb::gil_scoped_release free;
    hide(packed.packing,
         {F, values.data<float>(), gaps.data<float>(), observed.data<uint8_t>(), chance.data<float>(), shares.data<float>(),
          static_cast<float*>(new_values), static_cast<float*>(new_gaps), static_cast<uint8_t*>(new_observed)},
         threads);
    return made;
}

}  // namespace

void sequela::add_histories(nb::module_& module) {
    module.def("prefix_sum", &sum, "rows"_a, "batch_sizes"_a, "reads"_a, "threads"_a,
               "Return sums up to rows that are read; None where a tensor is not plainly right.");
    module.def("prefix_sum_backward", &sum_backward, "gradient"_a, "batch_sizes"_a, "reads"_a, "count"_a, "single"_a,
               "threads"_a, "Return the gradient of so many rows, single or double; None where a tensor is not plainly right.");
    module.def("prefix_max", &max, "rows"_a, "batch_sizes"_a, "reads"_a, "threads"_a,
               "Return maxima up to rows that are read and where they stand; None where a tensor is not plainly right.");
    module.def("hide", &hidden, "tensors"_a, "threads"_a,
               "Return values, gaps and what is observed where some is hidden; None where a tensor is not plainly right.");
}
