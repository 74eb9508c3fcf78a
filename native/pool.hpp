// Threads that wait for work: they spin briefly, then park. Written for tasks of tens of microseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace sequela {

// Runs task(data, number, slot) for each number below `tasks` on up to `threads` threads, the caller among them (slot 0).
// Tasks are begun in order. The caller never waits for a thread that has not begun. Where another caller is at work, or
// inside a task, all tasks run on the caller's thread.
void share(int threads, int64_t tasks, void (*task)(void* data, int64_t number, int slot), void* data);

// For so long do threads spin before they park: to wake one takes 50 us, but while it spins nobody else has its core.
void spin_for(int64_t microseconds);

// The most threads that `share` uses.
constexpr int most_threads = 64;

// How many slots `share` gives out for so many threads.
inline int slots(int threads) { return threads < 1 ? 1 : threads > most_threads ? most_threads : threads; }

// Runs fn(task, slot) as `share` does.
template <class Fn> void share_out(int threads, int64_t tasks, Fn fn) {
    share(threads, tasks, [](void* data, int64_t number, int slot) { (*static_cast<Fn*>(data))(number, slot); }, &fn);
}

// Where what each task makes begins, behind what the tasks before it made. Tasks are begun in order, so the task that is
// waited for is always at work.
class Turns {
public:
    // Waits until all tasks before this one have said how much they made; then says how much this one did.
    template <class Count> void take(int64_t task, Count count) {
        for (int turn = 0; next_.load(std::memory_order_acquire) != task; ++turn)
            if (turn > 200) std::this_thread::yield();
        count();
        next_.store(task + 1, std::memory_order_release);
    }

private:
    std::atomic<int64_t> next_{0};
};

}  // namespace sequela
