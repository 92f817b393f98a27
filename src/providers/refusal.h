#pragma once
#include <cstdint>
#include <string_view>

namespace tg {

/// What the body of a refusal says of its reason.
struct RefusalFacts {
    enum class Meter : std::uint8_t { not_told, requests, tokens, input_tokens, output_tokens };
    Meter meter = Meter::not_told;
    /// false: the account's quota or spend limit is used up, and waiting does not help.
    bool can_heal = true;
    /// Its words say that an object which the request speaks of is not there. Of a 404, ask
    /// is_model_missing instead: most say nothing more.
    bool is_object_missing = false;
    bool is_model_missing = false;
};

/// OpenAI: error.type "requests" or "tokens" names the meter; type or code "insufficient_quota" or
/// "billing_hard_limit_reached" is a quota (OpenAI, Error codes guide, read 2026-11);
/// code "previous_response_not_found" comes with a 400, "model_not_found" with a 404. Anthropic:
/// error.type "rate_limit_error" tells neither. Anything else, and what is no JSON, tells nothing.
RefusalFacts read_refusal(std::string_view body);

}  // namespace tg
