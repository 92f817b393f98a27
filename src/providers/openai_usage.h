#pragma once
#include <string_view>

#include "base/usage.h"
#include "providers/openai_request.h"

namespace tg {

/// A provider's usage object as disjoint classes.
struct OpenAiUsage {
    bool is_usage = false;     ///< an object with at least one count that is known here
    bool is_mismatch = false;  ///< a count was negative, fractional or too big, or classes did not
                               ///< add up to their totals
    Usage usage;
};

/// Reads `json`, a usage object of any endpoint of the OpenAI dialect, in one pass.
/// What overlaps in the provider's fields is taken apart, so that the input classes add up to
/// prompt_tokens (input_tokens) and the output classes to completion_tokens (output_tokens):
/// - cached, cache-written, audio and image tokens are inside the prompt; reasoning, audio, image
/// and rejected prediction tokens
///   are inside the completion. Rejected prediction tokens have no class of their own: they are
///   billed as output.
/// - Cached tokens are text first; only what exceeds the text of the prompt is cached audio, then
/// cached image, unless
///   `cached_tokens_details` says it exactly.
/// - Classes that exceed their total are cut to it, in the order cached, written, audio, image, and
/// is_mismatch is set.
/// - Reasoning is outside the completion (xAI) when prompt + completion misses total_tokens by
/// exactly the reasoning.
/// - total_tokens that disagrees in any other way sets is_mismatch and changes nothing.
/// - Images endpoints: output is image tokens unless output_tokens_details splits it. Duration
/// usage is audio_ms. Sources: OpenAI's OpenAPI 2.3.0 (CompletionUsage, ResponseUsage,
/// ImageGenUsage, TranscriptTextUsage*); DeepSeek's prompt_cache_hit_tokens; Moonshot's
/// cached_tokens beside the totals.
OpenAiUsage parse_openai_usage(OpenAiCall call, std::string_view json);

}  // namespace tg
