#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "rating/catalogue.h"
#include "rating/price_rules.h"

namespace tg {

struct ImportOptions {
    UtcMicros valid_from;  ///< of every imported price
    std::string source;    ///< where the text came from, for the record
    PriceRules rules;
};

/// What an import found. Nothing is imported silently: every entry is in `prices` or in `skipped`,
/// every number that was changed or left out has a note.
struct ImportReport {
    struct Skipped {
        std::string model;
        std::string reason;
    };
    struct Note {
        std::string model;
        std::string key;
        std::string text;
    };
    std::vector<ModelPrice> prices;
    std::vector<Skipped> skipped;
    std::vector<Note> notes;
    std::map<std::string, int>
        unknown_price_keys;  ///< look like prices, are not known; number of entries
    std::map<std::string, int>
        unmetered_price_keys;  ///< known prices of things that no meter counts
    int entry_count = 0;
    std::string source;
    Sha256 source_sha256{};
};

/// Reads LiteLLM's model_prices_and_context_window.json: prices in USD per single unit become
/// nano-USD per million, from the text of each number and never through floating point. Pure.
///
/// An entry is skipped, with the reason, when a price is out of bounds (the price of an absurd
/// entry is usually a unit mistake), negative, ambiguous, depends on a condition that no component
/// can express, or when all of its prices are zero and no rule says that it is free. Float noise
/// beyond 10^-15 is rounded half-up with a note. Where all published prices of a tier stand in one
/// exact ratio to the standard ones, that ratio becomes the tier's multiplier for the rest, with a
/// note. Errors: invalid_request when the text is no JSON object.
Result<ImportReport> import_litellm(std::string_view json, const ImportOptions& options);

}  // namespace tg
