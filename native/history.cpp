#include "history.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "pool.hpp"

namespace sequela {
namespace {

constexpr int64_t together = 8;  // histories of a task: their rows of a step lie side by side and are one loop
constexpr int64_t worth_sharing = 1 << 15;  // numbers: some tens of microseconds of one thread

// Histories first .. stop.
struct Group {
    int64_t first, stop;
};

// The rows that a group has of a step, one after the other.
struct Stretch {
    int64_t row, count;
};

Stretch stretch(const Packing& p, Group group, int64_t step) {
    const int64_t begin = p.offsets[step], alive = p.offsets[step + 1] - begin;
    return {begin + group.first, std::max<int64_t>(std::min(group.stop, alive) - group.first, 0)};
}

// Calls fn(group, state) for all groups, where state is that of a thread.
template <class State, class Fn> void each_group(const Packing& p, int64_t columns, int threads, Fn fn) {
    if (p.rows() * columns < worth_sharing) threads = 1;
    std::vector<State> states(static_cast<size_t>(slots(threads)), State(static_cast<size_t>(together * columns)));
    share_out(threads, (p.histories + together - 1) / together, [&](int64_t number, int slot) {
        const int64_t first = number * together;
        fn(Group{first, std::min(first + together, p.histories)}, states[static_cast<size_t>(slot)]);
    });
}

uint32_t bits_of(float number) {
    uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return bits;
}

float number_of(uint32_t bits) {
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

// What is known of a group so far. Masks have all bits or none: of conditions a compiler makes jumps, of masks vectors.
struct Known {
    std::vector<float> share, longer;
    std::vector<uint32_t> carried;  // the bits of the last value that was kept
    std::vector<uint32_t> lost;     // mask, the last measurement was hidden
    explicit Known(size_t count) : share(count), longer(count), carried(count), lost(count) {}
};

// Parameters, as only of them a compiler believes that they do not overlap.
void hide_numbers(int64_t count, const float* __restrict values, const float* __restrict gaps,
                  const uint8_t* __restrict observed, const float* __restrict chance, const float* __restrict share,
                  float* __restrict longer, uint32_t* __restrict carried, uint32_t* __restrict lost,
                  float* __restrict new_values, float* __restrict new_gaps, uint8_t* __restrict new_observed) {
    for (int64_t i = 0; i < count; ++i) {
        const uint32_t seen = observed[i] != 0 ? ~0U : 0U, gone = chance[i] < share[i] ? seen : 0U;
        const uint32_t kept = seen & ~gone, is_lost = gone | (lost[i] & ~seen);
        const uint32_t value = (carried[i] & is_lost) | (bits_of(values[i]) & ~is_lost);
        const float gap = gaps[i] + longer[i];
        longer[i] = number_of((bits_of(gap) & gone) | (bits_of(longer[i]) & ~seen));
        lost[i] = is_lost;
        carried[i] = (value & kept) | (carried[i] & ~kept);
        new_values[i] = number_of(value), new_gaps[i] = gap, new_observed[i] = static_cast<uint8_t>(kept & 1);
    }
}

void hide_step(const Hiding& h, Known& known, Stretch rows) {
    const int64_t at = rows.row * h.features;
    hide_numbers(rows.count * h.features, h.values + at, h.gap_hours + at, h.observed + at, h.chance + at,
                 known.share.data(), known.longer.data(), known.carried.data(), known.lost.data(), h.new_values + at,
                 h.new_gap_hours + at, h.new_observed + at);
}

// Reads in the order of their rows; those of one row in the order in which they came.
class Order {
public:
    Order(const Packing& p, const Reading& reading)
        : packing_(p), begin_(static_cast<size_t>(p.rows()) + 1), read_(static_cast<size_t>(reading.count)) {
        for (int64_t k = 0; k < reading.count; ++k) ++begin_[static_cast<size_t>(reading.rows[k])];
        int64_t before = 0;
        for (int64_t& begin : begin_) before += begin, begin = before - begin;
        for (int64_t k = 0; k < reading.count; ++k)
            read_[static_cast<size_t>(begin_[static_cast<size_t>(reading.rows[k])]++)] = k;
        for (size_t row = begin_.size() - 1; row > 0; --row) begin_[row] = begin_[row - 1];
        begin_[0] = 0;
    }
    // The first read at this row or after it.
    const int64_t* from(int64_t row) const { return read_.data() + begin_[static_cast<size_t>(row)]; }
    // How many steps of a group lie before its last read.
    int64_t steps_of(Group group) const {
        for (int64_t step = packing_.steps; step > 0; --step) {
            const Stretch rows = stretch(packing_, group, step - 1);
            if (rows.count > 0 && from(rows.row) != from(rows.row + rows.count)) return step;
        }
        return 0;
    }
    // Calls fn(k, history) for the reads k of a stretch, where `history` is the place of its row in the stretch.
    template <class Fn> void each_read(Stretch rows, Fn fn) const {
        for (int64_t history = 0; history < rows.count; ++history)
            for (const int64_t* k = from(rows.row + history); k != from(rows.row + history + 1); ++k) fn(*k, history);
    }

private:
    const Packing& packing_;
    std::vector<int64_t> begin_;  // [N + 1]
    std::vector<int64_t> read_;   // [R]
};

using Sums = std::vector<double>;

template <class T> void add(int64_t count, double* __restrict sums, const T* __restrict rows) {
    for (int64_t i = 0; i < count; ++i) sums[i] += static_cast<double>(rows[i]);
}

template <class T> struct Largest {
    using Step = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;  // as wide as T: one mask serves both
    std::vector<T> value;
    std::vector<Step> step;
    explicit Largest(size_t count) : value(count), step(count) {}

    void take(int64_t count, const T* __restrict rows, Step now) {
        T* __restrict values = value.data();
        Step* __restrict steps = step.data();
        for (int64_t i = 0; i < count; ++i) {
            const T x = rows[i], old = values[i];
            const bool taken = (x >= old) | (x != x);
            values[i] = taken ? x : old;
            steps[i] = taken ? now : steps[i];
        }
    }
};

}  // namespace

void hide(const Packing& p, const Hiding& h, int threads) {
    each_group<Known>(p, h.features, threads, [&](Group group, Known& known) {
        float* share = known.share.data();
        for (int64_t history = group.first; history < group.stop; ++history)
            share = std::fill_n(share, h.features, h.shares[history]);
        std::fill(known.longer.begin(), known.longer.end(), 0.0F);
        std::fill(known.carried.begin(), known.carried.end(), bits_of(0));
        std::fill(known.lost.begin(), known.lost.end(), 0);
        for (int64_t step = 0; step < p.steps; ++step) hide_step(h, known, stretch(p, group, step));
    });
}

template <class T>
void prefix_sum(const Packing& p, const Reading& reading, const T* rows, double* sums, int threads) {
    const int64_t K = reading.columns;
    const Order order(p, reading);
    each_group<Sums>(p, K, threads, [&](Group group, Sums& so_far) {
        std::fill(so_far.begin(), so_far.end(), 0.0);
        const int64_t steps = order.steps_of(group);
        for (int64_t step = 0; step < steps; ++step) {
            const Stretch now = stretch(p, group, step);
            add(now.count * K, so_far.data(), rows + now.row * K);
            order.each_read(now, [&](int64_t k, int64_t history) {
                std::copy_n(so_far.data() + history * K, K, sums + k * K);
            });
        }
    });
}

template <class T>
void prefix_sum_backward(const Packing& p, const Reading& reading, const double* dsums, T* drows, int threads) {
    const int64_t K = reading.columns;
    const Order order(p, reading);
    struct After {
        Sums sums, of_row;
        explicit After(size_t count) : sums(count), of_row(count / together) {}
    };
    each_group<After>(p, K, threads, [&](Group group, After& after) {
        std::fill(after.sums.begin(), after.sums.end(), 0.0);
        for (int64_t step = p.steps; step > 0; --step) {
            const Stretch now = stretch(p, group, step - 1);
            for (int64_t history = 0; history < now.count; ++history) {
                const int64_t *k = order.from(now.row + history), *end = order.from(now.row + history + 1);
                if (k == end) continue;
                std::fill(after.of_row.begin(), after.of_row.end(), 0.0);
                for (; k != end; ++k) add(K, after.of_row.data(), dsums + *k * K);
                add(K, after.sums.data() + history * K, after.of_row.data());
            }
            const double* __restrict sums = after.sums.data();
            T* __restrict to = drows + now.row * K;
            for (int64_t i = 0; i < now.count * K; ++i) to[i] = static_cast<T>(sums[i]);
        }
    });
}

template <class T>
void prefix_max(const Packing& p, const Reading& reading, const T* rows, T* largest, int64_t* source, int threads) {
    const int64_t K = reading.columns;
    const Order order(p, reading);
    each_group<Largest<T>>(p, K, threads, [&](Group group, Largest<T>& so_far) {
        std::fill(so_far.value.begin(), so_far.value.end(), -std::numeric_limits<T>::infinity());
        const int64_t steps = order.steps_of(group);
        for (int64_t step = 0; step < steps; ++step) {
            const Stretch now = stretch(p, group, step);
            so_far.take(now.count * K, rows + now.row * K, static_cast<typename Largest<T>::Step>(step));
            order.each_read(now, [&](int64_t k, int64_t history) {
                std::copy_n(so_far.value.data() + history * K, K, largest + k * K);
                for (int64_t column = 0; column < K; ++column)
                    source[k * K + column] =
                        p.offsets[so_far.step[static_cast<size_t>(history * K + column)]] + group.first + history;
            });
        }
    });
}

template void prefix_sum(const Packing&, const Reading&, const float*, double*, int);
template void prefix_sum(const Packing&, const Reading&, const double*, double*, int);
template void prefix_sum_backward(const Packing&, const Reading&, const double*, float*, int);
template void prefix_sum_backward(const Packing&, const Reading&, const double*, double*, int);
template void prefix_max(const Packing&, const Reading&, const float*, float*, int64_t*, int);
template void prefix_max(const Packing&, const Reading&, const double*, double*, int64_t*, int);

}  // namespace sequela
