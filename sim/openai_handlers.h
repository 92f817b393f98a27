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
Task<void> openai_responses(Call* call, std::string argument);
Task<void> openai_get_response(Call* call, std::string argument);
Task<void> openai_delete_response(Call* call, std::string argument);
Task<void> openai_upload_file(Call* call, std::string argument);
Task<void> openai_list_files(Call* call, std::string argument);
Task<void> openai_get_file(Call* call, std::string argument);
Task<void> openai_delete_file(Call* call, std::string argument);
Task<void> openai_file_content(Call* call, std::string argument);
Task<void> openai_speech(Call* call, std::string argument);
Task<void> openai_transcription(Call* call, std::string argument);
Task<void> openai_moderation(Call* call, std::string argument);
Task<void> openai_images(Call* call, std::string argument);
Task<void> openai_image_edits(Call* call, std::string argument);

}  // namespace tg::sim
