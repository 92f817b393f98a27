#include "ledger/ledger.h"

#include "ledger/balances.h"
#include "ledger/internal/entry_rows.h"
#include "ledger/internal/head.h"
#include "ledger/internal/snapshots.h"
#include "ledger/internal/wide_amount.h"

namespace tg {
namespace {

using ledger_internal::expect_one;
using ledger_internal::Head;
using ledger_internal::split_wide;

/// Statements of a few lengths only, so that they stay prepared; no cause has the id ''.
constexpr std::size_t kLookupMax = 128;
std::size_t lookup_size(std::size_t count) {
    return count == 1 ? 1 : count <= 16 ? 16 : kLookupMax;
}

std::string standing(const AccountInfo& account, Femto balance) {
    const bool is_debit = balance.value > 0;
    return format_amount({is_debit ? balance.value : -balance.value}) +
           (is_debit ? " debit" : " credit") + ", but '" + std::string(account.title) +
           "' never stands in " + (is_debit ? "debit" : "credit");
}

bool is_on_forbidden_side(const AccountInfo& account, Femto balance) {
    return (account.side == BalanceSide::debit_only && balance.value < 0) ||
           (account.side == BalanceSide::credit_only && balance.value > 0);
}

Error different_content(const Cause& cause, std::int64_t number) {
    return {ErrorCode::conflict,
            text(cause) + " is ledger entry " + std::to_string(number) +
                " already, with other content; an entry is never changed: book the difference "
                "under an id of its own, or reverse the entry"};
}

}  // namespace

struct LedgerWriter::Batch {
    struct Row {
        std::int64_t number = 0;
        const Entry* entry = nullptr;
        std::string content_hash, hash;
    };
    Head head;
    std::int64_t entries_before = 0;
    std::vector<std::string> content_hashes;  ///< of all entries given
    std::vector<Booking> bookings;            ///< of all entries given; 0 while new
    std::vector<Row> rows;                    ///< of the new ones
};

Status LedgerWriter::find_booked(std::span<const Entry> entries, Batch* batch) {
    std::map<CauseKind, std::vector<std::size_t>> by_kind;
    for (std::size_t i = 0; i < entries.size(); ++i) by_kind[entries[i].cause.kind].push_back(i);
    std::map<Cause, std::pair<std::int64_t, std::string>> booked;
    for (const auto& [kind, all] : by_kind) {
        for (std::size_t from = 0; from < all.size(); from += kLookupMax) {
            const std::size_t count = std::min(kLookupMax, all.size() - from);
            const std::size_t size = lookup_size(count);
            std::string sql =
                "SELECT number, cause_id, content_hash FROM ledger_entries WHERE cause_kind = ? "
                "AND cause_id IN (?";
            for (std::size_t i = 1; i < size; ++i) sql += ", ?";
            std::vector<SqlValue> values{static_cast<std::int64_t>(kind)};
            for (std::size_t i = 0; i < size; ++i)
                values.emplace_back(i < count ? entries[all[from + i]].cause.id : std::string());
            TG_CHECK_OK(connection_->query(sql + ")", values, [&](const SqlRow& row) {
                booked[{kind, std::string(row.text(1))}] = {row.integer(0),
                                                            std::string(row.text(2))};
                return true;
            }));
        }
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto found = booked.find(entries[i].cause);
        if (found == booked.end()) continue;
        if (found->second.second != batch->content_hashes[i])
            return fail(different_content(entries[i].cause, found->second.first));
        batch->bookings[i].number = found->second.first;
    }
    return {};
}

Status LedgerWriter::check_reversal(const Entry& entry, std::int64_t entries_before) {
    const auto named = [&] { return "ledger entry " + std::to_string(entry.reverses); };
    if (entry.reverses > entries_before)
        return fail(ErrorCode::not_found, named() + " cannot be reversed: there is none");
    TG_TRY(const BookedEntry original, read_entry(*connection_, entry.reverses));
    if (entry.cause.id != std::to_string(entry.reverses) ||
        reversal_of(original.entry, entry.reverses, entry.occurred_at, "").postings !=
            entry.postings)
        return fail(ErrorCode::invalid_request,
                    named() + " can be reversed by its exact opposite only, under its number");
    return {};
}

Status LedgerWriter::number_entries(std::span<const Entry> entries, UtcMicros now, Batch* batch) {
    Head& head = batch->head;
    batch->entries_before = head.entries;
    head.booked_at = std::max(head.booked_at, now);
    std::map<Cause, std::size_t> given;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Entry& entry = entries[i];
        Booking& booking = batch->bookings[i];
        if (booking.number != 0) continue;
        const auto [before, is_first] = given.emplace(entry.cause, i);
        if (!is_first) {
            booking.number = batch->bookings[before->second].number;
            if (batch->content_hashes[before->second] != batch->content_hashes[i])
                return fail(different_content(entry.cause, booking.number));
            continue;
        }
        if (entry.reverses != 0) TG_CHECK_OK(check_reversal(entry, batch->entries_before));
        booking = {++head.entries, true};
        head.hash = sha256_hex(canonical_record(entry, booking.number, head.hash, head.booked_at));
        batch->rows.push_back({booking.number, &entry, batch->content_hashes[i], head.hash});
    }
    return {};
}

