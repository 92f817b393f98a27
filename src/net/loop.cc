#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

#include "net/socket.h"

namespace tg {
namespace {

thread_local Loop* t_current = nullptr;
constexpr std::uint64_t kWakeToken = UINT64_MAX;
/// Of the buffers handed out: room for a usual head or small body, the largest that is kept, and
/// how many are.
constexpr std::size_t kBufferBytes = 2000, kBufferBytesMax = 16 * 1024, kBuffersMax = 512;

/// Events whose memory is asked for together, and the lines of a connection that most of them
/// touch: its socket and parser.
constexpr std::size_t kBatch = 8;
constexpr int kConnectionLines = 8;

void prefetch_lines(const void* at, int lines) {
    if (at == nullptr) return;
    for (int line = 0; line < lines; ++line)
        __builtin_prefetch(static_cast<const char*>(at) + line * 64, 1);
}

/// The tasks that a batch will resume, and those that wait for them.
class Frames {
  public:
    void add(const detail::PromiseBase* frame) {
        if (frame == nullptr) return;
        prefetch_lines(reinterpret_cast<const char*>(frame) - 2 * sizeof(void*), 5);
        frames_[count_++] = frame;
    }
    /// Level by level, so that the lines of one are there when the next is looked up in them.
    void prefetch() {
        while (count_ > 0) {
            std::size_t left = 0;
            for (std::size_t i = 0; i < count_; ++i) {
                if (const detail::PromiseBase* next = prefetch_frame(frames_[i]); next != nullptr)
                    frames_[left++] = next;
            }
            count_ = left;
        }
    }

  private:
    std::array<const detail::PromiseBase*, kBatch> frames_;
    std::size_t count_ = 0;
};

/// A coroutine without an owner but the loop: ends by itself and counts down.
struct Root {
    struct promise_type : Pooled {
        Root get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

Root run_root(Task<void> task, std::size_t* count) {
    ++*count;
    co_await task;
    --*count;
}

class PostedFunction final : public Posted {
  public:
    explicit PostedFunction(std::function<void()> work) : work_(std::move(work)) {}
    void run() override {
        const std::unique_ptr<PostedFunction> self(this);
        work_();
    }

