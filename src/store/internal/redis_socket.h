#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "store/redis.h"

typedef struct ssl_ctx_st SSL_CTX;  // NOLINT(modernize-use-using): as OpenSSL declares it
typedef struct ssl_st SSL;          // NOLINT(modernize-use-using)

namespace tg::store_internal {

/// What connections over TLS have in common: the trusted authorities.
class RedisTls {
  public:
    RedisTls() = default;
    ~RedisTls();
    RedisTls(const RedisTls&) = delete;
    RedisTls& operator=(const RedisTls&) = delete;
    /// Errors: invalid_config (the file of authorities).
    Status open(const std::string& ca_file);
    SSL_CTX* context() const { return context_; }

  private:
    SSL_CTX* context_ = nullptr;
};

/// A TCP connection, with TLS or without, that waits until a deadline (of `clock`'s monotonic time)
/// and no longer. Blocking, one thread.
class RedisSocket {
  public:
    explicit RedisSocket(const Clock* clock) : clock_(clock) {}
    ~RedisSocket() { close(); }
    RedisSocket(const RedisSocket&) = delete;
    RedisSocket& operator=(const RedisSocket&) = delete;

    /// `tls` null: plain. Errors: store_unavailable.
    Status connect(const RedisEndpoint& to, const RedisTls* tls, std::int64_t deadline_ns);
    Status send(std::string_view bytes, std::int64_t deadline_ns);
    /// Some bytes, at least one. Errors: store_unavailable, also at the end of the stream.
    Result<std::string_view> receive(std::int64_t deadline_ns);
    void close();

  private:
    Status connect_one(const void* address, std::int64_t deadline_ns);
    Status handshake(const RedisEndpoint& to, const RedisTls& tls, std::int64_t deadline_ns);
    Status wait(short events, std::int64_t deadline_ns);
    Status wait_for_tls(int result, std::int64_t deadline_ns);

    const Clock* clock_;
    int fd_ = -1;
    SSL* ssl_ = nullptr;
    std::string buffer_;
};

}  // namespace tg::store_internal
