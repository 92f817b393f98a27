#include "net/http_client.h"

#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
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
    if (authority.empty() || authority.find_first_of("@?# \r\n") != std::string_view::npos)
        return bad();
    const bool is_v6 = authority.front() == '[';
    if (is_v6 ? authority.find(']') != authority.size() - 1
              : authority.find_first_of("[]:") != std::string_view::npos)
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
    in_.clear();
    in_used_ = 0;
    is_head_done_ = is_head_released_ = has_received_ = false;
    is_head_request_ = is_head;
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
                parser_.set_no_body(is_head_request_);
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
        if (in_.empty()) in_ = socket_.loop()->take_buffer();
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
           parser_.head().status() != 101 && !has_extra_ && in_used_ == in_.size() &&
           socket_.is_idle_and_open();
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

/// Waits for look_up(), which takes as long as the system's resolver likes, no longer than its
/// deadline.
struct ClientPool::AddressWait final : Timer {
    AddressWait(ClientPool* p, std::int64_t deadline) : pool(p), deadline_ns(deadline) {}
    bool await_ready() const { return !pool->is_resolving_; }
    void await_suspend(std::coroutine_handle<> waiter) {
        handle = waiter;
        pool->waiting_.push_back(this);
        pool->loop_->timers().arm(this, deadline_ns);
    }
    void await_resume() const {}
    void on_timer() override {
        std::erase(pool->waiting_, this);
        handle.resume();
    }
    ClientPool* pool;
    std::int64_t deadline_ns;
    std::coroutine_handle<> handle;
};

Task<Result<std::vector<SocketAddress>>> ClientPool::addresses(std::int64_t deadline_ns) {
    if (loop_->now_ns() < resolved_until_ns_) co_return resolved_;
    const bool is_bare_v6 = origin_.host.find(':') != std::string::npos && origin_.host[0] != '[';
    const std::string numeric = is_bare_v6 ? "[" + origin_.host + "]" : origin_.host;
    if (Result<SocketAddress> address = parse_address(numeric + ":" + std::to_string(origin_.port));
        address.ok()) {
        resolved_.assign(1, *address);
        resolved_until_ns_ = INT64_MAX;
        co_return resolved_;
    }
    if (!is_resolving_) {
        is_resolving_ = true;
        loop_->spawn(look_up());
    }
    if (!resolved_.empty()) co_return resolved_;
    co_await AddressWait(this, deadline_ns);
    if (!resolved_.empty()) co_return resolved_;
    if (is_resolving_) {
        co_return fail(ErrorCode::upstream_timeout,
                       "resolving host '" + origin_.host + "' took too long");
    }
    co_return fail(resolve_error_);
}

Task<void> ClientPool::look_up() {
    Result<std::vector<SocketAddress>> found = fail(ErrorCode::internal);
    const std::string host = origin_.host;
    const std::uint16_t port = origin_.port;
    const Status ran =
        co_await blocking_->run(loop_, [&found, host, port] { found = resolve(host, port); });
    if (!ran.ok()) found = fail(ran.error());
    is_resolving_ = false;
    if (found.ok()) {
        resolved_ = *found;
        resolved_until_ns_ = loop_->now_ns() + kResolveTtlNs;
    } else {
        // A resolver that fails for a moment must not take away addresses that worked.
        resolve_error_ = found.error();
    }
    for (AddressWait* wait : std::exchange(waiting_, {})) {
        TimerWheel::cancel(wait);
        loop_->resume_soon(wait->handle);
    }
}

Task<Result<std::unique_ptr<ClientConnection>>> ClientPool::acquire(bool allow_reuse,
                                                                    std::int64_t deadline_ns) {
    while (allow_reuse && !idle_.empty()) {
        std::unique_ptr<ClientConnection> connection = std::move(idle_.back());
        idle_.pop_back();
        if (!is_usable(connection.get())) continue;
        connection->is_reused_ = true;
        co_return connection;
    }
    const std::int64_t until =
        std::min(deadline_ns, loop_->now_ns() + options_.connect_timeout_ms * 1'000'000);
    TG_CO_TRY(const std::vector<SocketAddress> candidates, co_await addresses(until));
    Error last{ErrorCode::upstream_unreachable, "cannot connect to " + origin_.host};
    const std::size_t count = candidates.size();
    for (std::size_t i = 0; i < count; ++i) {
        // One address that does not answer leaves the others their share of the time.
        const std::int64_t share = (until - loop_->now_ns()) / static_cast<std::int64_t>(count - i);
        const std::size_t index = (next_address_ + i) % count;
        Result<std::unique_ptr<ClientConnection>> made =
            co_await connect(&candidates[index], loop_->now_ns() + share);
        if (made.ok()) {
            next_address_ = index;
            co_return std::move(made).value();
        }
        if (made.error().code == ErrorCode::cancelled) co_return fail(made.error());
        last = made.error();
    }
    ++next_address_;
    co_return fail(last);
}

Task<Result<std::unique_ptr<ClientConnection>>> ClientPool::connect(const SocketAddress* address,
                                                                    std::int64_t deadline_ns) {
    TG_CO_TRY(const int fd, begin_connect(*address));
    ++connects_;
    ssl_st* ssl = origin_.tls ? origin_.tls->new_client_connection(origin_.host) : nullptr;
    auto connection = std::make_unique<ClientConnection>(loop_, fd, ssl, options_.limits);
    const Wake wake = co_await connection->socket().wait_connected(deadline_ns);
    if (wake == Wake::interrupted) co_return fail(ErrorCode::cancelled);
    if (wake == Wake::timed_out) {
        co_return fail(ErrorCode::upstream_timeout,
                       "connecting to " + origin_.host + " took too long");
    }
    if (const int error = connect_error(fd); error != 0) {
        co_return fail(ErrorCode::upstream_unreachable,
                       "cannot connect to " + address->text() + ": " + std::strerror(error));
    }
    const Status shaken = co_await connection->socket().handshake(deadline_ns);
    if (!shaken.ok()) {
        if (shaken.error().code == ErrorCode::cancelled) co_return fail(shaken.error());
        co_return fail(shaken.error().code == ErrorCode::request_timeout
                           ? ErrorCode::upstream_timeout
                           : ErrorCode::upstream_unreachable,
                       origin_.host + ": " + shaken.error().detail);
    }
    co_return connection;
}

bool ClientPool::is_usable(ClientConnection* connection) const {
    return loop_->now_ns() - connection->idle_since_ns_ < options_.idle_timeout_ms * 1'000'000 &&
           connection->socket().is_idle_and_open();
}

void ClientPool::release(std::unique_ptr<ClientConnection> connection) {
    if (!connection || !connection->is_reusable() || idle_.size() >= options_.idle_max ||
        loop_->is_stopping())
        return;
    connection->idle_since_ns_ = loop_->now_ns();
    connection->in_used_ = 0;
    loop_->give_buffer(std::exchange(connection->in_, {}));
    connection->socket().set_peer_gone_listener(nullptr);
    // An interruption meant for the call that has just ended must not meet the next one.
    connection->socket().forget_read_interrupt();
    idle_.push_back(std::move(connection));
    if (!sweeper_.is_armed())
        loop_->timers().arm(&sweeper_, loop_->now_ns() + options_.idle_timeout_ms * 250'000);
}

void ClientPool::sweep() {
    std::erase_if(idle_, [this](const auto& each) { return !is_usable(each.get()); });
    if (!idle_.empty())
        loop_->timers().arm(&sweeper_, loop_->now_ns() + options_.idle_timeout_ms * 250'000);
}

void ClientPool::close_idle() {
    idle_.clear();
}

}  // namespace tg
