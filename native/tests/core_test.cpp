// The core without Python: against the equations, against differences, against itself on other threads, forked and
// interrupted. Runs as it is, under the sanitizers, and under an emulated processor:
//
//     make -f native/sanitize.mk sanitize
//
// `core_test SET` holds it to one instruction set; without it every set that this processor runs is tested.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "adam_test.hpp"
#include "fading_test.hpp"
#include "history_test.hpp"
#include "reference.hpp"
#include "rows_test.hpp"

namespace {

using reference::Found;
using reference::Given;
using reference::Values;
using sequela::Problem;
using sequela::Run;

const char* const cell_names[] = {"LSTM", "peephole", "coupled", "GRU after", "GRU before", "RNN tanh", "RNN relu"};
int checks = 0, failures = 0;

void check(bool held, const std::string& claim) {
    ++checks;
    if (held) return;
    ++failures;
    std::printf("FAILED %s\n", claim.c_str());
}

std::mt19937_64 generator(20261122);

Values drawn(int64_t count, double spread, double middle = 0) {
    std::normal_distribution<double> normal(middle, spread);
    Values values(count);
    for (double& value : values) value = normal(generator);
    return values;
}

Values drawn_between(int64_t count, double low, double high) {
    std::uniform_real_distribution<double> uniform(low, high);
    Values values(count);
    for (double& value : values) value = uniform(generator);
    return values;
}

struct Form {
    int32_t cell;
    int64_t layers, directions, input, hidden;
    std::vector<int64_t> lengths;  // longest first
    bool decay, masks, initial, bias;
};

std::string name_of(const Form& form) {
    return std::string(cell_names[form.cell]) + " L" + std::to_string(form.layers) + " D" +
           std::to_string(form.directions) + " I" + std::to_string(form.input) + " H" + std::to_string(form.hidden) + " B" +
           std::to_string(form.lengths.size()) + (form.decay ? " decay" : "") + (form.masks ? " masks" : "") +
           (form.initial ? " initial" : "") + (form.bias ? "" : " no bias");
}

Given given_of(const Form& form) {
    Given given;
    given.cell = form.cell;
    given.layers = form.layers;
    given.directions = form.directions;
    given.input = form.input;
    given.hidden = form.hidden;
    given.lengths = form.lengths;
    given.offsets = {0};
    for (int64_t t = 0; !form.lengths.empty() && t < form.lengths[0]; ++t) {
        int64_t alive = 0;
        for (int64_t length : form.lengths) alive += length > t;
        given.offsets.push_back(given.offsets.back() + alive);
    }
    const int64_t N = given.rows(), H = form.hidden, P = given.places(), B = given.histories();
    const int gates = given.shape().gates;
    given.x = drawn(N * form.input, 1);
    if (form.initial) given.h0 = drawn(P * B * H, 0.7);
    if (form.initial && given.has_cell_state()) given.c0 = drawn(P * B * H, 0.7);
    if (form.decay) given.decay_h = drawn_between(P * N * H, 0, 1);
    if (form.decay && given.has_cell_state()) given.decay_c = drawn_between(P * N * H, 0, 1);
    if (form.masks && form.layers > 1) {
        given.masks.resize((form.layers - 1) * N * form.directions * H);
        for (uint8_t& mask : given.masks) mask = generator() % 4 != 0;
        given.mask_scale = 4.0 / 3;
    }
    for (int64_t place = 0; place < P; ++place) {
        const int64_t width = given.width_into(place / form.directions);
        Given::Place weights;
        weights.weight_ih = drawn(gates * H * width, 0.9 / std::sqrt(static_cast<double>(width)));
        if (form.bias) weights.bias_ih = drawn(gates * H, 0.3);
        weights.weight_hh = drawn(gates * H * H, 0.9 / std::sqrt(static_cast<double>(H)));
        if (form.bias) weights.bias_hh = drawn(gates * H, 0.3);
        if (form.cell == sequela::LSTM_PEEPHOLE) weights.peephole = drawn(3 * H, 0.5);
        given.weights.push_back(weights);
    }
    return given;
}

// A problem in type T whose every array is an allocation of its own and just as long as it must be, so that
// AddressSanitizer sees one element too many.
template <class T> class Posed {
public:
    explicit Posed(const Given& given) : given_(given), dweights_(given.weights.size()), weights_(given.weights.size()) {
        const int64_t N = given.rows(), B = given.histories(), P = given.places(), H = given.hidden, D = given.directions;
        problem.cell = given.cell;
        problem.type = sizeof(T) == 4 ? sequela::F32 : sequela::F64;
        problem.layers = given.layers;
        problem.directions = D;
        problem.histories = B;
        problem.steps = given.steps();
        problem.rows = N;
        problem.input = given.input;
        problem.hidden = H;
        problem.offsets = given_.offsets.data();
        problem.x = copy(given.x);
        for (size_t place = 0; place < given.weights.size(); ++place) {
            const Given::Place& w = given.weights[place];
            weights_[place] = {copy(w.weight_ih), copy(w.weight_hh), copy(w.bias_ih), copy(w.bias_hh), copy(w.peephole)};
            dweights_[place] = {room(w.weight_ih.size()), room(w.weight_hh.size()), room(w.bias_ih.size()),
                                room(w.bias_hh.size()), room(w.peephole.size())};
        }
        problem.weights = weights_.data();
        problem.dweights = dweights_.data();
        problem.h0 = copy(given.h0);
        problem.c0 = copy(given.c0);
        problem.decay_h = copy(given.decay_h);
        problem.decay_c = copy(given.decay_c);
        problem.masks = given_.masks.empty() ? nullptr : given_.masks.data();
        problem.mask_scale = given.mask_scale;
        problem.y = room(N * D * H);
        problem.hn = room(P * B * H);
        problem.cn = given.has_cell_state() ? room(P * B * H) : nullptr;
        problem.inner = given.layers > 1 ? room((given.layers - 1) * N * D * H) : nullptr;
        problem.kept = room(P * N * given.shape().kept * H + 1);
        problem.dx = room(N * given.input);
        if (problem.h0) problem.dh0 = room(P * B * H);
        if (problem.c0) problem.dc0 = room(P * B * H);
        if (problem.decay_h) problem.ddecay_h = room(P * N * H);
        if (problem.decay_c) problem.ddecay_c = room(P * N * H);
    }

    void set_output_gradients(const Values& dy, const Values& dhn, const Values& dcn) {
        problem.dy = copy(dy);
        problem.dhn = copy(dhn);
        problem.dcn = given_.has_cell_state() ? copy(dcn) : nullptr;
    }

    // Gradients of everything, one after the other, beside the values that they belong to.
    std::vector<std::pair<std::string, std::pair<const T*, size_t>>> gradients() const {
        const size_t N = problem.rows, PBH = given_.places() * given_.histories() * given_.hidden;
        const size_t PNH = given_.places() * N * given_.hidden;
        std::vector<std::pair<std::string, std::pair<const T*, size_t>>> all;
        auto add = [&](const char* name, const void* p, size_t count) {
            if (p) all.push_back({name, {static_cast<const T*>(p), count}});
        };
        add("x", problem.dx, N * given_.input);
        add("h0", problem.dh0, PBH);
        add("c0", problem.dc0, PBH);
        add("decay_h", problem.ddecay_h, PNH);
        add("decay_c", problem.ddecay_c, PNH);
        for (size_t place = 0; place < dweights_.size(); ++place) {
            const Given::Place& w = given_.weights[place];
            add("weight_ih", dweights_[place].weight_ih, w.weight_ih.size());
            add("weight_hh", dweights_[place].weight_hh, w.weight_hh.size());
            add("bias_ih", dweights_[place].bias_ih, w.bias_ih.size());
            add("bias_hh", dweights_[place].bias_hh, w.bias_hh.size());
            add("peephole", dweights_[place].peephole, w.peephole.size());
        }
        return all;
    }

    const T* y() const { return static_cast<const T*>(problem.y); }
    const T* hn() const { return static_cast<const T*>(problem.hn); }
    const T* cn() const { return static_cast<const T*>(problem.cn); }

    Problem problem{};

private:
    T* copy(const Values& values) {
        if (values.empty()) return nullptr;
        T* made = room(values.size());
        for (size_t i = 0; i < values.size(); ++i) made[i] = static_cast<T>(values[i]);
        return made;
    }
    T* room(size_t count) {
        if (count == 0) return nullptr;
        arrays_.emplace_back(new T[count]);
        std::memset(arrays_.back().get(), 0xff, count * sizeof(T));  // NaN: what is not written shows
        return arrays_.back().get();
    }

    Given given_;
    std::vector<std::unique_ptr<T[]>> arrays_;
    std::vector<sequela::Weights> dweights_, weights_;
};

// How far two arrays are apart, beside the size of the second.
template <class A, class B> double distance(const A* a, const B* b, size_t count) {
    double apart = 0, size = 1e-30;
    for (size_t i = 0; i < count; ++i) {
        double difference = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        if (!(difference <= apart)) apart = difference;
        size = std::max(size, std::fabs(static_cast<double>(b[i])));
    }
    return apart / size;
}

struct Loss {
    Values y, hn, cn;  // the loss is the sum of the outputs weighted by these