Status LedgerWriter::check_balances(const Batch& batch) {
    std::map<AccountKey, Femto> balances;
    for (const Batch::Row& row : batch.rows) {
        std::vector<AccountKey> touched;
        for (const Posting& each : row.entry->postings) {
            if (info(each.account.code).side == BalanceSide::either) continue;
            const auto [found, is_first] = balances.try_emplace(each.account);
            if (is_first) {
                TG_TRY(found->second,
                       read_balance(*connection_, each.account, batch.entries_before));
            }
            found->second += each.amount;
            touched.push_back(each.account);
        }
        for (const AccountKey& key : touched) {
            const AccountInfo& account = info(key.code);
            const Femto balance = balances.at(key);
            if (!is_on_forbidden_side(account, balance)) continue;
            return fail(ErrorCode::conflict, "ledger entry of " + text(row.entry->cause) +
                                                 ": account " + text(key) + " would stand at " +
                                                 standing(account, balance));
        }
    }
    return {};
}

Result<std::int64_t> LedgerWriter::account_id(const AccountKey& key) {
    const auto known = accounts_.find(key);
    if (known != accounts_.end()) return known->second;
    const std::int64_t customer = key.customer.get(), project = key.project.get();
    const auto currency = static_cast<std::int64_t>(key.currency);
    std::int64_t id = 0;
    const auto read_id = [&](const SqlRow& row) {
        id = row.integer(0);
        return true;
    };
    TG_CHECK_OK(connection_->query(
        "SELECT id FROM ledger_accounts WHERE customer_id = ? AND code = ? AND currency = ? AND "
        "project_id = ? AND subject = ?",
        {customer, number(key.code), currency, project, key.subject}, read_id));
    if (id == 0) {
        TG_CHECK_OK(connection_->query(
            "INSERT INTO ledger_accounts (code, currency, customer_id, project_id, subject) VALUES "
            "(?, ?, ?, ?, ?) RETURNING id",
            {number(key.code), currency, customer, project, key.subject}, read_id));
    }
    TG_ASSERT(id > 0);
    accounts_.emplace(key, id);
    return id;
}

Status LedgerWriter::write_entries(const Batch& batch) {
    constexpr std::string_view kColumns[] = {"number:i",   "booked_at:i",    "occurred_at:i",
                                             "reverses:i", "cause_kind:i2",  "cause_id:t",
                                             "details:t",  "content_hash:t", "hash:t"};
    TG_TRY(const auto insert, connection_->bulk_insert("ledger_entries", kColumns));
    // Views of texts must last until the row is ended.
    std::string details;
    for (const Batch::Row& row : batch.rows) {
        const Entry& entry = *row.entry;
        details = ledger_internal::details_as_column(entry.details);
        for (const std::int64_t value :
             {row.number, batch.head.booked_at.micros, entry.occurred_at.micros, entry.reverses,
              static_cast<std::int64_t>(entry.cause.kind)})
            insert->integer(value);
        for (const std::string* value :
             {&entry.cause.id, &std::as_const(details), &row.content_hash, &row.hash})
            insert->text(*value);
        TG_CHECK_OK(insert->end_row());
    }
    return insert->finish();
}

Status LedgerWriter::write_postings(const Batch& batch) {
    // A bulk insert owns the connection, so that the accounts come first.
    std::vector<std::int64_t> ids;
    for (const Batch::Row& row : batch.rows) {
        for (const Posting& each : row.entry->postings) {
            TG_TRY(const std::int64_t id, account_id(each.account));
            ids.push_back(id);
        }
    }
    constexpr std::string_view kColumns[] = {"number:i", "line:i2", "account_id:i", "amount_high:i",
                                             "amount_low:i"};
    TG_TRY(const auto insert, connection_->bulk_insert("ledger_postings", kColumns));
    std::size_t next = 0;
    for (const Batch::Row& row : batch.rows) {
        std::int64_t line = 0;
        for (const Posting& each : row.entry->postings) {
            const ledger_internal::WideAmount amount = split_wide(each.amount);
            for (const std::int64_t value :
                 {row.number, ++line, ids[next++], amount.high, amount.low})
                insert->integer(value);
            TG_CHECK_OK(insert->end_row());
        }
    }
    return insert->finish();
}

Result<std::vector<Booking>> LedgerWriter::append(std::span<const Entry> entries, UtcMicros now) {
    Batch batch;
    batch.bookings.resize(entries.size());
    for (const Entry& entry : entries) {
        TG_CHECK_OK(validate(entry));
        batch.content_hashes.push_back(sha256_hex(canonical_content(entry)));
    }
    if (entries.empty()) return std::move(batch.bookings);
    TG_TRY(batch.head, ledger_internal::lock_head(*connection_));
    TG_CHECK_OK(find_booked(entries, &batch));
    TG_CHECK_OK(number_entries(entries, now, &batch));
    if (batch.rows.empty()) return std::move(batch.bookings);
    TG_CHECK_OK(check_balances(batch));
    TG_CHECK_OK(write_entries(batch));
    TG_CHECK_OK(write_postings(batch));
    Head& head = batch.head;
    if (head.entries - head.snapshot_number >= kSnapshotEvery) {
        TG_CHECK_OK(
            ledger_internal::write_snapshot(*connection_, head.snapshot_number, head.entries));
        head.snapshot_number = head.entries;
    }
    TG_CHECK_OK(ledger_internal::write_head(*connection_, head));
    return std::move(batch.bookings);
}

Result<Booking> LedgerWriter::append(const Entry& entry, UtcMicros now) {
    TG_TRY(const std::vector<Booking> bookings, append(std::span(&entry, 1), now));
    return bookings.front();
}

Result<Booking> LedgerWriter::reverse(std::int64_t number, UtcMicros occurred_at,
                                      std::string_view reason, UtcMicros now) {
    TG_TRY(const BookedEntry original, read_entry(*connection_, number));
    return append(reversal_of(original.entry, number, occurred_at, reason), now);
}

}  // namespace tg
