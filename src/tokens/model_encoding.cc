#include <array>

#include "tokens/internal/model_name.h"
#include "tokens/tokenizer.h"

namespace tg {

namespace bpe {

std::string_view bare_model_name(std::string_view model) {
    for (const std::string_view prefix : {"openai/", "azure/", "azure_ai/", "ft:"}) {
        if (model.starts_with(prefix)) model.remove_prefix(prefix.size());
    }
    return model;
}

}  // namespace bpe

namespace {

struct Family {
    std::string_view prefix;
    Encoding encoding;
};

// Source: tiktoken 0.12 (tiktoken/model.py) and the model_to_encoding.json of npm tiktoken 1.0.22.
// The first family that fits decides, so "gpt-4.1" and "gpt-4o" stand before "gpt-4". gpt-oss uses
// o200k_harmony, which differs in special tokens only.
constexpr std::array kFamilies{
    Family{"gpt-5", Encoding::o200k_base},
    Family{"gpt-4.1", Encoding::o200k_base},
    Family{"gpt-4.5", Encoding::o200k_base},
    Family{"gpt-4o", Encoding::o200k_base},
    Family{"chatgpt-4o", Encoding::o200k_base},
    Family{"o1", Encoding::o200k_base},
    Family{"o3", Encoding::o200k_base},
    Family{"o4-mini", Encoding::o200k_base},
    Family{"codex-mini", Encoding::o200k_base},
    Family{"gpt-oss", Encoding::o200k_base},
    Family{"gpt-4", Encoding::cl100k_base},
    Family{"gpt-3.5", Encoding::cl100k_base},
    Family{"gpt-35", Encoding::cl100k_base},  // Azure's spelling
    Family{"text-embedding-ada-002", Encoding::cl100k_base},
    Family{"text-embedding-3", Encoding::cl100k_base},
    Family{"davinci-002", Encoding::cl100k_base},
    Family{"babbage-002", Encoding::cl100k_base},
};

// "gpt-4" names "gpt-4-0613" and the fine-tuned "gpt-4:acme", but not "gpt-4x"; "gpt-5" also names
// "gpt-5.1".
bool is_member(std::string_view model, std::string_view family) {
    if (!model.starts_with(family)) return false;
    if (model.size() == family.size()) return true;
    const char next = model[family.size()];
    return next == '-' || next == ':' || (next == '.' && family == "gpt-5");
}

}  // namespace

EncodingChoice encoding_for_model(std::string_view model) {
    const std::string_view bare = bpe::bare_model_name(model);
    for (const Family& family : kFamilies) {
        if (is_member(bare, family.prefix)) return {family.encoding, true};
    }
    return {Encoding::o200k_base, false};
}

}  // namespace tg