    double of(const Found& found, bool cell_state) const {
        double sum = 0;
        for (size_t i = 0; i < y.size(); ++i) sum += y[i] * found.y[i];
        for (size_t i = 0; i < hn.size(); ++i) sum += hn[i] * found.hn[i];
        for (size_t i = 0; cell_state && i < cn.size(); ++i) sum += cn[i] * found.cn[i];
        return sum;
    }
};

// The gradients, all at once, against the change of the reference's loss along one random direction.
void check_gradients(const Given& given, const Loss& loss, const Posed<double>& posed, const std::string& name) {
    const double little = 1e-7;  // with 1e-6 one of the relu cells steps over its kink
    Given ahead = given, behind = given;
    double expected = 0;
    auto move = [&](Values& up, Values& down, const void* gradient) {
        const double* slope = static_cast<const double*>(gradient);
        for (size_t i = 0; i < up.size(); ++i) {
            double way = std::normal_distribution<double>()(generator);
            up[i] += little * way;
            down[i] -= little * way;
            expected += slope[i] * way;
        }
    };
    const Problem& p = posed.problem;
    move(ahead.x, behind.x, p.dx);
    move(ahead.h0, behind.h0, p.dh0);
    move(ahead.c0, behind.c0, p.dc0);
    move(ahead.decay_h, behind.decay_h, p.ddecay_h);
    move(ahead.decay_c, behind.decay_c, p.ddecay_c);
    for (size_t place = 0; place < given.weights.size(); ++place) {
        Given::Place &up = ahead.weights[place], &down = behind.weights[place];
        move(up.weight_ih, down.weight_ih, p.dweights[place].weight_ih);
        move(up.weight_hh, down.weight_hh, p.dweights[place].weight_hh);
        move(up.bias_ih, down.bias_ih, p.dweights[place].bias_ih);
        move(up.bias_hh, down.bias_hh, p.dweights[place].bias_hh);
        move(up.peephole, down.peephole, p.dweights[place].peephole);
    }
    bool two = given.has_cell_state();
    double seen = (loss.of(reference::run(ahead), two) - loss.of(reference::run(behind), two)) / (2 * little);
    double apart = std::fabs(seen - expected) / (1 + std::fabs(seen));
    check(apart < 1e-6, name + ": gradients differ from differences by " + std::to_string(apart));
}

template <class T> void forward_and_backward(const Run& run, Posed<T>& posed, const Loss& loss, const std::string& name) {
    posed.set_output_gradients(loss.y, loss.hn, loss.cn);
    check(sequela::forward(run, posed.problem), name + ": forward was not interrupted");
    check(sequela::backward(run, posed.problem), name + ": backward was not interrupted");
}

template <class T> void check_threads(const sequela::Table* table, const Given& given, const Loss& loss, Posed<T>& one,
                                      const std::string& name) {
    for (int threads : {2, 3, 5}) {
        Posed<T> other(given);
        forward_and_backward({table, threads, nullptr, nullptr}, other, loss, name);
        const std::string here = name + ", " + std::to_string(threads) + " threads: other bits of ";
        const size_t outputs = given.rows() * given.directions * given.hidden;
        check(std::memcmp(one.y(), other.y(), outputs * sizeof(T)) == 0, here + "y");
        auto expected = one.gradients(), got = other.gradients();
        for (size_t i = 0; i < expected.size(); ++i)
            check(std::memcmp(expected[i].second.first, got[i].second.first, got[i].second.second * sizeof(T)) == 0,
                  here + "the gradient of " + got[i].first);
    }
}

void check_form(const sequela::Table* table, const Form& form) {
    const std::string name = std::string(table->name) + " " + name_of(form);
    const Given given = given_of(form);
    const int64_t outputs = given.rows() * given.directions * given.hidden;
    const int64_t states = given.places() * given.histories() * given.hidden;
    const Loss loss{drawn(outputs, 1), drawn(states, 1), drawn(states, 1)};
    const Found expected = reference::run(given);
    const Run run{table, 1, nullptr, nullptr};

    Posed<double> exact(given);
    forward_and_backward(run, exact, loss, name);
    check(distance(exact.y(), expected.y.data(), outputs) < 1e-12, name + ": y in double");
    check(distance(exact.hn(), expected.hn.data(), states) < 1e-12, name + ": hn in double");
    if (given.has_cell_state()) check(distance(exact.cn(), expected.cn.data(), states) < 1e-12, name + ": cn in double");
    check_gradients(given, loss, exact, name);

    Posed<float> fast(given);
    forward_and_backward(run, fast, loss, name);
    check(distance(fast.y(), expected.y.data(), outputs) < 1e-5, name + ": y in float");
    auto right = exact.gradients();
    auto rounded = fast.gradients();
    for (size_t i = 0; i < right.size(); ++i) {
        double apart = distance(rounded[i].second.first, right[i].second.first, right[i].second.second);
        check(apart < 1e-4, name + ": gradient of " + right[i].first + " in float, off by " + std::to_string(apart));
    }
    check_threads(table, given, loss, exact, name + " double");
    check_threads(table, given, loss, fast, name + " float");

    Posed<float> lean(given);  // inference keeps nothing
    lean.problem.kept = nullptr;
    check(sequela::forward(run, lean.problem), name + ": inference was not interrupted");
    check(std::memcmp(lean.y(), fast.y(), outputs * sizeof(float)) == 0, name + ": inference gives other bits");
}

// [T, B, width] as [B, T, width], or back.
template <class A> std::vector<A> crossed(const A* from, int64_t rows, int64_t columns, int64_t width) {
    std::vector<A> to(static_cast<size_t>(rows * columns * width));
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; ++column)
            for (int64_t i = 0; i < width; ++i)
                to[static_cast<size_t>((column * rows + row) * width + i)] = from[(row * columns + column) * width + i];
    return to;
}
// [P, B, H] with the histories the other way round.
Values turned(const Values& from, int64_t histories, int64_t hidden) {
    Values to(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
        int64_t at = static_cast<int64_t>(i), place = at / (histories * hidden), history = at / hidden % histories;
        to[static_cast<size_t>((place * histories + histories - 1 - history) * hidden + at % hidden)] = from[i];
    }
    return to;
}

