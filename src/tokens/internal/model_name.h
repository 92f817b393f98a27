#pragma once
#include <string_view>

namespace tg::bpe {

/// The model's own name where a catalogue writes "openai/gpt-4o", "azure/gpt-4o" or a fine-tuned
/// "ft:gpt-4o:acme::id".
std::string_view bare_model_name(std::string_view model);

}  // namespace tg::bpe
