#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "billing/bill.h"
#include "identity/identity_store.h"
#include "store/sql.h"

namespace tg {

/// What a dollar was worth in RMB on a day, and who says so.
struct FxRate {
    std::int32_t day = 0;  ///< since 1970-01-01
    std::int64_t usd_cny_e8 = 0;
    std::string source;  ///< "PBOC central parity"
    friend bool operator==(const FxRate&, const FxRate&) = default;
};

/// A bill needs a rate that is no older than this on its month's last day: the longest holiday.
inline constexpr int kFxAgeMaxDays = 10;

/// Lines "2026-03-31,7.1234" or "2026-03-31,7.1234,PBOC central parity"; without a third column
/// the source is `source`. A first line that begins with "date" and empty lines are passed over.
/// Errors: invalid_request naming the line, and what is wrong with it.
Result<std::vector<FxRate>> parse_fx_csv(std::string_view text, std::string_view source);

/// Adds rates, all or none; a day that is there with the same figure stays as it is. Returns how
/// many were new. Errors: invalid_request (a rate outside 0.01 to 1000, no source), conflict (a
/// day is there with another figure: bills may rest on it), those of the store.
Result<std::int64_t> add_fx_rates(SqlConnection& store, const std::vector<FxRate>& rates,
                                  const Change& change);
/// Newest first, at most `limit`.
Result<std::vector<FxRate>> list_fx_rates(SqlConnection& store, std::int64_t limit);

/// `terms` with the newest rate on or before the month's last day; as they are while there are no
/// rates at all. Errors of strict: conflict when that rate is older than kFxAgeMaxDays, or missing;
/// otherwise those of the store.
enum class FxUse : std::uint8_t { strict, preview };
Result<BillTerms> with_fx_rate(SqlConnection& store, const BillTerms& terms, YearMonth month,
                               FxUse use);

}  // namespace tg