// Rows that stand history by history, and states in the caller's order, give the same bits as packed ones.
void check_standing(const sequela::Table* table, const Form& form) {
    const std::string name = std::string(table->name) + " " + name_of(form) + ", as they stand";
    const Given given = given_of(form);
    const int64_t B = given.histories(), T = given.steps(), P = given.places(), H = given.hidden, width = given.directions * H;
    const Loss loss{drawn(T * B * width, 1), drawn(P * B * H, 1), drawn(P * B * H, 1)};
    const Run run{table, 2, nullptr, nullptr};
    Posed<double> packed(given);
    forward_and_backward(run, packed, loss, name);
    std::vector<int64_t> order;
    for (int64_t b = 0; b < B; ++b) order.push_back(B - 1 - b);
    for (int layout = 0; layout < 8; ++layout) {
        const bool x = layout & 1, y = layout & 2, dy = layout & 4;
        Given other = given;
        if (x) other.x = crossed(given.x.data(), T, B, given.input);
        other.h0 = turned(given.h0, B, H), other.c0 = turned(given.c0, B, H);
        const Loss weighed{dy ? crossed(loss.y.data(), T, B, width) : loss.y, turned(loss.hn, B, H), turned(loss.cn, B, H)};
        Posed<double> posed(other);
        posed.problem.x_by_history = x, posed.problem.y_by_history = y, posed.problem.dy_by_history = dy;
        posed.problem.order = order.data();
        forward_and_backward(run, posed, weighed, name);
        auto same = [&](const double* mine, const double* expected, int64_t count, const char* what) {
            check(std::memcmp(mine, expected, static_cast<size_t>(count) * sizeof(double)) == 0,
                  name + ", layout " + std::to_string(layout) + ": other bits of " + what);
        };
        same(y ? crossed(posed.y(), B, T, width).data() : posed.y(), packed.y(), T * B * width, "y");
        const auto* dx = static_cast<const double*>(posed.problem.dx);
        same(x ? crossed(dx, B, T, given.input).data() : dx, static_cast<const double*>(packed.problem.dx), T * B * given.input, "dx");
        same(turned(Values(posed.hn(), posed.hn() + P * B * H), B, H).data(), packed.hn(), P * B * H, "hn");
        const auto *dh0 = static_cast<const double*>(posed.problem.dh0), *expected = static_cast<const double*>(packed.problem.dh0);
        if (dh0 != nullptr) same(turned(Values(dh0, dh0 + P * B * H), B, H).data(), expected, P * B * H, "dh0");
        auto mine = posed.gradients(), theirs = packed.gradients();
        for (size_t i = 0; i < mine.size(); ++i)
            if (mine[i].first.compare(0, 6, "weight") == 0 || mine[i].first.compare(0, 4, "bias") == 0)
                same(mine[i].second.first, theirs[i].second.first, static_cast<int64_t>(mine[i].second.second), mine[i].first.c_str());
    }
}

