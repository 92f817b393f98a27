#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/usage.h"

namespace tg {

/// "input:120,cache_read:30": the usage column of an event, in meter order. Parsed back exactly.
void write_usage_text(const Usage& usage, std::string* out);
/// Errors: corrupt_data.
Result<Usage> parse_usage_text(std::string_view text);

/// `text` as the store takes it: itself, or a copy in `scratch` with '?' for what cannot be stored.
std::string_view storable(std::string_view text, std::string* scratch);

}  // namespace tg
