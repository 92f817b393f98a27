#include "tokens/internal/merge.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

namespace tg::bpe {

std::size_t merge_short(const Vocabulary& vocabulary, const Byte* p, std::size_t n, TokenId* ids) {
    std::array<TokenId, kShortBytesMax + 1> ranks;  // ranks[i]: of merging ids[i] and ids[i + 1]
    ids[0] = vocabulary.byte_id(p[0]);
    for (std::size_t i = 1; i < n; ++i) {
        ids[i] = vocabulary.byte_id(p[i]);
        ranks[i - 1] = vocabulary.merged_bytes(p[i - 1], p[i]);
    }
    while (n > 1) {
        std::size_t best = 0;
        for (std::size_t i = 1; i + 1 < n; ++i) {
            if (ranks[i] < ranks[best]) best = i;
        }
        if (ranks[best] == kEmptySlot) break;
        ids[best] = ranks[best];
        // The two entries looked up below are seldom in cache; fetch both while the arrays close
        // up.
        if (best + 2 < n) vocabulary.prefetch_merged(ids[best], ids[best + 2]);
        if (best > 0) vocabulary.prefetch_merged(ids[best - 1], ids[best]);
        std::copy(ids + best + 2, ids + n, ids + best + 1);
        std::copy(ranks.begin() + best + 1, ranks.begin() + n - 1, ranks.begin() + best);
        --n;
        if (best + 1 < n) ranks[best] = vocabulary.merged(ids[best], ids[best + 1]);
        if (best > 0) ranks[best - 1] = vocabulary.merged(ids[best - 1], ids[best]);
    }
    return n;
}

namespace {

struct Part {
    std::uint32_t start;
    TokenId id;
};

constexpr std::uint32_t kNone = ~0U;

// Memory for merging a window of `capacity` bytes.
struct Node {
    TokenId id;
    TokenId
        rank;  // of merging with the next node; kEmptySlot when there is none or this node is gone
    std::uint32_t previous;
    std::uint32_t next;
};

struct Scratch {
    Node* nodes;          // [capacity]
    std::uint64_t* heap;  // [2 * capacity]: each merge takes one entry and adds at most two
    Part* parts[2];       // [capacity] each: the window before and this one
};

constexpr std::size_t kScratchBytesPerByte =
    sizeof(Node) + 2 * sizeof(std::uint64_t) + 2 * sizeof(Part);

Scratch carve(std::uint64_t* memory, std::size_t capacity) {
    auto* at = reinterpret_cast<std::byte*>(memory);
    const auto take = [&at](std::size_t bytes) {
        std::byte* taken = at;
        at += bytes;
        return taken;
    };
    Scratch scratch{};
    scratch.heap = reinterpret_cast<std::uint64_t*>(take(2 * capacity * sizeof(std::uint64_t)));
    scratch.nodes = reinterpret_cast<Node*>(take(capacity * sizeof(Node)));
    scratch.parts[0] = reinterpret_cast<Part*>(take(capacity * sizeof(Part)));
    scratch.parts[1] = reinterpret_cast<Part*>(take(capacity * sizeof(Part)));
    return scratch;
}

// Merges one window: always the lowest rank, and of equal ranks the leftmost.
class WindowMerger {
  public:
    WindowMerger(const Vocabulary& vocabulary, const Scratch& scratch, MergeWork* work)
        : vocabulary_(vocabulary), nodes_(scratch.nodes), heap_(scratch.heap), work_(work) {}

    std::size_t merge(const Byte* p, std::size_t n, Part* parts) {
        load(p, n);
        while (heap_size_ > 0) {
            const std::uint64_t entry = pop();
            const auto rank = static_cast<TokenId>(entry >> 32);
            const auto at = static_cast<std::uint32_t>(entry);
            if (nodes_[at].rank == rank)
                merge_at(at);  // else it was merged with something meanwhile
        }
        std::size_t count = 0;
        for (std::uint32_t at = 0; at != kNone; at = nodes_[at].next) {
            parts[count++] = {at, nodes_[at].id};
        }
        return count;
    }

  private:
    void load(const Byte* p, std::size_t n) {
        heap_size_ = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
            nodes_[i] = {vocabulary_.byte_id(p[i]), kEmptySlot, i == 0 ? kNone : i - 1,
                         i + 1 == n ? kNone : i + 1};
        }
        for (std::uint32_t i = 0; i + 1 < n; ++i) {
            nodes_[i].rank = vocabulary_.merged_bytes(p[i], p[i + 1]);
            if (nodes_[i].rank != kEmptySlot) heap_[heap_size_++] = key(nodes_[i].rank, i);
        }
        work_->heap_steps += heap_size_;
        std::make_heap(heap_, heap_ + heap_size_, std::greater<>());
    }

    void merge_at(std::uint32_t at) {
        Node& node = nodes_[at];
        Node& gone = nodes_[node.next];
        node.id = node.rank;
        node.next = gone.next;
        gone.rank = kEmptySlot;
        if (node.next != kNone) nodes_[node.next].previous = at;
        rank(at);
        if (node.previous != kNone) rank(node.previous);
    }

