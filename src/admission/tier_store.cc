#include "admission/internal/limit_rows.h"
#include "admission/limit_store.h"

namespace tg {

using namespace admission_internal;

namespace {

/// Errors: invalid_request when a number does not fit.
Status apply(const TierPatch& patch, Tier* tier) {
    tier->name = patch.name.value_or(tier->name);
    tier->limits = patch.limits.over(tier->limits);
    tier->retention = patch.retention.value_or(tier->retention);
    tier->has_fine_tuning = patch.has_fine_tuning.value_or(tier->has_fine_tuning);
    Status status;
    const auto set = [&status](std::string_view field, const std::optional<std::int64_t>& value,
                               std::int32_t* out) {
        constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
        if (!value) return;
        if (*value < 0 || *value > kMax) {
            status = fail(ErrorCode::invalid_request,
                          std::string(field) + " is " + std::to_string(*value) +
                              "; it must be within 0 and " + std::to_string(kMax));
            return;
        }
        *out = static_cast<std::int32_t>(*value);
    };
    set("support_response_minutes", patch.support_response_minutes,
        &tier->support_response_minutes);
    set("sla_availability_per_mille10", patch.sla_availability_per_mille10,
        &tier->sla_availability_per_mille10);
    set("discount_min_per_mille", patch.discount_min_per_mille, &tier->discount_min_per_mille);
    set("discount_max_per_mille", patch.discount_max_per_mille, &tier->discount_max_per_mille);
    set("dedicated_instances_max", patch.dedicated_instances_max, &tier->dedicated_instances_max);
    if (!status.ok()) return status;
    return check_tier(*tier);
}

std::vector<SqlValue> values_of(const Tier& tier) {
    std::vector<SqlValue> out{tier.name};
    for (const LimitKind kind : kLimitKinds) out.push_back(stored(tier.limits.of(kind)));
    out.emplace_back(std::string(name(tier.retention)));
    for (const std::int64_t value :
         {std::int64_t{tier.support_response_minutes},
          std::int64_t{tier.sla_availability_per_mille10}, std::int64_t{tier.has_fine_tuning},
          std::int64_t{tier.discount_min_per_mille}, std::int64_t{tier.discount_max_per_mille},
          std::int64_t{tier.dedicated_instances_max}})
        out.emplace_back(value);
    return out;
}

}  // namespace

Result<std::vector<Tier>> LimitStore::tiers() {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    return read_rows(*connection,
                     "SELECT " + std::string(kTierColumns) + " FROM tiers ORDER BY code", {},
                     tier_of);
}

Result<Tier> LimitStore::tier(std::string_view code) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    return find_tier_row(*connection, code);
}

Result<Tier> LimitStore::create_tier(std::string_view code, const TierPatch& rest,
                                     const Change& change) {
    Tier tier{.code = std::string(code), .name = std::string(code)};
    TG_CHECK_OK(apply(rest, &tier));
    TG_CHECK_OK(transact([&](SqlConnection& connection) -> Status {
        std::vector<SqlValue> values{tier.code};
        for (SqlValue& value : values_of(tier)) values.push_back(std::move(value));
        values.emplace_back(change.at.micros);
        values.emplace_back(change.at.micros);
        const auto rows = connection.execute("INSERT INTO tiers (" + std::string(kTierColumns) +
                                                 ", created_at, updated_at) VALUES (?, ?, ?, ?, ?, "
                                                 "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                             values);
        if (!rows.ok() && rows.error().code == ErrorCode::conflict) {
            return fail(ErrorCode::conflict, "tier '" + tier.code +
                                                 "' exists already; change it, or choose another "
                                                 "code");
        }
        if (!rows.ok()) return fail(Error(rows.error()));
        return record(connection, change, "create", "tier", tier.code, "", to_json(tier));
    }));
    return tier;
}

Result<Tier> LimitStore::update_tier(std::string_view code, const TierPatch& patch,
                                     const Change& change) {
    Tier tier;
    TG_CHECK_OK(transact([&](SqlConnection& connection) -> Status {
        TG_TRY(tier, find_tier_row(connection, code));
        std::string before = to_json(tier);
        TG_CHECK_OK(apply(patch, &tier));
        std::string after = to_json(tier);
        if (after == before) return {};
        std::vector<SqlValue> values = values_of(tier);
        values.emplace_back(change.at.micros);
        values.emplace_back(tier.code);
        TG_TRY(const std::int64_t rows,
               connection.execute(
                   "UPDATE tiers SET name = ?, requests = ?, input_tokens = ?, output_tokens = ?, "
                   "total_tokens = ?, concurrency = ?, retention = ?, support_response_minutes = "
                   "?, sla_availability_per_mille10 = ?, has_fine_tuning = ?, "
                   "discount_min_per_mille = ?, discount_max_per_mille = ?, "
                   "dedicated_instances_max = ?, updated_at = ? WHERE code = ?",
                   values));
        TG_ASSERT(rows == 1);
        return record(connection, change, "update", "tier", tier.code, std::move(before),
                      std::move(after));
    }));
    return tier;
}

Status LimitStore::delete_tier(std::string_view code, const Change& change) {
    return transact([&](SqlConnection& connection) -> Status {
        TG_TRY(const Tier tier, find_tier_row(connection, code));
        const SqlValue values[] = {tier.code};
        std::int64_t users = 0;
        TG_CHECK_OK(connection.query("SELECT COUNT(*) FROM limits WHERE tier = ?", values,
                                     [&](const SqlRow& row) {
                                         users = row.integer(0);
                                         return true;
                                     }));
        if (users != 0) {
            return fail(ErrorCode::conflict,
                        "tier '" + tier.code + "' is given to " + std::to_string(users) +
                            " customers, projects or keys; give them another one first");
        }
        TG_TRY(const std::int64_t rows,
               connection.execute("DELETE FROM tiers WHERE code = ?", values));
        TG_ASSERT(rows == 1);
        return record(connection, change, "delete", "tier", tier.code, to_json(tier), "");
    });
}

}  // namespace tg
