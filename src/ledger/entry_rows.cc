#include "ledger/internal/entry_rows.h"

#include "ledger/internal/wide_amount.h"

namespace tg::ledger_internal {
namespace {

constexpr std::string_view kSelect =
    "SELECT e.number, e.booked_at, e.occurred_at, e.cause_kind, e.cause_id, e.reverses, e.details, "
    "e.content_hash, e.hash, p.line, p.account_id, p.amount_high, p.amount_low, a.code, "
    "a.currency, a.customer_id, a.project_id, a.subject "
    "FROM ledger_entries e LEFT JOIN ledger_postings p ON p.number = e.number "
    "LEFT JOIN ledger_accounts a ON a.id = p.account_id WHERE e.number >= ? AND e.number <= ?";

void read_head(const SqlRow& row, EntryRow* out) {
    *out = {};
    BookedEntry& booked = out->booked;
    booked.number = row.integer(0);
    booked.booked_at = {row.integer(1)};
    booked.entry.occurred_at = {row.integer(2)};
    out->cause_number = row.integer(3);
    if (is_known_cause(out->cause_number))
        booked.entry.cause.kind = static_cast<CauseKind>(out->cause_number);
    booked.entry.cause.id = row.text(4);
    booked.entry.reverses = row.integer(5);
    out->has_readable_details = parse_details(row.text(6), &booked.entry.details);
    booked.content_hash = row.text(7);
    booked.hash = row.text(8);
}

template <typename Number>
bool fits(std::int64_t value) {
    return value >= 0 && std::cmp_less_equal(value, std::numeric_limits<Number>::max());
}

void read_posting(const SqlRow& row, EntryRow* out) {
    PostingRow posting{.line = row.integer(9),
                       .account_id = row.integer(10),
                       .high = row.integer(11),
                       .low = row.integer(12)};
    Posting value{.account = {}, .amount = join_wide(posting.high, posting.low)};
    posting.has_account = !row.is_null(13) && fits<std::uint16_t>(row.integer(13)) &&
                          row.integer(14) >= 0 && row.integer(14) < kCurrencyCount &&
                          fits<std::uint32_t>(row.integer(15)) &&
                          fits<std::uint32_t>(row.integer(16));
    if (posting.has_account) {
        value.account = {.code = static_cast<AccountCode>(row.integer(13)),
                         .currency = static_cast<Currency>(row.integer(14)),
                         .customer = CustomerId{static_cast<std::uint32_t>(row.integer(15))},
                         .project = ProjectId{static_cast<std::uint32_t>(row.integer(16))},
                         .subject = std::string(row.text(17))};
    }
    out->postings.push_back(posting);
    out->booked.entry.postings.push_back(std::move(value));
}

}  // namespace

std::string details_as_column(const std::vector<Detail>& details) {
    std::string out;
    for (const Detail& each : details)
        out.append(each.key).append("=").append(each.value).append("\n");
    return out;
}

bool parse_details(std::string_view column, std::vector<Detail>* out) {
    out->clear();
    while (!column.empty()) {
        const std::size_t end = column.find('\n');
        const std::size_t equals = column.find('=');
        if (end == std::string_view::npos || equals > end) return false;
        out->push_back({std::string(column.substr(0, equals)),
                        std::string(column.substr(equals + 1, end - equals - 1))});
        column.remove_prefix(end + 1);
    }
    return true;
}

Status read_rows(SqlConnection& connection, std::int64_t first, std::int64_t last,
                 std::string_view where, std::span<const SqlValue> values,
                 const std::function<bool(EntryRow&)>& each) {
    std::string sql(kSelect);
    if (!where.empty()) sql.append(" AND ").append(where);
    sql += " ORDER BY e.number, p.line";
    std::vector<SqlValue> all{first, last};
    all.insert(all.end(), values.begin(), values.end());
    EntryRow current;
    bool has_current = false, goes_on = true;
    TG_CHECK_OK(connection.query(sql, all, [&](const SqlRow& row) {
        if (!has_current || row.integer(0) != current.booked.number) {
            if (has_current) goes_on = each(current);
            if (!goes_on) return false;
            read_head(row, &current);
            has_current = true;
        }
        if (!row.is_null(9)) read_posting(row, &current);
        return true;
    }));
    if (has_current && goes_on) (void)each(current);
    return {};
}

}  // namespace tg::ledger_internal
