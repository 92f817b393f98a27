#pragma once
#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tokens/tokenizer.h"

namespace tg::bpe {

/// Counts the texts of one prompt.
class PromptText {
  public:
    explicit PromptText(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
    std::int64_t count(std::string_view text) const {
        return text.empty() ? 0 : tokenizer_->count(text);
    }
    /// Of a JSON value written without white space.
    template <typename Json>
    std::int64_t count_json(Json value) const {
        return count(simdjson::minify(value));
    }

  private:
    const Tokenizer* tokenizer_;
};

/// Tokens that stand around the texts of tools.
struct ToolLayout {
    std::int64_t function_start;
    std::int64_t properties_start = 3;
    std::int64_t property = 3;
    std::int64_t enum_start = -3;
    std::int64_t enum_item = 3;
    std::int64_t functions_end = 12;
};
/// Source: OpenAI cookbook, "How to count tokens with tiktoken", num_tokens_for_tools: func_init is
/// 7 for gpt-4o and gpt-4o-mini, 10 for gpt-4 and gpt-3.5-turbo, the rest is common. Later models
/// are taken as their encoding's.
ToolLayout tool_layout(Encoding encoding);

/// Counts tools as num_tokens_for_tools does. Beyond what it documents, by the same rules:
/// parameters inside parameters, tools without description; any other kind of tool and schema
/// keywords count as their JSON.
class ToolCounter {
  public:
    ToolCounter(PromptText text, ToolLayout layout) : text_(text), layout_(layout) {}

    /// `tools` or `functions` of a request; 0 when absent, empty or no list.
    std::int64_t count(simdjson::simdjson_result<simdjson::dom::element> tools) const;
    /// {"name", "description", "schema"} of a structured output.
    std::int64_t output_schema(simdjson::dom::object format) const;

  private:
    std::int64_t list(simdjson::dom::array tools) const;
    std::int64_t tool(simdjson::dom::object tool) const;
    std::int64_t function(simdjson::dom::object function) const;
    std::int64_t properties(simdjson::dom::object schema) const;
    std::int64_t property(std::string_view name, simdjson::dom::object schema) const;
    std::int64_t enumeration(simdjson::dom::object schema) const;

    PromptText text_;
    ToolLayout layout_;
};

}  // namespace tg::bpe
