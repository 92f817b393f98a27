#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/strong.h"
#include "identity/identity_store.h"

namespace tg {

class SqlConnection;

/// Why a customer's calls are refused for the time being, whatever its keys say.
struct CustomerHold {
    CustomerId customer;
    std::string reason;  ///< for whoever calls: "its prepaid balance is used up: top up"
    UtcMicros held_at;
};
/// In order of id. Errors: those of the store.
Result<std::vector<CustomerHold>> list_holds(SqlConnection& store);

/// Makes the store's holds those given, and releases all others, in one transaction with an audit
/// record for each; who reads the directory sees it at the next look. Returns how many were set,
/// released, or got another reason. Errors: those of the store.
Result<std::int64_t> set_holds(SqlConnection& store, const std::map<CustomerId, std::string>& holds,
                               const Change& change);

}  // namespace tg
