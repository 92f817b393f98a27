#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/request_policy.h"
#include "rating/rate.h"
#include "tokens/chat_count.h"
#include "tokens/tokenizer.h"

namespace tg {
namespace {

/// Counting more than this on a loop would hold up other requests: it goes to the blocking pool.
constexpr std::size_t kCountInlineBytes = 32 * 1024;

PromptKind prompt_kind(OpenAiCall call) {
    switch (call) {
        case OpenAiCall::chat:
            return PromptKind::chat;
        case OpenAiCall::completions:
            return PromptKind::completions;
        case OpenAiCall::embeddings:
            return PromptKind::embeddings;
        case OpenAiCall::responses:
            return PromptKind::responses;
        case OpenAiCall::other_json:
            break;
    }
    return PromptKind::any;
}

std::int64_t learned(std::int64_t mean, std::int64_t sample) {
    return mean + (sample - mean) / 16;
}

}  // namespace

Task<bool> Gateway::reserve(Call* call) {
    if (make_reservation(call).ok()) co_return true;
    end_admission(call, UsageKnown::no);
    shared_->metrics->refused_journal->add();
    co_await refuse(call,
                    {ErrorCode::journal_unavailable,
                     "the usage journal cannot take new requests: " + shared_->journal->failure() +
                         "; nothing was sent to the provider, try again later"});
    co_return false;
}

Status Gateway::make_reservation(Call* call) {
    if (shared_->journal == nullptr) return {};
    const Deployment* first =
        call->deployment != nullptr ? call->deployment : call->routes->front().deployment;
    ReservedRecord record;
    record.id = call->id;
    record.payer = {call->caller.customer->id, call->caller.project->id, call->caller.key->id};
    record.started_at = call->started_at;
    record.endpoint = call->endpoint;
    record.tier = parse_service_tier(call->facts.service_tier);
    record.flags = static_cast<std::uint16_t>((call->facts.is_stream ? kEventStream : 0) |
                                              (call->price.is_fallback ? kEventFallbackPrice : 0) |
                                              policy_flags(*call));
    record.price_version = call->snapshot->catalogue->version();
    if (call->is_inspected && !call->facts.model.empty()) {
        record.estimated_input_tokens =
            static_cast<std::int64_t>(call->body.size()) * tokens_per_kib_ / 1024 + 1;
        if (call->kind != OpenAiCall::embeddings && call->kind != OpenAiCall::other_json) {
            record.estimated_output_tokens =
                call->facts.max_output_tokens.value_or(mean_output_tokens_) *
                std::max<std::int64_t>(call->facts.choices, 1);
        }
    }
    record.model = call->facts.model;
    record.deployment = first->options.name;
    record.provider = first->options.provider;
    record.region = first->options.region;
    record.end_user = call->facts.end_user;
    TG_TRY(call->reservation, shared_->journal->reserve(record));
    call->has_reservation = true;
    return {};
}

void Gateway::abandon(Call* call) {
    end_admission(call, UsageKnown::no);
    if (!call->has_reservation || call->is_settled) return;
    call->is_settled = true;
    (void)shared_->journal->abandon(call->reservation, shared_->clock->now());
}

Task<void> Gateway::count_prompt(Call* call) {
    std::int64_t counted = 0;
    const auto count = [&counted, body = call->body, model = std::string_view(call->facts.model),
                        kind = prompt_kind(call->kind)] {
        const Result<std::int64_t> tokens = count_prompt_tokens(body, model, kind);
        if (tokens.ok()) counted = *tokens;
    };
    if (call->body.size() <= kCountInlineBytes) {
        count();
    } else if (!(co_await shared_->blocking->run(loop_, count)).ok()) {
        counted = static_cast<std::int64_t>(call->body.size()) * tokens_per_kib_ / 1024 + 1;
    }
    call->prompt_tokens_counted = counted;
}

Task<void> Gateway::estimate_usage(Call* call) {
    if (call->prompt_tokens_counted < 0) co_await count_prompt(call);
    // Hosted tool calls that were seen before the answer broke off are known, tokens are not.
    Usage& usage = call->reply.usage;
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (is_input(meter) || is_output_token(meter)) usage[meter] = 0;
    }
    usage[Meter::input] = call->prompt_tokens_counted;
    if (!call->stream) co_return;
    const std::string_view text = call->stream->delivered_text();
    const Tokenizer& counter = tokenizer(encoding_for_model(call->facts.model).encoding);
    std::int64_t output = 0;
    if (text.size() <= kCountInlineBytes) {
        output = counter.count(text);
    } else if (!(co_await shared_->blocking->run(loop_, [&output, &counter, text] {
                    output = counter.count(text);
                })).ok()) {
        output = static_cast<std::int64_t>(text.size()) / 4;
    }
    if (const auto kept = static_cast<std::int64_t>(text.size());
        kept > 0 && call->stream->delivered_bytes() > kept) {
        // More was delivered than is kept: the rest is taken to be like it.
        output = output * call->stream->delivered_bytes() / kept;
    }
    usage[Meter::output] = output;
}

