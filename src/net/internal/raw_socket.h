#pragma once
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.h"

namespace tg {

/// For tests: a blocking TCP peer that sends and expects bytes to the letter. Every wait ends after
/// 20 seconds.
class RawSocket {
  public:
    explicit RawSocket(int fd) : fd_(fd) {}
    static RawSocket connect(std::uint16_t port, int receive_buffer = 0) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        TG_ASSERT(fd >= 0);
        if (receive_buffer > 0)
            ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        SocketAddress to = parse_address("127.0.0.1:" + std::to_string(port)).value();
        TG_ASSERT(::connect(fd, reinterpret_cast<sockaddr*>(&to.storage), to.size) == 0);
        return RawSocket(fd);
    }
    ~RawSocket() { close(); }
    RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    RawSocket& operator=(RawSocket&&) = delete;

    /// false when the peer has gone.
    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            if (!wait(POLLOUT)) return false;
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    /// What arrives until the text ends with `end`; less at the end of the stream.
    std::string read_until(std::string_view end) {
        std::string got;
        char byte = 0;
        while (!got.ends_with(end) && receive(&byte, 1) == 1) got.push_back(byte);
        return got;
    }
    std::string read_bytes(std::size_t count) {
        std::string got(count, '\0');
        std::size_t at = 0;
        while (at < count) {
            const ssize_t n = receive(got.data() + at, count - at);
            if (n <= 0) break;
            at += static_cast<std::size_t>(n);
        }
        got.resize(at);
        return got;
    }
    std::string read_to_end() {
        std::string got;
        char block[16384];
        for (ssize_t n = 0; (n = receive(block, sizeof block)) > 0;)
            got.append(block, static_cast<std::size_t>(n));
        return got;
    }
    /// Something, or the end of the stream, has arrived and was not read yet. Does not wait.
    bool has_input() const {
        pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
        return ::poll(&poll, 1, 0) == 1;
    }
    /// Sends as much as is taken without a wait; how much that was.
    std::size_t send_some(std::string_view bytes) const {
        const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    /// How the stream ended, after a read that came to its end.
    bool was_reset() const { return was_reset_; }
    bool timed_out() const { return timed_out_; }

    void half_close() const { ::shutdown(fd_, SHUT_WR); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void reset() {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }
    int fd() const { return fd_; }

  private:
    bool wait(short events) const {
        pollfd poll{.fd = fd_, .events = events, .revents = 0};
        return ::poll(&poll, 1, 20'000) == 1;
    }
    ssize_t receive(char* out, std::size_t size) {
        if (!wait(POLLIN)) {
            timed_out_ = true;
            return -1;
        }
        const ssize_t n = ::recv(fd_, out, size, 0);
        if (n < 0 && errno == ECONNRESET) was_reset_ = true;
        return n;
    }
    int fd_;
    bool was_reset_ = false, timed_out_ = false;
};

/// For tests: a listening socket that is accepted from by hand.
class RawListener {
  public:
    RawListener() : fd_(listen_on(parse_address("127.0.0.1:0").value(), 128).value()) {}
    ~RawListener() { close(); }
    RawListener(const RawListener&) = delete;
    RawListener& operator=(const RawListener&) = delete;
    std::uint16_t port() const { return local_address(fd_).port(); }
    /// A connection waits to be accepted.
    bool has_waiting() const {
        pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
        return ::poll(&poll, 1, 0) == 1;
    }
    RawSocket accept() const {
        pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
        TG_ASSERT(::poll(&poll, 1, 20'000) == 1);
        const int fd = ::accept(fd_, nullptr, nullptr);
        TG_ASSERT(fd >= 0);
        return RawSocket(fd);
    }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_;
};

}  // namespace tg