// The gradient of the first columns of x alone is that of all, to the bit.
void check_narrow(const sequela::Table* table, const Form& form) {
    const std::string name = std::string(table->name) + " " + name_of(form) + ", a narrow gradient of x";
    const Given given = given_of(form);
    const int64_t N = given.rows(), states = given.places() * given.histories() * given.hidden, width = given.input - 2;
    const Loss loss{drawn(N * given.directions * given.hidden, 1), drawn(states, 1), drawn(states, 1)};
    const Run run{table, 2, nullptr, nullptr};
    Posed<double> whole(given), narrow(given);
    forward_and_backward(run, whole, loss, name);
    const std::unique_ptr<double[]> dx(new double[static_cast<size_t>(N * width)]);
    narrow.problem.dx_width = width, narrow.problem.dx = dx.get();
    forward_and_backward(run, narrow, loss, name);
    const auto* all = static_cast<const double*>(whole.problem.dx);
    bool same = true;
    for (int64_t row = 0; row < N; ++row)
        same = same && std::memcmp(dx.get() + row * width, all + row * given.input, static_cast<size_t>(width) * sizeof(double)) == 0;
    check(same, name + ": other bits");
}

void check_forms(const sequela::Table* table) {
    for (int32_t cell = 0; cell < sequela::CELLS; ++cell) {
        check_form(table, {cell, 1, 1, 1, 1, {1}, false, false, false, true});
        check_form(table, {cell, 1, 1, 4, 3, {5, 3, 3, 1}, false, false, true, true});
        check_form(table, {cell, 2, 2, 3, 17, {9, 9, 4, 2, 2, 1, 1, 1}, true, true, true, true});
        check_form(table, {cell, 3, 2, 20, 33, {7, 6, 6, 5, 5, 5, 4, 3, 2, 1, 1, 1, 1}, false, true, false, false});
        check_standing(table, {cell, 1, 1, 5, 7, {4, 4, 4}, false, false, true, true});
        check_standing(table, {cell, 2, 2, 3, 17, std::vector<int64_t>(30, 5), true, true, true, true});
        check_narrow(table, {cell, 1, 1, 23, 9, {6, 4, 4, 1}, true, false, true, true});
        check_narrow(table, {cell, 2, 2, 7, 17, {5, 3}, false, true, false, true});
        check_form(table, {cell, 1, 2, 5, 64, {3, 3, 2}, true, false, false, true});
        check_form(table, {cell, 2, 1, 41, 64, std::vector<int64_t>(26, 4), false, true, false, true});
        // Rows of several blocks, which the gradients of weights are summed in.
        check_form(table, {cell, 1, 1, 3, 5, std::vector<int64_t>(90, 6), true, false, true, true});
    }
}

