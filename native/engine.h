// The border of the core: plain structures that every part of it agrees on. No Python, no C++ library.
//
// Letters: B histories, T steps of the longest, N rows (steps of all histories together), I inputs, H hidden units,
// L layers, D directions, P = L * D places, G blocks of H rows in the weights of a place.
//
// Rows are packed as in torch's PackedSequence: histories sorted by length, longest first; rows time-major; step t owns
// the rows offsets[t] .. offsets[t + 1], one for each history longer than t. Where all histories are of T steps, x, y and
// their gradients may each stand history by history instead ([B, T, ...]); all else stays packed.
//
// Every pointer is to contiguous memory of the problem's type, belongs to the caller and outlives the call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sequela {

enum Cell : int32_t {
    LSTM = 0,           // weights i f g o
    LSTM_PEEPHOLE = 1,  // weights i f g o, diagonals i f o
    LSTM_COUPLED = 2,   // weights f g o
    GRU_AFTER = 3,      // weights r z n; the reset gate acts on the recurrent term (torch)
    GRU_BEFORE = 4,     // weights r z n; the reset gate acts on the state
    RNN_TANH = 5,
    RNN_RELU = 6,
    CELLS = 7
};

enum Type : int32_t { F32 = 0, F64 = 1 };

// What a cell is made of, in blocks of H.
struct Shape {
    int gates;   // G, blocks of rows in weight_ih and weight_hh
    int states;  // 1: h, 2: h and c
    int kept;    // what forward keeps of a row for backward
    int slopes;  // derivatives of a row by what enters its gates
};

inline Shape shape_of(int32_t cell) {
    switch (cell) {
        case LSTM: case LSTM_PEEPHOLE: return {4, 2, 5, 4};  // i f g o c
        case LSTM_COUPLED: return {3, 2, 4, 3};              // f g o c
        case GRU_AFTER: return {3, 1, 4, 4};                 // r z n and the recurrent term of n
        case GRU_BEFORE: return {3, 1, 3, 3};                // r z n
        default: return {1, 1, 0, 1};
    }
}

// Weights of one place; for gradients the same, to be written. Null: the cell has none, or no gradient is wanted.
struct Weights {
    void* weight_ih;  // [G * H, I], of higher layers [G * H, D * H]
    void* weight_hh;  // [G * H, H]
    void* bias_ih;    // [G * H]
    void* bias_hh;    // [G * H]
    void* peephole;   // [3, H]
};

struct Problem {
    int32_t cell, type;
    int64_t layers, directions, histories, steps, rows, input, hidden;
    bool x_by_history, y_by_history, dy_by_history;  // x and dx, y, dy are [B, T, ...]
    const int64_t* offsets;  // [T + 1], offsets[0] = 0
    const int64_t* order;    // [B] where the states of each history stand in h0, c0, hn, cn and their gradients; null: there
    const void* x;           // [N, I]
    const Weights* weights;  // [P]
    const void* h0;          // [P, B, H], null: zero
    const void* c0;          // [P, B, H], null: zero
    const void* decay_h;     // [P, N, H], null: none; row n multiplies the h that enters step n
    const void* decay_c;     // [P, N, H], null: none
    const uint8_t* masks;    // [L - 1, N, D * H], null: no dropout; what passes between layers
    double mask_scale;       // what passes is multiplied by it

    void* y;       // [N, D * H]; backward reads it
    void* hn;      // [P, B, H]
    void* cn;      // [P, B, H]
    void* inner;   // [L - 1, N, D * H], outputs of the lower layers
    void* kept;    // [P, N, shape.kept * H]; forward: null = keep nothing. A row: gates first, c last

    // Backward only. Null inputs are zero, null outputs are not wanted.
    const void* dy;   // [N, D * H]
    const void* dhn;  // [P, B, H]
    const void* dcn;  // [P, B, H]
    void* dx;         // [N, dx_width]
    int64_t dx_width; // of how many inputs, the first ones, the gradient is wanted; 0: of all
    void* dh0;        // [P, B, H]
    void* dc0;        // [P, B, H]
    void* ddecay_h;   // [P, N, H]
    void* ddecay_c;   // [P, N, H]
    const Weights* dweights;  // [P]
};

// A large table of states, one row a patient: [layers, states, H] each, contiguous.
struct Update {
    void* table;           // [patients, L, states, H]
    const int64_t* index;  // [histories] distinct rows of the table
};

// What the functions of an instruction set work on beside the problem: made by the core, alive for one call.
struct Work {
    const Problem* problem;
    char* packed_forward;   // [P] packed weights, `packed_stride` bytes apart
    char* packed_backward;
    size_t forward_stride, backward_stride;
    const int64_t* previous;  // [D, N] row of the step before in the direction's own time, or -1 - place: initial
    const int64_t* previous_y;  // the same as rows of y; `previous` itself where y is packed
    const int64_t* rows_x;      // [N] where the rows of x stand, null where x is packed
    char* slopes;             // [N, shape.slopes * H] of the place that backward is at
    char* dlower;             // [N, D * H] gradient of the layer below's output, null at layer 0
    const char* dupper;       // [N, D * H] gradient of this layer's output
    char* dx;                 // gradient of the layer's input: dlower, or the caller's dx, or null
    const Update* update;     // step mode on a table, or null
};

// Asked once a step: has somebody asked to stop? `ask` may set the flag; it is null but for the caller's own thread.
struct Stop {
    int32_t* flag;
    void (*ask)(void* whom, int32_t* flag);
    void* whom;
};

