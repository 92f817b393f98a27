#pragma once
#include <string>

#include "app/command_line.h"
#include "identity/data_policy.h"

namespace tg {

/// The options of a command that say what a data policy becomes; those not given change nothing.
struct PolicyArgs {
    std::string zero_retention, allow_web_search, keep_end_user;  ///< "", "true" or "false"
    std::string regions;                                          ///< "", "any", "none" or "eu,us"
    std::string pool, pool_on_request;                            ///< "", "none" or a name

    /// Errors: invalid_request naming the option.
    Result<DataPolicyPatch> patch() const;
};

void add_policy_options(Command command, PolicyArgs* args);

}  // namespace tg