void check_nothing(const sequela::Table* table) {
    const Given given = given_of({sequela::LSTM, 2, 1, 3, 8, {}, false, false, false, true});
    Posed<float> posed(given);
    const Run run{table, 2, nullptr, nullptr};
    check(sequela::forward(run, posed.problem), "an empty batch: forward");
    check(sequela::backward(run, posed.problem), "an empty batch: backward");
    for (auto& [name, gradient] : posed.gradients())
        for (size_t i = 0; i < gradient.second; ++i)
            check(gradient.first[i] == 0, "an empty batch: the gradient of " + name + " is zero");
}

void check_interruption(const sequela::Table* table) {
    const Given given = given_of({sequela::LSTM, 1, 1, 3, 48, std::vector<int64_t>(96, 120), false, false, false, true});
    Posed<float> posed(given);
    posed.set_output_gradients(drawn(given.rows() * given.hidden, 1), {}, {});
    auto at_the_third = [](void* count, int32_t* flag) {
        if (++*static_cast<int*>(count) == 3) __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
    };
    for (int threads : {1, 2}) {
        const Run free{table, threads, nullptr, nullptr};
        int asked = 0;
        // Only the caller's thread asks. On a busy machine the others may have done everything before it is asked.
        bool ended = !sequela::forward({table, threads, at_the_third, &asked}, posed.problem);
        check(ended == (asked >= 3) && (threads > 1 || ended), "a raised flag ends forward");
        check(sequela::forward(free, posed.problem), "forward runs after it was ended");
        asked = 0;
        ended = !sequela::backward({table, threads, at_the_third, &asked}, posed.problem);
        check(ended == (asked >= 3) && (threads > 1 || ended), "a raised flag ends backward");
        check(sequela::backward(free, posed.problem), "backward runs after it was ended");
    }
}

