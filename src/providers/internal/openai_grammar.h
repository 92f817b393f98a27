#pragma once
#include "providers/internal/json_skim.h"

namespace tg {

/// The places of OpenAI's answers that the gate reads. One numbering for all documents; each
/// document has its own table.
enum OpenAiNode : SkimNodeId {
    node_usage = 2,
    node_model,
    node_id,  // of a response
    node_tier,
    node_error,
    node_type,  // an event's type
    node_choices,
    node_choice,
    node_delta,
    node_text,  // delivered text of a delta
    node_reasoning_content,
    node_reasoning,  // `reasoning`, which some servers send instead of reasoning_content or beside
                     // it
    node_tool_calls,
    node_tool_call,
    node_function,
    node_response,
    node_output,
    node_item,  // an element of `output`, or an event's `item`
    node_item_type,
    node_container,
    node_action,
    node_action_type,
    node_obfuscation,  // random padding
    node_sequence,     // an event's number
    node_count,
};

enum class OpenAiDocument : std::uint8_t {
    reply,
    responses_reply,
    chat_event,
    responses_event,
    other_event
};

const SkimNode* openai_grammar(OpenAiDocument document);

}  // namespace tg
