#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace tg {
namespace {

std::string errno_text() {
    return std::strerror(errno);
}

bool set_port(SocketAddress* address, std::uint16_t port) {
    if (address->storage.ss_family == AF_INET)
        reinterpret_cast<sockaddr_in*>(&address->storage)->sin_port = htons(port);
    else
        reinterpret_cast<sockaddr_in6*>(&address->storage)->sin6_port = htons(port);
    return true;
}

}  // namespace

std::uint16_t SocketAddress::port() const {
    return ntohs(storage.ss_family == AF_INET
                     ? reinterpret_cast<const sockaddr_in*>(&storage)->sin_port
                     : reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
}

std::string SocketAddress::text() const {
    char host[INET6_ADDRSTRLEN] = "?";
    if (storage.ss_family == AF_INET) {
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, host,
                    sizeof host);
        return std::string(host) + ":" + std::to_string(port());
    }
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, host,
                sizeof host);
    return "[" + std::string(host) + "]:" + std::to_string(port());
}

Result<SocketAddress> parse_address(std::string_view text) {
    const auto bad = [&] {
        return fail(ErrorCode::invalid_config,
                    "'" + std::string(text) +
                        "' is not an address; write it as 127.0.0.1:8080 or [::1]:8080");
    };
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return bad();
    std::uint16_t port = 0;
    const std::string_view digits = text.substr(colon + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size())
        return bad();
    std::string host(text.substr(0, colon));
    SocketAddress out;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
        v6->sin6_family = AF_INET6;
        out.size = sizeof(sockaddr_in6);
        if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6->sin6_addr) != 1)
            return bad();
    } else {
        if (host == "localhost") host = "127.0.0.1";
        auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
        v4->sin_family = AF_INET;
        out.size = sizeof(sockaddr_in);
        if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return bad();
    }
    set_port(&out, port);
    return out;
}

Result<int> listen_on(const SocketAddress& address, int backlog) {
    const int fd =
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(ErrorCode::io_error, "cannot make a socket: " + errno_text());
    const int one = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 ||
        ::listen(fd, backlog) != 0) {
        const std::string reason = errno_text();
        ::close(fd);
        return fail(ErrorCode::io_error, "cannot listen on " + address.text() + ": " + reason);
    }
    return fd;
}

Status check_address_is_free(const SocketAddress& address) {
    if (address.port() == 0) return {};
    const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const int result =
        ::bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    const std::string reason = errno_text();
    ::close(fd);
    if (result == 0) return {};
    return fail(ErrorCode::io_error, "cannot listen on " + address.text() + ": " + reason);
}

SocketAddress local_address(int fd) {
    SocketAddress out;
    out.size = sizeof out.storage;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&out.storage), &out.size);
    return out;
}

std::string address_of_peer(int fd) {
    SocketAddress out;
    out.size = sizeof out.storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&out.storage), &out.size) != 0) return "gone";
    return out.text();
}

Result<int> begin_connect(const SocketAddress& address) {
    const int fd =
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(ErrorCode::io_error, "cannot make a socket: " + errno_text());
    const int one = 1, idle_seconds = 60, interval_seconds = 15;
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 &&
        errno != EINPROGRESS) {
        const std::string reason = errno_text();
        ::close(fd);
        return fail(ErrorCode::upstream_unreachable,
                    "cannot connect to " + address.text() + ": " + reason);
    }
    return fd;
}

int connect_error(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
}

Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const std::string bare =
        host.size() > 2 && host.front() == '[' ? host.substr(1, host.size() - 2) : host;
    int error = ::getaddrinfo(bare.c_str(), nullptr, &hints, &list);
    if (error != 0) {
        hints.ai_flags = 0;  // a host with loopback only has no "configured" address, but may still
                             // be reached by one
        error = ::getaddrinfo(bare.c_str(), nullptr, &hints, &list);
    }
    if (error != 0) {
        return fail(ErrorCode::upstream_unreachable,
                    "cannot resolve host '" + host + "': " + ::gai_strerror(error));
    }
    std::vector<SocketAddress> out;
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
        SocketAddress address;
        std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
        address.size = each->ai_addrlen;
        set_port(&address, port);
        out.push_back(address);
    }
    ::freeaddrinfo(list);
    if (out.empty())
        return fail(ErrorCode::upstream_unreachable, "host '" + host + "' has no address");
    return out;
}

}  // namespace tg
