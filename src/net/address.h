#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg {

/// An IPv4 or IPv6 address with a port.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    std::uint16_t port() const;
    std::string text() const;  ///< "127.0.0.1:8080", "[::1]:8080"
};

/// "127.0.0.1:8080", "[::1]:0", "0.0.0.0:80". Numeric only. Errors: invalid_config.
Result<SocketAddress> parse_address(std::string_view text);

/// A listening, non-blocking socket with SO_REUSEPORT, so that each loop has its own and the kernel
/// shares connections out. Errors: io_error naming the address ("already in use" included).
Result<int> listen_on(const SocketAddress& address, int backlog);
/// SO_REUSEPORT would let a second process share the address unnoticed; a plain bind tells. Port 0
/// is always free. Errors: io_error naming the address.
Status check_address_is_free(const SocketAddress& address);
SocketAddress local_address(int fd);
std::string address_of_peer(int fd);

/// A non-blocking socket that has begun to connect. Errors: io_error.
Result<int> begin_connect(const SocketAddress& address);
/// What became of it once it is writable: 0 or an errno.
int connect_error(int fd);

/// Blocking (getaddrinfo): blocking pool only. Errors: upstream_unreachable naming the host.
Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port);

}  // namespace tg
