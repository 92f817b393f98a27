#include "providers/internal/openai_grammar.h"

#include <array>

namespace tg {
namespace {

using Table = std::array<SkimNode, kNodeCount>;
constexpr bool kNotify = true;

/// Places that mean the same in every document.
constexpr Table shared_places() {
    Table t{};
    t[kNodeUsage] = skim_leaf(SkimKind::raw, kNotify);
    t[kNodeModel] = skim_leaf(SkimKind::string);
    t[kNodeTier] = skim_leaf(SkimKind::string);
    t[kNodeError] = skim_leaf(SkimKind::value, kNotify);
    t[kNodeType] = skim_leaf(SkimKind::string);
    t[kNodeText] = skim_leaf(SkimKind::string);
    t[kNodeReasoningContent] = skim_leaf(SkimKind::string);
    t[kNodeReasoning] = skim_leaf(SkimKind::string);
    t[kNodeOutput] = skim_array(kNodeItem, kNotify);
    t[kNodeItem] = skim_object(
        {{"type", kNodeItemType}, {"container_id", kNodeContainer}, {"action", kNodeAction}},
        kNotify);
    t[kNodeItemType] = skim_leaf(SkimKind::string);
    t[kNodeContainer] = skim_leaf(SkimKind::string);
    t[kNodeAction] = skim_object({{"type", kNodeActionType}});
    t[kNodeActionType] = skim_leaf(SkimKind::string);
    t[kNodeObfuscation] = skim_leaf(SkimKind::string);
    t[kNodeSequence] = skim_leaf(SkimKind::value, kNotify);
    return t;
}

constexpr Table reply() {
    Table t = shared_places();
    t[kSkimRoot] =
        skim_object({{"usage", kNodeUsage}, {"model", kNodeModel}, {"service_tier", kNodeTier}});
    return t;
}

constexpr Table responses_reply() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"usage", kNodeUsage},
                                {"model", kNodeModel},
                                {"service_tier", kNodeTier},
                                {"output", kNodeOutput}});
    return t;
}

/// Chat Completions, and Completions with its `text` in the choice.
constexpr Table chat_event() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"usage", kNodeUsage},
                                {"model", kNodeModel},
                                {"service_tier", kNodeTier},
                                {"error", kNodeError},
                                {"choices", kNodeChoices},
                                {"obfuscation", kNodeObfuscation}});
    t[kNodeChoices] = skim_array(kNodeChoice);
    t[kNodeChoice] = skim_object({{"delta", kNodeDelta}, {"text", kNodeText}}, kNotify);
    t[kNodeDelta] = skim_object({{"content", kNodeText},
                                 {"refusal", kNodeText},
                                 {"reasoning_content", kNodeReasoningContent},
                                 {"reasoning", kNodeReasoning},
                                 {"tool_calls", kNodeToolCalls},
                                 {"function_call", kNodeFunction}});
    t[kNodeToolCalls] = skim_array(kNodeToolCall);
    t[kNodeToolCall] = skim_object({{"function", kNodeFunction}});
    t[kNodeFunction] = skim_object({{"name", kNodeText}, {"arguments", kNodeText}});
    return t;
}

constexpr Table responses_event() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"type", kNodeType},
                                {"delta", kNodeText},
                                {"response", kNodeResponse},
                                {"item", kNodeItem},
                                {"error", kNodeError},
                                {"obfuscation", kNodeObfuscation},
                                {"sequence_number", kNodeSequence}});
    t[kNodeResponse] = skim_object({{"usage", kNodeUsage},
                                    {"model", kNodeModel},
                                    {"service_tier", kNodeTier},
                                    {"output", kNodeOutput}});
    return t;
}

/// Streams of images, speech and transcriptions.
constexpr Table other_event() {
    Table t = shared_places();
    t[kSkimRoot] = skim_object({{"type", kNodeType},
                                {"delta", kNodeText},
                                {"usage", kNodeUsage},
                                {"model", kNodeModel},
                                {"service_tier", kNodeTier},
                                {"error", kNodeError}});
    return t;
}

constexpr Table kTables[] = {reply(), responses_reply(), chat_event(), responses_event(),
                             other_event()};

}  // namespace

const SkimNode* openai_grammar(OpenAiDocument document) {
    return kTables[static_cast<std::size_t>(document)].data();
}

}  // namespace tg