// Advancing distinct rows of a table step by step gives the bits of one forward, and touches no other row.
void check_steps(const sequela::Table* table, int32_t cell) {
    const int64_t patients = 90, B = 40, T = 5, L = 2, H = 37, I = 6;
    Given given = given_of({cell, L, 1, I, H, std::vector<int64_t>(B, T), false, false, true, true});
    const int64_t states = given.shape().states, of_patient = L * states * H;
    Posed<float> posed(given);
    const Run run{table, 2, nullptr, nullptr};
    posed.problem.kept = nullptr;
    sequela::forward(run, posed.problem);

    std::vector<int64_t> index(B);
    for (int64_t b = 0; b < B; ++b) index[b] = (b * 7 + 3) % patients;
    const float untouched = 0.625f;
    std::vector<float> rows(patients * of_patient, untouched), y(B * H);
    for (int64_t b = 0; b < B; ++b)
        for (int64_t layer = 0; layer < L; ++layer)
            for (int64_t state = 0; state < states; ++state)
                for (int64_t k = 0; k < H; ++k)
                    rows[(index[b] * L + layer) * states * H + state * H + k] =
                        static_cast<float>((state == 0 ? given.h0 : given.c0)[(layer * B + b) * H + k]);
    sequela::Frozen* frozen = sequela::freeze(table, posed.problem);
    const std::string name = std::string(table->name) + " " + cell_names[cell] + ": ";
    for (int64_t t = 0; t < T; ++t) {
        Problem step = posed.problem;
        const int64_t offsets[] = {0, B};
        step.steps = 1, step.rows = B, step.offsets = offsets;
        step.x = static_cast<const float*>(posed.problem.x) + t * B * I;
        step.h0 = step.c0 = nullptr;
        step.y = y.data(), step.hn = step.cn = step.inner = nullptr;
        const sequela::Update where{rows.data(), index.data()};
        const Run asked{table, 2, [](void*, int32_t* flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }, nullptr};
        check(sequela::update(asked, frozen, step, &where), name + "an update is never interrupted");
        check(std::memcmp(y.data(), posed.y() + t * B * H, B * H * sizeof(float)) == 0,
              name + "step " + std::to_string(t) + " gives other bits than forward");
    }
    sequela::thaw(frozen);
    int64_t changed = 0;
    std::vector<bool> named(patients, false);
    for (int64_t row : index) named[row] = true;
    for (int64_t patient = 0; patient < patients; ++patient)
        for (int64_t e = 0; e < of_patient && !named[patient]; ++e) changed += rows[patient * of_patient + e] != untouched;
    check(changed == 0, name + "rows that were not named have changed");
    for (int64_t b = 0; b < B; ++b)
        check(std::memcmp(&rows[(index[b] * L + L - 1) * states * H], posed.hn() + ((L - 1) * B + b) * H,
                          H * sizeof(float)) == 0,
              name + "the table holds another final state than forward");
}

