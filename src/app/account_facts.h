#pragma once
#include <vector>

#include "compliance/account_register.h"
#include "gateway/options.h"

namespace tg {

/// What the register of accounts is told of the configuration.
std::vector<AccountFacts> account_facts(const std::vector<UpstreamOptions>& upstreams);

}  // namespace tg
