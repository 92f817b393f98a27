#pragma once
#include <string>
#include <string_view>

#include "admission/limit_table.h"
#include "base/json_writer.h"

namespace tg {

/// How limits stand in JSON, on command lines and in tables for people: a number, or "unlimited".
inline constexpr std::string_view kUnlimitedText = "unlimited";
std::string limit_text(std::int64_t limit);
/// Errors: invalid_request naming the field and what it may be.
Result<std::int64_t> parse_limit(std::string_view field, std::string_view text);

std::string_view name(PriorityClass priority);
std::optional<PriorityClass> parse_priority(std::string_view name);
inline constexpr std::string_view kPriorityNames = "interactive, standard or deferrable";

/// Members of an open object: "requests": 500, "total_tokens": "unlimited", ...
void write_limits(JsonWriter& json, const Limits& limits);
void write_tier_members(JsonWriter& json, const Tier& tier);
/// All that is set, null where nothing is; without the subject.
void write_assignment_members(JsonWriter& json, const LimitAssignment& assignment);

}  // namespace tg
