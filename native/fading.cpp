// Shares the rows of fading inputs and states among threads.
#include <cstring>

#include "block.hpp"
#include "engine.h"
#include "pool.hpp"

namespace sequela {
namespace {

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace

void forward(const Run& run, const Fading& f) {
    const FadingTable& set = run.table->fading;
    const int threads = slots(run.threads);
    const int64_t rows = 96;  // whole register tiles of every set, and enough tasks for many threads
    const size_t scratch_bytes = apart(set.scratch_bytes(f));
    Block packed(apart(set.packed_bytes(f))), scratch(scratch_bytes * static_cast<size_t>(threads));
    set.pack(f, false, packed.at);
    share_out(threads, (f.rows + rows - 1) / rows, [&](int64_t task, int slot) {
        char* own = scratch.at + static_cast<size_t>(slot) * scratch_bytes;
        set.forward(f, packed.at, task * rows, smaller(rows, f.rows - task * rows), own);
    });
}

void backward(const Run& run, const Fading& f) {
    const FadingTable& set = run.table->fading;
    const int threads = slots(run.threads);
    // As many parts as the rows ask for, not the threads: the order of a sum must not depend on them.
    const int64_t blocks = (f.rows + fading_rows - 1) / fading_rows, parts = smaller(blocks, 32);
    const size_t scratch_bytes = apart(set.scratch_bytes(f)), sums_bytes = set.sums_bytes(f);
    Block packed(apart(set.packed_bytes(f))), scratch(scratch_bytes * static_cast<size_t>(threads));
    Block sums(apart(sums_bytes * static_cast<size_t>(parts)));
    if (f.dgaps != nullptr) set.pack(f, true, packed.at);
    share_out(threads, parts, [&](int64_t part, int slot) {
        char* own = scratch.at + static_cast<size_t>(slot) * scratch_bytes;
        char* sum = sums.at + static_cast<size_t>(part) * sums_bytes;
        std::memset(sum, 0, sums_bytes);
        for (int64_t block = blocks * part / parts; block < blocks * (part + 1) / parts; ++block) {
            const int64_t first = block * fading_rows;
            set.backward(f, packed.at, first, smaller(fading_rows, f.rows - first), sum, own);
        }
    });
    set.add(f, sums.at, parts);
}

}  // namespace sequela
