#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tg::load {

/// Reads answers of HTTP/1.1 with Content-Length or chunked bodies, as far as needed to know where
/// one ends.
class ReplyReader {
  public:
    enum class State : std::uint8_t { headers, body, done, broken };

    void reset();
    /// Takes what has arrived. Bytes after the end of an answer are a fault: one request is under
    /// way at a time.
    State feed(std::string_view bytes);

    int status() const { return status_; }
    bool has_body_begun() const { return body_bytes_ > 0; }
    bool has_begun() const { return state_ != State::headers || !head_.empty(); }

  private:
    enum class Chunk : std::uint8_t { size, data, data_end, trailer };

    bool parse_head();
    void feed_length(std::string_view bytes);
    void feed_chunks(std::string_view bytes);
    void feed_chunk_line(char byte);

    State state_ = State::headers;
    Chunk chunk_ = Chunk::size;
    std::string head_;
    std::string line_;
    int status_ = 0;
    bool is_chunked_ = false;
    std::int64_t left_ = 0;
    std::int64_t body_bytes_ = 0;
};

/// A client connection with at most one request under way. Times are monotonic nanoseconds.
class Connection {
  public:
    Connection(int epoll, std::uint16_t port, const std::string* request)
        : epoll_(epoll), port_(port), request_(request) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    enum class Event : std::uint8_t { nothing, first_byte, done, failed };

    /// Sends the request, connecting first when needed. False when there is no connection to be
    /// had.
    bool send(std::int64_t due_ns);
    /// Handles readiness. After `failed` the connection is closed and the next send() opens a new
    /// one.
    Event on_ready(std::uint32_t events);

    bool is_busy() const { return is_busy_; }
    bool was_first_byte_seen() const { return was_first_byte_seen_; }
    std::int64_t due_ns() const { return due_ns_; }
    int status() const { return reader_.status(); }
    /// Why the last request failed.
    const char* fault() const { return fault_; }

  private:
    bool open();
    void close();
    bool write_more();
    Event fail(const char* fault);

    int epoll_;
    std::uint16_t port_;
    const std::string* request_;
    int fd_ = -1;
    std::size_t written_ = 0;
    bool is_busy_ = false;
    bool was_first_byte_seen_ = false;
    std::int64_t due_ns_ = 0;
    const char* fault_ = "";
    ReplyReader reader_;
};

}  // namespace tg::load
