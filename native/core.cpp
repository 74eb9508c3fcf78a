// Who does what, when: cuts a problem into tiles, shares them among threads, keeps the order of the layers.
#include <algorithm>
#include <cstring>
#include <vector>

#include "block.hpp"
#include "engine.h"
#include "pool.hpp"

namespace sequela {
namespace {

size_t element(const Problem& p) { return p.type == F32 ? 4 : 8; }

// Rows that a step of a tile costs as much as: below two, the weights' way from the second cache takes as long.
double cost(int64_t rows) { return rows == 0 ? 0.0 : 0.3 + (rows < 2 ? 2.0 : static_cast<double>(rows)); }

// How long the threads take over tiles of so many histories, each thread taking the next tile when it is done.
double span_of(const std::vector<int64_t>& lengths, int64_t rows, int threads, std::vector<double>& busy) {
    const int64_t histories = static_cast<int64_t>(lengths.size());
    busy.assign(static_cast<size_t>(threads), 0.0);
    for (int64_t first = 0; first < histories; first += rows) {
        double& idlest = *std::min_element(busy.begin(), busy.end());
        const int64_t end = std::min(first + rows, histories);
        for (int64_t b = first; b < end; ++b) {  // steps at which the rows first .. b are alive, and no more
            const int64_t next = b + 1 < end ? lengths[static_cast<size_t>(b + 1)] : 0;
            idlest += static_cast<double>(lengths[static_cast<size_t>(b)] - next) * cost(b - first + 1);
        }
    }
    return *std::max_element(busy.begin(), busy.end());
}

// Histories a tile: few enough that every thread has as much to do, many enough that weights are read from near.
int64_t rows_of_tile(const Problem& p, int threads) {
    constexpr int64_t most = 24;
    if (p.histories == 0) return 1;
    std::vector<int64_t> lengths(static_cast<size_t>(p.histories), 0);
    for (int64_t t = p.steps; t > 0; --t)
        for (int64_t b = p.offsets[t] - p.offsets[t - 1]; b > 0 && lengths[static_cast<size_t>(b - 1)] == 0; --b)
            lengths[static_cast<size_t>(b - 1)] = t;
    std::vector<double> busy;
    int64_t best = 1;
    double least = 0.0;
    auto consider = [&](int64_t rows) {
        if (rows < 1 || rows > most || rows > p.histories) return;
        const double span = span_of(lengths, rows, threads, busy);
        if (least == 0.0 || span < least) best = rows, least = span;
    };
    const int64_t rounds = (p.histories + most * threads - 1) / (most * threads);
    for (int64_t k = rounds; k < rounds + 3; ++k) consider((p.histories + k * threads - 1) / (k * threads));  // as many each
    for (int64_t rows = most; rows > 0; rows -= 6) consider(rows);
    return best;
}

// A set of tasks, and the flag that ends it.
template <class Fn> bool share_out(const Run& run, int64_t tasks, int32_t* flag, Fn fn) {
    struct Bound {
        const Run& run;
        Fn& fn;
        int32_t* flag;
    } bound{run, fn, flag};
    share(run.threads, tasks,
          [](void* data, int64_t number, int slot) {
              Bound& b = *static_cast<Bound*>(data);
              Stop stop{b.flag, slot == 0 ? b.run.ask : nullptr, b.run.whom};
              if (__atomic_load_n(b.flag, __ATOMIC_RELAXED) == 0) b.fn(number, slot, stop);
          },
          &bound);
    return __atomic_load_n(flag, __ATOMIC_RELAXED) == 0;
}

// For each direction the row of the step before, -1 - place where that is the initial state; packed, and in y. Rows of x.
void find_rows(const Problem& p, int64_t* previous, int64_t* previous_y, int64_t* rows_x) {
    for (int64_t t = 0; t < p.steps; ++t)
        for (int64_t row = p.offsets[t]; row < p.offsets[t + 1]; ++row) {
            int64_t history = row - p.offsets[t], none = -1 - (p.order == nullptr ? history : p.order[history]);
            previous[row] = t > 0 ? p.offsets[t - 1] + history : none;
            if (p.x_by_history) rows_x[row] = history * p.steps + t;
            if (p.y_by_history) previous_y[row] = t > 0 ? history * p.steps + t - 1 : none;
            if (p.directions == 1) continue;
            bool last = t + 1 == p.steps || p.offsets[t + 1] + history >= p.offsets[t + 2];
            previous[p.rows + row] = last ? none : p.offsets[t + 1] + history;
            if (p.y_by_history) previous_y[p.rows + row] = last ? none : history * p.steps + t + 1;
        }
}

bool run_tiles(const Run& run, const Work& work, int32_t* flag) {
    const Problem& p = *work.problem;
    if (p.histories == 0) return true;
    int64_t rows = rows_of_tile(p, run.threads), tiles = (p.histories + rows - 1) / rows;
    size_t scratch_bytes = apart(run.table->scratch_bytes(p, rows));
    Block scratch(scratch_bytes * static_cast<size_t>(run.threads));
    return share_out(run, tiles, flag, [&](int64_t tile, int slot, const Stop& stop) {
        int64_t first = tile * rows, count = p.histories - first < rows ? p.histories - first : rows;
        if (count > 0)
            run.table->forward_tile(work, first, count, scratch.at + static_cast<size_t>(slot) * scratch_bytes, stop);
    });
}

}  // namespace

bool forward(const Run& asked, const Problem& problem) {
    Run run = asked;
    if (run.threads < 1) run.threads = 1;
    if (run.threads > most_threads) run.threads = most_threads;
    Problem p = problem;
    int64_t places = p.layers * p.directions;
    Block inner(p.inner == nullptr ? static_cast<size_t>((p.layers - 1) * p.rows * p.directions * p.hidden) * element(p)
                                   : 0);
    if (p.inner == nullptr) p.inner = inner.at;
    Work work{};
    work.problem = &p;
    work.forward_stride = apart(run.table->forward_bytes(p));
    Block packed(work.forward_stride * static_cast<size_t>(places));
    work.packed_forward = packed.at;
    int32_t flag = 0;
    share_out(run, places, &flag, [&](int64_t place, int, const Stop&) { run.table->pack_forward(work, place); });
    return run_tiles(run, work, &flag);
}

bool backward(const Run& asked, const Problem& p) {
    Run run = asked;
    if (run.threads < 1) run.threads = 1;
    if (run.threads > most_threads) run.threads = most_threads;
    int64_t places = p.layers * p.directions, across = p.rows * p.directions * p.hidden;
    size_t size = element(p);
    Work work{};
    work.problem = &p;
    work.backward_stride = apart(run.table->backward_bytes(p));
    Block packed(work.backward_stride * static_cast<size_t>(places));
    work.packed_backward = packed.at;
    const size_t maps = static_cast<size_t>(p.rows * p.directions);
    Block previous(maps * sizeof(int64_t) + 64), previous_y(p.y_by_history ? maps * sizeof(int64_t) + 64 : 0);
    Block rows_x(p.x_by_history ? static_cast<size_t>(p.rows) * sizeof(int64_t) + 64 : 0);
    work.previous = reinterpret_cast<int64_t*>(previous.at);
    work.previous_y = p.y_by_history ? reinterpret_cast<int64_t*>(previous_y.at) : work.previous;
    work.rows_x = reinterpret_cast<int64_t*>(rows_x.at);
    Block slopes(static_cast<size_t>(p.rows * shape_of(p.cell).slopes * p.hidden) * size + 64);
    work.slopes = slopes.at;
    Block upper(p.layers > 1 ? static_cast<size_t>(across) * size + 64 : 0);
    Block lower(p.layers > 2 ? static_cast<size_t>(across) * size + 64 : 0);
    int64_t rows = rows_of_tile(p, run.threads), tiles = p.histories == 0 ? 0 : (p.histories + rows - 1) / rows;
    size_t scratch_bytes = apart(run.table->scratch_bytes(p, rows));
    Block scratch(scratch_bytes * static_cast<size_t>(run.threads));
    auto own = [&](int slot) { return scratch.at + static_cast<size_t>(slot) * scratch_bytes; };
    int32_t flag = 0;
    share_out(run, places + 1, &flag, [&](int64_t task, int, const Stop&) {
        if (task == 0)
            find_rows(p, reinterpret_cast<int64_t*>(previous.at), reinterpret_cast<int64_t*>(previous_y.at),
                      reinterpret_cast<int64_t*>(rows_x.at));
        else run.table->pack_backward(work, task - 1);
    });
    for (int64_t layer = p.layers - 1; layer >= 0; --layer) {
        bool top = layer == p.layers - 1;
        work.dupper = top ? static_cast<const char*>(p.dy) : work.dx;
        if (layer == 0) work.dx = static_cast<char*>(p.dx);
        else work.dx = work.dupper == upper.at && !top ? lower.at : upper.at;
        for (int64_t direction = 0; direction < p.directions; ++direction) {
            int64_t place = layer * p.directions + direction;
            if (!share_out(run, tiles, &flag, [&](int64_t tile, int slot, const Stop& stop) {
                    int64_t first = tile * rows, count = p.histories - first < rows ? p.histories - first : rows;
                    if (count > 0) run.table->backward_tile(work, place, first, count, own(slot), stop);
                }))
                return false;
            const Weights& to = p.dweights[place];
            if (!to.weight_ih && !to.weight_hh && !to.bias_ih && !to.bias_hh && !to.peephole) continue;
            if (!share_out(run, run.threads, &flag, [&](int64_t part, int slot, const Stop& stop) {
                    run.table->weight_gradient(work, place, part, run.threads, own(slot), stop);
                }))
                return false;
        }
    }
    return true;
}

struct Frozen {
    const Table* table;
    size_t stride;
    std::vector<char> peepholes;
    std::vector<Weights> weights;
    char* packed;
    size_t bytes;
};

Frozen* freeze(const Table* table, const Problem& p) {
    auto* made = new Frozen;
    made->table = table;
    size_t places = static_cast<size_t>(p.layers * p.directions), diagonal = static_cast<size_t>(3 * p.hidden) * element(p);
    made->stride = apart(table->forward_bytes(p));
    made->bytes = made->stride * places;
    made->packed = static_cast<char*>(take_memory(made->bytes));
    if (made->packed == nullptr) {
        delete made;
        throw std::bad_alloc();
    }
    Work work{};
    work.problem = &p;
    work.packed_forward = made->packed;
    work.forward_stride = made->stride;
    made->peepholes.resize(diagonal * places);
    made->weights.resize(places);
    for (size_t place = 0; place < places; ++place) {
        table->pack_forward(work, static_cast<int64_t>(place));
        if (p.weights[place].peephole == nullptr) continue;
        made->weights[place].peephole = made->peepholes.data() + place * diagonal;
        std::memcpy(made->weights[place].peephole, p.weights[place].peephole, diagonal);
    }
    return made;
}

void thaw(Frozen* frozen) {
    give_memory(frozen->packed, frozen->bytes);
    delete frozen;
}

bool update(const Run& asked, const Frozen* frozen, const Problem& problem, const Update* table) {
    Run run = asked;
    run.table = frozen->table;
    run.ask = nullptr;
    if (run.threads < 1) run.threads = 1;
    if (run.threads > most_threads) run.threads = most_threads;
    Problem p = problem;
    p.weights = frozen->weights.data();
    Block inner(static_cast<size_t>((p.layers - 1) * p.rows * p.directions * p.hidden) * element(p));
    p.inner = inner.at;
    Work work{};
    work.problem = &p;
    work.packed_forward = frozen->packed;
    work.forward_stride = frozen->stride;
    work.update = table;
    int32_t flag = 0;
    return run_tiles(run, work, &flag);
}

const Table* const* tables(int* count) {
    static const Table* found[3];
    static const int n = [] {
        int n = 0;
#ifdef SEQUELA_X86
        // All that the objects were compiled for; __builtin_cpu_supports also asks whether the system saves the registers.
        __builtin_cpu_init();
        bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        if (avx2 && __builtin_cpu_supports("avx512f")) found[n++] = &table_avx512;
        if (avx2) found[n++] = &table_avx2;
#endif
        found[n++] = &table_portable;
        return n;
    }();
    *count = n;
    return found;
}

const Table* table_named(const char* name) {
    int count;
    const Table* const* all = tables(&count);
    for (int i = 0; i < count; ++i)
        if (std::strcmp(all[i]->name, name) == 0) return all[i];
    return nullptr;
}

}  // namespace sequela
