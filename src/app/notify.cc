#include "app/notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string_view>

#include "net/address.h"

namespace tg {

void notify_server(const Config& config) {
    if (config.admin_tls.is_set()) return;
    const Result<SocketAddress> address = parse_address(config.admin_listen);
    if (!address.ok() || address->port() == 0) return;
    const int fd = ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    const timeval patience{.tv_sec = 3, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    constexpr std::string_view kRequest =
        "POST /refresh HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: "
        "close\r\n\r\n";
    char answer[512];
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address->storage), address->size) == 0 &&
        ::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) > 0) {
        while (::recv(fd, answer, sizeof answer, 0) > 0) {
        }
    }
    ::close(fd);
}

}  // namespace tg
