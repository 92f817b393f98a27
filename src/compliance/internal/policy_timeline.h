#pragma once
#include <map>
#include <string>
#include <vector>

#include "compliance/policy_report.h"

namespace tg::compliance_internal {

/// Which policy held when, from the audit entries of a customer and one of its projects.
class PolicyTimeline {
  public:
    static Result<PolicyTimeline> load(SqlConnection& store, CustomerId customer,
                                       ProjectId project);

    const std::vector<PolicyPeriod>& periods() const { return periods_; }
    /// The policies that a call started at `time` may have been served under: the one in force, and
    /// those that ended less than kPolicyPropagationMicros before. Newest first; none before the
    /// project existed.
    std::vector<const DataPolicy*> possible_at(UtcMicros time) const;

  private:
    std::vector<PolicyPeriod> periods_;  ///< oldest first
};

/// What the register said of each account when.
class AccountTimeline {
  public:
    explicit AccountTimeline(std::vector<AccountPeriod> periods);
    /// nullptr when the register did not know the account then.
    const AccountPeriod* at(std::string_view account, UtcMicros time) const;

  private:
    std::map<std::string, std::vector<AccountPeriod>, std::less<>> by_account_;
};

}  // namespace tg::compliance_internal
