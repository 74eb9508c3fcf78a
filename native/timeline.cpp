#include "timeline.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "pool.hpp"

namespace sequela {
namespace {

constexpr int64_t WORDS_A_TASK = 65536, EVENTS_A_TASK = 16384;
constexpr uint32_t SHORT = 12;  // bytes that stand in a view

struct View {
    uint32_t length;
    char first[4];
    uint32_t buffer, offset;
};
static_assert(sizeof(View) == 16, "a view has 16 bytes");

// A word, as far as its length, its first four bytes and eight others tell: all of it where it is short.
struct Word {
    uint64_t front, back;
    const char* whole;  // of a long word

    Word(const View& view, const char* whole_) : front(0), back(0), whole(whole_) {
        std::memcpy(&front, &view, 8);
        const char* tail = view.length > SHORT ? whole + view.length - 8 : reinterpret_cast<const char*>(&view) + 8;
        std::memcpy(&back, tail, 8);
    }
    explicit Word(const std::string& text) : Word(view_of(text), text.data()) {}

    uint64_t hash() const { return (front * 0x9e3779b97f4a7c15ULL ^ back) * 0xc2b2ae3d27d4eb4fULL; }
    bool operator==(const Word& other) const {
        if (front != other.front || back != other.back) return false;
        const uint32_t length = static_cast<uint32_t>(front);
        return length <= SHORT || std::memcmp(whole, other.whole, length) == 0;
    }

private:
    static View view_of(const std::string& text) {
        View view{};
        view.length = static_cast<uint32_t>(text.size());
        const size_t here = text.size() > SHORT ? 4 : text.size();
        std::memcpy(reinterpret_cast<char*>(&view) + 4, text.data(), here);
        return view;
    }
};

// Finds the number of a word: a table with open places, at most a quarter of them taken.
class Dictionary {
public:
    explicit Dictionary(const std::vector<std::string>& words) {
        int bits = 6;
        while ((size_t(1) << bits) < words.size() * 4) ++bits;
        shift_ = 64 - bits, places_.assign(size_t(1) << bits, {Word(std::string()), -1});
        for (size_t i = 0; i < words.size(); ++i) {
            const Word word(words[i]);
            size_t place = first_place(word);
            while (places_[place].number >= 0) place = next(place);
            places_[place] = {word, static_cast<int32_t>(i)};
        }
    }
    int32_t number_of(const Word& word) const {
        for (size_t place = first_place(word);; place = next(place))
            if (places_[place].number < 0 || places_[place].word == word) return places_[place].number;
    }

private:
    struct Place {
        Word word;
        int32_t number;
    };
    size_t first_place(const Word& word) const { return static_cast<size_t>(word.hash() >> shift_); }
    size_t next(size_t place) const { return (place + 1) & (places_.size() - 1); }

    std::vector<Place> places_;
    int shift_;
};

}  // namespace

int64_t number_words(const std::vector<std::string>& words, const WordColumn& column, int32_t* number, int threads) {
    const Dictionary dictionary(words);
    const View* views = static_cast<const View*>(column.views);
    std::atomic<int64_t> none{0};
    share_out(threads, (column.count + WORDS_A_TASK - 1) / WORDS_A_TASK, [&](int64_t task, int) {
        int64_t own = 0;
        for (int64_t i = task * WORDS_A_TASK, stop = std::min(i + WORDS_A_TASK, column.count); i < stop; ++i) {
            const int64_t bit = column.first_bit + i;
            if (column.valid != nullptr && !(column.valid[bit / 8] >> (bit % 8) & 1)) {
                number[i] = -1, ++own;
                continue;
            }
            const View& view = views[i];
            const char* whole = view.length > SHORT ? column.buffers[view.buffer] + view.offset : nullptr;
            number[i] = dictionary.number_of(Word(view, whole));
            own += number[i] < 0;
        }
        none.fetch_add(own, std::memory_order_relaxed);
    });
    return none.load();
}

namespace {

// Steps that begin in one run of events.
struct Run {
    std::vector<int64_t> time, begin;            // of a step
    std::vector<int64_t> person_begin, step_of;  // the first event of a person, and the number of its step in the run
    int64_t steps = 0, people = 0;
    Run() : time(EVENTS_A_TASK), begin(time), person_begin(time), step_of(time) {}

    // False where the events do not ascend.
    bool mark(const SortedEvents& events, int64_t first, int64_t stop) {
        steps = people = 0;
        for (int64_t i = first; i < stop; ++i) {
            const int64_t person = events.person[i], known = events.known[i];
            const bool another = i == 0 || person != events.person[i - 1];
            if (another) {
                if (person < (i == 0 ? 0 : events.person[i - 1]) || person >= events.people) return false;
                const size_t at = static_cast<size_t>(people++);
                person_begin[at] = i, step_of[at] = steps;
            } else if (known == events.known[i - 1]) {
                if (events.variable[i] <= events.variable[i - 1]) return false;
                continue;
            } else if (known < events.known[i - 1]) {
                return false;
            }
            const size_t at = static_cast<size_t>(steps++);
            time[at] = known, begin[at] = i;
        }
        return true;
    }
    void copy(const SortedEvents& events, const Steps& to, int64_t step) const {
        std::copy_n(time.data(), steps, to.time + step);
        std::copy_n(begin.data(), steps, to.cell_offsets + step);
        for (size_t k = 0; k < static_cast<size_t>(people); ++k) {
            const int64_t i = person_begin[k], before = i == 0 ? -1 : std::max<int64_t>(events.person[i - 1], -1);
            std::fill(to.person_offsets + before + 1, to.person_offsets + events.person[i] + 1, step + step_of[k]);
        }
    }
};

}  // namespace

int64_t mark_steps(const SortedEvents& events, const Steps& steps, int threads) {
    std::vector<Run> runs(static_cast<size_t>(slots(threads)));
    std::atomic<bool> sorted{true};
    int64_t count = 0;
    Turns turns;
    share_out(threads, (events.count + EVENTS_A_TASK - 1) / EVENTS_A_TASK, [&](int64_t task, int slot) {
        Run& own = runs[static_cast<size_t>(slot)];
        const int64_t first = task * EVENTS_A_TASK, stop = std::min(first + EVENTS_A_TASK, events.count);
        const bool fine = sorted.load(std::memory_order_relaxed) && own.mark(events, first, stop);
        if (!fine) sorted.store(false, std::memory_order_relaxed);
        int64_t begin = 0;
        turns.take(task, [&] { begin = count, count += fine ? own.steps : 0; });
        if (fine) own.copy(events, steps, begin);
    });
    if (!sorted.load()) return -1;
    const int64_t last = events.count == 0 ? -1 : events.person[events.count - 1];
    std::fill(steps.person_offsets + last + 1, steps.person_offsets + events.people + 1, count);
    steps.cell_offsets[count] = events.count;
    return count;
}

}  // namespace sequela
