#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/strong.h"
#include "billing/contract_terms.h"
#include "identity/identity_store.h"
#include "store/sql.h"

namespace tg {

/// For how long, and how it ends early. Source: requirements C4.
enum class ContractKind : std::uint8_t {
    none,         ///< no term: ends on any day
    one_year,     ///< ends early with 30 days' notice
    three_years,  ///< ends early only for the penalty its terms name
};
inline constexpr int kContractKindCount = 3;
std::string_view name(ContractKind kind);
/// Errors: invalid_request naming those there are.
Result<ContractKind> parse_contract_kind(std::string_view text);
inline constexpr int kNoticeDays = 30;  ///< of one_year

/// Days are days of the customer's calendar, numbered since 1970-01-01.
inline constexpr std::int32_t kNoDay = std::numeric_limits<std::int32_t>::max();

struct ContractVersion {
    int version = 1;
    std::int32_t from_day = 0;
    ContractTerms terms;
    std::string reason;  ///< of an amendment
    UtcMicros created_at;
    std::string created_by;
};

/// One agreement with a customer, who has at most one on any day. Amendments are new versions of
/// its terms; what was agreed before stays readable, and every version is in the proof log.
struct Contract {
    std::int64_t id = 0;
    CustomerId customer;
    std::string customer_code;
    std::string code;       ///< the contract's number, chosen by whoever makes it
    std::string framework;  ///< number of the framework agreement it rests on; "" none
    ContractKind kind = ContractKind::none;
    std::int32_t first_day = 0;
    std::int32_t last_day = kNoDay;  ///< of the full term
    std::int32_t end_day = kNoDay;   ///< last day it covers: last_day, or earlier by termination
    std::string end_reason;
    UtcMicros created_at;
    std::string created_by;
    std::vector<ContractVersion> versions{};  ///< in order, never empty

    /// On a day it covers: the highest version that has begun.
    const ContractVersion& version_on(std::int32_t day) const;
};
enum class ContractStatus : std::uint8_t { planned, active, ended };
std::string_view name(ContractStatus status);
ContractStatus status_on(const Contract& contract, std::int32_t day);

struct NewContract {
    std::string customer;  ///< code
    std::string code;      ///< 1 to 64 letters, digits, '.', '_' and '-'
    std::string framework{};
    ContractKind kind = ContractKind::none;
    std::int32_t first_day = 0;
    ContractTerms terms{};
};
/// The same contract again is the one there is. Errors: not_found (customer); invalid_request
/// (code); conflict (the code is another contract's, the customer has another contract on one of
/// its days, or a bill of a month it would cover is final).
Result<Contract> create_contract(SqlConnection& store, const NewContract& contract,
                                 const Change& change);

struct Amendment {
    std::int32_t from_day = 0;
    ContractTerms terms{};
    std::string reason{};
};
/// Other terms from a day on. Errors: not_found; invalid_request (no reason, a day outside the
/// contract, a commitment in another currency or by another period than before); conflict (a bill
/// of a month it would change is final).
Result<Contract> amend_contract(SqlConnection& store, std::string_view code,
                                const Amendment& amendment, const Change& change);

/// Ends a contract early, after `end_day`. Errors: not_found; invalid_request (no reason, a day
/// outside the contract); conflict (notice is too short, a three-year contract names no penalty,
/// it was ended before, or a bill of a later month is final).
Result<Contract> end_contract(SqlConnection& store, std::string_view code, std::int32_t end_day,
                              const std::string& reason, const Change& change);

/// In order of customer and first day. Errors: those of the store, corrupt_data.
Result<std::vector<Contract>> list_contracts(SqlConnection& store,
                                             const std::vector<CustomerId>& customers = {});
/// Errors: not_found.
Result<Contract> find_contract(SqlConnection& store, std::string_view code);

/// The contract with all its versions, and where it stands on a day; for people and programs.
std::string contract_as_json(const Contract& contract, std::int32_t today);

/// The document of a version that is in the proof log, and of an early end.
std::string contract_version_as_json(const Contract& contract, const ContractVersion& version);
std::string contract_end_as_json(const Contract& contract);
/// What they are called there.
std::string contract_leaf_id(const Contract& contract, const ContractVersion& version);
std::string contract_end_leaf_id(const Contract& contract);

}  // namespace tg
