// The border between Python and the native core. Nothing but this folder knows Python.
//
// Tensors come in as they are, looked at by `Given`; where they are not plainly right it answers None, and
// src/sequela/cells says what is wrong, or brings them into one piece and asks again. Only a snapshot, which is in a hurry,
// is given addresses, which src/sequela/cells/frozen.py has checked and holds alive. The interpreter is released while the
// core works.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../engine.h"
#include "../pool.hpp"
#include "given.hpp"
#include "module.hpp"

using namespace nb::literals;
using namespace sequela;

const Table* sequela::chosen = nullptr;

namespace {

using Addresses = std::vector<uintptr_t>;

template <class T> T* pointer(uintptr_t address) { return reinterpret_cast<T*>(address); }

const Table* choose() {
    const char* wanted = std::getenv("SEQUELA_ISA");
    int count;
    const Table* const* all = tables(&count);
    if (wanted == nullptr || *wanted == '\0') return all[0];
    if (const Table* found = table_named(wanted)) return found;
    std::string here;
    for (int i = 0; i < count; ++i) here += std::string(i > 0 ? ", " : "") + all[i]->name;
    throw nb::import_error(("SEQUELA_ISA=" + std::string(wanted) + " is not an instruction set that this processor and "
                            "this build have; those are: " + here + ". Unset it to take the best.").c_str());
}

std::vector<int64_t> offsets_of(const Problem& p, const int64_t* batch_sizes) {
    std::vector<int64_t> offsets(static_cast<size_t>(p.steps) + 1, 0);
    int64_t before = p.histories;
    for (int64_t t = 0; t < p.steps; ++t) {
        if (batch_sizes[t] > before || batch_sizes[t] < 1 || (t == 0 && batch_sizes[t] != p.histories))
            throw std::invalid_argument(
                "batch_sizes must begin with the number of histories and never rise or fall below 1");
        before = batch_sizes[t];
        offsets[static_cast<size_t>(t) + 1] = offsets[static_cast<size_t>(t)] + before;
    }
    if (offsets.back() != p.rows) throw std::invalid_argument("batch_sizes must sum to the number of packed rows");
    if ((p.x_by_history || p.y_by_history || p.dy_by_history) && p.rows != p.steps * p.histories)
        throw std::invalid_argument("rows stand history by history only where all histories are equally long");
    return offsets;
}

void check_order(const Problem& p) {
    if (p.order == nullptr) return;
    std::vector<bool> seen(static_cast<size_t>(p.histories), false);
    for (int64_t i = 0; i < p.histories; ++i) {
        if (p.order[i] < 0 || p.order[i] >= p.histories || seen[static_cast<size_t>(p.order[i])])
            throw std::invalid_argument("sorted_indices must name every history of the batch once");
        seen[static_cast<size_t>(p.order[i])] = true;
    }
}

// Lets signals in every 50 ms.
struct Signals {
    std::chrono::steady_clock::time_point next = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
    static void ask(void* whom, int32_t* flag) {
        auto& self = *static_cast<Signals*>(whom);
        auto now = std::chrono::steady_clock::now();
        if (now < self.next) return;
        self.next = now + std::chrono::milliseconds(50);
        nb::gil_scoped_acquire held;
        if (PyErr_CheckSignals() != 0) {
            PyErr_Fetch(&self.type, &self.value, &self.trace);
            __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
        }
    }
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    [[noreturn]] void raise() {
        PyErr_Restore(type, value, trace);
        throw nb::python_error();
    }
};

template <class Fn> void released(Fn fn) {
    Signals signals;
    bool done;
    {
        nb::gil_scoped_release free;
        done = fn(signals);
    }
    if (!done) signals.raise();
}

nb::object recur(int cell, nb::handle tensors, nb::handle weights, int64_t layers, int64_t directions, int64_t histories,
                 double keep, bool by_history, bool training, int threads) {
    if (cell < 0 || cell >= CELLS) throw std::invalid_argument("unknown cell");
    const Tensors given_tensors(tensors), given_weights(weights);
    Given given;
    if (!given.read(cell, given_tensors.exactly(8), given_weights.all(), given_weights.count(), layers, directions,
                    histories, by_history))
        return nb::none();
    Problem& p = given.p;
    const auto offsets = offsets_of(p, given.batch_sizes.data<int64_t>());
    check_order(p);
    p.offsets = offsets.data(), p.mask_scale = 1.0 / keep;
    const int64_t nothing = 0, kept_elements = training ? given.kept() : 0;
    void *no_c, *kept_at;
    nb::object y = made_by(given.new_output(&p.y)), h = made_by(given.new_states(&p.hn));
    nb::object c = made_by(shape_of(p.cell).states > 1 ? given.new_states(&p.cn)
                                                       : new_tensor(given.type, 1, &nothing, false, &no_c));
    nb::object kept = made_by(new_tensor(given.type, 1, &kept_elements, false, &kept_at));
    if (training) given.keep_in(kept_at);
    released([&](Signals& signals) { return forward({chosen, threads, Signals::ask, &signals}, p); });
    return nb::make_tuple(y, h, c, kept);
}

nb::object recur_backward(int cell, nb::handle tensors, nb::handle weights, nb::handle made, const std::vector<bool>& wanted,
                          int64_t layers, int64_t directions, int64_t histories, double keep, bool by_history,
                          int64_t dx_width, int threads) {
    if (cell < 0 || cell >= CELLS) throw std::invalid_argument("unknown cell");
    const Tensors given_tensors(tensors), given_weights(weights), arrived(made);
    Given given;
    View dy, dh, dc, y, kept;
    PyObject* const* objects = arrived.exactly(5);
    if (!given.read(cell, given_tensors.exactly(8), given_weights.all(), given_weights.count(), layers, directions,
                    histories, by_history))
        return nb::none();
    for (View* view : {&dy, &dh, &dc, &y, &kept})
        if (!view->look(*objects++)) return nb::none();
    Problem& p = given.p;
    const int64_t B = histories, H = p.hidden, P = layers * directions;
    if (!given.gradient_of_output(dy) || !dh.fits(given.type, {P, B, H}) || !dc.fits(given.type, {P, B, H}))
        return nb::none();
    if (!y.given || !y.contiguous() || y.elements() != p.rows * directions * H ||
        !kept.is(given.type, {given.kept()}) || wanted.size() != 5 + given.weights.size())
        throw std::invalid_argument("what forward made, and a claim for each gradient");
    if (dx_width > p.input || dx_width < (p.input > 0 ? 1 : 0)) throw std::invalid_argument("no gradient of so many inputs");
    const auto offsets = offsets_of(p, given.batch_sizes.data<int64_t>());
    check_order(p);
    p.offsets = offsets.data(), p.mask_scale = 1.0 / keep;
    p.dx_width = dx_width;
    p.y = y.data<void>(), p.dhn = dh.data<void>(), p.dcn = dc.data<void>();
    given.keep_in(kept.data<void>());

    nb::list gradients;
    auto room = [&](size_t place, const View& like, void** at) {
        if (wanted[place] && like.given) gradients.append(made_by(given.new_like(like, at)));
        else gradients.append(nb::none());
    };
    if (wanted[0]) gradients.append(made_by(given.new_dx(dx_width, &p.dx)));
    else gradients.append(nb::none());
    room(1, given.h0, &p.dh0), room(2, given.c0, &p.dc0);
    room(3, given.decay_h, &p.ddecay_h), room(4, given.decay_c, &p.ddecay_c);
    std::vector<Weights> dweights(static_cast<size_t>(P));
    const size_t each = given.weights.size() / dweights.size();
    for (size_t i = 0; i < given.weights.size(); ++i) {
        Weights& to = dweights[i / each];
        void** const slots[] = {&to.weight_ih, &to.weight_hh, &to.bias_ih, &to.bias_hh, &to.peephole};
        room(5 + i, given.weights[i], slots[slot_of(p.cell, each, i % each)]);
    }
    p.dweights = dweights.data();
    released([&](Signals& signals) { return backward({chosen, threads, Signals::ask, &signals}, p); });
    return gradients;
}

nb::object fade(nb::handle tensors, int64_t layers, int64_t histories, int threads) {
    const Tensors all(tensors);
    GivenFading given;
    if (!given.read(all.exactly(8), layers, histories)) return nb::none();
    Fading& f = given.f;
    void* joined_at;
    nb::object joined = made_by(given.new_joined(&joined_at)), decay = made_by(given.new_decay(&f.decay));
    f.joined = given.values.given ? joined_at : nullptr;
    {
        nb::gil_scoped_release free;
        forward({chosen, threads, nullptr, nullptr}, f);
    }
    return nb::make_tuple(joined, decay);
}

// Made: joined, decay, and their gradients. Wanted: of values, gaps, weight_x, bias_x, weight_h, bias_h.
nb::object fade_backward(nb::handle tensors, nb::handle made, const std::vector<bool>& wanted, int64_t layers,
                                 int64_t histories, int threads) {
    const Tensors all(tensors), arrived(made);
    GivenFading given;
    View joined, decay, djoined, ddecay;
    PyObject* const* objects = arrived.exactly(4);
    if (!given.read(all.exactly(8), layers, histories)) return nb::none();
    for (View* view : {&joined, &decay, &djoined, &ddecay})
        if (!view->look(*objects++)) return nb::none();
    Fading& f = given.f;
    f.djoined_apart = djoined.given && djoined.of.dimensions == 2 ? djoined.size(1) : 0;
    if (!djoined.fits(given.type, {f.rows, f.djoined_apart}) || !ddecay.fits(given.type, {f.layers, f.rows, f.hidden}))
        return nb::none();
    if (!joined.contiguous() || !decay.contiguous() || wanted.size() != 6 || (djoined.given && f.djoined_apart < f.features))
        throw std::invalid_argument("what fading made, their gradients, and a claim for each gradient");
    f.joined = joined.data<void>(), f.decay = decay.data<void>();
    f.djoined = djoined.data<void>(), f.ddecay = ddecay.data<void>();
    const View* const likes[] = {&given.values, &given.gaps, &given.weight_x, &given.bias_x, &given.weight_h, &given.bias_h};
    void** const places[] = {&f.dvalues, &f.dgaps, &f.dweight_x, &f.dbias_x, &f.dweight_h, &f.dbias_h};
    nb::list gradients;
    for (size_t i = 0; i < 6; ++i) {
        const DLTensor& like = likes[i]->of;
        if (wanted[i] && likes[i]->given)
            gradients.append(made_by(new_tensor(given.type, like.dimensions, like.shape, false, places[i])));
        else gradients.append(nb::none());
    }
    {
        nb::gil_scoped_release free;
        backward({chosen, threads, nullptr, nullptr}, f);
    }
    return gradients;
}

// A frozen cell and the sizes it was made with.
struct Snapshot {
    Frozen* frozen;
    Problem p;
    Snapshot(int cell, nb::handle tensors, nb::handle weights, int64_t layers) {
        if (cell < 0 || cell >= CELLS) throw std::invalid_argument("unknown cell");
        const Tensors given_tensors(tensors), given_weights(weights);
        Given given;
        if (!given.read(cell, given_tensors.exactly(8), given_weights.all(), given_weights.count(), layers, 1, 0, false))
            throw std::invalid_argument("weights that are plainly right");
        p = given.p;
        frozen = freeze(chosen, p);
        p.weights = nullptr;
    }
    ~Snapshot() { thaw(frozen); }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    Problem of(int64_t histories) const {
        Problem here = p;
        here.histories = here.rows = histories;
        here.steps = histories > 0 ? 1 : 0;
        return here;
    }
    // in: x, h, c, decay_h, decay_c; out: y, h, c.
    void step(int64_t histories, const Addresses& in, const Addresses& out, int threads) const {
        Problem here = of(histories);
        int64_t offsets[] = {0, histories};
        here.offsets = offsets;
        here.x = pointer<void>(in.at(0)), here.h0 = pointer<void>(in.at(1)), here.c0 = pointer<void>(in.at(2));
        here.decay_h = pointer<void>(in.at(3)), here.decay_c = pointer<void>(in.at(4));
        here.y = pointer<void>(out.at(0)), here.hn = pointer<void>(out.at(1)), here.cn = pointer<void>(out.at(2));
        nb::gil_scoped_release free;
        update({chosen, threads, nullptr, nullptr}, frozen, here, nullptr);
    }
    // in: x, decay_h, decay_c.
    void update_rows(uintptr_t table, int64_t patients, uintptr_t index, int64_t histories, const Addresses& in,
                     uintptr_t y, int threads) const {
        const int64_t* rows = pointer<const int64_t>(index);
        check_rows(rows, histories, patients);
        Problem here = of(histories);
        int64_t offsets[] = {0, histories};
        here.offsets = offsets, here.x = pointer<void>(in.at(0)), here.y = pointer<void>(y);
        here.decay_h = pointer<void>(in.at(1)), here.decay_c = pointer<void>(in.at(2));
        Update where{pointer<void>(table), rows};
        nb::gil_scoped_release free;
        update({chosen, threads, nullptr, nullptr}, frozen, here, &where);
    }
    // Before anything is written: two updates of one row in one call have no order.
    static void check_rows(const int64_t* rows, int64_t histories, int64_t patients) {
        static thread_local std::vector<uint64_t> seen;
        size_t words = static_cast<size_t>(patients + 63) / 64;
        if (seen.size() < words) seen.resize(words, 0);
        const char* wrong = nullptr;
        int64_t i = 0;
        for (; i < histories && wrong == nullptr; ++i) {
            if (rows[i] < 0 || rows[i] >= patients) {
                wrong = "rows must name rows of the table";
                break;
            }
            uint64_t bit = uint64_t(1) << (rows[i] % 64), &word = seen[static_cast<size_t>(rows[i] / 64)];
            if (word & bit) wrong = "rows must be distinct: two updates of one row in one call have no order";
            word |= bit;
        }
        while (i-- > 0) seen[static_cast<size_t>(rows[i] / 64)] &= ~(uint64_t(1) << (rows[i] % 64));
        if (wrong != nullptr) throw std::invalid_argument(wrong);
    }
};

// A block of recycled memory as a tensor of bytes; it goes back to its list when the last tensor on it dies.
nb::ndarray<nb::pytorch, uint8_t, nb::ndim<1>> buffer(size_t bytes) {
    struct Owned {
        void* block;
        size_t bytes;
    };
    auto* owned = new Owned{take_memory(bytes), bytes};
    if (owned->block == nullptr) {
        delete owned;
        throw std::bad_alloc();
    }
    nb::capsule owner(owned, [](void* p) noexcept {
        auto* o = static_cast<Owned*>(p);
        give_memory(o->block, o->bytes);
        delete o;
    });
    return nb::ndarray<nb::pytorch, uint8_t, nb::ndim<1>>(owned->block, {bytes}, owner);
}


}  // namespace

