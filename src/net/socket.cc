#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <functional>
#include <vector>

#include "net/address.h"

namespace tg {
namespace {

constexpr std::size_t kMaxPieces = 64;
/// What is sent in one piece, copied together if need be.
constexpr std::size_t kJoinedBytes = 4096;
/// A peer that sends as fast as it is read from lets the others in after as many reads.
constexpr int kReadsInARowMax = 16;

std::size_t total_size(std::span<const iovec> pieces) {
    std::size_t sum = 0;
    for (const iovec& piece : pieces) sum += piece.iov_len;
    return sum;
}

bool is_in_scratch(Loop* loop, const iovec& piece) {
    const auto* at = static_cast<const char*>(piece.iov_base);
    return std::greater_equal<>()(at, loop->scratch()) &&
           std::less<>()(at, loop->scratch() + Loop::kScratchBytes);
}

/// The loop's scratch belongs to another task as soon as this one waits: pieces in it move to
/// `kept`.
void keep_scratch(Loop* loop, std::vector<iovec>* pieces, std::string* kept) {
    std::size_t size = 0;
    for (const iovec& piece : *pieces) size += is_in_scratch(loop, piece) ? piece.iov_len : 0;
    if (size == 0) return;
    kept->reserve(size);
    for (iovec& piece : *pieces) {
        if (!is_in_scratch(loop, piece)) continue;
        const std::size_t at = kept->size();
        kept->append(static_cast<const char*>(piece.iov_base), piece.iov_len);
        piece.iov_base = kept->data() + at;
    }
}

}  // namespace

Socket::Socket(Loop* loop, int fd, ssl_st* ssl)
    : loop_(loop),
      fd_(fd),
      ssl_(ssl),
      token_(loop->register_socket(this, fd)),
      reader_(loop),
      writer_(loop) {
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (ssl_ != nullptr) {
        SSL_set_fd(ssl_, fd);
        SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
    }
    if (loop->is_stopping()) is_interrupted_ = true;
}

Socket::~Socket() {
    TG_ASSERT(!reader_.handle && !writer_.handle);
    loop_->unregister_socket(token_);
    if (ssl_ != nullptr) {
        if (!is_peer_gone_ && !is_reset_on_close_ && SSL_is_init_finished(ssl_) == 1)
            SSL_shutdown(ssl_);
        ERR_clear_error();
        SSL_free(ssl_);
    }
    ::close(fd_);
}

void Socket::Waiter::on_timer() {
    if (!handle) return;
    if (deadline_ns > loop->now_ns()) {
        loop->timers().arm(this, deadline_ns);
        return;
    }
    wake = Wake::timed_out;
    finish();
}

void Socket::on_events(std::uint32_t events) {
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 && !is_peer_gone_) {
        is_peer_gone_ = true;
        if (listener_ != nullptr) std::exchange(listener_, nullptr)->on_peer_gone();
    }
    // Either waiter may destroy this socket when it runs; so both are queued, none is run from here
    // while the other is looked at.
    const bool is_failure = (events & (EPOLLHUP | EPOLLERR)) != 0;
    bool can_read = (events & (EPOLLIN | EPOLLRDHUP)) != 0 || is_failure;
    const bool can_write = (events & EPOLLOUT) != 0 || is_failure;
    if (can_read) maybe_readable_ = true;
    if (can_write) {
        maybe_writable_ = true;
        if (std::exchange(tls_read_wants_write_, false)) can_read = maybe_readable_ = true;
    }
    const bool wake_writer = can_write && writer_.handle;
    if (reader_.handle && can_read) {
        if (wake_writer) {
            loop_->resume_soon(std::exchange(writer_.handle, nullptr));
        }
        reader_.finish();
        return;
    }
    if (wake_writer) writer_.finish();
}

IoResult Socket::try_read(char* out, std::size_t capacity) {
    if (ssl_ != nullptr) return read_tls(out, capacity);
    for (;;) {
        const ssize_t n = ::recv(fd_, out, capacity, 0);
        if (n > 0) {
            // A short read has emptied the socket: the next bytes, or the end, will come as a new
            // edge.
            if (static_cast<std::size_t>(n) < capacity && !is_peer_gone_) maybe_readable_ = false;
            return {IoResult::Kind::done, static_cast<std::size_t>(n)};
        }
        if (n == 0) {
            is_peer_gone_ = true;
            return {IoResult::Kind::closed, 0};
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) {
            maybe_readable_ = false;
            return {IoResult::Kind::would_block, 0};
        }
        is_peer_gone_ = true;
        return {IoResult::Kind::failed, 0};
    }
}