/// Where the call's usage comes from; estimates it when the provider may bill and has not said
/// what.
Task<UsageSource> Gateway::find_usage(Call* call) {
    // Without an answer's head nothing was given to the client, and nothing is charged; when it
    // left of itself, the prompt is.
    const bool has_answer = call->upstream_status > 0 || call->is_client_gone;
    const bool may_bill = call->is_inspected && call->has_reached_upstream && has_answer &&
                          call->upstream_status < 400 && call->kind != OpenAiCall::other_json;
    // Reading an object again repeats the usage of the call that made it.
    if (!call->is_post) call->reply = ReplyFacts{};
    if (call->reply.has_usage) {
        if (call->reply.is_mismatch) shared_->metrics->usage_mismatch->add();
        learn(*call);
        co_return UsageSource::provider;
    }
    if (!may_bill) co_return UsageSource::none;
    co_await estimate_usage(call);
    shared_->metrics->usage_estimated->add();
    co_return UsageSource::estimated;
}

void Gateway::learn(const Call& call) {
    const std::int64_t input = call.reply.usage.input_tokens(),
                       output = call.reply.usage.output_tokens();
    const auto bytes = static_cast<std::int64_t>(call.reservation_bytes);
    if (!call.is_inspected || input <= 0 || bytes == 0) return;
    tokens_per_kib_ = std::max<std::int64_t>(learned(tokens_per_kib_, input * 1024 / bytes), 16);
    if (output > 0)
        mean_output_tokens_ = std::max<std::int64_t>(learned(mean_output_tokens_, output), 16);
}

/// What the journal is told; its texts stand in the call.
UsageEvent Gateway::usage_event(const Call& call, UsageSource source) const {
    UsageEvent event;
    event.id = call.id;
    event.payer = {call.caller.customer->id, call.caller.project->id, call.caller.key->id};
    event.started_at = call.started_at;
    event.ended_at = shared_->clock->now();
    event.endpoint = call.endpoint;
    event.tier = call.tier();
    event.source = source;
    event.outcome = call.outcome;
    event.http_status = static_cast<std::uint16_t>(call.upstream_status);
    event.attempts = static_cast<std::uint16_t>(call.attempts);
    event.price_version = call.snapshot->catalogue->version();
    if (call.first_byte_ns > 0) {
        event.first_byte_ms =
            static_cast<std::uint32_t>((call.first_byte_ns - call.started_ns) / 1'000'000);
    }
    event.model = call.facts.model.empty() ? std::string_view(call.reply.model)
                                           : std::string_view(call.facts.model);
    event.upstream_model = call.reply.model;
    event.deployment = call.deployment->options.name;
    event.provider = call.deployment->options.provider;
    event.region = call.deployment->options.region;
    event.end_user = call.facts.end_user;
    event.upstream_request_id = call.upstream_request_id;
    event.asked_model = call.asked_model;
    event.usage = call.reply.usage;
    return event;
}

/// Looks a price up for usage of a model that only the answer named. False when there is none.
bool Gateway::find_price(Call* call, const UsageEvent& event) {
    if (event.usage.is_empty()) return true;
    if (call->price.price == nullptr && !event.model.empty()) {
        const auto found =
            call->snapshot->catalogue->find(event.model, event.provider, event.started_at);
        if (found.ok()) call->price = *found;
    }
    if (call->price.price != nullptr) {
        const auto rated = rate(event.usage, *call->price.price, event.tier, event.region);
        if (rated.ok()) {
            call->has_charge = call->reply.has_usage;
            call->charge = rated->total;
            call->charge_currency = rated->currency;
            return true;
        }
    }
    shared_->metrics->unpriced->add();
    return false;
}

Task<bool> Gateway::settle(Call* call) {
    GatewayMetrics& metrics = *shared_->metrics;
    if (!call->has_reservation) end_admission(call, UsageKnown::no);
    if (!call->has_reservation || call->is_settled) co_return true;
    call->is_settled = true;
    const UsageSource source = co_await find_usage(call);
    end_admission(call, UsageKnown::yes);
    UsageEvent event = usage_event(*call, source);
    metrics.tokens_input->add(static_cast<std::uint64_t>(event.usage.input_tokens()));
    metrics.tokens_output->add(static_cast<std::uint64_t>(event.usage.output_tokens()));
    const bool is_priced = find_price(call, event);
    event.flags = static_cast<std::uint16_t>(
        (call->is_stream_answer ? kEventStream : 0) |
        (call->price.is_fallback ? kEventFallbackPrice : 0) | (is_priced ? 0 : kEventUnpriced) |
        policy_flags(*call) | (call->asked_model.empty() ? 0 : kEventFallbackModel) |
        (call->is_hedged ? kEventHedged : 0) | (call->reply.is_mismatch ? kEventUsageMismatch : 0));

    const std::int64_t before_ns = loop_->now_ns();
    const Lsn lsn = shared_->journal->settle(call->reservation, event);
    const bool is_durable = co_await DurableWait(shared_->journal, loop_, lsn);
    metrics.durable_wait->observe_us((loop_->now_ns() - before_ns) / 1000);
    co_return is_durable;
}

}  // namespace tg
