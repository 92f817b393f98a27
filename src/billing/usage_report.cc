#include "billing/usage_report.h"

#include <algorithm>
#include <array>
#include <map>

#include "billing/internal/usage_text.h"
#include "metering/usage_event.h"
#include "store/stored_enum.h"

namespace tg {
namespace {

struct DimensionSql {
    std::string_view name, column;
};
constexpr std::array<DimensionSql, 10> kDimensions = {{{"customer", "c.code"},
                                                       {"project", "p.code"},
                                                       {"department", "p.department"},
                                                       {"environment", "p.environment"},
                                                       {"key", "k.hint"},
                                                       {"model", "d.model"},
                                                       {"provider", "d.provider"},
                                                       {"region", "d.region"},
                                                       {"end_user", "u.end_user"},
                                                       {"day", "u.local_day"}}};

constexpr std::string_view kEventSelect =
    "SELECT e.sequence, e.id_high, e.id_low, c.code, p.code, p.department, p.environment, k.hint, "
    "e.started_at, e.ended_at, e.endpoint, "
    "e.tier, e.source, e.outcome, e.http_status, e.flags, e.attempts, e.first_byte_ms, "
    "e.price_version, e.currency, e.charge_nano, "
    "e.charge_femto, e.usage, e.end_user, e.upstream_request_id, d.model, d.upstream_model, "
    "d.deployment, d.provider, d.region, e.asked_model FROM "
    "usage_events e JOIN usage_dimensions d ON d.id = e.dimension_id LEFT JOIN customers c ON c.id "
    "= e.customer_id LEFT JOIN projects p "
    "ON p.id = e.project_id LEFT JOIN api_keys k ON k.id = e.key_id ";

Result<StoredEvent> to_event(const SqlRow& r) {
    StoredEvent e;
    const auto text = [&](int column) {
        return std::string(r.is_null(column) ? std::string_view("?") : r.text(column));
    };
    e.sequence = r.integer(0);
    e.id = {static_cast<std::uint64_t>(r.integer(1)), static_cast<std::uint64_t>(r.integer(2))};
    e.customer = text(3);
    e.project = text(4);
    e.department = text(5);
    e.environment = text(6);
    e.key_hint = text(7);
    e.started_at = {r.integer(8)};
    e.ended_at = {r.integer(9)};
    TG_TRY(const auto endpoint,
           stored_enum<Endpoint>(r.integer(10), kEndpointCount, "usage_events.endpoint"));
    TG_TRY(const auto tier,
           stored_enum<ServiceTier>(r.integer(11), kServiceTierCount, "usage_events.tier"));
    TG_TRY(const auto source,
           stored_enum<UsageSource>(r.integer(12), kUsageSourceCount, "usage_events.source"));
    TG_TRY(const auto outcome,
           stored_enum<Outcome>(r.integer(13), kOutcomeCount, "usage_events.outcome"));
    e.endpoint = name(endpoint);
    e.tier = name(tier);
    e.source = name(source);
    e.outcome = name(outcome);
    e.http_status = static_cast<int>(r.integer(14));
    e.flags = static_cast<int>(r.integer(15));
    e.attempts = static_cast<int>(r.integer(16));
    e.first_byte_ms = static_cast<std::uint32_t>(r.integer(17));
    e.price_version = PriceVersionId(static_cast<std::uint32_t>(r.integer(18)));
    TG_TRY(e.currency,
           stored_enum<Currency>(r.integer(19), kCurrencyCount, "usage_events.currency"));
    e.charge = join({r.integer(20), r.integer(21)});
    TG_TRY(e.usage, parse_usage_text(r.text(22)));
    e.end_user = text(23);
    e.upstream_request_id = text(24);
    e.model = text(25);
    e.upstream_model = text(26);
    e.deployment = text(27);
    e.provider = text(28);
    e.region = text(29);
    e.asked_model = text(30);
    return e;
}

Status read_events(SqlConnection& store, const std::string& sql,
                   std::initializer_list<SqlValue> values, std::vector<StoredEvent>* out) {
    Status bad;
    TG_CHECK_OK(store.query(sql, values, [&](const SqlRow& row) {
        Result<StoredEvent> event = to_event(row);
        if (!event.ok()) {
            bad = fail(event.error());
            return false;
        }
        out->push_back(std::move(*event));
        return true;
    }));
    return bad;
}

struct ReportSql {
    std::string table, text;
    std::vector<SqlValue> values;
};

/// Errors: invalid_request (a filter by a day that is none).
Result<ReportSql> report_sql(const UsageQuery& query) {
    const auto uses = [&](UsageDimension wanted) {
        return std::ranges::find(query.group_by, wanted) != query.group_by.end() ||
               std::ranges::any_of(query.filters,
                                   [&](const auto& filter) { return filter.first == wanted; });
    };
    // The table by end user is larger: it is read only when it must be.
    ReportSql out;
    out.table = uses(UsageDimension::end_user) ? "usage_daily_end_users" : "usage_daily";
    std::string columns, conditions;
    for (const UsageDimension each : query.group_by) {
        columns.append(kDimensions[static_cast<std::size_t>(each)].column).append(", ");
    }
    out.values = {std::int64_t{query.first_day}, std::int64_t{query.last_day}};
    for (const auto& [dimension, wanted] : query.filters) {
        conditions.append(" AND ")
            .append(kDimensions[static_cast<std::size_t>(dimension)].column)
            .append(" = ?");
        if (dimension == UsageDimension::day) {
            TG_TRY(const UtcMicros day, parse_rfc3339(wanted));
            out.values.emplace_back(day.micros / 86'400'000'000);
        } else {
            out.values.emplace_back(wanted);
        }
    }
    out.text = "SELECT " + columns +
               "u.currency, SUM(u.requests), SUM(u.errors), SUM(u.estimated), "
               "SUM(u.unpriced), SUM(u.input_tokens), "
               "SUM(u.cached_tokens), SUM(u.output_tokens), SUM(u.reasoning_tokens), "
               "SUM(u.charge_nano), SUM(u.charge_femto) FROM " +
               out.table +
               " u JOIN usage_dimensions d ON d.id = u.dimension_id LEFT JOIN customers c "
               "ON c.id = u.customer_id LEFT JOIN projects p ON "
               "p.id = u.project_id LEFT JOIN api_keys k ON k.id = u.key_id WHERE "
               "u.local_day >= ? AND u.local_day <= ?" +
               conditions + " GROUP BY " + columns + "u.currency";
    return out;
}

}  // namespace

std::string_view name(UsageDimension dimension) {
    return kDimensions[static_cast<std::size_t>(dimension)].name;
}

Result<UsageDimension> parse_usage_dimension(std::string_view text) {
    std::string all;
    for (std::size_t i = 0; i < kDimensions.size(); ++i) {
        if (kDimensions[i].name == text) return static_cast<UsageDimension>(i);
        all.append(i == 0 ? "" : ", ").append(kDimensions[i].name);
    }
    return fail(ErrorCode::invalid_request,
                "'" + std::string(text) + "' is no dimension of usage; use one of: " + all);
}

Result<std::vector<UsageRow>> usage_report(SqlConnection& store, const UsageQuery& query) {
    TG_TRY(const ReportSql sql, report_sql(query));
    std::map<std::vector<std::string>, UsageRow> rows;
    Status bad;
    TG_CHECK_OK(store.query(sql.text, sql.values, [&](const SqlRow& row) {
        std::vector<std::string> group;
        int at = 0;
        for (const UsageDimension each : query.group_by) {
            if (each == UsageDimension::day)
                group.push_back(day_text(row.integer(at)));
            else
                group.emplace_back(row.is_null(at) ? std::string_view("?") : row.text(at));
            ++at;
        }
        const Result<Currency> currency =
            stored_enum<Currency>(row.integer(at), kCurrencyCount, sql.table + ".currency");
        if (!currency.ok()) {
            bad = fail(currency.error());
            return false;
        }
        UsageRow& out = rows[group];
        out.group = group;
        for (std::int64_t* sum :
             {&out.requests, &out.errors, &out.estimated, &out.unpriced, &out.input_tokens,
              &out.cached_tokens, &out.output_tokens, &out.reasoning_tokens}) {
            *sum += row.integer(++at);
        }
        out.charge.emplace_back(*currency, join({row.integer(at + 1), row.integer(at + 2)}));
        return true;
    }));
    TG_CHECK_OK(bad);
    std::vector<UsageRow> out;
    for (auto& [group, row] : rows) out.push_back(std::move(row));
    std::ranges::sort(out, [](const UsageRow& a, const UsageRow& b) {
        const Femto x = a.charge.empty() ? Femto{} : a.charge.front().second,
                    y = b.charge.empty() ? Femto{} : b.charge.front().second;
        return x != y ? x > y : a.group < b.group;
    });
    if (static_cast<int>(out.size()) > query.limit)
        out.resize(static_cast<std::size_t>(query.limit));
    return out;
}

Result<std::vector<StoredEvent>> recent_events(SqlConnection& store, CustomerId customer,
                                               int count) {
    if (count < 1 || count > 100)
        return fail(ErrorCode::invalid_request, "between 1 and 100 recent calls can be asked for");
    std::vector<StoredEvent> out;
    TG_CHECK_OK(read_events(store,
                            std::string(kEventSelect) +
                                "JOIN recent_calls r ON r.sequence = e.sequence WHERE "
                                "r.customer_id = ? ORDER BY e.sequence DESC LIMIT ?",
                            {std::int64_t{customer.get()}, std::int64_t{count}}, &out));
    return out;
}

Result<StoredEvent> find_event(SqlConnection& store, const RequestId& id) {
    // The id tells when the call started, the chunks where calls of that time are: no index on ids
    // is needed.
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
    TG_CHECK_OK(
        store.query("SELECT first_sequence, last_sequence FROM usage_chunks WHERE "
                    "first_started_ms <= ? AND last_started_ms >= ?",
                    {id.time_ms(), id.time_ms()}, [&](const SqlRow& row) {
                        ranges.emplace_back(row.integer(0), row.integer(1));
                        return true;
                    }));
    std::vector<StoredEvent> out;
    for (const auto& [first, last] : ranges) {
        TG_CHECK_OK(read_events(
            store,
            std::string(kEventSelect) +
                "WHERE e.sequence >= ? AND e.sequence <= ? AND e.id_high = ? AND e.id_low = ?",
            {first, last, static_cast<std::int64_t>(id.high), static_cast<std::int64_t>(id.low)},
            &out));
        if (!out.empty()) return std::move(out.front());
    }
    return fail(ErrorCode::not_found,
                "no call with id " + id.text() + " has been settled; it may still be under way");
}

}  // namespace tg
