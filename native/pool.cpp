#include "pool.hpp"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

namespace sequela {
namespace {

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

std::atomic<int64_t> spin{100};

class Pool {
public:
    void share(int threads, int64_t tasks, void (*task)(void*, int64_t, int), void* data) {
        if (threads > most_threads) threads = most_threads;
        if (threads > tasks) threads = static_cast<int>(tasks);
        if (threads <= 1 || !callers_.try_lock()) {
            for (int64_t number = 0; number < tasks; ++number) task(data, number, 0);
            return;
        }
        grow(threads - 1);
        task_ = task, data_ = data, tasks_ = tasks, threads_ = threads;
        next_.store(0, std::memory_order_relaxed);
        inside_.fetch_and(~closed);  // from here on workers may enter
        round_.fetch_add(1);
        if (parked_.load() > 0) {
            std::lock_guard<std::mutex> lock(parking_);
            wake_.notify_all();
        }
        work(0);
        inside_.fetch_or(closed);
        // On a machine with more threads than cores a worker may have lost its core: let it have this one.
        for (int turn = 0; (inside_.load(std::memory_order_acquire) & ~closed) != 0; ++turn)
            turn < 4000 ? pause_briefly() : std::this_thread::yield();
        callers_.unlock();
    }

private:
    static constexpr uint32_t closed = 1u << 31;

    void work(int slot) {
        for (;;) {
            int64_t number = next_.fetch_add(1, std::memory_order_relaxed);
            if (number >= tasks_) return;
            task_(data_, number, slot);
        }
    }

    void grow(int workers) {
        for (; workers_ < workers; ++workers_) {
            int slot = workers_ + 1;
            try {
                std::thread([this, slot] { wait_for_work(slot); }).detach();
            } catch (...) {
                return;  // as many as the system gives
            }
        }
    }

    void wait_for_work(int slot) {
        uint64_t seen = 0;
        for (;;) {
            seen = wait_for_round(seen);
            // A worker that comes late finds the door closed, or the next round's work; both are as good.
            if ((inside_.fetch_add(1, std::memory_order_acquire) & closed) == 0 && slot < threads_) work(slot);
            inside_.fetch_sub(1, std::memory_order_release);
        }
    }

    uint64_t wait_for_round(uint64_t seen) {
        auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(spin.load(std::memory_order_relaxed));
        for (int turn = 0;; ++turn) {
            uint64_t now = round_.load(std::memory_order_acquire);
            if (now != seen) return now;
            pause_briefly();
            if (turn % 64 == 63 && std::chrono::steady_clock::now() > until) break;
        }
        std::unique_lock<std::mutex> lock(parking_);
        parked_.fetch_add(1);
        wake_.wait(lock, [&] { return round_.load() != seen; });
        parked_.fetch_sub(1);
        return round_.load();
    }

    std::mutex callers_, parking_;
    std::condition_variable wake_;
    std::atomic<uint64_t> round_{0};
    std::atomic<int> parked_{0};
    std::atomic<uint32_t> inside_{closed};
    std::atomic<int64_t> next_{0};
    void (*task_)(void*, int64_t, int) = nullptr;
    void* data_ = nullptr;
    int64_t tasks_ = 0;
    int threads_ = 0;
    int workers_ = 0;
};

// Never destroyed: its threads outlive main. After a fork the child has none of them and begins anew.
std::atomic<Pool*> pool{nullptr};

Pool& the_pool() {
    Pool* current = pool.load(std::memory_order_acquire);
    if (current != nullptr) return *current;
    static std::once_flag once;
    std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { pool.store(new (std::nothrow) Pool); }); });
    Pool* made = new Pool;
    if (pool.compare_exchange_strong(current, made)) return *made;
    delete made;
    return *current;
}

}  // namespace

void spin_for(int64_t microseconds) { spin.store(microseconds, std::memory_order_relaxed); }

void share(int threads, int64_t tasks, void (*task)(void*, int64_t, int), void* data) {
    if (threads <= 1 || tasks <= 1) {
        for (int64_t number = 0; number < tasks; ++number) task(data, number, 0);
        return;
    }
    the_pool().share(threads, tasks, task, data);
}

}  // namespace sequela
