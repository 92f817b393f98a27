#pragma once
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/sql.h"

namespace tg {

/// What decides whether a data policy allows an upstream account, as configured. No secrets.
struct AccountFacts {
    std::string name{};  ///< as in events
    std::string provider{}, region{}, pool{};
    std::string host{};  ///< of its base URL
    /// The zero-retention agreement and its first day ("2026-01-01"); both empty: not covered.
    std::string reference{}, since{};

    friend bool operator==(const AccountFacts&, const AccountFacts&) = default;
};

/// Writes accounts whose facts have changed, and the version of the zero-retention rules when it
/// has, into the audit log: from then on it shows what was in force when. Accounts that are not
/// named stay as they were, for another process of the fleet may use them. One transaction; call it
/// before the accounts are used. Returns how many entries were written. Blocking.
Result<int> record_accounts(SqlConnection& store, const std::vector<AccountFacts>& accounts,
                            int rules_version, const std::string& actor, UtcMicros at);

struct AccountPeriod {
    AccountFacts facts;
    UtcMicros from;  ///< until the account's next period
    std::int64_t audit_id = 0;

    /// Is it covered at `time`, by the facts of this period?
    bool covers(UtcMicros time) const;
};
struct RulesPeriod {
    int version = 0;
    UtcMicros from;
    std::int64_t audit_id = 0;
};

/// Both oldest first. Errors: corrupt_data naming the audit entry that cannot be read.
Result<std::vector<AccountPeriod>> account_history(SqlConnection& store);
Result<std::vector<RulesPeriod>> rules_history(SqlConnection& store);

}  // namespace tg
