#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg {

class JsonWriter;

/// Where a project's calls may be processed and what may be kept of them. A request may narrow it
/// by headers (A5), never widen it. A customer's policy holds for all its projects, which may
/// narrow it in the same sense.
struct DataPolicy {
    /// Only accounts covered by a zero-retention agreement; endpoints that must retain are refused.
    bool is_zero_retention = false;
    /// Data residency (A6): nullopt: anywhere; a list, also an empty one: nowhere else, ever.
    std::optional<std::vector<std::string>> regions{};
    /// Dedicated pool of upstream accounts (A4), which alone serves the calls; empty: the shared
    /// ones.
    std::string pool{};
    /// The pool of the calls that ask for it (`deployment_type: dedicated`); the others go to the
    /// shared accounts. Not beside `pool`, which serves all calls.
    std::string pool_on_request{};

    // Exceptions from zero retention; without it they mean nothing.
    /// Web search may run at the provider: its queries go to third parties.
    bool allows_web_search = false;
    /// The end user that a request names is kept for reports. Else it is dropped, unless it has the
    /// form `dept:NAME`, because the text comes from the request's body and can be anything.
    bool keeps_end_user = false;

    friend bool operator==(const DataPolicy&, const DataPolicy&) = default;
};

/// The members of a policy that a change names; the others stay.
struct DataPolicyPatch {
    std::optional<bool> is_zero_retention{}, allows_web_search{}, keeps_end_user{};
    std::optional<std::optional<std::vector<std::string>>> regions{};  ///< inner none: anywhere
    std::optional<std::string> pool{}, pool_on_request{};

    bool is_empty() const { return *this == DataPolicyPatch{}; }
    /// The policy after the change, in its stored form. Errors: as normalise().
    Result<DataPolicy> applied_to(DataPolicy policy) const;
    friend bool operator==(const DataPolicyPatch&, const DataPolicyPatch&) = default;
};

/// Both policies at once: zero retention where either demands it, the regions that both allow, an
/// exception only where each that demands zero retention grants it. `inner` wins where both name a
/// pool; check_narrows() keeps them from differing.
DataPolicy narrow(const DataPolicy& outer, const DataPolicy& inner);

/// May `inner` (a project's) stand below `outer` (its customer's)? Errors: invalid_request naming
/// what it would widen: a region that is not allowed, another pool.
Status check_narrows(const DataPolicy& outer, const DataPolicy& inner);

/// Brings the regions into their stored form (sorted, each once) and checks names: 1 to 64
/// characters of a-z, 0-9, '.', '_' and '-', at most 32 regions. Errors: invalid_request naming the
/// member.
Status normalise(DataPolicy* policy);

/// "eu, us" -> sorted names; blanks around commas do not count. Errors: invalid_request for an
/// empty list, an empty or malformed name; `what` names the source in the error.
Result<std::vector<std::string>> parse_regions(std::string_view text, std::string_view what);

/// "eu, us", "anywhere" or "nowhere".
std::string regions_text(const std::optional<std::vector<std::string>>& regions);

/// "zero retention, regions eu, us, pool x": for people; "none" when it demands nothing.
std::string describe(const DataPolicy& policy);

/// The object of the admin API and the audit log: {"zero_retention","regions","pool",
/// "pool_on_request","allow_web_search","keep_end_user"}.
void write_json(JsonWriter& json, const DataPolicy& policy);

/// `dept:NAME` with 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-' as NAME (A7).
bool is_department_user(std::string_view end_user);

}  // namespace tg