IoResult Socket::try_write(std::span<const iovec> pieces) {
    if (ssl_ != nullptr) return write_tls(pieces);
    if (pieces.size() > kMaxPieces) pieces = pieces.first(kMaxPieces);
    const std::size_t size = total_size(pieces);
    char joined[kJoinedBytes];
    const char* whole = nullptr;
    if (pieces.size() == 1) {
        whole = static_cast<const char*>(pieces.front().iov_base);
    } else if (size <= sizeof joined) {
        // For the kernel one piece is cheaper than several, by more than this copy.
        char* end = joined;
        for (const iovec& piece : pieces) {
            std::memcpy(end, piece.iov_base, piece.iov_len);
            end += piece.iov_len;
        }
        whole = joined;
    }
    for (;;) {
        ssize_t n = 0;
        if (whole != nullptr) {
            n = ::send(fd_, whole, size, MSG_NOSIGNAL);
        } else {
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(pieces.data());
            message.msg_iovlen = pieces.size();
            n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
        }
        if (n >= 0) {
            if (static_cast<std::size_t>(n) < size) maybe_writable_ = false;
            return {IoResult::Kind::done, static_cast<std::size_t>(n)};
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) {
            maybe_writable_ = false;
            return {IoResult::Kind::would_block, 0};
        }
        is_peer_gone_ = true;
        return {IoResult::Kind::failed, 0};
    }
}

IoResult Socket::read_tls(char* out, std::size_t capacity) {
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_read_ex(ssl_, out, capacity, &n) == 1) return {IoResult::Kind::done, n};
    tls_read_wants_write_ = false;
    switch (SSL_get_error(ssl_, 0)) {
        case SSL_ERROR_WANT_READ:
            maybe_readable_ = false;
            return {IoResult::Kind::would_block, 0};
        case SSL_ERROR_WANT_WRITE:
            maybe_readable_ = false;
            tls_read_wants_write_ = true;
            return {IoResult::Kind::would_block, 0};
        case SSL_ERROR_ZERO_RETURN:
            is_peer_gone_ = true;
            return {IoResult::Kind::closed, 0};
        default:
            is_peer_gone_ = true;
            return {IoResult::Kind::failed, 0};
    }
}

IoResult Socket::write_tls(std::span<const iovec> pieces) {
    // One record for many small pieces: a record a piece would cost more than the copy.
    char joined[16 * 1024];
    std::size_t size = 0;
    const char* data = joined;
    for (const iovec& piece : pieces) {
        if (size == 0 && piece.iov_len >= sizeof joined) {
            data = static_cast<const char*>(piece.iov_base);
            size = std::min<std::size_t>(piece.iov_len, INT_MAX);
            break;
        }
        if (piece.iov_len == 0) continue;
        const std::size_t n = std::min(piece.iov_len, sizeof joined - size);
        std::memcpy(joined + size, piece.iov_base, n);
        size += n;
        if (size == sizeof joined) break;
    }
    if (size == 0) return {IoResult::Kind::done, 0};
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_write_ex(ssl_, data, size, &n) == 1) return {IoResult::Kind::done, n};
    switch (SSL_get_error(ssl_, 0)) {
        case SSL_ERROR_WANT_WRITE:
        case SSL_ERROR_WANT_READ:
            maybe_writable_ = false;
            return {IoResult::Kind::would_block, 0};
        default:
            is_peer_gone_ = true;
            return {IoResult::Kind::failed, 0};
    }
}

Socket::Awaiter Socket::wait_readable(std::int64_t deadline_ns) {
    TG_DCHECK(!reader_.handle);
    reader_.wake = Wake::ready;
    if (std::exchange(is_read_interrupt_pending_, false)) {
        reader_.wake = Wake::interrupted;
        return {this, &reader_, deadline_ns, /*is_ready_now=*/true};
    }
    if (is_interrupted_ || !maybe_readable_) {
        reads_in_a_row_ = 0;
        return {this, &reader_, deadline_ns, is_interrupted_};
    }
    const bool is_yield = ++reads_in_a_row_ > kReadsInARowMax;
    if (is_yield) reads_in_a_row_ = 0;
    return {this, &reader_, deadline_ns, !is_yield, is_yield};
}

Socket::Awaiter Socket::wait_writable(std::int64_t deadline_ns) {
    TG_DCHECK(!writer_.handle);
    writer_.wake = Wake::ready;
    return {this, &writer_, deadline_ns, maybe_writable_ || is_interrupted_};
}

