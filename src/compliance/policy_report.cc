#include "compliance/policy_report.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/hash.h"
#include "base/time_zone.h"
#include "billing/settled_journals.h"
#include "compliance/internal/policy_timeline.h"
#include "identity/audit_log.h"
#include "metering/usage_event.h"
#include "metering/usage_journal.h"

namespace tg {
namespace {

using namespace compliance_internal;

constexpr std::int64_t kDayMillis = 86'400'000;

/// One settled call, as far as policies care.
struct ServedCall {
    RequestId id;
    UtcMicros started_at;
    Endpoint endpoint = Endpoint::other;
    int flags = 0;
    std::string_view account, provider, region;

    bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};

bool retains(Endpoint endpoint) {
    return endpoint == Endpoint::files || endpoint == Endpoint::batches ||
           endpoint == Endpoint::fine_tuning;
}

/// What a call breaks of one policy; "" when it keeps it.
std::string_view broken_rule(const ServedCall& call, const DataPolicy& policy,
                             const AccountPeriod* account) {
    const bool is_covered = account != nullptr && account->covers(call.started_at);
    const std::string_view pool = account != nullptr ? account->facts.pool : std::string_view();
    if (policy.is_zero_retention && !call.has(kEventZeroRetention))
        return "not_under_zero_retention";
    if (call.has(kEventZeroRetention) && !is_covered) return "account_not_covered";
    if (call.has(kEventZeroRetention) && retains(call.endpoint)) return "endpoint_retains";
    if (policy.regions && std::ranges::find(*policy.regions, call.region) == policy.regions->end())
        return "region_left";
    if (!policy.pool.empty() && pool != policy.pool) return "pool_left";
    if (policy.pool.empty() && !pool.empty() && pool != policy.pool_on_request)
        return "foreign_pool";
    return {};
}

class Reporter {
  public:
    Reporter(SqlConnection& store, const PolicyReportQuery& query) : store_(store), query_(query) {}
    Result<PolicyReport> run();

  private:
    Status read_events();
    Result<std::pair<std::int64_t, std::int64_t>> sequences() const;
    Result<ServedCall> call_of(const SqlRow& row) const;
    void take(const ServedCall& call);
    std::string_view judge(const ServedCall& call) const;
    void chain(const ServedCall& call);
    Status read_journal(Lsn settled);
    Status find_settled();
    void keep_used_accounts(std::vector<AccountPeriod> all);