NB_MODULE(_native, module) {
    module.doc() = "Native core of sequela.";
    chosen = choose();

    module.def("info", [] {
        nb::dict facts;
        facts["set"] = chosen->name;
        int count;
        const Table* const* all = tables(&count);
        nb::list names;
        for (int i = 0; i < count; ++i) names.append(all[i]->name);
        facts["sets"] = names;
        facts["threads"] = nb::module_::import_("torch").attr("get_num_threads")();
        facts["most_threads"] = most_threads;
        facts["held_bytes"] = held_memory();
        facts["flags"] = SEQUELA_FLAGS;
#ifdef __clang__
        facts["compiler"] = std::string("clang ") + __VERSION__;
#else
        facts["compiler"] = std::string("gcc ") + __VERSION__;
#endif
        return facts;
    }, "What the native core is, what it was built with, and what it holds.");
    module.def("spin_for", &spin_for, nb::arg("microseconds"),
               "Let the engine's threads wait awake so long for the next call.");
    module.def("choose", [](const std::string& name) {
        const Table* found = table_named(name.c_str());
        if (found == nullptr) throw std::invalid_argument("no instruction set of that name is supported here");
        chosen = found;
    }, nb::arg("name"), "Take another instruction set from now on: for tests and benchmarks. Snapshots keep theirs.");
    module.def("recur", &recur, "cell"_a, "tensors"_a, "weights"_a, "layers"_a, "directions"_a, "histories"_a, "keep"_a,
               "by_history"_a, "training"_a, "threads"_a,
               "Run a recurrence and return y, h, c and what backward needs; None where a tensor is not plainly right.");
    module.def("recur_backward", &recur_backward, "cell"_a, "tensors"_a, "weights"_a, "made"_a, "wanted"_a, "layers"_a,
               "directions"_a, "histories"_a, "keep"_a, "by_history"_a, "dx_width"_a, "threads"_a,
               "Run `recur` backward and return the wanted gradients; None where a tensor is not plainly right.");
    module.def("fade", &fade, "tensors"_a, "layers"_a, "histories"_a, "threads"_a,
               "Fade and return [x, m] and the factors; None where a tensor is not plainly right.");
    module.def("fade_backward", &fade_backward, "tensors"_a, "made"_a, "wanted"_a, "layers"_a, "histories"_a, "threads"_a,
               "Run `fade` backward and return the wanted gradients; None where a tensor is not plainly right.");
    module.def("buffer", &buffer, nb::arg("size"), "Return recycled memory as a tensor of bytes; its content is undefined.");
    module.def("release_memory", &release_memory, "Give recycled memory back to the system.");
    add_histories(module);
    add_preparation(module);
    add_training(module);
    nb::class_<Snapshot>(module, "Snapshot", "Packed weights of a cell, never changed after they were made.")
        .def(nb::init<int, nb::handle, nb::handle, int64_t>(), "cell"_a, "tensors"_a, "weights"_a, "layers"_a)
        .def("step", &Snapshot::step, nb::arg("histories"), nb::arg("inputs"), nb::arg("outputs"), nb::arg("threads"),
             "Advance histories by one step each.")
        .def("update", &Snapshot::update_rows, nb::arg("table"), nb::arg("patients"), nb::arg("index"),
             nb::arg("histories"), nb::arg("inputs"), nb::arg("y"), nb::arg("threads"),
             "Advance distinct rows of a table of states by one step each, in place.");
}
