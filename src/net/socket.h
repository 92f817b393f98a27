#pragma once
#include <sys/uio.h>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/task.h"
#include "net/loop.h"

struct ssl_st;

namespace tg {

/// What one try at a socket gave.
struct IoResult {
    enum class Kind : std::uint8_t { done, would_block, closed, failed } kind = Kind::done;
    std::size_t bytes = 0;
    bool is_done() const { return kind == Kind::done; }
};

/// Told on the loop when the peer of a socket has gone (closed, half-closed or reset) while
/// somebody else is being waited for. Once per socket. Must not resume or destroy what uses the
/// socket: it interrupts other waits (which resume later) or notes the fact.
class PeerGoneListener {
  public:
    virtual void on_peer_gone() = 0;

  protected:
    ~PeerGoneListener() = default;
};

/// A connected TCP socket on one loop, with TLS if `ssl` is given. Never blocks: try_* report
/// would_block, wait_* suspend. At most one waiter for reading and one for writing at a time.
class Socket {
  public:
    /// Takes the non-blocking `fd`. `ssl` (may be null) is taken too and bound to the fd.
    Socket(Loop* loop, int fd, ssl_st* ssl = nullptr);
    ~Socket();
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    Loop* loop() const { return loop_; }
    bool has_tls() const { return ssl_ != nullptr; }

    /// done with bytes > 0; closed at the peer's end of stream.
    IoResult try_read(char* out, std::size_t capacity);
    IoResult try_write(std::span<const iovec> pieces);

    struct Waiter;
    struct Awaiter;
    /// Ends when a read (write) may make progress, at the deadline (monotonic ns), or when
    /// interrupted.
    Awaiter wait_readable(std::int64_t deadline_ns);
    Awaiter wait_writable(std::int64_t deadline_ns);
    /// After begin_connect(): ends when the connection stands or has failed.
    Awaiter wait_connected(std::int64_t deadline_ns) {
        maybe_writable_ = maybe_readable_ = is_peer_gone_ = false;
        return wait_writable(deadline_ns);
    }

    /// Writes everything. What stands in the loop's scratch is copied before a wait; all else, and
    /// the list of pieces itself, outlives the task. Errors: upstream_broken-like codes are the
    /// caller's to choose; here io_error (peer gone), request_timeout (deadline), cancelled
    /// (interrupted).
    Task<Status> write_all(std::span<const iovec> pieces, std::int64_t deadline_ns);
    Task<Status> handshake(std::int64_t deadline_ns);

    /// Ends both waits with Wake::interrupted, now and for ever.
    void interrupt();
    bool is_interrupted() const { return is_interrupted_; }
    /// Ends a wait for reading once with Wake::interrupted; the socket stays usable.
    void interrupt_read_once();
    /// Takes back an interrupt_read_once() that no wait has met yet.
    void forget_read_interrupt() { is_read_interrupt_pending_ = false; }

    bool is_peer_gone() const { return is_peer_gone_; }
    void set_peer_gone_listener(PeerGoneListener* listener) { listener_ = listener; }
    /// True when no content has arrived and the peer has not closed the connection. Consumes none.
    bool is_idle_and_open();

    /// For a listening socket: accept() had nothing more.
    void note_not_readable() { maybe_readable_ = false; }
    int fd() const { return fd_; }
    /// The innermost task that waits here, for prefetch_frame(); null when none does.
    const detail::PromiseBase* waiting_frame() const {
        if (reader_.handle) return reader_.frame;
        return writer_.handle ? writer_.frame : nullptr;
    }

    void shutdown_write();
    /// Makes close() send a reset, and no TLS close notice: the peer sees a broken connection, not
    /// a clean end.
    void set_reset_on_close();
    std::string peer_address() const;

    /// Its timer stays armed when a wait ends, and a later wait with a later deadline leaves it
    /// there: it fires early then, and is armed anew. So a request moves no timer.
    struct Waiter : Timer {
        explicit Waiter(Loop* owner) : loop(owner) {}
        void on_timer() override;
        void finish() { std::exchange(handle, nullptr).resume(); }
        Loop* loop;
        std::coroutine_handle<> handle;
        const detail::PromiseBase* frame = nullptr;  ///< of handle, while that is set
        std::int64_t deadline_ns = 0;
        Wake wake = Wake::ready;
    };

    struct Awaiter {
        Socket* socket;
        Waiter* waiter;
        std::int64_t deadline_ns;
        bool is_ready_now;
        bool is_yield = false;  ///< ready, but it is the others' turn
        bool await_ready() const { return is_ready_now; }
        template <typename Promise>
        void await_suspend(std::coroutine_handle<Promise> handle) const {
            waiter->handle = handle;
            waiter->frame = detail::promise_of(handle);
            waiter->wake = Wake::ready;
            waiter->deadline_ns = is_yield ? INT64_MAX : deadline_ns;
            if (is_yield) {
                socket->loop_->wake_next_round(socket->token_);
            } else {
                socket->loop_->timers().arm_by(waiter, deadline_ns);
            }
        }
        Wake await_resume() const {
            return socket->is_interrupted_ ? Wake::interrupted : waiter->wake;
        }
    };

  private:
    friend class Loop;
    void on_events(std::uint32_t events);
    IoResult read_tls(char* out, std::size_t capacity);
    IoResult write_tls(std::span<const iovec> pieces);

    Loop* loop_;
    int fd_;
    ssl_st* ssl_;
    std::uint64_t token_;
    bool maybe_readable_ = true;
    bool maybe_writable_ = true;
    bool is_peer_gone_ = false;
    bool is_interrupted_ = false;
    bool tls_read_wants_write_ = false;
    bool is_read_interrupt_pending_ = false;
    bool is_reset_on_close_ = false;
    std::uint8_t reads_in_a_row_ = 0;  ///< waits for reading that found the socket ready
    PeerGoneListener* listener_ = nullptr;
    Waiter reader_, writer_;
};

}  // namespace tg
