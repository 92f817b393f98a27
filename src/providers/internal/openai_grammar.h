#pragma once
#include "providers/internal/json_skim.h"

namespace tg {

/// The places of OpenAI's answers that the gate reads. One numbering for all documents; each
/// document has its own table.
enum OpenAiNode : SkimNodeId {
    kNodeUsage = 2,
    kNodeModel,
    kNodeTier,
    kNodeError,
    kNodeType,  // an event's type
    kNodeChoices,
    kNodeChoice,
    kNodeDelta,
    kNodeText,  // delivered text of a delta
    kNodeReasoningContent,
    kNodeReasoning,  // `reasoning`, which some servers send instead of reasoning_content or beside
                     // it
    kNodeToolCalls,
    kNodeToolCall,
    kNodeFunction,
    kNodeResponse,
    kNodeOutput,
    kNodeItem,  // an element of `output`, or an event's `item`
    kNodeItemType,
    kNodeContainer,
    kNodeAction,
    kNodeActionType,
    kNodeObfuscation,  // random padding
    kNodeSequence,     // an event's number
    kNodeCount,
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
