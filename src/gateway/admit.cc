// Limits on the way of a call: taken in one step before anything is journalled or sent, given back
// or corrected when it ends.
#include <algorithm>
#include <array>
#include <bit>

#include "admission/rate_headers.h"
#include "base/hash.h"
#include "gateway/caller_levels.h"
#include "gateway/gateway.h"
#include "gateway/internal/admission_wait.h"
#include "gateway/internal/call.h"
#include "gateway/queue_wish.h"
#include "gateway/refusal_answer.h"

namespace tg {
namespace {

/// The prompt is counted exactly where, after this call by the learned ratio, less than this part
/// of the tightest request or token limit would be left: there a wrong estimate would refuse what
/// fits, and a refused client that comes back must need no more than it was promised. Elsewhere it
/// is corrected when the call ends, and the count (some 10 us a KiB) is saved.
constexpr std::int64_t kTightPart = 8;
constexpr std::int64_t kChoicesMax = 1'024;

bool uses_tokens(const Call& call) {
    return call.is_inspected && call.kind != OpenAiCall::other_json;
}

bool is_tight(const LimitStatus& status, std::int64_t amount) {
    return status.limit != kUnlimited && status.remaining - amount < status.limit / kTightPart;
}

/// Up to the next of eight steps between powers of two: an estimate that moves a little with each
/// call stays what it was.
std::int64_t in_steps(std::int64_t tokens) {
    const int shift = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(tokens))) - 4;
    if (shift <= 0) return tokens;
    return ((tokens - 1) >> shift << shift) + (std::int64_t{1} << shift);
}

/// The levels of one call, nearest first: the first that stands in the way is the one it is told.
struct CallLevels {
    CallLevels(const CallerLevels& caller, const ModelLevels& model)
        : has_limits(caller.has_limits || model.everyone || model.customer),
          limits_tokens(caller.limits_tokens || model.limits_tokens) {
        std::ranges::copy(caller.levels, handles.begin());
        for (const auto& level : {model.customer, model.everyone})
            if (level) handles[count++] = *level;
    }
    std::span<const LevelHandle> span() const { return {handles.data(), count}; }

    std::array<LevelHandle, 5> handles{};
    std::size_t count = 3;
    bool has_limits, limits_tokens;
};

QueueHeaders queue_headers(const Call& call) {
    const HttpHead& head = call.exchange->request();
    return {.timeout_ms = head.find("x-tollgate-queue-timeout-ms"),
            .prefer = head.find("prefer"),
            .priority = head.find("x-tollgate-priority"),
            .service_tier = call.facts.service_tier};
}

void append_rate_headers(const RateStatus& status, std::string* lines) {
    for (const RateHeader& header : rate_headers(status)) {
        if (header.value.empty()) continue;
        lines->append(header.name).append(": ").append(header.value).append("\r\n");
    }
}

}  // namespace

/// The most the call may use, or what such calls use: see OutputLearner. Tokens that nobody limits
/// are counted when the call ends; until then they would only make requests unlike.
Task<void> Gateway::reserve_tokens(Call* call, std::span<const LevelHandle> levels) {
    Amounts& amounts = call->reserved;
    if (!call->has_token_limits || !uses_tokens(*call)) co_return;
    if (call->kind != OpenAiCall::embeddings) {
        const std::int64_t max_tokens =
            std::clamp<std::int64_t>(call->facts.max_output_tokens.value_or(0), 0, kAmountMax);
        amounts.output_tokens = shared_->admission->expected_output(
                                    hash64(call->model()), call->caller.key->id.get(), max_tokens) *
                                std::clamp<std::int64_t>(call->facts.choices, 1, kChoicesMax);
    }
    amounts.input_tokens =
        in_steps(static_cast<std::int64_t>(call->body.size()) * tokens_per_kib_ / 1024 + 1);
    const RateStatus status = shared_->admission->rate_status(levels);
    if (!is_tight(status.tokens, amounts.total_tokens()) &&
        !is_tight(status.requests, amounts.requests))
        co_return;
    co_await count_prompt(call);
    if (call->prompt_tokens_counted > 0) amounts.input_tokens = call->prompt_tokens_counted;
}

