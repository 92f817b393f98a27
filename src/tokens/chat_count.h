#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "tokens/tokenizer.h"

namespace tg {

/// What a request body is a body of. `any` decides by the members that are there; only a plain
/// string `input` is ambiguous then, and counts as embeddings when the model's name or a member
/// says so, else as a response.
enum class PromptKind : std::uint8_t { any, chat, completions, embeddings, responses };

/// Prompt tokens of a Chat Completions request body (JSON), as OpenAI's cookbook documents them
/// ("How to count tokens with tiktoken", read 2025-11): 3 per message and the tokens of its string
/// members, 1 more for a `name`, 3 to prime the reply, and the documented layout of tools and
/// functions. Also counts the prompts of /v1/completions and /v1/embeddings (text, list of texts,
/// token lists) and /v1/responses (input, instructions, tools). Not documented, so estimated in the
/// same manner: tool calls, nested tool parameters, JSON schemas of structured output, Responses.
/// Images and audio are counted as tokens/internal/media_tokens.h says. What only the provider
/// knows (file ids, previous responses) counts nothing. Errors: invalid_request when the body is no
/// JSON object. Unknown members and wrong types never fail; they count nothing.
Result<std::int64_t> count_prompt_tokens(std::string_view body_json, std::string_view model,
                                         PromptKind kind = PromptKind::any);

}  // namespace tg
