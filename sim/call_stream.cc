#include <algorithm>

#include "sim/call.h"

namespace tg::sim {
namespace {

constexpr std::size_t kJoinedBytesMax = 256 * 1024;

}  // namespace

/// Sends the events of one source in time, and breaks the stream where the directives say.
class Call::StreamRun {
  public:
    StreamRun(Call* call, EventSource* source, std::string content_type,
              std::optional<std::uint64_t> length)
        : call_(call),
          source_(source),
          content_type_(std::move(content_type)),
          length_(length),
          watch_(call->exchange_),
          burst_(Directives::either(call->directives_.burst, call->state_->knobs.get(Knob::burst))),
          chunk_bytes_(
              std::max<std::int64_t>(Directives::either(call->directives_.chunk_bytes, 0), 0)) {}

    Task<void> run();

  private:
    enum class Next : std::uint8_t { more, ended, answered };
    Task<Next> step();
    Task<bool> wait_for_token(std::int64_t before);
    Task<bool> put();
    Task<bool> flush();
    Task<Next> fail_midway();
    void leave(ServedCall::Sent sent);

    Call* call_;
    EventSource* source_;
    std::string content_type_;
    std::optional<std::uint64_t> length_;
    ClientWatch watch_;
    std::int64_t burst_, chunk_bytes_;
    std::int64_t start_ns_ = 0;
    std::int64_t events_ = 0, joined_events_ = 0;
    std::int64_t delivered_ = 0;  ///< tokens that went to the socket
    std::vector<std::string_view> pieces_;
    std::string joined_;
};

void Call::StreamRun::leave(ServedCall::Sent sent) {
    std::int64_t visible = delivered_;
    if (sent == ServedCall::Sent::client_gone)
        visible += call_->state_->knobs.get(Knob::overrun_tokens);
    call_->record(200, sent, usage_at_cut(call_->plan_.usage, visible));
}

Task<bool> Call::StreamRun::flush() {
    std::string_view rest = joined_;
    while (!rest.empty()) {
        const std::size_t size =
            chunk_bytes_ == 0 ? rest.size()
                              : std::min(rest.size(), static_cast<std::size_t>(chunk_bytes_));
        pieces_.assign(1, rest.substr(0, size));
        if (!(co_await call_->exchange_->send(&pieces_)).ok()) co_return false;
        rest.remove_prefix(size);
    }
    joined_.clear();
    joined_events_ = 0;
    delivered_ = source_->generated();
    co_return true;
}

/// Sends the event in pieces_, or keeps it until a burst is full.
Task<bool> Call::StreamRun::put() {
    Stats::add(call_->state_->stats.events);
    if (burst_ <= 1 && chunk_bytes_ == 0) {
        if (!(co_await call_->exchange_->send(&pieces_)).ok()) co_return false;
        delivered_ = source_->generated();
        co_return true;
    }
    for (const std::string_view piece : pieces_) joined_.append(piece);
    if (++joined_events_ < burst_ && joined_.size() < kJoinedBytesMax) co_return true;
    co_return co_await flush();
}

/// Token number `before` comes that many intervals after the first one; what is late is sent at
/// once.
Task<bool> Call::StreamRun::wait_for_token(std::int64_t before) {
    const std::int64_t interval_ns = call_->plan_.token_interval_us * 1000;
    if (interval_ns == 0 || before == 0 || joined_events_ > 0) co_return true;
    const std::int64_t due = start_ns_ + before * interval_ns;
    if (due <= call_->exchange_->loop()->now_ns()) co_return true;
    co_return co_await watch_.pause_until(due);
}

Task<Call::StreamRun::Next> Call::StreamRun::fail_midway() {
    const Directives& d = call_->directives_;
    if (!co_await flush()) {
        leave(ServedCall::Sent::client_gone);
        co_return Next::answered;
    }
    leave(ServedCall::Sent::cut);
    if (events_ == d.error_after) {
        const std::string event =
            "data: " +
            openai_error_body({.status = 500,
                               .message = "The server had an error while processing your request. "
                                          "Sorry about that!",
                               .type = "server_error",
                               .param = {},
                               .code = {}}) +
            "\n\n";
        pieces_.assign(1, event);
        (void)(co_await call_->exchange_->finish(&pieces_)).ok();
        co_return Next::answered;
    }
    if (events_ == d.stall_after) co_await watch_.pause_until(ClientWatch::kForever);
    call_->stop_answer();
    co_return Next::answered;
}

/// One event. answered: the call is over and recorded.
Task<Call::StreamRun::Next> Call::StreamRun::step() {
    const Directives& d = call_->directives_;
    if (events_ == d.cut_after || events_ == d.stall_after || events_ == d.error_after)
        co_return co_await fail_midway();
    const std::int64_t before = source_->generated();
    pieces_.clear();
    if (!source_->next(&pieces_)) co_return Next::ended;
    std::string broken;
    if (events_ == d.malformed_after) {
        for (const std::string_view piece : pieces_) broken.append(piece);
        broken.resize(broken.size() / 2);
        broken.append("\n\n");
        pieces_.assign(1, broken);
    }
    bool is_sent = source_->generated() == before || co_await wait_for_token(before);
    is_sent = is_sent && co_await put();
    if (!is_sent) {
        leave(ServedCall::Sent::client_gone);
        call_->exchange_->abort();
        co_return Next::answered;
    }
    ++events_;
    co_return Next::more;
}

Task<void> Call::StreamRun::run() {
    if (!co_await watch_.pause_ms(call_->plan_.first_byte_ms)) {
        leave(ServedCall::Sent::client_gone);
        call_->exchange_->abort();
        co_return;
    }
    call_->exchange_->begin(
        200, call_->head_lines(content_type_),
        length_ ? ServerExchange::Framing::content_length : ServerExchange::Framing::chunked,
        length_.value_or(0));
    call_->exchange_->release_request();
    start_ns_ = call_->exchange_->loop()->now_ns();
    for (;;) {
        const Next next = co_await step();
        if (next == Next::answered) co_return;
        if (next == Next::ended) break;
    }
    bool is_sent = co_await flush();
    if (is_sent) {
        pieces_.clear();
        if (call_->directives_.no_done != 1 && !source_->trailer().empty())
            pieces_.push_back(source_->trailer());
        is_sent = (co_await call_->exchange_->finish(&pieces_)).ok();
    }
    if (is_sent)
        call_->record(200, ServedCall::Sent::complete, call_->plan_.usage);
    else
        leave(ServedCall::Sent::client_gone);
}

Task<void> Call::stream(EventSource* source, std::string content_type,
                        std::optional<std::uint64_t> length) {
    is_stream_ = true;
    Stats::add(state_->stats.streams);
    StreamRun run(this, source, std::move(content_type), length);
    co_await run.run();
}

}  // namespace tg::sim
