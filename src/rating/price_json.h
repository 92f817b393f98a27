#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rating/catalogue.h"

namespace tg {

class JsonWriter;

/// The price book as a file that people read and edit. Prices are decimal texts in the unit beside
/// them:
/// {"format":"tollgate-prices-1","prices":[{"model":"gpt-4o","provider":"openai","currency":"USD",
///   "valid_from":"2026-01-01T00:00:00Z","prices":[{"meter":"input","price":"2.50","per":"1M"},
///   {"meter":"input","above_tokens":200000,"price":"5.00","per":"1M"}],"tier_multipliers":{"batch":"0.5"}}]}
/// Deterministic: the same prices give the same text.
std::string export_prices(std::span<const ModelPrice> prices);

/// One entry of that file.
void write_model_price(JsonWriter& json, const ModelPrice& price);

/// Reads what export_prices() writes. `valid_from` holds where an entry states none. Unknown fields
/// are refused, so that a misspelt one cannot be lost. Bounds and ambiguity are the catalogue's to
/// check. Errors: invalid_request naming the entry and the field.
Result<std::vector<ModelPrice>> parse_prices(std::string_view json, UtcMicros valid_from);

}  // namespace tg
