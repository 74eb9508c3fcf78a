// From events in the order of contract 1 (person, instant, code) to the steps of a timeline. No Python.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sequela {

// A column of words as Arrow lays it out ("string view"): 16 bytes a word. A short word stands in them, of a long one the
// length, the first four bytes, and where it stands in which buffer.
struct WordColumn {
    int64_t count;
    const void* views;            // [count] of 16 bytes
    const char* const* buffers;   // that long words stand in
    const uint8_t* valid;         // bits from `first_bit` on, null: all are there
    int64_t first_bit;
};

// Writes which of the distinct words each one is, -1 where it is none of them. Returns how many are none.
int64_t number_words(const std::vector<std::string>& words, const WordColumn& column, int32_t* number, int threads);

struct SortedEvents {
    int64_t count, people;
    const int64_t* person;    // [M]
    const int64_t* known;     // [M]
    const int32_t* variable;  // [M]
};
struct Steps {
    int64_t* time;            // [M]
    int64_t* cell_offsets;    // [M + 1]
    int64_t* person_offsets;  // [P + 1]
};

// Writes where each step begins, and where those of each person do. Returns how many steps there are; -1 where the events
// do not ascend by person, instant and variable, or a person is none of those.
int64_t mark_steps(const SortedEvents& events, const Steps& steps, int threads);

}  // namespace sequela
