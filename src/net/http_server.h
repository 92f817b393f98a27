#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "net/http_parser.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls.h"

namespace tg {

struct HttpServerOptions {
    HttpLimits limits{};
    std::int64_t head_timeout_ms =
        10'000;  ///< from the first byte of a head (or the connection's start) to its end
    std::int64_t idle_timeout_ms = 75'000;   ///< between two requests
    std::int64_t body_timeout_ms = 30'000;   ///< between two pieces of a request body
    std::int64_t write_timeout_ms = 60'000;  ///< while the client does not read
    std::size_t connections_max = 20'000;    ///< per loop; more are closed at once
    std::shared_ptr<TlsContext> tls{};       ///< null: plain
};

class HttpServer;

/// One request and its answer. Lives on its connection's loop for the duration of
/// HttpHandler::handle().
class ServerExchange {
  public:
    const HttpHead& request() const;
    Loop* loop() const;
    std::string peer_address() const;

    // --- request body ---
    /// Appends the next pieces of the body, valid until the next call; false at the end. Answers
    /// Expect: 100-continue on first use. Errors: invalid_request (bad chunk), request_timeout,
    /// io_error (client gone), cancelled.
    Task<Result<bool>> read_body(std::vector<std::string_view>* pieces);
    /// The whole body, followed by kBodyPadding readable bytes. The view lives as long as the
    /// exchange (until release_request()). Errors: as read_body; request_too_large when it exceeds
    /// `max_bytes`.
    Task<Result<std::string_view>> read_full_body(std::size_t max_bytes);
    static constexpr std::size_t kBodyPadding = 64;
    bool is_body_read() const;
    /// Frees the request's bytes while a long answer goes on; request() and the body must not be
    /// used afterwards.
    void release_request();

    // --- answer ---
    enum class Framing : std::uint8_t { content_length, chunked };
    /// Sets status and header lines (each "Name: value\r\n"; framing, Connection and Date are
    /// added). Sent with the first bytes.
    void begin(int status, std::string_view header_lines, Framing framing,
               std::uint64_t length = 0);
    /// The same in two steps, for lines that are written where they are sent from: append them to
    /// the string, before anything else is done with the exchange, then end the head.
    /// `has_own_date`: one of the lines is a Date.
    std::string* begin_head(int status);
    void end_head(Framing framing, std::uint64_t length, bool has_own_date);
    /// Sends pieces of the body with what is waiting, in one write where the socket takes it.
    /// Pieces may stand in the loop's scratch; any other memory outlives the call. After an error,
    /// and when the body's length is not the announced one (internal), the connection is broken.
    /// Errors: io_error (client gone), request_timeout (client does not read), cancelled.
    Task<Status> send(std::vector<std::string_view>* pieces);
    /// The same, and ends the message. `pieces` may be null.
    Task<Status> finish(std::vector<std::string_view>* pieces);
    /// begin and finish of a small whole answer.
    Task<Status> respond(int status, std::string_view header_lines, std::string_view body);
    bool has_begun() const;
    bool is_finished() const;
    /// Breaks the connection so that the client sees a cut answer, never a neat end.
    void abort();
    /// Ends the connection where the answer stands, without a reset: what was sent still arrives,
    /// and the client sees an end of stream in the middle of the message.
    void hang_up();
    void close_after();  ///< no further request on this connection

    bool is_client_gone() const;
    void set_peer_gone_listener(PeerGoneListener* listener);

  private:
    friend class ServerConnection;
    explicit ServerExchange(class ServerConnection* connection) : connection_(connection) {}
    class ServerConnection* connection_;
};

class HttpHandler {
  public:
    virtual ~HttpHandler() = default;
    /// Must begin an answer or abort(). Runs on the connection's loop.
    virtual Task<void> handle(ServerExchange* exchange) = 0;
    /// The body of an answer the server gives by itself (malformed, too large, timed out); JSON.
    virtual std::string error_body(int status, const Error& error) = 0;
};

/// Accepts connections on one loop. Make one per loop on the same address.
class HttpServer {
  public:
    /// Takes the listening `fd`. `handler` outlives the server.
    HttpServer(Loop* loop, int fd, HttpServerOptions options, HttpHandler* handler);
    ~HttpServer();

    void start();
    /// Loop thread: stops accepting, closes idle connections, lets busy ones end their answer with
    /// Connection: close.
    void drain();
    std::size_t connection_count() const { return connections_; }
    /// New connections use these from now on (reload). Loop thread.
    void set_options(HttpServerOptions options) {
        options_ = std::make_shared<const HttpServerOptions>(std::move(options));
    }

    struct Counters {
        Counter accepted, refused_full, malformed, timed_out;
        Gauge open;
    };
    Counters& counters() { return counters_; }

  private:
    friend class ServerConnection;
    Task<void> accept_loop();
    /// "date: ...\r\n", made anew every second.
    const std::string& date_line();
    Loop* loop_;
    int fd_;
    std::shared_ptr<const HttpServerOptions> options_;
    HttpHandler* handler_;
    std::unique_ptr<Socket> listener_;
    std::size_t connections_ = 0;
    bool is_started_ = false, is_draining_ = false;
    std::string date_line_;
    std::int64_t date_until_ns_ = 0;
    class ServerConnection* first_ = nullptr;
    Counters counters_;
};

/// Percent-safe reading of a target: path before '?', and the query after it.
std::string_view path_of(std::string_view target);
std::string_view query_of(std::string_view target);
std::string_view reason_phrase(int status);

}  // namespace tg