  private:
    std::function<void()> work_;
};

}  // namespace

Loop* Loop::current() {
    return t_current;
}

Loop::Loop()
    : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      now_ns_(system_clock().monotonic_ns()),
      timers_(now_ns_),
      scratch_(std::make_unique_for_overwrite<char[]>(kScratchBytes)) {
    TG_ASSERT(epoll_fd_ >= 0 && wake_fd_ >= 0);
    // OpenSSL writes to its sockets with write(2): a peer that has gone must be an error there, not
    // the end of the process.
    std::signal(SIGPIPE, SIG_IGN);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = kWakeToken;
    TG_ASSERT(::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
}

Loop::~Loop() {
    TG_ASSERT(task_count_ == 0);
    drain_posted();
    ::close(wake_fd_);
    ::close(epoll_fd_);
}

void Loop::refresh_time() {
    now_ns_ = system_clock().monotonic_ns();
}

void Loop::stop() {
    stop_requested_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);
}

void Loop::post(Posted* work) {
    Posted* head = posted_.load(std::memory_order_relaxed);
    do {
        work->next_ = head;
    } while (!posted_.compare_exchange_weak(head, work, std::memory_order_release,
                                            std::memory_order_relaxed));
    if (head == nullptr) {
        const std::uint64_t one = 1;
        (void)!::write(wake_fd_, &one, sizeof one);
    }
}

void Loop::post(std::function<void()> work) {
    post(new PostedFunction(std::move(work)));
}

void Loop::drain_posted() {
    Posted* list = posted_.exchange(nullptr, std::memory_order_acquire);
    Posted* in_order = nullptr;
    while (list != nullptr) {
        Posted* next = list->next_;
        list->next_ = in_order;
        in_order = list;
        list = next;
    }
    while (in_order != nullptr) {
        std::array<Posted*, kBatch> batch;
        Frames frames;
        std::size_t count = 0;
        for (; count < kBatch && in_order != nullptr; in_order = in_order->next_) {
            frames.add(in_order->frame_);
            batch[count++] = in_order;
        }
        frames.prefetch();
        for (std::size_t i = 0; i < count; ++i) batch[i]->run();
    }
}

std::string Loop::take_buffer() {
    if (buffers_.empty()) {
        std::string out;
        out.reserve(kBufferBytes);
        return out;
    }
    std::string out = std::move(buffers_.back());
    buffers_.pop_back();
    return out;
}

void Loop::give_buffer(std::string buffer) {
    const std::size_t size = buffer.capacity();
    if (size < kBufferBytes || size > kBufferBytesMax || buffers_.size() == kBuffersMax) return;
    buffer.clear();
    buffers_.push_back(std::move(buffer));
}

void Loop::spawn(Task<void> task) {
    run_root(std::move(task), &task_count_);
}

std::uint64_t Loop::register_socket(Socket* socket, int fd) {
    std::uint32_t index = free_slot_;
    if (index == UINT32_MAX) {
        index = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        free_slot_ = slots_[index].next_free;
    }
    slots_[index].socket = socket;
    const std::uint64_t token = static_cast<std::uint64_t>(slots_[index].generation) << 32 | index;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = token;
    TG_ASSERT(::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0);
    return token;
}

void Loop::unregister_socket(std::uint64_t token) {
    const auto index = static_cast<std::uint32_t>(token);
    Slot& slot = slots_[index];
    slot.socket = nullptr;
    slot.generation = (slot.generation + 1) & 0x7fffffff;
    slot.next_free = free_slot_;
    free_slot_ = index;
}

Socket* Loop::socket_of(std::uint64_t token) const {
    const Slot& slot = slots_[static_cast<std::uint32_t>(token)];
    // The socket an event was meant for may be gone, and another one stand in its slot.
    return slot.generation == token >> 32 ? slot.socket : nullptr;
}

void Loop::dispatch(std::uint64_t token, std::uint32_t events) {
    if (Socket* socket = socket_of(token); socket != nullptr) socket->on_events(events);
}

/// With many connections each event meets memory that has long left the near caches; what a batch
/// of them will touch is asked for at once, level by level, and then they run.
void Loop::dispatch_batch(const epoll_event* events, std::size_t count) {
    std::array<Socket*, kBatch> sockets;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t token = events[i].data.u64;
        sockets[i] = token == kWakeToken ? nullptr : socket_of(token);
        prefetch_lines(sockets[i], kConnectionLines);
    }
    Frames frames;
    for (std::size_t i = 0; i < count; ++i) {
        if (sockets[i] != nullptr) frames.add(sockets[i]->waiting_frame());
    }
    frames.prefetch();
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t token = events[i].data.u64;
        if (token != kWakeToken) {
            dispatch(token, events[i].events);
            continue;
        }
        std::uint64_t ignored = 0;
        (void)!::read(wake_fd_, &ignored, sizeof ignored);
        drain_posted();
    }
}

void Loop::run_next_round() {
    this_round_.swap(next_round_);
    for (const std::uint64_t token : this_round_) dispatch(token, EPOLLIN);
    this_round_.clear();
}

void Loop::run_ready() {
    while (!ready_.empty()) {
        running_.swap(ready_);
        for (const std::coroutine_handle<> handle : running_) handle.resume();
        running_.clear();
    }
}

void Loop::interrupt_all() {
    // Sockets may come and go while tasks unwind, so by index and until nothing waits any more.
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i].socket != nullptr) slots_[i].socket->interrupt();
    }
    while (sleepers_ != nullptr) {
        SleepWaiter* sleeper = sleepers_;
        sleeper->unlink_sleeper();
        TimerWheel::cancel(sleeper);
        sleeper->wake = Wake::interrupted;
        resume_soon(sleeper->handle);
    }
}

void Loop::run() {
    t_current = this;
    epoll_event events[512];
    refresh_time();
    drain_posted();
    run_ready();
    while (!is_stopping_ || task_count_ > 0) {
        int timeout_ms = -1;
        if (const std::int64_t wait_ns = timers_.ns_to_next(now_ns_); wait_ns >= 0) {
            timeout_ms =
                static_cast<int>(std::min<std::int64_t>((wait_ns + 999'999) / 1'000'000, 60'000));
        }
        if (!next_round_.empty()) timeout_ms = 0;
        if (is_stopping_) timeout_ms = std::min(timeout_ms < 0 ? INT_MAX : timeout_ms, 20);
        const int count = ::epoll_wait(epoll_fd_, events, 512, timeout_ms);
        TG_ASSERT(count >= 0 || errno == EINTR);
        refresh_time();
        for (int i = 0; i < count; i += static_cast<int>(kBatch))
            dispatch_batch(events + i,
                           std::min<std::size_t>(kBatch, static_cast<std::size_t>(count - i)));
        run_ready();
        run_next_round();
        run_ready();
        timers_.advance(now_ns_);
        run_ready();
        if (stop_requested_.load(std::memory_order_acquire)) {
            is_stopping_ = true;
            interrupt_all();
            drain_posted();
            run_ready();
        }
    }
    t_current = nullptr;
}

}  // namespace tg
