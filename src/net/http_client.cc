#include "net/http_client.h"

#include <openssl/ssl.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "net/address.h"

namespace tg {
namespace {

constexpr std::int64_t kResolveTtlNs = 30'000'000'000;

}  // namespace

std::string Origin::authority() const {
    const std::uint16_t usual = tls ? 443 : 80;
    return port == usual ? host : host + ":" + std::to_string(port);
}

Result<HttpUrl> parse_url(std::string_view url) {
    const auto bad = [&] {
        return fail(
            ErrorCode::invalid_config,
            "'" + std::string(url) + "' is not a URL; write it as https://api.example.com/v1");
    };
    HttpUrl out;
    std::string_view rest = url;
    if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
    } else if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
        out.is_tls = false;
        out.port = 80;
    } else {
        return bad();
    }
    const std::size_t slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);
    if (slash != std::string_view::npos) out.path = rest.substr(slash);
    while (!out.path.empty() && out.path.back() == '/') out.path.pop_back();
    if (out.path.find_first_of("?# \r\n") != std::string::npos) return bad();
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
        const std::string_view digits = authority.substr(colon + 1);
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
        if (digits.empty() || parsed.ec != std::errc{} ||
            parsed.ptr != digits.data() + digits.size())
            return bad();
        authority = authority.substr(0, colon);
    }
    if (authority.empty() || authority.find_first_of("@ \r\n") != std::string_view::npos)
        return bad();
    out.host = authority;
    return out;
}

ClientConnection::ClientConnection(Loop* loop, int fd, ssl_st* ssl, HttpLimits limits)
    : socket_(loop, fd, ssl), parser_(HttpParser::Kind::response, limits) {}

ClientConnection::~ClientConnection() = default;

Task<Status> ClientConnection::write(std::vector<iovec>* pieces, std::int64_t deadline_ns) {
    return socket_.write_all(*pieces, deadline_ns);
}

void ClientConnection::start_response(bool is_head) {
    if (!is_head_released_) in_.erase(0, in_used_);
    in_used_ = 0;
    is_head_done_ = is_head_released_ = has_received_ = false;
    parser_.start_message();
    parser_.set_no_body(is_head);
}

Task<Result<const HttpHead*>> ClientConnection::read_head(std::int64_t deadline_ns) {
    for (;;) {
        if (!in_.empty()) {
            const Result<HttpParser::Progress> progress = parser_.parse_head(in_);
            if (!progress.ok()) co_return fail(ErrorCode::upstream_broken, progress.error().detail);
            if (*progress == HttpParser::Progress::done) {
                in_used_ = parser_.consumed();
                const int status = parser_.head().status();
                if (status >= 200 || status == 101) break;
                in_.erase(0, in_used_);
                in_used_ = 0;
                parser_.start_message();
                continue;
            }
        }
        const Wake wake = co_await socket_.wait_readable(deadline_ns);
        if (wake == Wake::timed_out)
            co_return fail(ErrorCode::upstream_timeout, "no answer in time");
        if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
        char* scratch = socket_.loop()->scratch();
        const IoResult result = socket_.try_read(scratch, Loop::kScratchBytes);
        if (result.kind == IoResult::Kind::would_block) continue;
        if (!result.is_done()) {
            co_return fail(ErrorCode::upstream_broken,
                           in_.empty() ? "the connection was closed before an answer"
                                       : "the connection was closed in the answer's head");
        }
        has_received_ = true;
        in_.append(scratch, result.bytes);
    }
    is_head_done_ = true;
    co_return &parser_.head();
}

Result<bool> ClientConnection::absorb(std::string_view bytes,
                                      std::vector<std::string_view>* pieces) {
    const Result<HttpParser::Progress> progress = parser_.parse_body(bytes, pieces);
    if (!progress.ok()) return fail(ErrorCode::upstream_broken, progress.error().detail);
    if (parser_.consumed() < bytes.size()) has_extra_ = true;
    return true;
}

Result<std::optional<bool>> ClientConnection::try_read_body(std::vector<std::string_view>* pieces) {
    if (in_used_ < in_.size() && !parser_.is_message_complete()) {
        const std::string_view rest = std::string_view(in_).substr(in_used_);
        in_used_ = in_.size();
        TG_TRY(const bool more, absorb(rest, pieces));
        return std::optional<bool>(more);
    }
    if (parser_.is_message_complete()) return std::optional<bool>(false);
    char* scratch = socket_.loop()->scratch();
    const IoResult result = socket_.try_read(scratch, Loop::kScratchBytes);
    if (result.kind == IoResult::Kind::would_block) return std::optional<bool>();
    if (result.is_done()) {
        TG_TRY(const bool more, absorb({scratch, result.bytes}, pieces));
        return std::optional<bool>(more);
    }
    if (result.kind == IoResult::Kind::closed && parser_.finish_at_close()) {
        has_extra_ = true;  // not reusable
        return std::optional<bool>(false);
    }
    return fail(ErrorCode::upstream_broken,
                "the connection was closed in the middle of the answer");
}

