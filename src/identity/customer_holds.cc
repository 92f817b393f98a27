#include "identity/customer_holds.h"

#include "base/json_writer.h"
#include "identity/audit_log.h"
#include "store/sql.h"

namespace tg {
namespace {

std::string reason_json(const std::string& reason) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("reason", reason).end_object();
    return out;
}

AuditEntry record_of(CustomerId customer, std::string_view action, const std::string& before,
                     const std::string& after, const Change& change) {
    return {.at = change.at,
            .actor = change.actor,
            .action = std::string(action),
            .subject_kind = "customer_hold",
            .subject_id = std::to_string(customer.get()),
            .before = before.empty() ? "" : reason_json(before),
            .after = after.empty() ? "" : reason_json(after)};
}

Status write(SqlConnection& store, CustomerId customer, const std::string& reason,
             const Change& change) {
    const Result<std::int64_t> done = store.execute(
        "INSERT INTO customer_holds (customer_id, reason, held_at) VALUES (?, ?, ?) ON CONFLICT "
        "(customer_id) DO UPDATE SET reason = excluded.reason",
        {std::int64_t{customer.get()}, reason, change.at.micros});
    return done.ok() ? Status() : Status(fail(done.error()));
}

Status release(SqlConnection& store, CustomerId customer) {
    const Result<std::int64_t> done = store.execute(
        "DELETE FROM customer_holds WHERE customer_id = ?", {std::int64_t{customer.get()}});
    return done.ok() ? Status() : Status(fail(done.error()));
}

}  // namespace

Result<std::vector<CustomerHold>> list_holds(SqlConnection& store) {
    std::vector<CustomerHold> out;
    TG_CHECK_OK(
        store.query("SELECT customer_id, reason, held_at FROM customer_holds ORDER BY customer_id",
                    {}, [&out](const SqlRow& row) {
                        out.push_back({CustomerId(static_cast<std::uint32_t>(row.integer(0))),
                                       std::string(row.text(1)), UtcMicros{row.integer(2)}});
                        return true;
                    }));
    return out;
}

Result<std::int64_t> set_holds(SqlConnection& store, const std::map<CustomerId, std::string>& holds,
                               const Change& change) {
    // Most of the time nothing changes: that is seen without a transaction.
    TG_TRY(std::vector<CustomerHold> known, list_holds(store));
    const auto is_same = [&] {
        if (known.size() != holds.size()) return false;
        for (const CustomerHold& hold : known) {
            const auto wanted = holds.find(hold.customer);
            if (wanted == holds.end() || wanted->second != hold.reason) return false;
        }
        return true;
    };
    if (is_same()) return 0;
    TG_TRY(Transaction transaction, Transaction::begin(store));
    // Every change of the directory begins with this row, and so queues here.
    TG_TRY(const std::int64_t heads, store.execute("UPDATE audit_head SET entries = entries"));
    if (heads != 1)
        return fail(ErrorCode::corrupt_data, "the store has no audit head; run the migrations");
    TG_TRY(known, list_holds(store));
    std::map<CustomerId, std::string> before;
    for (const CustomerHold& hold : known) before[hold.customer] = hold.reason;
    std::vector<AuditEntry> records;
    for (const auto& [customer, reason] : holds) {
        const auto held = before.find(customer);
        const std::string old = held == before.end() ? "" : held->second;
        if (held != before.end()) before.erase(held);
        if (old == reason) continue;
        TG_CHECK_OK(write(store, customer, reason, change));
        records.push_back(record_of(customer, "hold", old, reason, change));
    }
    for (const auto& [customer, reason] : before) {
        TG_CHECK_OK(release(store, customer));
        records.push_back(record_of(customer, "release", reason, "", change));
    }
    if (records.empty()) return 0;  // somebody was faster
    TG_CHECK_OK(append_audits(store, records));
    TG_TRY(const std::int64_t versions,
           store.execute("UPDATE directory_version SET version = version + 1"));
    if (versions != 1)
        return fail(ErrorCode::corrupt_data,
                    "the store has no directory version; run the migrations");
    TG_CHECK_OK(transaction.commit());
    return std::ssize(records);
}

}  // namespace tg
