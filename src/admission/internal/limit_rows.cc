#include "admission/internal/limit_rows.h"

#include "admission/limit_text.h"

namespace tg::admission_internal {
namespace {

constexpr std::int64_t kStoredUnlimited = -1;

/// What a column may hold; else the row names its column.
class Reader {
  public:
    Reader(const SqlRow& row, std::string row_name) : row_(row), row_name_(std::move(row_name)) {}

    std::int64_t integer(int column, std::string_view field, std::int64_t low, std::int64_t high) {
        const std::int64_t value = row_.integer(column);
        if (value < low || value > high) note(field, std::to_string(value));
        return value;
    }
    std::int64_t limit(int column, LimitKind kind) {
        const std::int64_t value = integer(column, name(kind), kStoredUnlimited, kTierLimitMax);
        return value == kStoredUnlimited ? kUnlimited : value;
    }
    std::optional<std::int64_t> optional(int column, std::string_view field, std::int64_t high) {
        if (row_.is_null(column)) return std::nullopt;
        return integer(column, field, 0, high);
    }
    void note(std::string_view field, const std::string& value) {
        if (problem_.empty())
            problem_ = row_name_ + ": " + std::string(field) + " is '" + value + "'";
    }
    Status finish() {
        if (problem_.empty()) return {};
        return fail(ErrorCode::corrupt_data, std::move(problem_));
    }

  private:
    const SqlRow& row_;
    std::string row_name_;
    std::string problem_;
};

}  // namespace

Result<Tier> tier_of(const SqlRow& row) {
    constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
    Tier tier{.code = std::string(row.text(0)), .name = std::string(row.text(1))};
    Reader in(row, "tier '" + tier.code + "'");
    int column = 2;
    for (const LimitKind kind : kLimitKinds) tier.limits.of(kind) = in.limit(column++, kind);
    if (const auto retention = parse_retention(row.text(column))) {
        tier.retention = *retention;
    } else {
        in.note("retention", std::string(row.text(column)));
    }
    const auto small = [&](std::string_view field) {
        return static_cast<std::int32_t>(in.integer(++column, field, 0, kInt32Max));
    };
    tier.support_response_minutes = small("support_response_minutes");
    tier.sla_availability_per_mille10 = small("sla_availability_per_mille10");
    tier.has_fine_tuning = small("has_fine_tuning") != 0;
    tier.discount_min_per_mille = small("discount_min_per_mille");
    tier.discount_max_per_mille = small("discount_max_per_mille");
    tier.dedicated_instances_max = small("dedicated_instances_max");
    TG_CHECK_OK(in.finish());
    return tier;
}

Result<LimitAssignment> assignment_of(const SqlRow& row) {
    constexpr std::int64_t kIdMax = std::numeric_limits<std::uint32_t>::max();
    LimitAssignment out;
    Reader in(row, "limits row " + std::to_string(row.integer(0)));
    out.row_id = static_cast<std::uint32_t>(in.integer(0, "id", 1, kIdMax));
    if (const auto scope = parse_limit_scope(row.text(1))) {
        out.subject.scope = *scope;
    } else {
        in.note("subject", std::string(row.text(1)));
    }
    out.subject.id = static_cast<std::uint32_t>(in.integer(2, "subject_id", 0, kIdMax));
    out.subject.model = row.text(3);
    out.tier = row.text(4);
    int column = 5;
    for (const LimitKind kind : kLimitKinds) {
        if (!row.is_null(column)) out.own.of(kind) = in.limit(column, kind);
        ++column;
    }
    if (const auto weight = in.optional(10, "weight", kWeightMax))
        out.weight = static_cast<std::uint32_t>(*weight);
    if (!row.is_null(11)) {
        out.priority = parse_priority(row.text(11));
        if (!out.priority) in.note("priority", std::string(row.text(11)));
    }
    out.max_wait_ms = in.optional(12, "max_wait_ms", kMaxWaitMsMax);
    TG_CHECK_OK(in.finish());
    return out;
}

Result<Tier> find_tier_row(SqlConnection& connection, std::string_view code) {
    TG_TRY(
        const std::vector<Tier> all,
        read_rows(connection, "SELECT " + std::string(kTierColumns) + " FROM tiers ORDER BY code",
                  {}, tier_of));
    if (const Tier* found = find_tier(all, code)) return *found;
    std::string known;
    for (const Tier& tier : all) known.append(known.empty() ? "" : ", ").append(tier.code);
    return fail(ErrorCode::not_found, "tier '" + std::string(code.substr(0, 64)) +
                                          "' does not exist; there are: " + known);
}

SqlValue stored(std::int64_t limit) {
    return limit == kUnlimited ? kStoredUnlimited : limit;
}

SqlValue stored(const std::optional<std::int64_t>& limit) {
    return limit ? stored(*limit) : SqlValue(std::monostate{});
}

std::string to_json(const Tier& tier) {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    write_tier_members(json, tier);
    json.end_object();
    return out;
}

std::string to_json(const LimitAssignment& assignment) {
    if (assignment.is_empty()) return {};
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    write_assignment_members(json, assignment);
    json.end_object();
    return out;
}

Status record(SqlConnection& connection, const Change& change, std::string_view action,
              std::string_view kind, std::string id, std::string before, std::string after) {
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = std::string(action),
                     .subject_kind = std::string(kind),
                     .subject_id = std::move(id),
                     .before = std::move(before),
                     .after = std::move(after)};
    return append_audit(connection, entry);
}

}  // namespace tg::admission_internal
