// What the files of the module share.
#pragma once

#include <nanobind/nanobind.h>

#include <stdexcept>

#include "../engine.h"

namespace nb = nanobind;

namespace sequela {

extern const Table* chosen;  // the instruction set, from import on

// The elements of a list or tuple of tensors.
struct Tensors {
    nb::object fast;
    explicit Tensors(nb::handle sequence) : fast(nb::steal(PySequence_Fast(sequence.ptr(), "tensors must be a sequence"))) {
        if (!fast.is_valid()) throw nb::python_error();
    }
    size_t count() const { return static_cast<size_t>(PySequence_Fast_GET_SIZE(fast.ptr())); }
    PyObject* const* all() const { return PySequence_Fast_ITEMS(fast.ptr()); }
    PyObject* const* exactly(size_t expected) const {
        if (count() != expected) throw std::invalid_argument("another number of tensors");
        return all();
    }
};

// Takes over what `new_tensor` made.
inline nb::object made_by(PyObject* tensor) {
    if (tensor == nullptr) throw nb::python_error();
    return nb::steal(tensor);
}

void add_histories(nb::module_& module);
void add_preparation(nb::module_& module);
void add_training(nb::module_& module);

}  // namespace sequela