    void rank(std::uint32_t at) {
        Node& node = nodes_[at];
        node.rank =
            node.next == kNone ? kEmptySlot : vocabulary_.merged(node.id, nodes_[node.next].id);
        if (node.rank == kEmptySlot) return;
        heap_[heap_size_++] = key(node.rank, at);
        std::push_heap(heap_, heap_ + heap_size_, std::greater<>());
        ++work_->heap_steps;
    }

    std::uint64_t pop() {
        std::pop_heap(heap_, heap_ + heap_size_, std::greater<>());
        ++work_->heap_steps;
        return heap_[--heap_size_];
    }

    static std::uint64_t key(TokenId rank, std::uint32_t at) {
        return static_cast<std::uint64_t>(rank) << 32 | at;
    }

    const Vocabulary& vocabulary_;
    Node* nodes_;
    std::uint64_t* heap_;
    std::size_t heap_size_ = 0;
    MergeWork* work_;
};

// One attempt at a piece with one window size.
class LongMerge {
  public:
    LongMerge(const Vocabulary& vocabulary, const Scratch& scratch, Window window,
              std::vector<TokenId>* ids, MergeWork* work)
        : merger_(vocabulary, scratch, work),
          current_(scratch.parts[0]),
          following_(scratch.parts[1]),
          window_(window),
          ids_(ids) {}

    /// False when two windows had no token in common.
    bool run(const Byte* p, std::size_t n, std::size_t* emitted) {
        std::size_t begin = 0;
        std::size_t end = std::min(window_.bytes, n);
        std::size_t count = merger_.merge(p, end, current_);
        std::size_t done = 0;  // parts of the current window already emitted
        while (end < n) {
            const std::size_t from = last_start_before(count, end - begin - window_.overlap);
            if (from == 0) return false;
            const std::uint32_t shift = current_[from].start;
            const std::size_t following_end = std::min(begin + shift + window_.bytes, n);
            const std::size_t following_count =
                merger_.merge(p + begin + shift, following_end - begin - shift, following_);
            std::size_t mine = std::max(from, done == 0 ? 0 : done - 1);
            std::size_t theirs = 0;
            if (!find_common(count, following_count, shift, &mine, &theirs)) return false;
            emit(done, mine + 1);
            done = theirs + 1;
            std::swap(current_, following_);
            begin += shift;
            end = following_end;
            count = following_count;
        }
        emit(done, count);
        *emitted = emitted_;
        return true;
    }

  private:
    std::size_t last_start_before(std::size_t count, std::size_t position) const {
        std::size_t i = count - 1;
        while (i > 0 && current_[i].start > position) --i;
        return i;
    }

    bool find_common(std::size_t count, std::size_t following_count, std::uint32_t shift,
                     std::size_t* mine, std::size_t* theirs) const {
        while (*mine < count && *theirs < following_count) {
            const Part a = current_[*mine];
            const Part b = following_[*theirs];
            const std::uint32_t b_start = b.start + shift;
            if (a.start == b_start && a.id == b.id) return true;
            if (a.start <= b_start) ++*mine;
            if (b_start <= a.start) ++*theirs;
        }
        return false;
    }

    void emit(std::size_t from, std::size_t to) {
        for (std::size_t i = from; ids_ != nullptr && i < to; ++i) ids_->push_back(current_[i].id);
        emitted_ += to - from;
    }

    WindowMerger merger_;
    Part* current_;
    Part* following_;
    Window window_;
    std::vector<TokenId>* ids_;
    std::size_t emitted_ = 0;
};

constexpr std::size_t kDefaultScratch = Window{}.bytes * kScratchBytesPerByte;

}  // namespace

std::size_t merge_long(const Vocabulary& vocabulary, const Byte* p, std::size_t n,
                       std::vector<TokenId>* ids, Window window, MergeWork* work) {
    MergeWork ignored;
    if (work == nullptr) work = &ignored;
    const std::size_t ids_before = ids == nullptr ? 0 : ids->size();
    std::array<std::uint64_t, kDefaultScratch / sizeof(std::uint64_t)> on_stack;
    std::unique_ptr<std::uint64_t[]> allocated;
    for (;; window = {window.bytes * 4, window.overlap * 4}) {
        const std::size_t capacity = std::min(window.bytes, n);
        const std::size_t words = capacity * kScratchBytesPerByte / sizeof(std::uint64_t);
        std::uint64_t* memory = on_stack.data();
        if (words > on_stack.size()) {
            allocated = std::make_unique_for_overwrite<std::uint64_t[]>(words);
            memory = allocated.get();
        }
        work->scratch_bytes =
            std::max<std::uint64_t>(work->scratch_bytes, words * sizeof(std::uint64_t));
        std::size_t count = 0;
        if (LongMerge(vocabulary, carve(memory, capacity), window, ids, work).run(p, n, &count))
            return count;
        if (ids != nullptr) ids->resize(ids_before);
        ++work->enlarged;
    }
}

}  // namespace tg::bpe
