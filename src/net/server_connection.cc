#include "net/server_connection.h"

#include <algorithm>
#include <charconv>

namespace tg {
namespace {

constexpr std::size_t kBodyBufferBytes = 64 * 1024;
constexpr std::size_t kSkipBytesMax = 256 * 1024;
/// How long a client that was answered may go on sending what nobody reads: all in all, and between
/// two pieces.
constexpr std::int64_t kLingerMs = 30'000;
constexpr std::int64_t kLingerIdleMs = 2'000;

iovec to_iovec(std::string_view text) {
    return {const_cast<char*>(text.data()), text.size()};
}

bool has_date(std::string_view header_lines) {
    for (std::size_t at = 0; at < header_lines.size();) {
        if (equals_ignoring_case(header_lines.substr(at, 5), "date:")) return true;
        const std::size_t end = header_lines.find('\n', at);
        if (end == std::string_view::npos) break;
        at = end + 1;
    }
    return false;
}

}  // namespace

ServerConnection::ServerConnection(HttpServer* server, int fd)
    : server_(server),
      options_(server->options_),
      socket_(server->loop_, fd, options_->tls ? options_->tls->new_server_connection() : nullptr),
      parser_(HttpParser::Kind::request, options_->limits) {
    next_ = server->first_;
    if (next_ != nullptr) next_->prev_ = &next_;
    prev_ = &server->first_;
    server->first_ = this;
    ++server->connections_;
    server->counters_.open.add(1);
}

ServerConnection::~ServerConnection() {
    *prev_ = next_;
    if (next_ != nullptr) next_->prev_ = prev_;
    --server_->connections_;
    server_->counters_.open.add(-1);
}

Task<void> ServerConnection::serve(std::unique_ptr<ServerConnection> self) {
    co_await self->run();
}

Task<void> ServerConnection::run() {
    if (socket_.has_tls()) {
        const Status status = co_await socket_.handshake(deadline(options_->head_timeout_ms));
        if (!status.ok()) co_return;
    }
    while (keeps_alive_ && co_await read_request()) {
        ServerExchange exchange(this);
        co_await server_->handler_->handle(&exchange);
        socket_.set_peer_gone_listener(nullptr);
        if (is_aborted_) co_return;
        if (!has_begun_) {
            co_await refuse({ErrorCode::internal, "the request was not answered"});
            break;
        }
        if (!is_finished_) {
            abort();
            co_return;
        }
        if (!is_body_read() && !co_await skip_body()) keeps_alive_ = false;
    }
    // Only a client that was told something may still have to be given time to hear it.
    if (has_begun_ && !is_aborted_) co_await linger();
}

Task<Status> ServerConnection::fill(std::int64_t deadline_ns) {
    for (;;) {
        const Wake wake = co_await socket_.wait_readable(deadline_ns);
        if (wake == Wake::timed_out)
            co_return fail(ErrorCode::request_timeout, "the client sent nothing for too long");
        if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
        char* scratch = loop()->scratch();
        const IoResult result = socket_.try_read(scratch, Loop::kScratchBytes);
        if (result.kind == IoResult::Kind::would_block) continue;
        if (!result.is_done())
            co_return fail(ErrorCode::io_error, "the client closed the connection");
        if (in_.empty()) in_ = loop()->take_buffer();
        in_.append(scratch, result.bytes);
        co_return Status{};
    }
}

Task<bool> ServerConnection::read_request() {
    // What was pipelined behind the request before moves to the front.
    if (!is_request_released_) in_.erase(0, in_used_);
    in_used_ = 0;
    if (in_.empty() && server_->is_draining_) co_return false;
    // An idle connection holds no buffer.
    if (in_.empty()) loop()->give_buffer(std::exchange(in_, {}));
    std::string().swap(body_);
    body_buffer_.reset();
    ready_pieces_.clear();
    full_body_.reset();
    has_begun_ = is_finished_ = is_bodyless_status_ = is_head_request_ = is_chunked_ =
        has_continued_ = is_request_released_ = false;
    parser_.start_message();

    state_ = in_.empty() ? State::idle : State::busy;
    std::int64_t until = deadline(options_->idle_timeout_ms);
    bool is_first = true;
    for (;;) {
        if (!in_.empty()) {
            if (is_first) until = deadline(options_->head_timeout_ms);
            is_first = false;
            state_ = State::busy;
            const Result<HttpParser::Progress> progress = parser_.parse_head(in_);
            if (!progress.ok()) {
                server_->counters_.malformed.add();
                co_await refuse(progress.error());
                co_return false;
            }
            if (*progress == HttpParser::Progress::done) break;
        }
        const Status status = co_await fill(until);
        if (status.ok()) continue;
        if (status.error().code == ErrorCode::request_timeout && !in_.empty()) {
            server_->counters_.timed_out.add();
            co_await refuse(
                {ErrorCode::request_timeout, "the request head did not arrive in time"});
        }
        co_return false;
    }
    in_used_ = head_size_ = parser_.consumed();
    is_head_request_ = head().method() == "HEAD";
    // An upgrade that is not followed is a request like any other; a tunnel is none.
    keeps_alive_ = head().is_keep_alive() && !server_->is_draining_ && head().method() != "CONNECT";
    co_return true;
}

Task<Result<bool>> ServerConnection::read_body(std::vector<std::string_view>* pieces) {
    for (;;) {
        if (!ready_pieces_.empty()) {
            pieces->insert(pieces->end(), ready_pieces_.begin(), ready_pieces_.end());
            ready_pieces_.clear();
            co_return true;
        }
        if (parser_.is_message_complete()) co_return false;
        if (in_used_ < in_.size()) {
            const Result<HttpParser::Progress> progress =
                parser_.parse_body(std::string_view(in_).substr(in_used_), &ready_pieces_);
            if (!progress.ok()) {
                keeps_alive_ = false;
                co_return fail(progress.error());
            }
            in_used_ += parser_.consumed();
            continue;
        }
        if (head().expects_continue() && !has_continued_ && !has_begun_) {
            has_continued_ = true;
            const iovec line = to_iovec("HTTP/1.1 100 Continue\r\n\r\n");
            TG_CO_CHECK_OK(
                co_await socket_.write_all({&line, 1}, deadline(options_->write_timeout_ms)));
        }
        const Wake wake = co_await socket_.wait_readable(deadline(options_->body_timeout_ms));
        if (wake == Wake::timed_out) {
            keeps_alive_ = false;
            co_return fail(ErrorCode::request_timeout, "the request body did not arrive in time");
        }
        if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
        if (!body_buffer_) body_buffer_ = std::make_unique_for_overwrite<char[]>(kBodyBufferBytes);
        const IoResult result = socket_.try_read(body_buffer_.get(), kBodyBufferBytes);
        if (result.kind == IoResult::Kind::would_block) continue;
        if (!result.is_done()) {
            keeps_alive_ = false;
            co_return fail(ErrorCode::io_error, "the client closed the connection");
        }
        const std::string_view bytes(body_buffer_.get(), result.bytes);
        const Result<HttpParser::Progress> progress = parser_.parse_body(bytes, &ready_pieces_);
        if (!progress.ok()) {
            keeps_alive_ = false;
            co_return fail(progress.error());
        }
        if (parser_.consumed() < bytes.size()) {
            // The next request has begun to arrive: it waits behind this one's head.
            if (!is_request_released_) in_.resize(in_used_);
            in_.append(bytes.substr(parser_.consumed()));
            parser_.rebase(in_.data());
        }
    }
}

Task<Result<std::string_view>> ServerConnection::read_full_body(std::size_t max_bytes) {
    const auto too_large = [&] {
        keeps_alive_ = false;
        return fail(ErrorCode::request_too_large,
                    "the request body is larger than " + std::to_string(max_bytes) +
                        " bytes; send less, or raise limits.json_body_bytes");
    };
    if (full_body_) co_return *full_body_;
    const std::optional<std::uint64_t> length = head().content_length();
    if (length && *length > max_bytes) co_return too_large();
    if (length && in_used_ == head_size_ && in_.size() - in_used_ >= *length) {
        // All of it is in the buffer: no copy, only room for the padding.
        if (in_.capacity() < in_.size() + ServerExchange::kBodyPadding) {
            in_.reserve(in_.size() + ServerExchange::kBodyPadding);
            parser_.rebase(in_.data());
        }
        const Result<HttpParser::Progress> progress =
            parser_.parse_body(std::string_view(in_).substr(in_used_), &ready_pieces_);
        ready_pieces_.clear();
        if (!progress.ok()) co_return fail(progress.error());
        in_used_ = head_size_ + *length;
        full_body_ = std::string_view(in_).substr(head_size_, *length);
        co_return *full_body_;
    }
    if (length) body_.reserve(*length + ServerExchange::kBodyPadding);
    std::vector<std::string_view> pieces;
    for (;;) {
        pieces.clear();
        TG_CO_TRY(const bool has_more, co_await read_body(&pieces));
        for (const std::string_view piece : pieces) {
            if (body_.size() + piece.size() > max_bytes) co_return too_large();
            body_.append(piece);
        }
        if (!has_more) break;
    }
    body_buffer_.reset();
    body_.reserve(body_.size() + ServerExchange::kBodyPadding);
    full_body_ = body_;
    co_return *full_body_;
}

void ServerConnection::release_request() {
    if (is_request_released_ || !is_body_read()) return;
    is_request_released_ = true;
    std::string rest = in_.substr(in_used_);
    in_.swap(rest);
    in_used_ = 0;
    std::string().swap(body_);
    body_buffer_.reset();
    std::vector<std::string_view>().swap(ready_pieces_);
}

void ServerConnection::begin(int status, std::string_view header_lines,
                             ServerExchange::Framing framing, std::uint64_t length) {
    begin_head(status)->append(header_lines);
    end_head(framing, length, has_date(header_lines));
}

std::string* ServerConnection::begin_head(int status) {
    TG_ASSERT(!has_begun_);
    has_begun_ = true;
    is_bodyless_status_ = status == 204 || status == 304;
    char number[24];
    out_ = loop()->take_buffer();
    out_.append("HTTP/1.1 ");
    out_.append(number, std::to_chars(number, number + sizeof number, status).ptr);
    out_.append(" ").append(reason_phrase(status)).append("\r\n");
    return &out_;
}

void ServerConnection::end_head(ServerExchange::Framing framing, std::uint64_t length,
                                bool has_own_date) {
    const bool is_old_client = head().is_http_1_0();
    is_chunked_ =
        framing == ServerExchange::Framing::chunked && !is_bodyless_status_ && !is_old_client;
    length_left_ = framing == ServerExchange::Framing::content_length ? length : UINT64_MAX;
    const bool ends_at_close =
        framing == ServerExchange::Framing::chunked && is_old_client && !omits_body();
    if (ends_at_close || !will_read_rest()) keeps_alive_ = false;
    if (is_chunked_) {
        out_.append("transfer-encoding: chunked\r\n");
    } else if (framing == ServerExchange::Framing::content_length && !is_bodyless_status_) {
        char number[24];
        out_.append("content-length: ");
        out_.append(number, std::to_chars(number, number + sizeof number, length).ptr);
        out_.append("\r\n");
    }
    if (!keeps_alive_ || server_->is_draining_) {
        keeps_alive_ = false;
        out_.append("connection: close\r\n");
    } else if (is_old_client) {
        out_.append("connection: keep-alive\r\n");
    }
    if (!has_own_date) out_.append(server_->date_line());
    out_.append("\r\n");
}

bool ServerConnection::will_read_rest() const {
    if (is_body_read()) return true;
    if (head().expects_continue() && !has_continued_) return false;
    return head().content_length().value_or(0) <= kSkipBytesMax;
}

Task<Status> ServerConnection::send(std::vector<std::string_view>* pieces, bool is_last) {
    TG_ASSERT(has_begun_ && !is_finished_);
    iov_.clear();
    if (!out_.empty()) iov_.push_back(to_iovec(out_));
    std::size_t size = 0;
    if (pieces != nullptr && !omits_body()) {
        for (const std::string_view piece : *pieces) size += piece.size();
    }
    if (size > 0) {
        if (is_chunked_) {
            char* end = std::to_chars(chunk_line_, chunk_line_ + 16, size, 16).ptr;
            *end++ = '\r';
            *end++ = '\n';
            iov_.push_back({chunk_line_, static_cast<std::size_t>(end - chunk_line_)});
        } else {
            if (size > length_left_) return refuse_excess();
            if (length_left_ != UINT64_MAX) length_left_ -= size;
        }
        for (const std::string_view piece : *pieces) {
            if (!piece.empty()) iov_.push_back(to_iovec(piece));
        }
        if (is_chunked_) iov_.push_back(to_iovec(is_last ? "\r\n0\r\n\r\n" : "\r\n"));
    } else if (is_last && is_chunked_ && !omits_body()) {
        iov_.push_back(to_iovec("0\r\n\r\n"));
    }
    return write_out(is_last);
}

Task<Status> ServerConnection::send_one(std::string_view body) {
    one_piece_.assign(1, body);
    return send(&one_piece_, /*is_last=*/true);
}

/// More than the announced length cannot be told to the client but by breaking the connection.
Task<Status> ServerConnection::refuse_excess() {
    abort();
    co_return fail(ErrorCode::internal, "the answer is longer than its content-length");
}

Task<Status> ServerConnection::write_out(bool is_last) {
    if (is_aborted_) co_return fail(ErrorCode::io_error, "the connection was given up");
    if (!iov_.empty()) {
        Status status = co_await socket_.write_all(iov_, deadline(options_->write_timeout_ms));
        if (!status.ok()) {
            abort();
            co_return status;
        }
    }
    out_.clear();
    if (is_last) {
        is_finished_ = true;
        // Nor can less.
        if (!is_chunked_ && length_left_ != UINT64_MAX && length_left_ != 0 && !omits_body()) {
            abort();
            co_return fail(ErrorCode::internal, "the answer is shorter than its content-length");
        }
        loop()->give_buffer(std::exchange(out_, {}));
    }
    co_return Status{};
}

void ServerConnection::abort() {
    if (is_aborted_) return;
    is_aborted_ = true;
    keeps_alive_ = false;
    socket_.set_reset_on_close();
}

Task<void> ServerConnection::refuse(Error error) {
    keeps_alive_ = false;
    if (has_begun_) co_return;
    const int status = info(error.code).http_status;
    const std::string body = server_->handler_->error_body(status, error);
    begin(status, "content-type: application/json\r\n", ServerExchange::Framing::content_length,
          body.size());
    (void)(co_await send_one(body)).ok();
}

Task<bool> ServerConnection::skip_body() {
    if (!keeps_alive_ || (head().expects_continue() && !has_continued_)) co_return false;
    std::size_t skipped = 0;
    std::vector<std::string_view> pieces;
    while (skipped <= kSkipBytesMax) {
        pieces.clear();
        const Result<bool> more = co_await read_body(&pieces);
        if (!more.ok()) co_return false;
        for (const std::string_view piece : pieces) skipped += piece.size();
        if (!*more) co_return true;
    }
    co_return false;
}

Task<void> ServerConnection::linger() {
    // Closing with unread bytes would reset the connection and could destroy the answer on its way
    // (RFC 9112 section 9.6).
    if (socket_.is_interrupted() || socket_.is_peer_gone()) co_return;
    socket_.shutdown_write();
    const std::int64_t until = deadline(kLingerMs);
    while (loop()->now_ns() < until) {
        const Wake wake = co_await socket_.wait_readable(std::min(until, deadline(kLingerIdleMs)));
        if (wake != Wake::ready) co_return;
        const IoResult result = socket_.try_read(loop()->scratch(), Loop::kScratchBytes);
        if (!result.is_done() && result.kind != IoResult::Kind::would_block) co_return;
    }
}

}  // namespace tg
