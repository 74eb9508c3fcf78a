// Threads that wait for work: they spin briefly, then park. Written for tasks of tens of microseconds.
#pragma once

#include <cstdint>

namespace sequela {

// Runs task(data, number, slot) for each number below `tasks` on up to `threads` threads, the caller among them (slot 0).
// Tasks are begun in order. The caller never waits for a thread that has not begun. Where another caller is at work, or
// inside a task, all tasks run on the caller's thread.
void share(int threads, int64_t tasks, void (*task)(void* data, int64_t number, int slot), void* data);

// The most threads that `share` uses.
constexpr int most_threads = 64;

}  // namespace sequela
