#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "tokens/tokenizer.h"

namespace tg {

/// Prompt tokens of a Chat Completions request body (JSON), as OpenAI's cookbook documents them
/// ("How to count tokens with tiktoken"): 3 per message, 1 more for a `name`, 3 to prime the reply,
/// and the documented layout of tools and functions. Also counts the prompts of /v1/completions,
/// /v1/embeddings (string, list, token lists) and /v1/responses (input, instructions, tools).
/// Images and audio are counted by `image_tokens` each, an estimate. Errors: invalid_request when
/// the body is no JSON object.
Result<std::int64_t> count_prompt_tokens(std::string_view body_json, std::string_view model);

}  // namespace tg
