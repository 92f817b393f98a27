#include "store/internal/redis_socket.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tg::store_internal {
namespace {

std::unexpected<Error> unavailable(const std::string& what) {
    return fail(ErrorCode::store_unavailable, what);
}

std::string system_text(int error) {
    return std::generic_category().message(error);
}

std::string tls_text() {
    const unsigned long error = ERR_get_error();
    std::array<char, 200> text{};
    if (error == 0) return "the connection was closed";
    ERR_error_string_n(error, text.data(), text.size());
    ERR_clear_error();
    return text.data();
}

}  // namespace

RedisTls::~RedisTls() {
    SSL_CTX_free(context_);
}

Status RedisTls::open(const std::string& ca_file) {
    context_ = SSL_CTX_new(TLS_client_method());
    if (context_ == nullptr) return fail(ErrorCode::internal, "no TLS context: " + tls_text());
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const int loaded = ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context_)
                           : SSL_CTX_load_verify_locations(context_, ca_file.c_str(), nullptr);
    if (loaded != 1) {
        ERR_clear_error();
        return fail(ErrorCode::invalid_config,
                    "redis: ca_file '" + ca_file + "' cannot be read as PEM certificates");
    }
    return {};
}

void RedisSocket::close() {
    SSL_free(ssl_);
    ssl_ = nullptr;
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Status RedisSocket::wait(short events, std::int64_t deadline_ns) {
    for (;;) {
        const std::int64_t left_ns = deadline_ns - clock_->monotonic_ns();
        if (left_ns <= 0) return unavailable("no answer in time");
        pollfd entry{.fd = fd_, .events = events, .revents = 0};
        const int ready = ::poll(&entry, 1, static_cast<int>(left_ns / 1'000'000 + 1));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return unavailable("poll: " + system_text(errno));
    }
}

Status RedisSocket::connect_one(const void* address, std::int64_t deadline_ns) {
    const auto& info = *static_cast<const addrinfo*>(address);
    fd_ = ::socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return unavailable("socket: " + system_text(errno));
    const int on = 1;
    (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_, info.ai_addr, info.ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS) return unavailable(system_text(errno));
    TG_CHECK_OK(wait(POLLOUT, deadline_ns));
    int error = 0;
    socklen_t size = sizeof error;
    (void)::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return unavailable(system_text(error));
    return {};
}

Status RedisSocket::connect(const RedisEndpoint& to, const RedisTls* tls,
                            std::int64_t deadline_ns) {
    close();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code =
        ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
    if (code != 0) return unavailable(to.text() + ": " + ::gai_strerror(code));
    Status status = unavailable(to.text() + ": no address");
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        close();
        status = connect_one(at, deadline_ns);
        if (status.ok()) break;
    }
    ::freeaddrinfo(found);
    if (status.ok() && tls != nullptr) status = handshake(to, *tls, deadline_ns);
    if (status.ok()) return {};
    close();
    return unavailable("cannot connect to " + to.text() + ": " + status.error().detail);
}

Status RedisSocket::wait_for_tls(int result, std::int64_t deadline_ns) {
    switch (SSL_get_error(ssl_, result)) {
        case SSL_ERROR_WANT_READ:
            return wait(POLLIN, deadline_ns);
        case SSL_ERROR_WANT_WRITE:
            return wait(POLLOUT, deadline_ns);
        default:
            if (const long verified = SSL_get_verify_result(ssl_); verified != X509_V_OK) {
                ERR_clear_error();
                return unavailable("TLS: the certificate is not trusted: " +
                                   std::string(X509_verify_cert_error_string(verified)));
            }
            return unavailable("TLS: " + tls_text());
    }
}

Status RedisSocket::handshake(const RedisEndpoint& to, const RedisTls& tls,
                              std::int64_t deadline_ns) {
    ssl_ = SSL_new(tls.context());
    if (ssl_ == nullptr || SSL_set_fd(ssl_, fd_) != 1) return unavailable("TLS: " + tls_text());
    // A host that is an address is checked against the addresses in the certificate.
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), to.host.c_str()) != 1) {
        ERR_clear_error();
        SSL_set_tlsext_host_name(ssl_, to.host.c_str());
        if (SSL_set1_host(ssl_, to.host.c_str()) != 1) return unavailable("TLS: " + tls_text());
    }
    for (;;) {
        const int result = SSL_connect(ssl_);
        if (result == 1) return {};
        TG_CHECK_OK(wait_for_tls(result, deadline_ns));
    }
}

Status RedisSocket::send(std::string_view bytes, std::int64_t deadline_ns) {
    while (!bytes.empty()) {
        if (ssl_ != nullptr) {
            const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
            if (sent > 0)
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            else
                TG_CHECK_OK(wait_for_tls(sent, deadline_ns));
            continue;
        }
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0)
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        else if (errno == EAGAIN)
            TG_CHECK_OK(wait(POLLOUT, deadline_ns));
        else if (errno != EINTR)
            return unavailable("the connection broke: " + system_text(errno));
    }
    return {};
}

Result<std::string_view> RedisSocket::receive(std::int64_t deadline_ns) {
    buffer_.resize(64 << 10);
    for (;;) {
        if (ssl_ != nullptr) {
            const int got = SSL_read(ssl_, buffer_.data(), static_cast<int>(buffer_.size()));
            if (got > 0) return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
            TG_CHECK_OK(wait_for_tls(got, deadline_ns));
            continue;
        }
        const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
        if (got > 0) return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
        if (got == 0) return unavailable("the server closed the connection");
        if (errno == EAGAIN)
            TG_CHECK_OK(wait(POLLIN, deadline_ns));
        else if (errno != EINTR)
            return unavailable("the connection broke: " + system_text(errno));
    }
}

}  // namespace tg::store_internal
