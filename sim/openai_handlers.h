#pragma once
#include <string>

#include "sim/call.h"

namespace tg::sim {

// One handler for each operation of the OpenAI dialect. `call` outlives the task; `argument` is
// what stood for {id} in the path. Each answers the call.
Task<void> openai_chat(Call* call, std::string argument);
Task<void> openai_completions(Call* call, std::string argument);
Task<void> openai_embeddings(Call* call, std::string argument);
Task<void> openai_models(Call* call, std::string argument);
Task<void> openai_model(Call* call, std::string argument);

}  // namespace tg::sim