Task<Result<bool>> ClientConnection::read_body(std::vector<std::string_view>* pieces,
                                               std::int64_t deadline_ns) {
    for (;;) {
        const bool has_buffered = in_used_ < in_.size() || parser_.is_message_complete();
        if (!has_buffered) {
            const Wake wake = co_await socket_.wait_readable(deadline_ns);
            if (wake == Wake::timed_out)
                co_return fail(ErrorCode::upstream_timeout, "the answer stopped in the middle");
            if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
        }
        TG_CO_TRY(const std::optional<bool> more, try_read_body(pieces));
        if (more) co_return *more;
    }
}

bool ClientConnection::is_reusable() {
    return is_head_done_ && parser_.is_message_complete() && parser_.head().is_keep_alive() &&
           !has_extra_ && in_used_ == in_.size() && socket_.is_idle_and_open();
}

void ClientConnection::release_head() {
    if (is_head_released_ || in_used_ < in_.size()) return;
    is_head_released_ = true;
    std::string().swap(in_);
    in_used_ = 0;
}

ClientPool::ClientPool(Loop* loop, BlockingPool* blocking, Origin origin, Options options)
    : loop_(loop), blocking_(blocking), origin_(std::move(origin)), options_(options) {}

ClientPool::~ClientPool() = default;

Task<Result<std::vector<SocketAddress>>> ClientPool::addresses() {
    if (loop_->now_ns() < resolved_until_ns_) co_return resolved_;
    const std::string numeric =
        (origin_.host.find(':') != std::string::npos && origin_.host[0] != '[')
            ? "[" + origin_.host + "]"
            : origin_.host;
    if (Result<SocketAddress> address = parse_address(numeric + ":" + std::to_string(origin_.port));
        address.ok()) {
        resolved_.assign(1, *address);
        resolved_until_ns_ = INT64_MAX;
        co_return resolved_;
    }
    Result<std::vector<SocketAddress>> found = fail(ErrorCode::internal);
    const std::string host = origin_.host;
    const std::uint16_t port = origin_.port;
    const Status ran =
        co_await blocking_->run(loop_, [&found, host, port] { found = resolve(host, port); });
    if (!ran.ok()) co_return fail(ran.error());
    if (!found.ok()) {
        // A resolver that fails for a moment must not take away addresses that worked.
        if (!resolved_.empty()) co_return resolved_;
        co_return fail(found.error());
    }
    resolved_ = *found;
    resolved_until_ns_ = loop_->now_ns() + kResolveTtlNs;
    co_return resolved_;
}

Task<Result<std::unique_ptr<ClientConnection>>> ClientPool::acquire(bool allow_reuse,
                                                                    std::int64_t deadline_ns) {
    while (allow_reuse && !idle_.empty()) {
        std::unique_ptr<ClientConnection> connection = std::move(idle_.back());
        idle_.pop_back();
        const bool is_fresh =
            loop_->now_ns() - connection->idle_since_ns_ < options_.idle_timeout_ms * 1'000'000;
        if (is_fresh && connection->socket().is_idle_and_open()) {
            connection->is_reused_ = true;
            co_return connection;
        }
    }
    const std::int64_t until =
        std::min(deadline_ns, loop_->now_ns() + options_.connect_timeout_ms * 1'000'000);
    TG_CO_TRY(const std::vector<SocketAddress> candidates, co_await addresses());
    Error last{ErrorCode::upstream_unreachable, "cannot connect to " + origin_.host};
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const SocketAddress& address = candidates[(next_address_ + i) % candidates.size()];
        const Result<int> fd = begin_connect(address);
        if (!fd.ok()) {
            last = fd.error();
            continue;
        }
        ++connects_;
        ssl_st* ssl = origin_.tls ? origin_.tls->new_client_connection(origin_.host) : nullptr;
        auto connection = std::make_unique<ClientConnection>(loop_, *fd, ssl, options_.limits);
        const Wake wake = co_await connection->socket().wait_connected(until);
        if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
        if (wake == Wake::timed_out) {
            last = {ErrorCode::upstream_timeout,
                    "connecting to " + origin_.host + " took too long"};
            continue;
        }
        if (const int error = connect_error(*fd); error != 0) {
            last = {ErrorCode::upstream_unreachable,
                    "cannot connect to " + address.text() + ": " + std::strerror(error)};
            continue;
        }
        const Status shaken = co_await connection->socket().handshake(until);
        if (!shaken.ok()) {
            if (shaken.error().code == ErrorCode::cancelled) co_return fail(shaken.error());
            last = {shaken.error().code == ErrorCode::request_timeout
                        ? ErrorCode::upstream_timeout
                        : ErrorCode::upstream_unreachable,
                    origin_.host + ": " + shaken.error().detail};
            continue;
        }
        next_address_ = (next_address_ + i) % candidates.size();
        co_return connection;
    }
    ++next_address_;
    co_return fail(last);
}

void ClientPool::release(std::unique_ptr<ClientConnection> connection) {
    if (!connection || !connection->is_reusable() || idle_.size() >= options_.idle_max ||
        loop_->is_stopping())
        return;
    connection->idle_since_ns_ = loop_->now_ns();
    idle_.push_back(std::move(connection));
}

void ClientPool::close_idle() {
    idle_.clear();
}

}  // namespace tg
