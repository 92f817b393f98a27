#include "compliance/account_register.h"

#include <map>

#include "compliance/internal/audit_json.h"

namespace tg {
namespace {

using namespace compliance_internal;

/// What the register holds last for each subject of a kind.
Result<std::map<std::string, std::string>> newest(SqlConnection& store, std::string_view kind) {
    TG_TRY(const std::vector<AuditEntry> entries, entries_of(store, kind));
    std::map<std::string, std::string> out;
    for (const AuditEntry& entry : entries) out[entry.subject_id] = entry.after;
    return out;
}

class Recorder {
  public:
    Recorder(SqlConnection& store, const std::string& actor, UtcMicros at)
        : store_(store), actor_(actor), at_(at) {}

    Status note(std::string_view kind, const std::string& id, std::string after,
                const std::map<std::string, std::string>& known) {
        const auto found = known.find(id);
        if (found != known.end() && found->second == after) return {};
        AuditEntry entry{.at = at_,
                         .actor = actor_,
                         .action = found == known.end() ? "create" : "update",
                         .subject_kind = std::string(kind),
                         .subject_id = id,
                         .before = found == known.end() ? "" : found->second,
                         .after = std::move(after)};
        ++written_;
        return append_audit(store_, entry);
    }
    int written() const { return written_; }

  private:
    SqlConnection& store_;
    const std::string& actor_;
    UtcMicros at_;
    int written_ = 0;
};

}  // namespace

Result<int> record_accounts(SqlConnection& store, const std::vector<AccountFacts>& accounts,
                            int rules_version, const std::string& actor, UtcMicros at) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    // Locks out other writers of the log before it is read, so that two gates that start at once
    // do not both find the same facts missing.
    TG_TRY(const std::int64_t heads, store.execute("UPDATE audit_head SET entries = entries"));
    if (heads != 1)
        return fail(ErrorCode::corrupt_data, "the store has no audit head; run the migrations");
    TG_TRY(const auto known_accounts, newest(store, kAccountKind));
    TG_TRY(const auto known_rules, newest(store, kRulesKind));
    Recorder recorder(store, actor, at);
    TG_CHECK_OK(
        recorder.note(kRulesKind, std::string(kRulesId), rules_json(rules_version), known_rules));
    for (const AccountFacts& facts : accounts)
        TG_CHECK_OK(recorder.note(kAccountKind, facts.name, to_json(facts), known_accounts));
    TG_CHECK_OK(transaction.commit());
    return recorder.written();
}

bool AccountPeriod::covers(UtcMicros time) const {
    if (facts.reference.empty()) return false;
    const Result<UtcMicros> since = parse_rfc3339(facts.since);
    return since.ok() && *since <= time;
}

Result<std::vector<AccountPeriod>> account_history(SqlConnection& store) {
    TG_TRY(const std::vector<AuditEntry> entries, entries_of(store, kAccountKind));
    std::vector<AccountPeriod> out;
    for (const AuditEntry& entry : entries) {
        TG_TRY(AccountFacts facts, facts_of(entry));
        out.push_back({std::move(facts), entry.at, entry.id});
    }
    return out;
}

Result<std::vector<RulesPeriod>> rules_history(SqlConnection& store) {
    TG_TRY(const std::vector<AuditEntry> entries, entries_of(store, kRulesKind));
    std::vector<RulesPeriod> out;
    for (const AuditEntry& entry : entries) {
        TG_TRY(const int version, rules_of(entry));
        out.push_back({version, entry.at, entry.id});
    }
    return out;
}

}  // namespace tg
