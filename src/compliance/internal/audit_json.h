#pragma once
#include <string>

#include "compliance/account_register.h"
#include "identity/audit_log.h"
#include "identity/data_policy.h"

namespace tg::compliance_internal {

inline constexpr std::string_view kAccountKind = "upstream_account";
inline constexpr std::string_view kRulesKind = "zero_retention_rules";
inline constexpr std::string_view kRulesId = "openai";

std::string to_json(const AccountFacts& facts);
std::string rules_json(int version);

// Each reads the `after` side of an entry. Errors: corrupt_data naming the entry.
Result<AccountFacts> facts_of(const AuditEntry& entry);
Result<int> rules_of(const AuditEntry& entry);
/// The policy of a customer or a project; entries from before there were policies demand nothing.
Result<DataPolicy> policy_of(const AuditEntry& entry);

/// All entries of a kind (and subject), oldest first.
Result<std::vector<AuditEntry>> entries_of(SqlConnection& store, std::string_view kind,
                                           std::string_view id = {});

}  // namespace tg::compliance_internal
