#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "providers/openai_paths.h"

namespace tg {

inline constexpr std::uint8_t kGet = 1, kPost = 2, kDelete = 4;

/// One path after /v1/. The first row that fits path and method decides.
struct OpenAiPathRow {
    std::string_view pattern;  ///< "{}": one segment; "**" at the end: one or more
    std::uint8_t methods = 0;
    OpenAiRoute route = OpenAiRoute::pass_through;
    bool retains = false;
};

std::span<const OpenAiPathRow> openai_path_table();

}  // namespace tg
