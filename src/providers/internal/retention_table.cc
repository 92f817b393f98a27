#include "providers/internal/retention_table.h"

#include <array>

namespace tg {
namespace {

using enum RetentionAction;

constexpr RetentionEndpoint kEndpoints[] = {
    {"POST", "/chat/completions"},
    {"POST", "/responses"},
    {"POST", "/responses/input_tokens"},
    {"POST", "/responses/compact"},
    {"POST", "/completions"},
    {"POST", "/embeddings"},
    {"POST", "/decisions"},
    {"POST", "/moderations"},
    {"POST", "/images/generations"},
    {"POST", "/images/edits"},
    {"POST", "/audio/speech"},
    {"POST", "/audio/transcriptions", RetentionBody::opaque},
    {"POST", "/audio/translations", RetentionBody::opaque},
};

constexpr std::string_view kSendInline =
    "send the content in the request itself (text, base64 images or file_data)";
constexpr std::string_view kSendHistory =
    "keep the conversation on your side and send it with each request (store: false, include: "
    "[\"reasoning.encrypted_content\"])";

constexpr RetentionRule kPaths[] = {
    {"/files", "", refuse, "uploaded files are kept until they are deleted", kSendInline},
    {"/uploads", "", refuse, "uploaded files are kept until they are deleted", kSendInline},
    {"/batches", "", refuse, "a batch's input and output files are kept until they are deleted",
     "send the requests one by one"},
    {"/fine_tuning", "", refuse, "training files and tuned models are kept until they are deleted",
     ""},
    {"/models", "", refuse, "tuned models are stored objects", ""},
    {"/evals", "", refuse, "evaluations keep their data until they are deleted", ""},
    {"/assistants", "", refuse, "assistants are kept until they are deleted",
     "use /v1/chat/completions or /v1/responses with store: false"},
    {"/threads", "", refuse, "threads and their messages are kept until they are deleted",
     kSendHistory},
    {"/vector_stores", "", refuse, "vector stores keep their files until they are deleted",
     "search on your side (/v1/embeddings keeps nothing) and send what was found"},
    {"/conversations", "", refuse, "conversations are kept until they are deleted", kSendHistory},
    {"/containers", "", refuse, "containers keep their files until they expire", ""},
    {"/audio/voices", "", refuse, "custom voices are kept until they are deleted",
     "use a built-in voice"},
    {"/audio/voice_consents", "", refuse, "consent recordings are kept until they are deleted",
     "use a built-in voice"},
    {"/skills", "", refuse, "skills are kept until they are deleted", ""},
    {"/agents", "", refuse, "agents and their sessions are kept until they are deleted", ""},
    {"/vaults", "", refuse, "vaults are kept until they are deleted", ""},
    {"/webhook_endpoints", "", refuse, "events about stored objects are delivered from a queue",
     ""},
    {"/chatkit", "", refuse, "threads are kept until they are deleted", kSendHistory},
    {"/videos", "", refuse, "videos are kept for download", ""},
    {"/safety", "", refuse, "cases are stored objects", ""},
    {"/responses", "", refuse, "stored responses are not made under zero retention", kSendHistory},
    {"/chat/completions", "", refuse, "stored completions are not made under zero retention",
     kSendHistory},
    {"/images/variations", "", refuse, "it is served by models outside the zero-retention approval",
     "use /v1/images/edits with a gpt-image model"},
    {"/realtime", "", refuse, "it does not pass through the gate", ""},
    {"/live", "", refuse, "it does not pass through the gate", ""},
};

// In the order of RetentionFeature.
constexpr RetentionRule kFeatures[] = {
    {"POST /responses", "store not set", rewrite,
     "without it the provider keeps the response for 30 days: store: false is added", ""},
    {"JSON body", "store: true", rewrite, "it becomes false", ""},
    {"POST /responses, /chat/completions", "metadata", rewrite,
     "it is kept with the stored object, so it is left out upstream", ""},
    {"JSON body", "prompt_cache_retention other than in_memory", rewrite,
     "it would keep the prompt's cache for 24 hours, so it is left out", ""},
    {"JSON body", "prompt_cache_options.ttl other than 30m", rewrite,
     "it would keep the prompt's cache for longer, so prompt_cache_options is left out", ""},
    {"JSON body", "background: true", refuse,
     "the provider keeps a background response on disk until it is fetched",
     "leave it out and stream the answer"},
    {"JSON body", "previous_response_id", refuse, "it needs a response the provider has kept",
     kSendHistory},
    {"JSON body", "conversation", refuse, "it needs a conversation the provider keeps",
     kSendHistory},
    {"POST /responses", "prompt", refuse, "it needs a prompt template the provider keeps",
     "send the text as instructions and input"},
    {"JSON body", "item_reference", refuse, "it needs an item the provider has kept", kSendHistory},
    {"JSON body", "file_id", refuse, "it needs a file the provider keeps", kSendInline},
    {"POST /chat/completions", "audio output", refuse,
     "the provider keeps audio answers for an hour for the next turn",
     "ask for text and have it spoken by /v1/audio/speech"},
    {"POST /chat/completions", "audio.id", refuse, "it needs an audio answer the provider has kept",
     "send the text of that answer"},
    {"POST /audio/speech", "custom voice", refuse, "it needs a voice the provider keeps",
     "use a built-in voice"},
    {"POST /images/generations, /images/edits", "model other than gpt-image-*", refuse,
     "only the gpt-image models are in the zero-retention approval",
     "name a gpt-image model in a JSON body"},
    {"POST /images/generations", "response_format: url", refuse,
     "the provider keeps the image for download", "use response_format: b64_json"},
    {"JSON body", "web search", refuse,
     "queries made from the content go to third parties with their own retention",
     "search on your side, use external_web_access: false, or have allow_web_search set in the "
     "project's data policy"},
    {"tools", "web_search with external_web_access: false", allow,
     "the provider's own index is searched", ""},
    {"tools", "code_interpreter", refuse, "its container keeps files until it expires",
     "run code on your side by a function tool"},
    {"tools", "programmatic_tool_calling", refuse,
     "it runs code in a container that keeps files until it expires",
     "call function tools directly"},
    {"tools", "file_search", refuse, "it needs a vector store the provider keeps",
     "search on your side and send what was found"},
    {"tools", "mcp", refuse, "content goes to a third party's server with its own retention",
     "call the server on your side by a function tool"},
    {"tools", "shell in the provider's container", refuse,
     "its container keeps files until it expires", "use environment: {\"type\": \"local\"}"},
    {"tools", "function, custom, local_shell, apply_patch, computer use, tool_search", allow,
     "they run on the client's side or keep nothing", ""},
    {"tools", "image_generation", allow, "the image is in the answer and not kept", ""},
    {"tools", "any other type", refuse, "nothing is known of what the provider keeps for it",
     "use a function tool"},
};
static_assert(std::size(kFeatures) == static_cast<std::size_t>(RetentionFeature::unknown_tool) + 1);

using enum RetentionFeature;
constexpr ToolType kTools[] = {
    {"function", client_tool},
    {"custom", client_tool},
    {"local_shell", client_tool},
    {"apply_patch", client_tool},
    {"computer", client_tool},
    {"computer_use_preview", client_tool},
    {"tool_search", client_tool},
    {"image_generation", image_generation},
    {"web_search", web_search},
    {"web_search_2025_08_26", web_search},
    {"web_search_preview", web_search},
    {"web_search_preview_2025_03_11", web_search},
    {"code_interpreter", code_interpreter},
    {"programmatic_tool_calling", programmatic_calls},
    {"file_search", file_search},
    {"mcp", mcp},
    {"shell", hosted_shell},
};

}  // namespace

std::span<const RetentionEndpoint> retention_endpoints() {
    return kEndpoints;
}
std::span<const RetentionRule> refused_paths() {
    return kPaths;
}
std::span<const RetentionRule> feature_rules() {
    return kFeatures;
}
const RetentionRule& rule(RetentionFeature feature) {
    return kFeatures[static_cast<std::size_t>(feature)];
}

RetentionFeature feature_of_tool(std::string_view type) {
    for (const ToolType& known : kTools) {
        if (known.type == type) return known.feature;
    }
    return unknown_tool;
}

}  // namespace tg
