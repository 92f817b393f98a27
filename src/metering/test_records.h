#pragma once
// Sample records for tests, benchmarks and the tool that is killed; never included by product code.
#include "metering/usage_event.h"

namespace tg {

inline constexpr UtcMicros kTestTime{1'764'000'000'000'000};

inline RequestId test_id(std::uint64_t n) {
    return {static_cast<std::uint64_t>(kTestTime.micros / 1000) << 16 | 7, n};
}

inline ReservedRecord test_reserved(std::uint64_t n) {
    ReservedRecord record;
    record.id = test_id(n);
    record.payer = {CustomerId(7), ProjectId(70), KeyId(700)};
    record.started_at = {kTestTime.micros + static_cast<std::int64_t>(n)};
    record.endpoint = Endpoint::chat_completions;
    record.price_version = PriceVersionId(3);
    record.estimated_input_tokens = 1000 + static_cast<std::int64_t>(n);
    record.estimated_output_tokens = 256;
    record.model = "gpt-4o-mini";
    record.deployment = "eu-1";
    record.provider = "openai";
    record.region = "eu-west";
    record.end_user = "user-42";
    return record;
}

inline UsageEvent test_event(std::uint64_t n) {
    UsageEvent event;
    event.id = test_id(n);
    event.payer = {CustomerId(7), ProjectId(70), KeyId(700)};
    event.started_at = {kTestTime.micros + static_cast<std::int64_t>(n)};
    event.ended_at = {event.started_at.micros + 900'000};
    event.endpoint = Endpoint::chat_completions;
    event.source = UsageSource::provider;
    event.http_status = 200;
    event.price_version = PriceVersionId(3);
    event.first_byte_ms = 321;
    event.model = "gpt-4o-mini";
    event.upstream_model = "gpt-4o-mini-2024-07-18";
    event.deployment = "eu-1";
    event.provider = "openai";
    event.region = "eu-west";
    event.end_user = "user-42";
    event.upstream_request_id = "req_0123456789abcdef";
    event.usage[Meter::input] = 900 + static_cast<std::int64_t>(n);
    event.usage[Meter::cache_read] = 128;
    event.usage[Meter::output] = 77;
    return event;
}

}  // namespace tg
