// A block of recycled memory for the time of a call.
#pragma once

#include <new>

#include "engine.h"

namespace sequela {

struct Block {
    char* at;
    size_t bytes;
    explicit Block(size_t size) : at(nullptr), bytes(size) {
        if (size > 0 && (at = static_cast<char*>(take_memory(size))) == nullptr) throw std::bad_alloc();
    }
    ~Block() {
        if (at != nullptr) give_memory(at, bytes);
    }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
};

// Bytes of each of several that lie in one block, on cache lines of their own.
inline size_t apart(size_t bytes) { return (bytes + 127) / 64 * 64; }

}  // namespace sequela
