#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "compliance/account_register.h"
#include "identity/directory.h"
#include "store/sql.h"

namespace tg {

/// How long after a change of policy a call may still be served under the one before: other
/// processes look every 200 ms, and a busy one needs a moment.
inline constexpr std::int64_t kPolicyPropagationMicros = 2'000'000;

struct PolicyReportQuery {
    Customer customer;
    Project project;
    YearMonth month;                ///< of the calls' ends, in the customer's zone, as on bills
    std::string journal_directory;  ///< of this machine; refused calls are counted from it
};

/// The policy that held for the project from a moment on: its own below its customer's.
struct PolicyPeriod {
    DataPolicy policy;
    UtcMicros from;
    std::int64_t audit_id = 0;
    std::string actor{};
};

/// Settled calls of one endpoint, account and region.
struct CallCount {
    std::string endpoint, account, provider, region;
    std::int64_t calls = 0, zero_retention = 0, pinned = 0, dedicated = 0, violations = 0;
};

/// Calls that were refused before anything was sent.
struct RefusedCount {
    std::string endpoint;
    std::int64_t calls = 0, zero_retention = 0;
};

/// A call that the policy of its time did not allow as it was served.
struct PolicyViolation {
    RequestId id;
    UtcMicros started_at;
    std::string account, region;
    std::string rule;  ///< account_not_covered, not_under_zero_retention, endpoint_retains,
                       ///< region_left, pool_left, foreign_pool
};

struct PolicyReport {
    static constexpr std::size_t kViolationsShown = 100;

    UtcMicros period_start, period_end;
    std::vector<PolicyPeriod> policies;   ///< oldest first, the last one is in force
    std::vector<AccountPeriod> accounts;  ///< of the accounts used; oldest first
    std::vector<RulesPeriod> rules;
    std::vector<CallCount> calls;
    std::int64_t events = 0;
    std::int64_t violation_count = 0;
    std::vector<PolicyViolation> violations;  ///< the first kViolationsShown
    std::string events_digest;  ///< SHA-256 chained over the events in order; "" without events
    std::vector<RefusedCount> refused;
    std::int64_t unsettled = 0;      ///< in the journal, not yet in the store: not in this report
    std::string journal_problem;     ///< why the journal could not be read; then the last two say
                                     ///< nothing
    std::int64_t audit_entries = 0;  ///< of the whole log, whose chain was verified
    std::string audit_problem;       ///< why its chain does not hold

    bool ok() const { return violation_count == 0 && audit_problem.empty(); }
};

/// Compares each settled call of the month with the policy and the register of accounts at its
/// start. Blocking; reads the events of the month and the whole journal. Errors: store_unavailable,
/// corrupt_data.
Result<PolicyReport> make_policy_report(SqlConnection& store, const PolicyReportQuery& query);

}  // namespace tg
