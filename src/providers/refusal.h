#pragma once
#include <cstdint>
#include <string_view>

namespace tg {

/// What a 429's body says of its reason.
struct RefusalFacts {
    enum class Meter : std::uint8_t { not_told, requests, tokens, input_tokens, output_tokens };
    Meter meter = Meter::not_told;
    /// false: the account's quota or spend limit is used up, and waiting does not help.
    bool can_heal = true;
};

/// OpenAI: error.type "requests" or "tokens" names the meter; type or code "insufficient_quota" or
/// "billing_hard_limit_reached" is a quota (OpenAI, Error codes guide, read 2026-11). Anthropic:
/// error.type "rate_limit_error" tells neither. Anything else, and what is no JSON, tells nothing.
RefusalFacts read_refusal(std::string_view body);

}  // namespace tg
