#pragma once
#include <string>
#include <string_view>

#include "admission/limit_store.h"
#include "store/read_rows.h"
#include "store/sql.h"

namespace tg::admission_internal {

inline constexpr std::string_view kTierColumns =
    "code, name, requests, input_tokens, output_tokens, total_tokens, concurrency, retention, "
    "support_response_minutes, sla_availability_per_mille10, has_fine_tuning, "
    "discount_min_per_mille, discount_max_per_mille, dedicated_instances_max";
inline constexpr std::string_view kLimitColumns =
    "id, subject, subject_id, model, tier, requests, input_tokens, output_tokens, total_tokens, "
    "concurrency, weight, priority, max_wait_ms";
/// Errors: corrupt_data naming the row and the column.
Result<Tier> tier_of(const SqlRow& row);
Result<LimitAssignment> assignment_of(const SqlRow& row);

/// Errors: not_found listing the tiers there are.
Result<Tier> find_tier_row(SqlConnection& connection, std::string_view code);

/// -1 in the store is kUnlimited.
SqlValue stored(std::int64_t limit);
SqlValue stored(const std::optional<std::int64_t>& limit);

std::string to_json(const Tier& tier);
std::string to_json(const LimitAssignment& assignment);  ///< "" when nothing is set

/// Writes the act to the audit log.
Status record(SqlConnection& connection, const Change& change, std::string_view action,
              std::string_view kind, std::string id, std::string before, std::string after);

}  // namespace tg::admission_internal
