#pragma once
#include "net/http_server.h"
#include "sim/state.h"

namespace tg::sim {

/// Answers /sim/...: the simulator's own switches. `state` and `exchange` outlive the task; `path`
/// begins with /sim/.
Task<void> answer_admin(SimState* state, ServerExchange* exchange, std::string path);

}  // namespace tg::sim
