#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "providers/zero_retention.h"

namespace tg {

/// An endpoint that keeps nothing when its body does not ask for it.
struct RetentionEndpoint {
    std::string_view method, path;
    RetentionBody body = RetentionBody::json;
};
std::span<const RetentionEndpoint> retention_endpoints();

/// Paths that are refused, with all below them; the first that fits decides.
std::span<const RetentionRule> refused_paths();

/// What a body can ask for. Each has one rule.
enum class RetentionFeature : std::uint8_t {
    store_default,
    store_true,
    metadata,
    cache_retention,
    cache_ttl,
    background,
    previous_response,
    conversation,
    stored_prompt,
    item_reference,
    file_reference,
    audio_output,
    audio_reference,
    custom_voice,
    image_model,
    image_url_answer,
    web_search,
    web_search_cached,
    code_interpreter,
    programmatic_calls,
    file_search,
    mcp,
    hosted_shell,
    client_tool,
    image_generation,
    unknown_tool,
};
const RetentionRule& rule(RetentionFeature feature);
std::span<const RetentionRule> feature_rules();

/// A type of tool and what it is. Whether `shell` is hosted depends on its environment.
struct ToolType {
    std::string_view type;
    RetentionFeature feature;
};
/// unknown_tool when the type is not in the table.
RetentionFeature feature_of_tool(std::string_view type);

}  // namespace tg
