// Memory that goes in circles: a training step asks for the same large blocks again and again, and the system's way of
// taking them back and faulting them in again costs more than the arithmetic.
#include <stdlib.h>
#include <sys/mman.h>

#include <map>
#include <mutex>
#include <new>
#include <vector>

#include <pthread.h>

#include "engine.h"

namespace sequela {
namespace {

constexpr size_t huge = size_t(2) << 20, keep_at_most = size_t(4) << 30;

struct Lists {
    std::mutex lock;
    std::map<size_t, std::vector<void*>> free;
    size_t held = 0;
};

Lists& lists() {
    static Lists* all = [] {
        Lists* made = new Lists;
        // A fork must not happen while a thread that the child will not have is in here.
        pthread_atfork([] { lists().lock.lock(); }, [] { lists().lock.unlock(); }, [] { lists().lock.unlock(); });
        return made;
    }();
    return *all;
}

// Eight sizes between two powers of two, so that batches of nearly the same size share a block.
size_t size_class(size_t bytes) {
    size_t step = 64;
    while (step * 16 < bytes) step *= 2;
    return (bytes + step - 1) / step * step;
}

}  // namespace

void* take_memory(size_t bytes) {
    size_t size = size_class(bytes);
    {
        Lists& all = lists();
        std::lock_guard<std::mutex> hold(all.lock);
        auto found = all.free.find(size);
        if (found != all.free.end() && !found->second.empty()) {
            void* block = found->second.back();
            found->second.pop_back();
            all.held -= size;
            return block;
        }
    }
    void* block = nullptr;
    if (posix_memalign(&block, size >= huge ? huge : 64, size) != 0) {
        release_memory();
        if (posix_memalign(&block, 64, size) != 0) return nullptr;
    }
#ifdef MADV_HUGEPAGE
    if (size >= huge) madvise(block, size, MADV_HUGEPAGE);
#endif
    return block;
}

void give_memory(void* block, size_t bytes) {
    if (block == nullptr) return;
    size_t size = size_class(bytes);
    Lists& all = lists();
    std::lock_guard<std::mutex> hold(all.lock);
    if (all.held + size > keep_at_most) {
        free(block);
        return;
    }
    all.free[size].push_back(block);
    all.held += size;
}

size_t held_memory() {
    std::lock_guard<std::mutex> hold(lists().lock);
    return lists().held;
}

void release_memory() {
    Lists& all = lists();
    std::lock_guard<std::mutex> hold(all.lock);
    for (auto& entry : all.free)
        for (void* block : entry.second) free(block);
    all.free.clear();
    all.held = 0;
}

}  // namespace sequela
