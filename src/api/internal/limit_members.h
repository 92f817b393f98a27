#pragma once
#include <optional>
#include <string_view>

#include "api/internal/body.h"

namespace tg::api {

/// A limit: an integer, or "unlimited" (kUnlimited).
std::optional<std::int64_t> limit_of(Body& body, std::string_view name);

}  // namespace tg::api
