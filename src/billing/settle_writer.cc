#include "billing/internal/settle_writer.h"

#include <algorithm>

#include "base/utf8.h"

namespace tg {
namespace {

constexpr std::string_view kEventColumns[] = {
    "sequence:i",       "id_high:i",      "id_low:i",
    "customer_id:i4",   "project_id:i4",  "key_id:i4",
    "dimension_id:i4",  "started_at:i",   "ended_at:i",
    "local_day:i4",     "endpoint:i2",    "tier:i2",
    "source:i2",        "outcome:i2",     "http_status:i4",
    "flags:i4",         "attempts:i4",    "first_byte_ms:i",
    "price_version:i4", "currency:i2",    "charge_nano:i",
    "charge_femto:i",   "input_tokens:i", "output_tokens:i",
    "usage:t",          "end_user:t",     "upstream_request_id:t"};

constexpr std::string_view kDailySet =
    " DO UPDATE SET requests = t.requests + excluded.requests, errors = t.errors + "
    "excluded.errors, estimated = t.estimated + excluded.estimated, "
    "unconfirmed = t.unconfirmed + excluded.unconfirmed, unpriced = t.unpriced + "
    "excluded.unpriced, input_tokens = t.input_tokens + "
    "excluded.input_tokens, cached_tokens = t.cached_tokens + excluded.cached_tokens, "
    "output_tokens = t.output_tokens + "
    "excluded.output_tokens, reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens, "
    "charge_nano = t.charge_nano + "
    "excluded.charge_nano, charge_femto = t.charge_femto + excluded.charge_femto";
constexpr std::string_view kSumColumns =
    "requests, errors, estimated, unconfirmed, unpriced, input_tokens, cached_tokens, "
    "output_tokens, reasoning_tokens, charge_nano, charge_femto";

/// One odd event must not stop all others.
std::string_view storable(std::string_view text, std::string* scratch) {
    if (is_storable_text(text)) return text;
    make_storable(text, scratch);
    return *scratch;
}

void push_sums(std::vector<SqlValue>* values, const DailySums& sums) {
    const SplitFemto charge = split(sums.charge);
    for (const std::int64_t v :
         {sums.requests, sums.errors, sums.estimated, sums.unconfirmed, sums.unpriced,
          sums.input_tokens, sums.cached_tokens, sums.output_tokens, sums.reasoning_tokens,
          charge.nano, charge.femto}) {
        values->emplace_back(v);
    }
}

Status as_status(Result<std::int64_t> result) {
    if (!result.ok()) return fail(std::move(result).error());
    return {};
}

}  // namespace

Result<std::unique_ptr<SqlConnection::BulkInsert>> begin_events(SqlConnection& store) {
    return store.bulk_insert("usage_events", kEventColumns);
}

Status write_event(SqlConnection::BulkInsert& insert, const EventRow& row) {
    const UsageEvent& event = *row.event;
    const EventRater::Rated& rated = *row.rated;
    thread_local std::string usage_text, end_user, request_id;
    const SplitFemto charge = split(rated.event.total);
    write_usage_text(event.usage, &usage_text);
    const int flags = event.flags | (rated.is_priced ? 0 : kEventUnpriced);
    for (const std::int64_t v : {row.sequence,
                                 static_cast<std::int64_t>(event.id.high),
                                 static_cast<std::int64_t>(event.id.low),
                                 std::int64_t{event.payer.customer.get()},
                                 std::int64_t{event.payer.project.get()},
                                 std::int64_t{event.payer.key.get()},
                                 std::int64_t{row.dimension},
                                 event.started_at.micros,
                                 event.ended_at.micros,
                                 std::int64_t{row.day},
                                 static_cast<std::int64_t>(event.endpoint),
                                 static_cast<std::int64_t>(event.tier),
                                 static_cast<std::int64_t>(event.source),
                                 static_cast<std::int64_t>(event.outcome),
                                 std::int64_t{event.http_status},
                                 std::int64_t{flags},
                                 std::int64_t{event.attempts},
                                 std::int64_t{event.first_byte_ms},
                                 std::int64_t{event.price_version.get()},
                                 static_cast<std::int64_t>(rated.event.currency),
                                 charge.nano,
                                 charge.femto,
                                 event.usage.input_tokens(),
                                 event.usage.output_tokens()}) {
        insert.integer(v);
    }
    insert.text(usage_text);
    insert.text(storable(event.end_user, &end_user));
    insert.text(storable(event.upstream_request_id, &request_id));
    return insert.end_row();
}

Status write_sums(SqlConnection& store, const UsageSums& sums) {
    const std::string daily =
        "INSERT INTO usage_daily AS t (customer_id, local_day, project_id, key_id, dimension_id, "
        "tier, currency, " +
        std::string(kSumColumns) +
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (customer_id, "
        "local_day, project_id, "
        "key_id, dimension_id, tier, currency)" +
        std::string(kDailySet);
    const std::string by_user =
        "INSERT INTO usage_daily_end_users AS t (customer_id, local_day, project_id, key_id, "
        "dimension_id, end_user, tier, currency, " +
        std::string(kSumColumns) +
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT "
        "(customer_id, local_day, project_id, key_id, "
        "dimension_id, end_user, tier, currency)" +
        std::string(kDailySet);
    constexpr std::string_view kLine =
        "INSERT INTO usage_daily_lines AS t (customer_id, local_day, project_id, key_id, "
        "dimension_id, tier, meter, currency, price_nano, "
        "quantity) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (customer_id, local_day, "
        "project_id, key_id, dimension_id, tier, meter, "
        "currency, price_nano) DO UPDATE SET quantity = t.quantity + excluded.quantity";
    constexpr std::string_view kVersion =
        "INSERT INTO usage_daily_versions (customer_id, local_day, price_version) VALUES (?, ?, ?) "
        "ON CONFLICT DO NOTHING";
    std::vector<SqlValue> values;
    std::string scratch;
    for (const auto& [key, bucket] : sums.sorted()) {
        const std::vector<SqlValue> front = {std::int64_t{key.customer}, std::int64_t{key.day},
                                             std::int64_t{key.project}, std::int64_t{key.key},
                                             std::int64_t{key.dimension}};
        const SqlValue tier = static_cast<std::int64_t>(key.tier),
                       currency = static_cast<std::int64_t>(key.currency);
        values = front;
        values.insert(values.end(), {tier, currency});
        push_sums(&values, bucket->sums);
        TG_CHECK_OK(as_status(store.execute(daily, values)));
        for (const auto& [user, user_sums] : bucket->end_users) {
            values = front;
            values.emplace_back(std::string(storable(user, &scratch)));
            values.insert(values.end(), {tier, currency});
            push_sums(&values, user_sums);
            TG_CHECK_OK(as_status(store.execute(by_user, values)));
        }
        for (const LineSum& line : bucket->lines) {
            values = front;
            values.insert(values.end(), {tier, static_cast<std::int64_t>(line.meter), currency,
                                         line.price_nano, line.quantity});
            TG_CHECK_OK(as_status(store.execute(kLine, values)));
        }
        for (const std::uint32_t version : bucket->versions) {
            TG_CHECK_OK(
                as_status(store.execute(kVersion, {std::int64_t{key.customer},
                                                   std::int64_t{key.day}, std::int64_t{version}})));
        }
    }
    return {};
}

Status write_recent(SqlConnection& store,
                    const std::map<std::uint32_t, std::vector<std::int64_t>>& recent) {
    for (const auto& [customer, sequences] : recent) {
        const std::size_t first =
            sequences.size() > kRecentCalls ? sequences.size() - kRecentCalls : 0;
        for (std::size_t i = first; i < sequences.size(); ++i) {
            TG_CHECK_OK(as_status(
                store.execute("INSERT INTO recent_calls (customer_id, sequence) VALUES (?, ?)",
                              {std::int64_t{customer}, sequences[i]})));
        }
        TG_CHECK_OK(as_status(
            store.execute("DELETE FROM recent_calls WHERE customer_id = ? AND sequence < (SELECT "
                          "MIN(sequence) FROM (SELECT sequence FROM recent_calls "
                          "WHERE customer_id = ? ORDER BY sequence DESC LIMIT 100) AS newest)",
                          {std::int64_t{customer}, std::int64_t{customer}})));
    }
    return {};
}

Status write_batch(SqlConnection& store, const BatchRow& batch) {
    if (batch.last_sequence >= batch.first_sequence) {
        TG_CHECK_OK(as_status(store.execute(
            "INSERT INTO settle_batches (first_sequence, last_sequence, from_lsn, to_lsn, "
            "first_started_ms, last_started_ms) VALUES "
            "(?, ?, ?, ?, ?, ?)",
            {batch.first_sequence, batch.last_sequence, static_cast<std::int64_t>(batch.from.value),
             static_cast<std::int64_t>(batch.to.value), batch.first_started_ms,
             batch.last_started_ms})));
    }
    // The old position is part of the condition: a second settler on the same store would find no
    // row and stop.
    const Result<std::int64_t> moved = store.execute(
        "UPDATE settle_position SET lsn = ?, next_sequence = ? WHERE id = 1 AND lsn = ? AND "
        "next_sequence = ?",
        {static_cast<std::int64_t>(batch.to.value), batch.last_sequence + 1,
         static_cast<std::int64_t>(batch.from.value), batch.first_sequence});
    if (!moved.ok()) return fail(moved.error());
    if (*moved != 1) {
        return fail(ErrorCode::conflict,
                    "another process settles the same journal into this store; stop one of them");
    }
    return {};
}

}  // namespace tg
