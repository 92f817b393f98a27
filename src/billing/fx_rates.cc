#include "billing/fx_rates.h"

#include <algorithm>

#include "base/json_writer.h"
#include "base/money.h"
#include "identity/audit_log.h"

namespace tg {
namespace {

constexpr std::int64_t kRateMinE8 = 1'000'000, kRateMaxE8 = 100'000'000'000;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

/// The text before the next comma, which is taken away.
std::string_view next_cell(std::string_view* rest) {
    const std::size_t comma = std::min(rest->find(','), rest->size());
    const std::string_view cell = trimmed(rest->substr(0, comma));
    rest->remove_prefix(std::min(comma + 1, rest->size()));
    return cell;
}

Result<FxRate> parse_line(std::string_view line, std::string_view source) {
    const std::string_view date = next_cell(&line), rate = next_cell(&line), who = trimmed(line);
    TG_TRY(const std::int32_t day, parse_day(date));
    const Result<int128> value = parse_scaled(rate, 8);
    if (!value.ok() || *value < kRateMinE8 || *value > kRateMaxE8) {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(rate) +
                        "' is no rate: RMB for a dollar, 0.01 to 1000, at most 8 decimals");
    }
    FxRate out{.day = day,
               .usd_cny_e8 = static_cast<std::int64_t>(*value),
               .source = std::string(who.empty() ? source : who)};
    if (out.source.empty())
        return fail(ErrorCode::invalid_request,
                    "the rate has no source: name it in a third column or with the import");
    return out;
}

Result<std::optional<FxRate>> newest_rate(SqlConnection& store, std::int32_t until) {
    std::optional<FxRate> out;
    TG_CHECK_OK(store.query(
        "SELECT day, usd_cny_e8, source FROM fx_rates WHERE day <= ? ORDER BY day DESC LIMIT 1",
        {std::int64_t{until}}, [&out](const SqlRow& row) {
            out = FxRate{static_cast<std::int32_t>(row.integer(0)), row.integer(1),
                         std::string(row.text(2))};
            return true;
        }));
    return out;
}

std::int32_t last_day(YearMonth month) {
    const YearMonth next =
        month.month == 12 ? YearMonth{month.year + 1, 1} : YearMonth{month.year, month.month + 1};
    return static_cast<std::int32_t>(days_from_civil(next.year, next.month, 1)) - 1;
}

/// Whether it is a new one.
Result<bool> add_rate(SqlConnection& store, const FxRate& rate, const Change& change) {
    std::optional<FxRate> known;
    TG_TRY(known, newest_rate(store, rate.day));
    if (known && known->day == rate.day) {
        if (known->usd_cny_e8 == rate.usd_cny_e8) return false;
        return fail(ErrorCode::conflict, "the rate of " + day_text(rate.day) + " is " +
                                             format_scaled(known->usd_cny_e8, 8, 4) + " (" +
                                             known->source + ") and never changes; " +
                                             format_scaled(rate.usd_cny_e8, 8, 4) +
                                             " was to be added");
    }
    const Result<std::int64_t> inserted = store.execute(
        "INSERT INTO fx_rates (day, usd_cny_e8, source, added_at, added_by) VALUES (?, ?, ?, ?, ?)",
        {std::int64_t{rate.day}, rate.usd_cny_e8, rate.source, change.at.micros, change.actor});
    if (!inserted.ok()) return fail(inserted.error());
    return true;
}

Status record(SqlConnection& store, const std::vector<const FxRate*>& added, const Change& change) {
    std::string after;
    JsonWriter w(after);
    w.begin_object().key("rates").begin_array();
    for (const FxRate* rate : added) {
        w.begin_object().field("date", day_text(rate->day));
        w.field("usd_cny", format_scaled(rate->usd_cny_e8, 8, 4))
            .field("source", rate->source)
            .end_object();
    }
    w.end_array().end_object();
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = "create",
                     .subject_kind = "fx_rates",
                     .subject_id = day_text(added.front()->day),
                     .before = {},
                     .after = after};
    return append_audit(store, entry);
}

}  // namespace

Result<std::vector<FxRate>> parse_fx_csv(std::string_view text, std::string_view source) {
    std::vector<FxRate> out;
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || (number == 1 && line.starts_with("date"))) continue;
        Result<FxRate> rate = parse_line(line, source);
        if (!rate.ok()) {
            return fail(ErrorCode::invalid_request,
                        "line " + std::to_string(number) + ": " + rate.error().detail);
        }
        out.push_back(std::move(*rate));
    }
    return out;
}

Result<std::int64_t> add_fx_rates(SqlConnection& store, const std::vector<FxRate>& rates,
                                  const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    std::vector<const FxRate*> added;
    for (const FxRate& rate : rates) {
        if (rate.usd_cny_e8 < kRateMinE8 || rate.usd_cny_e8 > kRateMaxE8 || rate.source.empty()) {
            return fail(ErrorCode::invalid_request,
                        "the rate of " + day_text(rate.day) +
                            " must be 0.01 to 1000 and have a source; it is " +
                            format_scaled(rate.usd_cny_e8, 8, 4) + " from '" + rate.source + "'");
        }
        TG_TRY(const bool is_new, add_rate(store, rate, change));
        if (is_new) added.push_back(&rate);
    }
    if (!added.empty()) TG_CHECK_OK(record(store, added, change));
    TG_CHECK_OK(transaction.commit());
    return static_cast<std::int64_t>(added.size());
}

Result<std::vector<FxRate>> list_fx_rates(SqlConnection& store, std::int64_t limit) {
    std::vector<FxRate> out;
    TG_CHECK_OK(
        store.query("SELECT day, usd_cny_e8, source FROM fx_rates ORDER BY day DESC LIMIT ?",
                    {limit}, [&out](const SqlRow& row) {
                        out.push_back({static_cast<std::int32_t>(row.integer(0)), row.integer(1),
                                       std::string(row.text(2))});
                        return true;
                    }));
    return out;
}

Result<BillTerms> with_fx_rate(SqlConnection& store, const BillTerms& terms, YearMonth month,
                               FxUse use) {
    const std::int32_t day = last_day(month);
    TG_TRY(const std::optional<FxRate> rate, newest_rate(store, day));
    if (rate && (use == FxUse::preview || rate->day > day - kFxAgeMaxDays)) {
        BillTerms out = terms;
        out.usd_cny_e8 = rate->usd_cny_e8;
        out.rate_source = rate->source + ", " + day_text(rate->day);
        return out;
    }
    if (use == FxUse::preview) return terms;
    TG_TRY(const std::vector<FxRate> any, list_fx_rates(store, 1));
    if (any.empty()) return terms;
    return fail(ErrorCode::conflict, "there is no exchange rate of " + day_text(day) + " or the " +
                                         std::to_string(kFxAgeMaxDays - 1) +
                                         " days before; add it with: tollgate fx import");
}

}  // namespace tg