Task<bool> Gateway::admit(Call* call) {
    GateAdmission* admission = shared_->admission;
    if (admission == nullptr) co_return true;
    CallerLevelCache& cache = *call->snapshot->levels;
    const ModelLevels model = cache.find_model(call->caller.customer->id, call->model());
    const CallerLevels caller = cache.find(call->caller);
    const CallLevels levels(caller, model);
    call->has_token_limits = levels.limits_tokens;
    QueueWish wish;
    if (levels.has_limits) {
        const Result<QueueWish> asked = queue_wish(queue_headers(*call), caller.policy,
                                                   call->snapshot->options->queue_max_wait_ms);
        if (!asked.ok()) {
            co_await refuse(call, Error(asked.error()));
            co_return false;
        }
        wish = *asked;
    }
    co_await reserve_tokens(call, levels.span());
    const std::uint64_t key = call->caller.key->id.get();
    AdmissionWait wait(admission, loop_);
    const GateAdmission::Answer answer =
        admission->reserve({.levels = levels.span(),
                            .amounts = call->reserved,
                            .priority = wish.priority,
                            .customer = call->caller.customer->id.get(),
                            .flow = levels.count == 3 ? key : hash64(call->model(), key),
                            .customer_weight = caller.policy.customer_weight,
                            .flow_weight = caller.policy.key_weight,
                            .max_wait_us = wish.max_wait_ms * 1000},
                           &wait);
    call->admission_ticket = answer.decision.ticket;
    Refusal refusal = answer.decision.refusal;
    bool is_shutting_down = answer.is_shutting_down;
    bool is_admitted = answer.decision.verdict == Verdict::admitted;
    if (answer.decision.verdict == Verdict::queued && !is_shutting_down) {
        call->admission_ticket = {};
        if (!co_await wait_in_line(call, &wait)) co_return false;
        refusal = wait.outcome().refusal;
        is_shutting_down = wait.is_shutting_down();
        is_admitted = wait.outcome().is_admitted;
    }
    if (!is_admitted) call->admission_ticket = {};
    if (levels.has_limits)
        append_rate_headers(admission->rate_status(levels.span()), &call->own_headers);
    if (is_admitted) co_return true;
    if (is_shutting_down) {
        co_await refuse(call, {ErrorCode::shutting_down,
                               "the gateway is shutting down and the request would have had to "
                               "wait for a limit; send it again"});
        co_return false;
    }
    co_await refuse_limited(call, refusal, wish.max_wait_ms);
    co_return false;
}

/// True when there is an outcome to act on; false when the client has left, and all of it is given
/// back.
Task<bool> Gateway::wait_in_line(Call* call, AdmissionWait* wait) {
    call->waiting = wait;
    call->exchange->set_peer_gone_listener(call);
    if (call->exchange->is_client_gone()) call->on_peer_gone();
    co_await *wait;
    call->waiting = nullptr;
    call->exchange->set_peer_gone_listener(nullptr);
    if (wait->outcome().is_admitted) call->admission_ticket = wait->outcome().ticket;
    if (!call->is_client_gone) co_return true;
    end_admission(call, UsageKnown::no);
    call->outcome = Outcome::client_gone;
    call->answered_status = 499;
    call->exchange->abort();
    co_return false;
}

Task<void> Gateway::refuse_limited(Call* call, Refusal refusal, std::int64_t max_wait_ms) {
    RefusalAnswer answer = refusal_answer(refusal, call->reserved, max_wait_ms,
                                          {.key_hint = call->caller.key->hint,
                                           .project = call->caller.project->code,
                                           .customer = call->caller.customer->code,
                                           .model = call->model()});
    call->retry_after_us = answer.retry_after_us;
    call->error_type = answer.error_type;
    call->is_retry_useless = answer.is_retry_useless;
    co_await refuse(call, std::move(answer.error));
}

/// Once for each call that was admitted: corrected to what it used, or given back when nothing
/// reached an upstream.
void Gateway::end_admission(Call* call, UsageKnown usage_known) {
    if (call->admission_ticket.generation == 0) return;
    const Ticket ticket = std::exchange(call->admission_ticket, {});
    if (!call->has_reached_upstream) {
        shared_->admission->release(ticket);
        return;
    }
    const Usage& usage = call->reply.usage;
    const bool is_error = call->upstream_status == 0 || call->upstream_status >= 400;
    Amounts actual = call->reserved;
    if (usage_known == UsageKnown::yes || call->reply.has_usage || is_error) {
        actual.input_tokens = std::max<std::int64_t>(usage.input_tokens(), 0);
        actual.output_tokens = std::max<std::int64_t>(usage.output_tokens(), 0);
    }
    shared_->admission->settle(ticket, actual);
    if (!call->has_token_limits || !call->reply.has_usage || !uses_tokens(*call)) return;
    const std::int64_t choices = std::clamp<std::int64_t>(call->facts.choices, 1, kChoicesMax);
    if (actual.output_tokens > 0) {
        shared_->admission->observe_output(hash64(call->model()), call->caller.key->id.get(),
                                           actual.output_tokens / choices);
    }
}

}  // namespace tg
