// A recurrence as Python gives it: tensors, looked at and checked.
#pragma once

#include <vector>

#include "../engine.h"
#include "tensors.hpp"

namespace sequela {

struct Given {
    View x, batch_sizes, h0, c0, decay_h, decay_c, masks, order;
    std::vector<View> weights;
    std::vector<Weights> places;
    bool by_history;  // of y
    DLType type;
    Problem p{};  // all of it but offsets and what is made

    // False where anything is not plainly right: Python then says what is wrong, or copies what is not in one piece.
    bool read(int cell, PyObject* const* tensors, PyObject* const* all, size_t count, int64_t layers, int64_t directions,
              int64_t histories, bool rows_by_history);

    // The element count of the outputs of inner layers, and of them with what else forward keeps.
    int64_t inner() const { return (p.layers - 1) * p.rows * p.directions * p.hidden; }
    int64_t kept() const { return inner() + p.layers * p.directions * p.rows * shape_of(p.cell).kept * p.hidden; }
    // Where they are; a cell that keeps no gates still says that it is training.
    void keep_in(void* kept);
    bool gradient_of_output(const View& dy);

    PyObject* new_output(void** data) const;           // like x, [..., D * H]
    PyObject* new_dx(int64_t width, void** data) const;  // like x, [..., width]
    PyObject* new_like(const View& tensor, void** data) const { return fresh(tensor.of, tensor.of.shape, false, data); }
    PyObject* new_states(void** data) const;

  private:
    bool read_weights(PyObject* const* all, size_t count);
    PyObject* fresh(const DLTensor& like, const int64_t* shape, bool across, void** data) const {
        return new_tensor(type, like.dimensions, shape, across, data);
    }
};

// Which of the five weights of a place the one at `index` of `each` is.
int slot_of(int32_t cell, size_t each, size_t index);

// Fading as Python gives it.
struct GivenFading {
    View values, observed, gaps, mean, weight_x, bias_x, weight_h, bias_h;
    DLType type;
    Fading f{};  // all of it but what is made

    bool read(PyObject* const* tensors, int64_t layers, int64_t histories);
    PyObject* new_joined(void** data) const;  // empty where there are no values
    PyObject* new_decay(void** data) const;
};

}  // namespace sequela
