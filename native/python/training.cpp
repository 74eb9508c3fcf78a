// Training as Python gives it: lists of tensors, each looked at and checked.
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <vector>

#include "module.hpp"
#include "tensors.hpp"

using namespace nb::literals;
using namespace sequela;

namespace {

// The tensors of one place of several lists, alike in type and number of elements.
template <size_t lists> struct Row {
    View views[lists];
    int32_t type;
    int64_t count;

    bool look(PyObject* const* objects) {
        for (size_t i = 0; i < lists; ++i)
            if (!views[i].look(objects[i]) || !views[i].given || !views[i].contiguous()) return false;
        const DLType held = views[0].of.type;
        if (!(held == floats) && !(held == doubles)) return false;
        type = held == floats ? F32 : F64, count = views[0].elements();
        for (const View& view : views)
            if (!(view.of.type == held) || view.elements() != count) return false;
        return true;
    }
    void* at(size_t i) const { return views[i].template data<char>(); }
};

// Calls `with` for each row; false where lists are not alike, or a tensor is not plainly right.
template <size_t lists, class Fn> bool each_row(const Tensors (&given)[lists], Fn with) {
    PyObject* const* all[lists];
    for (size_t k = 0; k < lists; ++k) all[k] = given[k].exactly(given[0].count());
    for (size_t i = 0; i < given[0].count(); ++i) {
        PyObject* objects[lists];
        for (size_t k = 0; k < lists; ++k) objects[k] = all[k][i];
        Row<lists> row{};
        if (!row.look(objects)) return false;
        with(i, row);
    }
    return true;
}

bool adam_step(nb::handle weights, nb::handle gradients, nb::handle means, nb::handle squares, const std::vector<int64_t>& steps,
               double learning_rate, double first, double second, double epsilon, double weight_decay, double max_norm,
               int threads) {
    std::vector<Trained> all;
    const Tensors lists[] = {Tensors(weights), Tensors(gradients), Tensors(means), Tensors(squares)};
    if (steps.size() != lists[0].count()) throw std::invalid_argument("another number of steps than of tensors");
    all.reserve(steps.size());
    if (!each_row(lists, [&](size_t i, const Row<4>& r) {
            all.push_back({r.type, r.count, steps[i], r.at(0), r.at(1), r.at(2), r.at(3)});
        }))
        return false;
    nb::gil_scoped_release free;
    step({chosen, threads, nullptr, nullptr}, {learning_rate, first, second, epsilon, weight_decay, max_norm}, all.data(), all.size());
    return true;
}

bool blend_in(nb::handle means, nb::handle weights, double share, int threads) {
    std::vector<Blended> all;
    const Tensors lists[] = {Tensors(means), Tensors(weights)};
    if (!each_row(lists, [&](size_t, const Row<2>& r) { all.push_back({r.type, r.count, r.at(0), r.at(1)}); })) return false;
    nb::gil_scoped_release free;
    blend({chosen, threads, nullptr, nullptr}, share, all.data(), all.size());
    return true;
}

}  // namespace

void sequela::add_training(nb::module_& module) {
    module.def("adam_step", &adam_step, "weights"_a, "gradients"_a, "means"_a, "squares"_a, "steps"_a, "learning_rate"_a, "first"_a,
               "second"_a, "epsilon"_a, "weight_decay"_a, "max_norm"_a, "threads"_a,
               "Take a step of Adam in place; return False, with nothing done, where a tensor is not plainly right.");
    module.def("blend", &blend_in, "means"_a, "weights"_a, "share"_a, "threads"_a,
               "Move means towards weights, in place; return False, with nothing done, where a tensor is not plainly right.");
}
