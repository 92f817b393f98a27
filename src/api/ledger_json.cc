#include "api/ledger_json.h"

#include "identity/audit_log.h"
#include "identity/directory_holder.h"

namespace tg {
namespace {

void write_account(JsonWriter& w, const AccountKey& key, const OwnerCodes& owners) {
    w.field("account", number(key.code)).field("title", title_of(key.code));
    w.field("currency", code(key.currency)).field("customer", owners.of(key.customer));
    w.field("project", owners.of(key.project)).field("subject", key.subject);
}

}  // namespace

Result<OwnerCodes> OwnerCodes::load(SqlConnection& store) {
    OwnerCodes out;
    TG_TRY(out.directory_, load_directory(store));
    return out;
}

Result<CustomerId> OwnerCodes::customer(const std::string& code) const {
    const Customer* found = directory_->customer(code);
    if (found == nullptr)
        return fail(ErrorCode::not_found, "customer '" + code + "' does not exist");
    return found->id;
}

std::string OwnerCodes::of(CustomerId id) const {
    if (!id) return "";
    const Customer* found = directory_->customer(id);
    return found != nullptr ? found->code : "#" + std::to_string(id.get());
}

std::string OwnerCodes::of(ProjectId id) const {
    if (!id) return "";
    const Project* found = directory_->project(id);
    return found != nullptr ? found->code : "#" + std::to_string(id.get());
}

Result<AccountCode> parse_account(const std::string& text) {
    const AccountInfo* found = find_account(text);
    if (found == nullptr)
        return fail(
            ErrorCode::invalid_request,
            "'" + text.substr(0, 40) + "' is no account; 'tollgate ledger accounts' lists them");
    return found->code;
}

std::string title_of(AccountCode code) {
    const AccountInfo* found = find_account(number(code));
    return found != nullptr ? std::string(found->title) : "not in the chart";
}

std::string_view text_of(BalanceSide side) {
    switch (side) {
        case BalanceSide::either:
            return "either side";
        case BalanceSide::debit_only:
            return "debit only";
        case BalanceSide::credit_only:
            return "credit only";
    }
    return "";
}

std::string_view text_of(AccountOwner owner) {
    switch (owner) {
        case AccountOwner::own:
            return "own books";
        case AccountOwner::customer:
            return "customer";
        case AccountOwner::either:
            return "either";
    }
    return "";
}

std::string_view text_of(Grain grain) {
    return grain == Grain::cent ? "0.01" : "10^-15";
}

void write_chart_account(JsonWriter& w, const AccountInfo& account) {
    w.begin_object().field("account", number(account.code)).field("name", account.name);
    w.field("title", account.title).field("title_zh", account.title_zh);
    w.field("type", name(account.type)).field("balance", text_of(account.side));
    w.field("smallest", text_of(account.grain)).field("owner", text_of(account.owner));
    w.field("subject", name(account.subject)).end_object();
}

void write_balance(JsonWriter& w, const AccountBalance& balance, const OwnerCodes& owners) {
    w.begin_object();
    write_account(w, balance.account, owners);
    w.field("balance", format_amount(balance.amount)).end_object();
}

void write_booked_entry(JsonWriter& w, const BookedEntry& booked, const OwnerCodes& owners) {
    const Entry& entry = booked.entry;
    w.begin_object().field("number", booked.number);
    w.field("booked_at", format_rfc3339(booked.booked_at));
    w.field("occurred_at", format_rfc3339(entry.occurred_at));
    w.field("cause", name(entry.cause.kind)).field("id", entry.cause.id);
    w.field("reverses", entry.reverses).key("details").begin_object();
    for (const Detail& each : entry.details) w.field(each.key, each.value);
    w.end_object().key("postings").begin_array();
    for (const Posting& each : entry.postings) {
        w.begin_object();
        write_account(w, each.account, owners);
        w.field("amount", format_amount(each.amount)).end_object();
    }
    w.end_array().field("hash", booked.hash).end_object();
}

void write_ledger_report(JsonWriter& w, const LedgerVerifyReport& report) {
    w.begin_object().field("ok", report.ok()).field("entries", report.entries);
    w.field("postings", report.postings).field("accounts", report.accounts);
    w.field("snapshots", report.snapshots).field("leaves", report.leaves);
    w.field("heads", report.heads).key("problems").begin_array();
    for (const std::string& problem : report.problems) w.value(problem);
    w.end_array().end_object();
}

Result<Booking> reverse_booked_entry(SqlConnection& store, std::int64_t number,
                                     const std::string& reason, const std::string& actor,
                                     UtcMicros now) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    AuditEntry audit{.at = now,
                     .actor = actor,
                     .action = "reverse",
                     .subject_kind = "ledger_entry",
                     .subject_id = std::to_string(number)};
    JsonWriter(audit.after).begin_object().field("reason", reason).end_object();
    LedgerWriter writer(&store);
    TG_TRY(const Booking booking, writer.reverse(number, now, reason, now));
    TG_CHECK_OK(append_audit(store, audit));
    TG_CHECK_OK(transaction.commit());
    return booking;
}

}  // namespace tg
