#include "compliance/internal/policy_timeline.h"

#include <algorithm>
#include <ranges>

#include "compliance/internal/audit_json.h"

namespace tg::compliance_internal {

Result<PolicyTimeline> PolicyTimeline::load(SqlConnection& store, CustomerId customer,
                                            ProjectId project) {
    TG_TRY(std::vector<AuditEntry> entries,
           entries_of(store, "customer", std::to_string(customer.get())));
    TG_TRY(const std::vector<AuditEntry> own,
           entries_of(store, "project", std::to_string(project.get())));
    entries.insert(entries.end(), own.begin(), own.end());
    std::ranges::sort(entries, {}, &AuditEntry::id);
    PolicyTimeline out;
    DataPolicy outer, inner;
    bool has_project = false;
    for (const AuditEntry& entry : entries) {
        TG_TRY(DataPolicy policy, policy_of(entry));
        const bool is_project = entry.subject_kind == "project";
        (is_project ? inner : outer) = std::move(policy);
        has_project = has_project || is_project;
        if (!has_project) continue;
        DataPolicy effective = narrow(outer, inner);
        if (!out.periods_.empty() && out.periods_.back().policy == effective) continue;
        out.periods_.push_back({std::move(effective), entry.at, entry.id, entry.actor});
    }
    return out;
}

std::vector<const DataPolicy*> PolicyTimeline::possible_at(UtcMicros time) const {
    std::vector<const DataPolicy*> out;
    UtcMicros end{std::numeric_limits<std::int64_t>::max()};
    for (const PolicyPeriod& period : std::views::reverse(periods_)) {
        const bool has_begun = period.from <= time;
        if (has_begun && (out.empty() || end.micros + kPolicyPropagationMicros > time.micros))
            out.push_back(&period.policy);
        end = period.from;
    }
    return out;
}

AccountTimeline::AccountTimeline(std::vector<AccountPeriod> periods) {
    for (AccountPeriod& period : periods)
        by_account_[period.facts.name].push_back(std::move(period));
}

const AccountPeriod* AccountTimeline::at(std::string_view account, UtcMicros time) const {
    const auto found = by_account_.find(account);
    if (found == by_account_.end()) return nullptr;
    for (const AccountPeriod& period : std::views::reverse(found->second)) {
        if (period.from <= time) return &period;
    }
    return nullptr;
}

}  // namespace tg::compliance_internal