// Two callers at a time share one pool.
void check_two_callers(const sequela::Table* table) {
    const Given given = given_of({sequela::GRU_AFTER, 2, 1, 7, 24, std::vector<int64_t>(40, 12), false, false, true, true});
    const int64_t outputs = given.rows() * given.hidden, states = given.places() * given.histories() * given.hidden;
    const Loss loss{drawn(outputs, 1), drawn(states, 1), {}};
    Posed<float> alone(given), first(given), second(given);
    forward_and_backward({table, 1, nullptr, nullptr}, alone, loss, "one caller");
    auto call = [&](Posed<float>* posed, int threads) {
        posed->set_output_gradients(loss.y, loss.hn, loss.cn);
        for (int again = 0; again < 8; ++again) {
            sequela::forward({table, threads, nullptr, nullptr}, posed->problem);
            sequela::backward({table, threads, nullptr, nullptr}, posed->problem);
        }
    };
    std::thread a(call, &first, 3), b(call, &second, 2);
    a.join();
    b.join();
    auto expected = alone.gradients();
    for (Posed<float>* posed : {&first, &second}) {
        check(std::memcmp(alone.y(), posed->y(), outputs * sizeof(float)) == 0, "two callers: other bits of y");
        auto got = posed->gradients();
        for (size_t i = 0; i < got.size(); ++i)
            check(std::memcmp(expected[i].second.first, got[i].second.first, got[i].second.second * sizeof(float)) == 0,
                  "two callers: other bits of the gradient of " + got[i].first);
    }
}

