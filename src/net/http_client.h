#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "net/address.h"
#include "net/blocking_pool.h"
#include "net/http_parser.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls.h"

namespace tg {

/// Where a kind of request goes: one connection pool each.
struct Origin {
    std::string host;
    std::uint16_t port = 443;
    std::shared_ptr<TlsContext> tls{};  ///< null: plain HTTP
    std::string authority() const;      ///< for the Host header
};

/// A parsed "https://api.example.com:8443/v1".
struct HttpUrl {
    bool is_tls = true;
    std::string host;
    std::uint16_t port = 443;
    std::string path;  ///< without a trailing slash; may be empty
};
/// Errors: invalid_config naming the URL.
Result<HttpUrl> parse_url(std::string_view url);

/// One connection to an origin, for one request at a time.
class ClientConnection {
  public:
    ClientConnection(Loop* loop, int fd, ssl_st* ssl, HttpLimits limits);
    ~ClientConnection();

    Socket& socket() { return socket_; }
    bool is_reused() const { return is_reused_; }

    /// Sends pieces of a request (head, body, chunk framing are the caller's).
    Task<Status> write(std::vector<iovec>* pieces, std::int64_t deadline_ns);

    /// Starts to read an answer. `is_head`: the request was HEAD.
    void start_response(bool is_head);
    /// The head of the answer; interim answers (1xx) are passed over. The head's views live until
    /// the message is done. Errors: upstream_timeout, upstream_broken (closed or malformed),
    /// cancelled (interrupted).
    Task<Result<const HttpHead*>> read_head(std::int64_t deadline_ns);
    /// Appends what has arrived of the body; the views are into the loop's scratch or this
    /// connection and live until the next suspension of any task of this loop. false at the end of
    /// the message. Errors as read_head; upstream_broken when it is cut.
    Task<Result<bool>> read_body(std::vector<std::string_view>* pieces, std::int64_t deadline_ns);
    /// The same without waiting: nullopt when nothing has arrived.
    Result<std::optional<bool>> try_read_body(std::vector<std::string_view>* pieces);

    const HttpHead& head() const { return parser_.head(); }
    bool is_message_complete() const { return parser_.is_message_complete(); }
    /// Any byte of an answer has come since start_response().
    bool has_received() const { return has_received_; }
    /// Something has arrived that was not read yet (an early answer while the request is still
    /// being sent).
    bool has_pending_input() { return !socket_.is_idle_and_open(); }
    /// May carry another request: message complete, keep-alive, nothing unexpected behind it.
    bool is_reusable();
    /// Frees the head's bytes on a long answer.
    void release_head();

  private:
    friend class ClientPool;
    Result<bool> absorb(std::string_view bytes, std::vector<std::string_view>* pieces);
    Socket socket_;
    HttpParser parser_;
    std::string in_;
    std::size_t in_used_ = 0;
    bool is_head_done_ = false, is_reused_ = false, has_extra_ = false, has_received_ = false,
         is_head_released_ = false, is_head_request_ = false;
    std::int64_t idle_since_ns_ = 0;
};

/// Keep-alive connections to one origin, on one loop. Last used, first reused, so that spare ones
/// age out. Destroyed by its loop's thread or after the loop has ended, before the loop.
class ClientPool {
  public:
    struct Options {
        std::size_t idle_max = 1024;
        std::int64_t idle_timeout_ms = 50'000;  ///< below the usual 60 s of the other side
        std::int64_t connect_timeout_ms = 5'000;
        HttpLimits limits{};
    };
    ClientPool(Loop* loop, BlockingPool* blocking, Origin origin, Options options);
    ~ClientPool();

    /// An idle connection that is still open, or a new one. `allow_reuse` false forces a new one (a
    /// retry after a stale one failed). Errors: upstream_unreachable (refused, unresolvable, TLS),
    /// upstream_timeout, cancelled.
    Task<Result<std::unique_ptr<ClientConnection>>> acquire(bool allow_reuse,
                                                            std::int64_t deadline_ns);
    /// Gives it back when is_reusable(), closes it otherwise.
    void release(std::unique_ptr<ClientConnection> connection);
    void close_idle();

    const Origin& origin() const { return origin_; }
    /// New connections use this from now on (certificates were reloaded).
    void set_tls(std::shared_ptr<TlsContext> tls) { origin_.tls = std::move(tls); }
    std::uint64_t connects() const { return connects_; }

  private:
    /// Closes idle connections that are too old or that the other side has closed.
    class Sweeper final : public Timer {
      public:
        explicit Sweeper(ClientPool* pool) : pool_(pool) {}
        void on_timer() override { pool_->sweep(); }

      private:
        ClientPool* pool_;
    };
    void sweep();
    bool is_usable(ClientConnection* connection) const;
    struct AddressWait;
    /// Known addresses at once, even if old ones (they are renewed meanwhile).
    Task<Result<std::vector<SocketAddress>>> addresses(std::int64_t deadline_ns);
    Task<void> look_up();
    Task<Result<std::unique_ptr<ClientConnection>>> connect(const SocketAddress* address,
                                                            std::int64_t deadline_ns);
    Loop* loop_;
    BlockingPool* blocking_;
    Origin origin_;
    Options options_;
    std::vector<std::unique_ptr<ClientConnection>> idle_;
    Sweeper sweeper_{this};
    std::vector<SocketAddress> resolved_;
    std::int64_t resolved_until_ns_ = 0;
    Error resolve_error_;
    bool is_resolving_ = false;
    std::vector<AddressWait*> waiting_;
    std::size_t next_address_ = 0;
    std::uint64_t connects_ = 0;
};

}  // namespace tg