    SqlConnection& store_;
    const PolicyReportQuery& query_;
    PolicyTimeline policies_;
    AccountTimeline accounts_{{}};
    Lsn settled_;
    std::map<std::tuple<std::string, std::string, std::string, std::string>, CallCount> calls_;
    PolicyReport out_;
};

Result<PolicyReport> Reporter::run() {
    TG_TRY(const TimeZone zone, TimeZone::load(query_.customer.time_zone));
    out_.period_start = zone.start_of_month(query_.month);
    out_.period_end = zone.end_of_month(query_.month);
    TG_TRY(policies_, PolicyTimeline::load(store_, query_.customer.id, query_.project.id));
    out_.policies = policies_.periods();
    TG_TRY(std::vector<AccountPeriod> accounts, account_history(store_));
    accounts_ = AccountTimeline(accounts);
    TG_TRY(out_.rules, rules_history(store_));
    TG_CHECK_OK(find_settled());
    TG_CHECK_OK(read_events());
    for (auto& [key, count] : calls_) out_.calls.push_back(std::move(count));
    keep_used_accounts(std::move(accounts));
    if (const Status journal = read_journal(settled_); !journal.ok())
        out_.journal_problem = journal.error().text();
    const Result<std::int64_t> audit = verify_audit(store_);
    if (audit.ok())
        out_.audit_entries = *audit;
    else
        out_.audit_problem = audit.error().text();
    return std::move(out_);
}

Status Reporter::find_settled() {
    TG_TRY(const std::vector<SettledJournal> journals, settled_journals(store_));
    const auto journal = journal_in(query_.journal_directory, journals);
    // What is wrong with the journal is told by whoever reads it.
    if (journal.ok() && *journal != nullptr) settled_ = (*journal)->settled_to;
    return {};
}

/// Calls end within a day of their start, so chunks that far around the month hold all of it.
Result<std::pair<std::int64_t, std::int64_t>> Reporter::sequences() const {
    std::pair<std::int64_t, std::int64_t> out{1, 0};
    TG_CHECK_OK(
        store_.query("SELECT MIN(first_sequence), MAX(last_sequence) FROM usage_chunks WHERE "
                     "last_started_ms >= ? AND first_started_ms <= ?",
                     {out_.period_start.micros / 1000 - 2 * kDayMillis,
                      out_.period_end.micros / 1000 + 2 * kDayMillis},
                     [&](const SqlRow& row) {
                         if (!row.is_null(0)) out = {row.integer(0), row.integer(1)};
                         return true;
                     }));
    return out;
}

Result<ServedCall> Reporter::call_of(const SqlRow& row) const {
    const std::int64_t endpoint = row.integer(3);
    if (endpoint < 0 || endpoint >= kEndpointCount) {
        return fail(ErrorCode::corrupt_data,
                    "usage_events.endpoint holds " + std::to_string(endpoint) +
                        ", which stands for nothing; run: tollgate verify");
    }
    return ServedCall{.id = {static_cast<std::uint64_t>(row.integer(0)),
                             static_cast<std::uint64_t>(row.integer(1))},
                      .started_at = {row.integer(2)},
                      .endpoint = static_cast<Endpoint>(endpoint),
                      .flags = static_cast<int>(row.integer(4)),
                      .account = row.text(5),
                      .provider = row.text(6),
                      .region = row.text(7)};
}

Status Reporter::read_events() {
    TG_TRY(const auto range, sequences());
    const YearMonth month = query_.month;
    const YearMonth next =
        month.month == 12 ? YearMonth{month.year + 1, 1} : YearMonth{month.year, month.month + 1};
    Status bad;
    TG_CHECK_OK(store_.query(
        "SELECT e.id_high, e.id_low, e.started_at, e.endpoint, e.flags, d.deployment, d.provider, "
        "d.region FROM usage_events e JOIN usage_dimensions d ON d.id = e.dimension_id WHERE "
        "e.sequence >= ? AND e.sequence <= ? AND e.customer_id = ? AND e.project_id = ? AND "
        "e.local_day >= ? AND e.local_day < ? ORDER BY e.sequence",
        {range.first, range.second, std::int64_t{query_.customer.id.get()},
         std::int64_t{query_.project.id.get()}, days_from_civil(month.year, month.month, 1),
         days_from_civil(next.year, next.month, 1)},
        [&](const SqlRow& row) {
            const Result<ServedCall> call = call_of(row);
            if (!call.ok()) {
                bad = fail(call.error());
                return false;
            }
            // A gate that died between refusing and saying so: nothing was sent.
            if (!call->has(kEventPolicyRefused)) take(*call);
            return true;
        }));
    return bad;
}

void Reporter::take(const ServedCall& call) {
    ++out_.events;
    chain(call);
    CallCount& count = calls_[{std::string(name(call.endpoint)), std::string(call.account),
                               std::string(call.provider), std::string(call.region)}];
    if (count.calls++ == 0) {
        count.endpoint = name(call.endpoint);
        count.account = call.account;
        count.provider = call.provider;
        count.region = call.region;
    }
    count.zero_retention += call.has(kEventZeroRetention) ? 1 : 0;
    count.pinned += call.has(kEventPinnedRegion) ? 1 : 0;
    count.dedicated += call.has(kEventDedicated) ? 1 : 0;
    const std::string_view rule = judge(call);
    if (rule.empty()) return;
    ++count.violations;
    ++out_.violation_count;
    if (out_.violations.size() == PolicyReport::kViolationsShown) return;
    out_.violations.push_back({call.id, call.started_at, std::string(call.account),
                               std::string(call.region), std::string(rule)});
}

/// Kept when any policy that may have been in force was kept.
std::string_view Reporter::judge(const ServedCall& call) const {
    const AccountPeriod* account = accounts_.at(call.account, call.started_at);
    std::string_view first;
    for (const DataPolicy* policy : policies_.possible_at(call.started_at)) {
        const std::string_view rule = broken_rule(call, *policy, account);
        if (rule.empty()) return {};
        if (first.empty()) first = rule;
    }
    return first;
}

void Reporter::chain(const ServedCall& call) {
    std::string line = out_.events_digest;
    // Each with its length, so that no text can pass for another split of the same bytes.
    const auto add = [&line](std::string_view part) {
        line.append("|").append(std::to_string(part.size())).append(":").append(part);
    };
    add(call.id.text());
    add(std::to_string(call.started_at.micros));
    add(name(call.endpoint));
    add(std::to_string(call.flags));
    add(call.account);
    add(call.region);
    const Sha256 digest = sha256(line);
    out_.events_digest = hex(digest.data(), digest.size());
}

Status Reporter::read_journal(Lsn settled) {
    TG_TRY(const auto reader, JournalReader::open(query_.journal_directory, {}));
    const auto is_ours = [&](const Payer& payer, UtcMicros at) {
        return payer.project == query_.project.id && at >= out_.period_start &&
               at < out_.period_end;
    };
    std::map<Endpoint, RefusedCount> refused;
    JournalRecord record;
    for (;;) {
        TG_TRY(const bool has_record, reader->next(&record, kNoLimit));
        if (!has_record) break;
        if (record.kind == RecordKind::settled && record.at >= settled &&
            is_ours(record.event.payer, record.event.ended_at))
            ++out_.unsettled;
        if (record.kind != RecordKind::reserved ||
            (record.reserved.flags & kEventPolicyRefused) == 0 ||
            !is_ours(record.reserved.payer, record.reserved.started_at))
            continue;
        RefusedCount& count = refused[record.reserved.endpoint];
        count.endpoint = name(record.reserved.endpoint);
        ++count.calls;
        count.zero_retention += (record.reserved.flags & kEventZeroRetention) != 0 ? 1 : 0;
    }
    for (auto& [endpoint, count] : refused) out_.refused.push_back(std::move(count));
    return {};
}

/// Of each account that was used, what the register said of it up to the month's end.
void Reporter::keep_used_accounts(std::vector<AccountPeriod> all) {
    for (AccountPeriod& period : all) {
        const bool is_used = std::ranges::any_of(
            out_.calls, [&](const CallCount& count) { return count.account == period.facts.name; });
        if (is_used && period.from < out_.period_end) out_.accounts.push_back(std::move(period));
    }
}

}  // namespace

Result<PolicyReport> make_policy_report(SqlConnection& store, const PolicyReportQuery& query) {
    return Reporter(store, query).run();
}

}  // namespace tg