// The pool has run; the child has none of its threads and must make its own.
void check_fork(const sequela::Table* table) {
    const Given given = given_of({sequela::LSTM, 1, 1, 7, 24, std::vector<int64_t>(40, 12), false, false, false, true});
    Posed<float> before(given), after(given);
    const Run run{table, 3, nullptr, nullptr};
    check(sequela::forward(run, before.problem), "before the fork");
    std::fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);  // a child that waits for threads it does not have is ended, and fails
        bool same = sequela::forward(run, after.problem) &&
                    std::memcmp(before.y(), after.y(), given.rows() * given.hidden * sizeof(float)) == 0;
        _exit(same ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "after a fork the child computes the same");
    check(sequela::forward(run, after.problem), "after a fork the parent still computes");
}

void check_hours(const sequela::Table* table) {
    std::vector<int64_t> since(1000);
    for (int64_t& each : since) each = static_cast<int64_t>(generator()) >> (generator() % 63);
    std::vector<float> plain(since.size()), own(since.size());
    for (int64_t time : {int64_t(0), int64_t(-1), int64_t(1) << 60}) {
        for (int64_t& each : since) each = each / 2;
        rows_test::hours_since(time, since.data(), plain.data(), 1000);
        table->hours_since(time, since.data(), own.data(), 1000);
        check(plain == own, "hours as a cast and a division give them");
    }
}

void check_set(const sequela::Table* table) {
    const int before = checks;
    check_forms(table);
    check_nothing(table);
    for (int32_t cell = 0; cell < sequela::CELLS; ++cell) check_steps(table, cell);
    check_interruption(table);
    check_two_callers(table);
#ifndef __SANITIZE_THREAD__  // which does not follow threads through a fork
    // qemu-user 7.2 itself fails where the child of a program with threads makes one (plugins/core.c:221).
    if (std::getenv("CORE_TEST_WITHOUT_FORK") == nullptr) check_fork(table);
#endif
    check_hours(table);
    fading_test::check_all(generator, table, check);
    adam_test::check_all(generator, table, check);
    std::printf("%s: %d checks\n", table->name, checks - before);
}

void check_rows() {
    for (int64_t rows : {1, 37, 12000}) {  // of several tasks
        const rows_test::Records records(generator, rows);
        const auto one = rows_test::filled(records, rows, 1), several = rows_test::filled(records, rows, 4);
        check(one == several && one.size() == static_cast<size_t>(rows) * 50, "rows are written once, on any threads");
        const auto bins = rows_test::binned(records, rows, 1);
        check(!bins.empty() && bins == rows_test::binned(records, rows, 4), "bins on any threads");
        const auto steps = rows_test::timed(generator, 30 * rows, 1);
        check(!steps.empty() && steps == rows_test::timed(generator, 30 * rows, 4), "steps on any threads");
    }
}

}  // namespace

int main(int count, char** words) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a crash must not take with it what was found
    if (count > 1) {
        const sequela::Table* table = sequela::table_named(words[1]);
        if (!table) {
            std::printf("%s: unknown, or this processor does not run it\n", words[1]);
            return 2;
        }
        check_set(table);
    } else {
        int sets = 0;
        const sequela::Table* const* tables = sequela::tables(&sets);
        for (int i = 0; i < sets; ++i) check_set(tables[i]);
    }
    check_rows();
    history_test::check_all(generator, check);
    sequela::release_memory();
    std::printf("%d passed, %d failed\n", checks - failures, failures);
    return failures == 0 ? 0 : 1;
}
