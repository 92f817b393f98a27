#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"

namespace tg {

/// One accepted connection: reads request after request (pipelined ones wait in the buffer) and
/// writes the answers in order.
class ServerConnection {
  public:
    ServerConnection(HttpServer* server, int fd);
    ~ServerConnection();
    ServerConnection(const ServerConnection&) = delete;
    ServerConnection& operator=(const ServerConnection&) = delete;

    static Task<void> serve(std::unique_ptr<ServerConnection> self);

    Socket& socket() { return socket_; }
    Loop* loop() const { return server_->loop_; }
    const HttpHead& head() const { return parser_.head(); }
    bool is_idle() const { return state_ == State::idle; }
    bool is_body_read() const { return parser_.is_message_complete() && ready_pieces_.empty(); }
    ServerConnection* next() const { return next_; }

    Task<Result<bool>> read_body(std::vector<std::string_view>* pieces);
    Task<Result<std::string_view>> read_full_body(std::size_t max_bytes);
    void release_request();

    void begin(int status, std::string_view header_lines, ServerExchange::Framing framing,
               std::uint64_t length);
    std::string* begin_head(int status);
    void end_head(ServerExchange::Framing framing, std::uint64_t length, bool has_own_date);
    Task<Status> send(std::vector<std::string_view>* pieces, bool is_last);
    /// `body` outlives the task.
    Task<Status> send_one(std::string_view body);
    bool has_begun() const { return has_begun_; }
    bool is_finished() const { return is_finished_; }
    void abort();
    void hang_up() {
        is_aborted_ = true;
        keeps_alive_ = false;
    }
    void close_after() { keeps_alive_ = false; }

  private:
    enum class State : std::uint8_t { idle, busy };
    std::int64_t deadline(std::int64_t ms) const { return loop()->now_ns() + ms * 1'000'000; }
    /// false: the connection is over and there is nothing to say.
    Task<bool> read_request();
    Task<void> refuse(Error error);
    Task<void> run();
    /// Reads what is left of a request's body, so that the next request can be read; false when it
    /// is too much.
    Task<bool> skip_body();
    Task<void> linger();
    Task<Status> fill(std::int64_t deadline_ns);
    Task<Status> write_out(bool is_last);
    Task<Status> refuse_excess();
    /// Will the rest of the request's body be read, so that another request can follow?
    bool will_read_rest() const;
    bool omits_body() const { return is_head_request_ || is_bodyless_status_; }

    HttpServer* server_;
    std::shared_ptr<const HttpServerOptions> options_;
    Socket socket_;
    HttpParser parser_;
    std::string in_;           ///< head, what has arrived of the body, what was pipelined behind it
    std::size_t in_used_ = 0;  ///< bytes of in_ already parsed
    std::size_t head_size_ = 0;
    std::string body_;                           ///< a whole body that did not fit one read
    std::optional<std::string_view> full_body_;  ///< what read_full_body() gave
    std::unique_ptr<char[]> body_buffer_;
    std::vector<std::string_view> ready_pieces_;
    std::vector<std::string_view> one_piece_;
    std::string out_;  ///< head of the answer, until it is sent
    std::vector<iovec> iov_;
    char chunk_line_[20];
    State state_ = State::idle;
    bool keeps_alive_ = true, has_begun_ = false, is_finished_ = false, is_aborted_ = false,
         is_chunked_ = false;
    bool has_continued_ = false, is_request_released_ = false;
    bool is_head_request_ = false, is_bodyless_status_ = false;
    std::uint64_t length_left_ = 0;
    ServerConnection* next_ = nullptr;
    ServerConnection** prev_ = nullptr;
};

}  // namespace tg