void Socket::interrupt() {
    is_interrupted_ = true;
    for (Waiter* waiter : {&reader_, &writer_}) {
        if (!waiter->handle) continue;
        loop_->resume_soon(std::exchange(waiter->handle, nullptr));
    }
}

void Socket::interrupt_read_once() {
    if (!reader_.handle) {
        is_read_interrupt_pending_ = true;
        return;
    }
    reader_.wake = Wake::interrupted;
    loop_->resume_soon(std::exchange(reader_.handle, nullptr));
}

Task<Status> Socket::write_all(std::span<const iovec> pieces, std::int64_t deadline_ns) {
    std::vector<iovec> rest;
    std::string kept;
    std::span<const iovec> todo = pieces;
    bool is_kept = false;
    for (;;) {
        const IoResult result = try_write(todo);
        if (result.kind == IoResult::Kind::failed || result.kind == IoResult::Kind::closed)
            co_return fail(ErrorCode::io_error, "the peer closed the connection");
        std::size_t skip = result.bytes;
        while (!todo.empty() && skip >= todo.front().iov_len) {
            skip -= todo.front().iov_len;
            todo = todo.subspan(1);
        }
        if (todo.empty()) co_return Status{};
        if (!is_kept || skip > 0) {
            rest = std::vector<iovec>(todo.begin(), todo.end());
            rest.front().iov_base = static_cast<char*>(rest.front().iov_base) + skip;
            rest.front().iov_len -= skip;
            todo = rest;
        }
        if (result.bytes > 0 && maybe_writable_) continue;
        if (!std::exchange(is_kept, true)) keep_scratch(loop_, &rest, &kept);
        const Wake wake = co_await wait_writable(deadline_ns);
        if (wake == Wake::timed_out)
            co_return fail(ErrorCode::request_timeout, "the peer does not read");
        if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
    }
}

Task<Status> Socket::handshake(std::int64_t deadline_ns) {
    if (ssl_ == nullptr) co_return Status{};
    for (;;) {
        ERR_clear_error();
        const int result = SSL_do_handshake(ssl_);
        if (result == 1) co_return Status{};
        Wake wake = Wake::ready;
        switch (SSL_get_error(ssl_, result)) {
            case SSL_ERROR_WANT_READ:
                maybe_readable_ = false;
                wake = co_await wait_readable(deadline_ns);
                break;
            case SSL_ERROR_WANT_WRITE:
                maybe_writable_ = false;
                wake = co_await wait_writable(deadline_ns);
                break;
            default: {
                is_peer_gone_ = true;
                char text[160] = "the peer closed the connection";
                if (const unsigned long error = ERR_peek_error(); error != 0)
                    ERR_error_string_n(error, text, sizeof text);
                const long verify = SSL_get_verify_result(ssl_);
                std::string detail = std::string("TLS handshake failed: ") + text;
                if (verify != X509_V_OK)
                    detail +=
                        std::string("; certificate: ") + X509_verify_cert_error_string(verify);
                co_return fail(ErrorCode::io_error, std::move(detail));
            }
        }
        if (wake == Wake::timed_out)
            co_return fail(ErrorCode::request_timeout, "TLS handshake took too long");
        if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
    }
}

bool Socket::is_idle_and_open() {
    if (is_peer_gone_ || is_interrupted_) return false;
    if (!maybe_readable_) return true;
    char byte = 0;
    if (ssl_ != nullptr) {
        // Looking absorbs what is not content (a session ticket) and leaves what is.
        ERR_clear_error();
        std::size_t n = 0;
        if (SSL_peek_ex(ssl_, &byte, 1, &n) == 1) return false;
        if (SSL_get_error(ssl_, 0) != SSL_ERROR_WANT_READ) {
            is_peer_gone_ = true;
            return false;
        }
    } else if (const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK); n >= 0 || errno != EAGAIN) {
        return false;
    }
    maybe_readable_ = false;
    return true;
}

void Socket::shutdown_write() {
    if (ssl_ != nullptr && SSL_is_init_finished(ssl_) == 1) {
        ERR_clear_error();
        SSL_shutdown(ssl_);
    }
    ::shutdown(fd_, SHUT_WR);
}

void Socket::set_reset_on_close() {
    is_reset_on_close_ = true;
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

std::string Socket::peer_address() const {
    return address_of_peer(fd_);
}

}  // namespace tg