// Inputs and states that fade while nothing is measured: src/sequela/cells/fading.py.
struct Fading {
    int32_t type;
    int64_t layers, rows, features, hidden;
    int64_t histories;        // 0: the input has packed rows; else it is [B, T, F], and packed row t B + b is its row b T + t
    const void* values;       // [N, F]
    const uint8_t* observed;  // [N, F], 0 or 1
    const void* gaps;         // [N, F]
    const void* mean;         // [F]
    const void* weight_x;     // [F]
    const void* bias_x;       // [F]
    const void* weight_h;     // [L * H, F]
    const void* bias_h;       // [L * H]
    void* joined;             // [N, 2 F] packed rows, null: only states fade
    void* decay;              // [L, N, H] packed rows

    // Backward only. Null inputs are zero, null outputs are not wanted.
    const void* djoined;    // [N, ...], rows `djoined_apart` apart, of which the first F elements are read
    int64_t djoined_apart;
    const void* ddecay;   // [L, N, H]
    void* dvalues;        // [N, F], as the input stands
    void* dgaps;          // [N, F], as the input stands
    void *dweight_x, *dbias_x, *dweight_h, *dbias_h;
};

// The most rows that `FadingTable::backward` takes at once.
constexpr int64_t fading_rows = 256;

struct FadingTable {
    size_t (*packed_bytes)(const Fading&);
    size_t (*scratch_bytes)(const Fading&);
    size_t (*sums_bytes)(const Fading&);
    void (*pack)(const Fading&, bool backward, char* packed);
    void (*forward)(const Fading&, const char* packed, int64_t first, int64_t count, char* scratch);
    // What sums over rows is added to `sums`.
    void (*backward)(const Fading&, const char* packed, int64_t first, int64_t count, char* sums, char* scratch);
    // The gradients of the weights from `count` sums.
    void (*add)(const Fading&, const char* sums, int64_t count);
};

// A step of Adam: src/sequela/train/adam.py.
struct Adam {
    double learning_rate, first, second, epsilon, weight_decay;
    double max_norm;  // to which all gradients together are shortened; infinite: never
};

// Some weights and what belongs to them, each of `count` elements. What a step leaves in gradients is what came.
struct Trained {
    int32_t type;
    int64_t count, steps;  // steps so far, this one included
    void* weight;
    const void* gradient;
    void *mean, *square;  // moving, of the gradients and of their squares
};

struct Factors {
    double scale, rate, root;  // of the gradient, of the step, and the root of the correction of the squares
};

// A moving mean of weights.
struct Blended {
    int32_t type;
    int64_t count;
    void* mean;
    const void* weight;
};

struct AdamTable {
    double (*squares)(int32_t type, const void* at, int64_t count);
    void (*step)(const Adam&, const Factors&, const Trained&, int64_t first, int64_t count);
    void (*blend)(int32_t type, double share, void* mean, const void* weight, int64_t count);
};

// One instruction set. Functions of type t: F32 or F64 as the problem says. All are free of threads and of memory.
struct Table {
    const char* name;
    size_t (*forward_bytes)(const Problem&);   // packed weights of the largest place
    size_t (*backward_bytes)(const Problem&);
    size_t (*scratch_bytes)(const Problem&, int64_t tile_rows);
    void (*pack_forward)(const Work&, int64_t place);
    void (*pack_backward)(const Work&, int64_t place);
    // All layers of the histories first .. first + count.
    void (*forward_tile)(const Work&, int64_t first, int64_t count, char* scratch, const Stop&);
    // One place of the histories first .. first + count.
    void (*backward_tile)(const Work&, int64_t place, int64_t first, int64_t count, char* scratch, const Stop&);
    // Weight gradients of a place, part `part` of `parts`: parts split rows of the weights, never a sum.
    void (*weight_gradient)(const Work&, int64_t place, int64_t part, int64_t parts, char* scratch,
                            const Stop&);
    // hours[i] = (time - since[i]) / an hour of microseconds.
    void (*hours_since)(int64_t time, const int64_t* since, float* hours, int64_t count);
    FadingTable fading;
    AdamTable adam;
};

extern const Table table_avx512, table_avx2, table_portable;

// The core: chooses nothing, allocates nothing that outlives the call but recycled memory, knows no Python.
struct Run {
    const Table* table;
    int threads;
    // Asked by the caller's thread once a step, null: never. Where it sets the flag the call ends early and returns false;
    // results are undefined then. `update` never asks: a table is not left half-updated.
    void (*ask)(void* whom, int32_t* flag);
    void* whom;
};

bool forward(const Run&, const Problem&);
bool backward(const Run&, const Problem&);

// Never asks: it is over soon.
void forward(const Run&, const Fading&);
void backward(const Run&, const Fading&);

// Never ask either. Same bits for any number of threads.
void step(const Run&, const Adam&, const Trained*, size_t count);
void blend(const Run&, double share, const Blended*, size_t count);  // mean += share * (weight - mean)

// A frozen cell: weights packed once. Steps read it from many threads.
struct Frozen;
Frozen* freeze(const Table*, const Problem& weights_and_shapes);
void thaw(Frozen*);
bool update(const Run&, const Frozen*, const Problem&, const Update*);

// Instruction sets: those that are compiled in and that this processor runs, best first.
const Table* const* tables(int* count);
const Table* table_named(const char* name);  // null: unknown, not compiled in or not supported here

// Memory that is given back to a list of its size and taken from there again.
void* take_memory(size_t bytes);
void give_memory(void*, size_t bytes);
size_t held_memory();     // bytes in the lists
void release_memory();    // gives all of it back to the system

}  // namespace sequela
