#include "providers/internal/openai_grammar.h"

#include <array>

namespace tg {
namespace {

using Table = std::array<SkimNode, node_count>;
constexpr bool kNotify = true;

/// Places that mean the same in every document.
constexpr Table shared_places() {
    Table t{};
    t[node_usage] = skim_leaf(SkimKind::raw, kNotify);
    t[node_model] = skim_leaf(SkimKind::string);
    t[node_id] = skim_leaf(SkimKind::string);
    t[node_tier] = skim_leaf(SkimKind::string);
    t[node_error] = skim_leaf(SkimKind::value, kNotify);
    t[node_type] = skim_leaf(SkimKind::string);
    t[node_text] = skim_leaf(SkimKind::string);
    t[node_reasoning_content] = skim_leaf(SkimKind::string);
    t[node_reasoning] = skim_leaf(SkimKind::string);
    t[node_output] = skim_array(node_item, kNotify);
    t[node_item] = skim_object(
        {{"type", node_item_type}, {"container_id", node_container}, {"action", node_action}},
        kNotify);
    t[node_item_type] = skim_leaf(SkimKind::string);
    t[node_container] = skim_leaf(SkimKind::string);
    t[node_action] = skim_object({{"type", node_action_type}});
    t[node_action_type] = skim_leaf(SkimKind::string);
    t[node_obfuscation] = skim_leaf(SkimKind::string);
    t[node_sequence] = skim_leaf(SkimKind::value, kNotify);
    return t;
}

constexpr Table reply() {
    Table t = shared_places();
    t[kSkimRoot] =
        skim_object({{"usage", node_usage}, {"model", node_model}, {"service_tier", node_tier}});
    return t;
}

constexpr Table responses_reply() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"id", node_id},
                                {"usage", node_usage},
                                {"model", node_model},
                                {"service_tier", node_tier},
                                {"output", node_output}});
    return t;
}

/// Chat Completions, and Completions with its `text` in the choice.
constexpr Table chat_event() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"usage", node_usage},
                                {"model", node_model},
                                {"service_tier", node_tier},
                                {"error", node_error},
                                {"choices", node_choices},
                                {"obfuscation", node_obfuscation}});
    t[node_choices] = skim_array(node_choice);
    t[node_choice] = skim_object({{"delta", node_delta}, {"text", node_text}}, kNotify);
    t[node_delta] = skim_object({{"content", node_text},
                                 {"refusal", node_text},
                                 {"reasoning_content", node_reasoning_content},
                                 {"reasoning", node_reasoning},
                                 {"tool_calls", node_tool_calls},
                                 {"function_call", node_function}});
    t[node_tool_calls] = skim_array(node_tool_call);
    t[node_tool_call] = skim_object({{"function", node_function}});
    t[node_function] = skim_object({{"name", node_text}, {"arguments", node_text}});
    return t;
}

constexpr Table responses_event() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"type", node_type},
                                {"delta", node_text},
                                {"response", node_response},
                                {"item", node_item},
                                {"error", node_error},
                                {"obfuscation", node_obfuscation},
                                {"sequence_number", node_sequence}});
    t[node_response] = skim_object({{"id", node_id},
                                    {"usage", node_usage},
                                    {"model", node_model},
                                    {"service_tier", node_tier},
                                    {"output", node_output}});
    return t;
}

/// Streams of images, speech and transcriptions.
constexpr Table other_event() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"type", node_type},
                                {"delta", node_text},
                                {"usage", node_usage},
                                {"model", node_model},
                                {"service_tier", node_tier},
                                {"error", node_error}});
    return t;
}

constexpr Table kTables[] = {reply(), responses_reply(), chat_event(), responses_event(),
                             other_event()};

}  // namespace

const SkimNode* openai_grammar(OpenAiDocument document) {
    return kTables[static_cast<std::size_t>(document)].data();
}

}  // namespace tg
