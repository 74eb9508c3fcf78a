// torch's tensors as they are, without Python on the way: DLPack's table of C functions, which torch shows as
// `torch.Tensor.__dlpack_c_exchange_api__`. Structures: dlpack.h 1.3, https://dmlc.github.io/dlpack/latest/c_api.html
#pragma once

#include <Python.h>

#include <cstdint>
#include <initializer_list>

namespace sequela {

struct DLDevice {
    int32_t type, id;
};
struct DLType {
    uint8_t code, bits;
    uint16_t lanes;
    bool operator==(const DLType& other) const {
        return code == other.code && bits == other.bits && lanes == other.lanes;
    }
};
struct DLTensor {
    void* data;
    DLDevice device;
    int32_t dimensions;
    DLType type;
    int64_t *shape, *strides;  // strides in elements
    uint64_t offset;           // bytes
};

constexpr DLType int64s{0, 64, 1}, bools{6, 8, 1}, floats{2, 32, 1}, doubles{2, 64, 1};

// A tensor on the CPU as its owner holds it; `None` has no data and no shape.
struct View {
    DLTensor of{};
    bool given = false;

    // False where it is neither None nor a plain tensor or parameter on the CPU, or where torch has no such table.
    bool look(PyObject* object);
    template <class T> T* data() const {
        return given ? reinterpret_cast<T*>(static_cast<char*>(of.data) + of.offset) : nullptr;
    }
    int64_t size(int32_t dimension) const { return of.shape[dimension < 0 ? of.dimensions + dimension : dimension]; }
    int64_t elements() const;
    bool contiguous() const;
    bool contiguous_across() const;  // of three dimensions, with the first two exchanged
    bool is(DLType type, std::initializer_list<int64_t> shape) const;
    // None, or contiguous, of this type and shape.
    bool fits(DLType type, std::initializer_list<int64_t> shape) const { return !given || (is(type, shape) && contiguous()); }
};

// A new tensor on recycled memory, its content undefined, where some tensor could be looked at; null with Python's error set where there is no memory.
// `across`: stored with the first two of three dimensions exchanged.
PyObject* new_tensor(DLType type, int32_t dimensions, const int64_t* shape, bool across, void** data);

}  // namespace sequela
