#include "tensors.hpp"

#include "../engine.h"

namespace sequela {
namespace {

struct Version {
    uint32_t major, minor;
};
struct Managed {
    Version version;
    void* owner;
    void (*release)(Managed*);
    uint64_t flags;
    DLTensor tensor;
};
struct Exchange {
    Version version;
    Exchange* before;
    int (*allocate)(DLTensor*, Managed**, void*, void (*)(void*, const char*, const char*));
    int (*managed_of)(void*, Managed**);
    int (*object_of)(Managed*, void**);
    int (*tensor_of)(void*, DLTensor*);
    int (*stream_of)(int32_t, int32_t, void**);
};

struct Torch {
    const Exchange* table = nullptr;
    PyObject *tensor = nullptr, *parameter = nullptr, *is_neg = nullptr;
};

const Exchange* table_of(PyObject* tensor) {
    PyObject* capsule = PyObject_GetAttrString(tensor, "__dlpack_c_exchange_api__");
    if (capsule == nullptr) return nullptr;
    auto* table = static_cast<const Exchange*>(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
    Py_DECREF(capsule);
    while (table != nullptr && table->version.major > 1) table = table->before;
    return table != nullptr && table->version.major == 1 && table->tensor_of != nullptr ? table : nullptr;
}

const Torch& torch() {
    static const Torch found = [] {
        Torch made;
        if (PyObject* module = PyImport_ImportModule("torch")) {
            made.tensor = PyObject_GetAttrString(module, "Tensor");
            if (PyObject* nn = PyObject_GetAttrString(module, "nn")) {
                made.parameter = PyObject_GetAttrString(nn, "Parameter");
                Py_DECREF(nn);
            }
            made.is_neg = PyUnicode_InternFromString("is_neg");
            if (made.tensor != nullptr && made.parameter != nullptr && made.is_neg != nullptr) made.table = table_of(made.tensor);
            Py_DECREF(module);
        }
        PyErr_Clear();
        return made;
    }();
    return found;
}

// Memory of a tensor, and what describes it.
struct Owned {
    Managed managed;
    int64_t shape[3], strides[3];
    size_t bytes;
};

void release(Managed* managed) {
    auto* owned = static_cast<Owned*>(managed->owner);
    give_memory(managed->tensor.data, owned->bytes);
    delete owned;
}

}  // namespace

bool View::look(PyObject* object) {
    given = object != Py_None;
    if (!given) return true;
    const Torch& known = torch();
    auto* type = reinterpret_cast<PyObject*>(Py_TYPE(object));
    if (known.table == nullptr || (type != known.tensor && type != known.parameter)) return false;
    if (known.table->tensor_of(object, &of) != 0) {
        PyErr_Clear();
        return false;
    }
    constexpr int32_t cpu = 1;
    if (of.device.type != cpu) return false;
    PyObject* negative = PyObject_CallMethodNoArgs(object, known.is_neg);  // the one thing that the table does not tell
    const bool as_it_stands = negative == Py_False;
    if (negative == nullptr) PyErr_Clear();
    Py_XDECREF(negative);
    return as_it_stands;
}

int64_t View::elements() const {
    int64_t count = 1;
    for (int32_t i = 0; i < of.dimensions; ++i) count *= of.shape[i];
    return count;
}

bool View::contiguous() const {
    int64_t step = 1;
    for (int32_t i = of.dimensions - 1; i >= 0; --i) {
        if (of.shape[i] != 1 && of.strides[i] != step) return elements() == 0;
        step *= of.shape[i];
    }
    return true;
}

bool View::contiguous_across() const {
    if (of.dimensions != 3) return false;
    View crossed = *this;
    int64_t shape[] = {of.shape[1], of.shape[0], of.shape[2]}, strides[] = {of.strides[1], of.strides[0], of.strides[2]};
    crossed.of.shape = shape, crossed.of.strides = strides;
    return crossed.contiguous();
}

bool View::is(DLType type, std::initializer_list<int64_t> shape) const {
    if (!given || !(of.type == type) || of.dimensions != static_cast<int32_t>(shape.size())) return false;
    const int64_t* at = of.shape;
    for (int64_t size : shape)
        if (*at++ != size) return false;
    return true;
}

PyObject* new_tensor(DLType type, int32_t dimensions, const int64_t* shape, bool across, void** data) {
    auto* owned = new Owned{};
    int64_t count = 1;
    for (int32_t i = dimensions - 1; i >= 0; --i) owned->shape[i] = shape[i], owned->strides[i] = count, count *= shape[i];
    if (across) owned->strides[0] = shape[2], owned->strides[1] = shape[0] * shape[2];
    owned->bytes = static_cast<size_t>(count > 0 ? count : 1) * (type.bits / 8);
    void* block = take_memory(owned->bytes);
    if (block == nullptr) {
        delete owned;
        return PyErr_NoMemory();
    }
    constexpr DLDevice cpu{1, 0};
    owned->managed = {{1, 0}, owned, release, 0, {block, cpu, dimensions, type, owned->shape, owned->strides, 0}};
    *data = block;
    void* object = nullptr;
    return torch().table->object_of(&owned->managed, &object) == 0 ? static_cast<PyObject*>(object) : nullptr;
}

}  // namespace sequela
