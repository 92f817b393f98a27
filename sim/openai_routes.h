#pragma once
#include "net/http_server.h"
#include "sim/state.h"

namespace tg::sim {

/// Finds the handler of each request: the OpenAI dialect under /v1/, the simulator's own switches
/// under /sim/.
class OpenAiHandler final : public HttpHandler {
  public:
    /// `state` outlives it.
    explicit OpenAiHandler(SimState* state) : state_(state) {}
    Task<void> handle(ServerExchange* exchange) override;
    std::string error_body(int status, const Error& error) override;

  private:
    SimState* state_;
};

}  // namespace tg::sim
