#include "ledger/internal/entry_rows.h"
#include "ledger/internal/head.h"
#include "ledger/ledger.h"

namespace tg {
namespace ledger_internal {
namespace {

Result<Head> head_row(SqlConnection& connection, std::string_view sql) {
    Head out;
    int rows = 0;
    TG_CHECK_OK(connection.query(sql, {}, [&](const SqlRow& row) {
        out = {.entries = row.integer(0),
               .hash = std::string(row.text(1)),
               .booked_at = {row.integer(2)},
               .snapshot_number = row.integer(3),
               .sealed_number = row.integer(4)};
        ++rows;
        return true;
    }));
    if (rows != 1)
        return fail(ErrorCode::corrupt_data,
                    "ledger_head has " + std::to_string(rows) + " rows instead of one");
    return out;
}

}  // namespace

Result<Head> read_head(SqlConnection& connection) {
    return head_row(connection,
                    "SELECT entries, hash, booked_at, snapshot_number, sealed_number FROM "
                    "ledger_head");
}

Result<Head> lock_head(SqlConnection& connection) {
    return head_row(connection,
                    "UPDATE ledger_head SET entries = entries RETURNING entries, hash, booked_at, "
                    "snapshot_number, sealed_number");
}

Status write_head(SqlConnection& connection, const Head& head) {
    return expect_one(
        connection.execute("UPDATE ledger_head SET entries = ?, hash = ?, booked_at = ?, "
                           "snapshot_number = ?, sealed_number = ?",
                           {head.entries, head.hash, head.booked_at.micros, head.snapshot_number,
                            head.sealed_number}),
        "ledger_head");
}

Status expect_one(const Result<std::int64_t>& rows, std::string_view table) {
    if (!rows.ok()) return fail(rows.error());
    if (*rows == 1) return {};
    return fail(ErrorCode::corrupt_data, std::string(table) + ": " + std::to_string(*rows) +
                                             " rows were changed instead of one");
}

}  // namespace ledger_internal

namespace {

/// The part of a filter that needs SQL: entries of the one cause, or with a posting that fits.
std::string where_of(const EntryFilter& filter, std::vector<SqlValue>* values) {
    std::string out = "e.booked_at >= ? AND e.booked_at < ?";
    values->assign({filter.booked_from.micros, filter.booked_until.micros});
    if (filter.cause) {
        out += " AND e.cause_kind = ? AND e.cause_id = ?";
        values->emplace_back(static_cast<std::int64_t>(filter.cause->kind));
        values->emplace_back(filter.cause->id);
    }
    std::string account;
    const auto add = [&](std::string_view column, SqlValue value) {
        account.append(" AND b.").append(column).append(" = ?");
        values->push_back(std::move(value));
    };
    if (filter.customer) add("customer_id", std::int64_t{filter.customer->get()});
    if (filter.account) add("code", number(*filter.account));
    if (!filter.subject.empty()) add("subject", filter.subject);
    if (account.empty()) return out;
    return out +
           " AND e.number IN (SELECT q.number FROM ledger_accounts b JOIN ledger_postings q ON "
           "q.account_id = b.id WHERE 1 = 1" +
           account + ")";
}

}  // namespace

Status read_entries(SqlConnection& connection, const EntryFilter& filter,
                    const std::function<bool(const BookedEntry&)>& each) {
    std::vector<SqlValue> values;
    const std::string where = where_of(filter, &values);
    Status bad;
    std::int64_t left = filter.limit;
    if (left <= 0) return {};
    TG_CHECK_OK(ledger_internal::read_rows(
        connection, filter.first, filter.last, where, values,
        [&](const ledger_internal::EntryRow& row) {
            const bool is_whole =
                is_known_cause(row.cause_number) && row.has_readable_details &&
                !row.postings.empty() &&
                std::ranges::all_of(row.postings,
                                    [](const auto& posting) { return posting.has_account; }) &&
                std::ranges::all_of(row.booked.entry.postings, [](const Posting& posting) {
                    return find_account(number(posting.account.code)) != nullptr;
                });
            if (!is_whole) {
                bad = fail(ErrorCode::corrupt_data,
                           "ledger entry " + std::to_string(row.booked.number) +
                               " cannot be read; run 'tollgate ledger verify'");
                return false;
            }
            return each(row.booked) && --left > 0;
        }));
    return bad;
}

Result<BookedEntry> read_entry(SqlConnection& connection, std::int64_t number) {
    std::optional<BookedEntry> out;
    TG_CHECK_OK(
        read_entries(connection, {.first = number, .last = number}, [&](const BookedEntry& entry) {
            out = entry;
            return true;
        }));
    if (!out)
        return fail(ErrorCode::not_found, "there is no ledger entry " + std::to_string(number));
    return *std::move(out);
}

Result<LedgerReadSnapshot> LedgerReadSnapshot::begin(SqlConnection& connection) {
    TG_CHECK_OK(connection.execute_script(connection.dialect() == Dialect::postgres
                                              ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                                              : "BEGIN"));
    return LedgerReadSnapshot(connection);
}

LedgerReadSnapshot::~LedgerReadSnapshot() {
    if (connection_ != nullptr) (void)connection_->execute_script("ROLLBACK").ok();
}

}  // namespace tg
