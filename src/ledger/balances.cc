#include "ledger/balances.h"

#include <bit>

#include "ledger/internal/snapshots.h"
#include "ledger/internal/wide_amount.h"

namespace tg {
namespace {

using ledger_internal::join_wide;

/// Accounts that match, each with the number of its last snapshot, then the postings after that.
constexpr std::string_view kPicked =
    "WITH picked AS (SELECT a.id, a.code, a.currency, a.customer_id, a.project_id, a.subject, "
    "(SELECT max(s.number) FROM ledger_snapshots s WHERE s.account_id = a.id AND s.number <= ?) "
    "AS base FROM ledger_accounts a WHERE 1 = 1";
constexpr std::string_view kSums =
    ") SELECT k.code, k.currency, k.customer_id, k.project_id, k.subject, s.amount_high, "
    "s.amount_low, sum(p.amount_high), sum(p.amount_low), count(p.number) FROM picked k "
    "LEFT JOIN ledger_snapshots s ON s.account_id = k.id AND s.number = k.base "
    "LEFT JOIN ledger_postings p ON p.account_id = k.id AND p.number > coalesce(k.base, 0) "
    "AND p.number <= ? "
    "GROUP BY k.id, k.code, k.currency, k.customer_id, k.project_id, k.subject, s.amount_high, "
    "s.amount_low";

struct Query {
    std::string sql{kPicked};
    std::vector<SqlValue> values;
    void where(std::string_view column, SqlValue value) {
        sql.append(" AND a.").append(column).append(" = ?");
        values.push_back(std::move(value));
    }
    void where_in(std::string_view column, const std::vector<CustomerId>& customers) {
        std::string places;
        for (const CustomerId customer : customers) {
            places.append(places.empty() ? "?" : ", ?");
            values.emplace_back(std::int64_t{customer.get()});
        }
        sql.append(" AND a.").append(column).append(" IN (" + places + ")");
    }
};

AccountKey key_of(const SqlRow& row) {
    return {.code = static_cast<AccountCode>(row.integer(0)),
            .currency = static_cast<Currency>(row.integer(1)),
            .customer = CustomerId{static_cast<std::uint32_t>(row.integer(2))},
            .project = ProjectId{static_cast<std::uint32_t>(row.integer(3))},
            .subject = std::string(row.text(4))};
}

Result<std::vector<AccountBalance>> run(SqlConnection& connection, Query query,
                                        std::int64_t up_to) {
    query.sql += kSums;
    query.values.insert(query.values.begin(), up_to);
    query.values.emplace_back(up_to);
    std::vector<AccountBalance> out;
    TG_CHECK_OK(connection.query(query.sql, query.values, [&](const SqlRow& row) {
        const bool has_any = !row.is_null(5) || row.integer(9) > 0;
        if (!has_any) return true;
        const Femto base = join_wide(row.integer(5), row.integer(6));
        const Femto tail = join_wide(row.integer(7), row.integer(8));
        out.push_back({key_of(row), base + tail});
        return true;
    }));
    std::ranges::sort(out, {}, &AccountBalance::account);
    return out;
}

}  // namespace

Result<std::vector<AccountBalance>> read_balances(SqlConnection& connection,
                                                  const BalanceFilter& filter) {
    Query query;
    if (filter.customer) query.where("customer_id", std::int64_t{filter.customer->get()});
    if (filter.account) query.where("code", number(*filter.account));
    if (filter.currency) query.where("currency", static_cast<std::int64_t>(*filter.currency));
    if (!filter.subject.empty()) query.where("subject", filter.subject);
    if (!filter.customers.empty()) query.where_in("customer_id", filter.customers);
    return run(connection, std::move(query), filter.up_to);
}

Result<Femto> read_balance(SqlConnection& connection, const AccountKey& account,
                           std::int64_t up_to) {
    Query query;
    query.where("customer_id", std::int64_t{account.customer.get()});
    query.where("code", number(account.code));
    query.where("currency", static_cast<std::int64_t>(account.currency));
    query.where("project_id", std::int64_t{account.project.get()});
    query.where("subject", account.subject);
    TG_TRY(const std::vector<AccountBalance> found, run(connection, std::move(query), up_to));
    return found.empty() ? Femto{} : found.front().amount;
}

Result<std::int64_t> number_as_of(SqlConnection& connection, UtcMicros moment) {
    std::int64_t number = 0;
    TG_CHECK_OK(
        connection.query("SELECT number FROM ledger_entries WHERE booked_at <= ? ORDER "
                         "BY booked_at DESC, number DESC LIMIT 1",
                         {moment.micros}, [&](const SqlRow& row) {
                             number = row.integer(0);
                             return false;
                         }));
    return number;
}

namespace ledger_internal {
namespace {

/// A session of PostgreSQL that planned its statements while the ledger was empty goes on to read
/// whole tables for each account, until somebody analyses them.
Status renew_statistics(SqlConnection& connection, std::int64_t number) {
    const auto snapshots = static_cast<std::uint64_t>(number / kSnapshotEvery);
    if (connection.dialect() != Dialect::postgres || !std::has_single_bit(snapshots)) return {};
    return connection.execute_script(
        "ANALYZE ledger_snapshots; ANALYZE ledger_postings; ANALYZE ledger_accounts");
}

}  // namespace

Status write_snapshot(SqlConnection& connection, std::int64_t previous, std::int64_t number) {
    struct Row {
        std::int64_t account = 0;
        Femto amount;
    };
    std::vector<Row> rows;
    TG_CHECK_OK(connection.query(
        "WITH changed AS (SELECT account_id, sum(amount_high) AS high, sum(amount_low) AS low FROM "
        "ledger_postings WHERE number > ? AND number <= ? GROUP BY account_id), based AS (SELECT "
        "c.account_id, c.high, c.low, (SELECT max(s.number) FROM ledger_snapshots s WHERE "
        "s.account_id = c.account_id) AS base FROM changed c) SELECT b.account_id, b.high, b.low, "
        "s.amount_high, s.amount_low FROM based b LEFT JOIN ledger_snapshots s ON s.account_id = "
        "b.account_id AND s.number = b.base ORDER BY b.account_id",
        {previous, number}, [&](const SqlRow& row) {
            rows.push_back({row.integer(0), join_wide(row.integer(1), row.integer(2)) +
                                                join_wide(row.integer(3), row.integer(4))});
            return true;
        }));
    constexpr std::string_view kColumns[] = {"account_id:i", "number:i", "amount_high:i",
                                             "amount_low:i"};
    TG_TRY(const auto insert, connection.bulk_insert("ledger_snapshots", kColumns));
    for (const Row& row : rows) {
        if (!fits_wide(row.amount))
            return fail(ErrorCode::internal, "ledger account " + std::to_string(row.account) +
                                                 " holds more than the store can keep");
        const WideAmount parts = split_wide(row.amount);
        for (const std::int64_t value : {row.account, number, parts.high, parts.low})
            insert->integer(value);
        TG_CHECK_OK(insert->end_row());
    }
    TG_CHECK_OK(insert->finish());
    return renew_statistics(connection, number);
}

}  // namespace ledger_internal
}  // namespace tg
