#include "providers/internal/openai_path_table.h"

namespace tg {
namespace {

using enum OpenAiRoute;
constexpr bool kRetains = true;
constexpr std::uint8_t kAll = kGet | kPost | kDelete;

// Source: OpenAI's OpenAPI 2.3.0 (21 Aug 2026) and the paths openai-node 7.57.0 (Nov 2026) added to
// it.
constexpr OpenAiPathRow kTable[] = {
    // Calls the gate reads.
    {"chat/completions", kPost, chat},
    {"completions", kPost, completions},
    {"embeddings", kPost, embeddings},
    {"responses", kPost, responses},
    {"models", kGet, models_list},
    {"models/{}", kDelete, pass_through, kRetains},

    // Needs an admin key at the provider: the account's own credential must never be lent for it.
    {"organization/**", kAll, admin},
    {"organization", kAll, admin},
    {"projects/**", kAll, admin},
    {"projects", kAll, admin},
    {"fine_tuning/checkpoints/**", kAll, admin},

    // WebSockets and WebRTC, and what hands out a key for going past the gate.
    {"realtime", kAll, unsupported},
    {"realtime/**", kAll, unsupported},
    {"live/**", kAll, unsupported},
    {"responses", kGet, unsupported},
    {"chatkit/sessions", kPost, unsupported},

    // Calls that keep nothing.
    {"responses/input_tokens", kPost},
    {"responses/compact", kPost},
    {"decisions", kPost},
    {"moderations", kPost},
    {"images/generations", kPost},
    {"images/edits", kPost},
    {"images/variations", kPost},
    {"audio/speech", kPost},
    {"audio/transcriptions", kPost},
    {"audio/translations", kPost},
    {"content_provenance_checks", kPost},
    {"fine_tuning/alpha/graders/run", kPost},
    {"fine_tuning/alpha/graders/validate", kPost},

    // State at the provider.
    {"responses/{}", kGet | kDelete, pass_through, kRetains},
    {"responses/{}/cancel", kPost, pass_through, kRetains},
    {"responses/{}/input_items", kGet, pass_through, kRetains},
    {"chat/completions", kGet, pass_through, kRetains},
    {"chat/completions/{}", kAll, pass_through, kRetains},
    {"chat/completions/{}/messages", kGet, pass_through, kRetains},
    {"conversations", kPost, pass_through, kRetains},
    {"conversations/{}", kAll, pass_through, kRetains},
    {"conversations/{}/items", kGet | kPost, pass_through, kRetains},
    {"conversations/{}/items/{}", kGet | kDelete, pass_through, kRetains},
    {"chatkit/sessions/{}/cancel", kPost, pass_through, kRetains},
    {"chatkit/threads", kGet, pass_through, kRetains},
    {"chatkit/threads/{}", kGet | kDelete, pass_through, kRetains},
    {"chatkit/threads/{}/items", kGet, pass_through, kRetains},
    {"files", kGet | kPost, pass_through, kRetains},
    {"files/{}", kGet | kDelete, pass_through, kRetains},
    {"files/{}/content", kGet, pass_through, kRetains},
    {"uploads", kPost, pass_through, kRetains},
    {"uploads/{}/cancel", kPost, pass_through, kRetains},
    {"uploads/{}/complete", kPost, pass_through, kRetains},
    {"uploads/{}/parts", kPost, pass_through, kRetains},
    {"batches", kGet | kPost, pass_through, kRetains},
    {"batches/{}", kGet, pass_through, kRetains},
    {"batches/{}/cancel", kPost, pass_through, kRetains},
    {"vector_stores", kGet | kPost, pass_through, kRetains},
    {"vector_stores/{}", kAll, pass_through, kRetains},
    {"vector_stores/{}/search", kPost, pass_through, kRetains},
    {"vector_stores/{}/files", kGet | kPost, pass_through, kRetains},
    {"vector_stores/{}/files/{}", kAll, pass_through, kRetains},
    {"vector_stores/{}/files/{}/content", kGet, pass_through, kRetains},
    {"vector_stores/{}/file_batches", kPost, pass_through, kRetains},
    {"vector_stores/{}/file_batches/{}", kGet, pass_through, kRetains},
    {"vector_stores/{}/file_batches/{}/cancel", kPost, pass_through, kRetains},
    {"vector_stores/{}/file_batches/{}/files", kGet, pass_through, kRetains},
    {"containers", kGet | kPost, pass_through, kRetains},
    {"containers/{}", kGet | kDelete, pass_through, kRetains},
    {"containers/{}/files", kGet | kPost, pass_through, kRetains},
    {"containers/{}/files/{}", kGet | kDelete, pass_through, kRetains},
    {"containers/{}/files/{}/content", kGet, pass_through, kRetains},
    {"fine_tuning/jobs", kGet | kPost, pass_through, kRetains},
    {"fine_tuning/jobs/{}", kGet, pass_through, kRetains},
    {"fine_tuning/jobs/{}/cancel", kPost, pass_through, kRetains},
    {"fine_tuning/jobs/{}/pause", kPost, pass_through, kRetains},
    {"fine_tuning/jobs/{}/resume", kPost, pass_through, kRetains},
    {"fine_tuning/jobs/{}/checkpoints", kGet, pass_through, kRetains},
    {"fine_tuning/jobs/{}/events", kGet, pass_through, kRetains},
    {"evals", kGet | kPost, pass_through, kRetains},
    {"evals/{}", kAll, pass_through, kRetains},
    {"evals/{}/runs", kGet | kPost, pass_through, kRetains},
    {"evals/{}/runs/{}", kAll, pass_through, kRetains},
    {"evals/{}/runs/{}/cancel", kPost, pass_through, kRetains},
    {"evals/{}/runs/{}/output_items", kGet, pass_through, kRetains},
    {"evals/{}/runs/{}/output_items/{}", kGet, pass_through, kRetains},
    {"audio/voice_consents", kGet | kPost, pass_through, kRetains},
    {"audio/voice_consents/{}", kAll, pass_through, kRetains},
    {"audio/voices", kPost, pass_through, kRetains},
    {"audio/voices/{}", kDelete, pass_through, kRetains},
    {"skills", kGet | kPost, pass_through, kRetains},
    {"skills/{}", kAll, pass_through, kRetains},
    {"skills/{}/content", kGet, pass_through, kRetains},
    {"skills/{}/versions", kGet | kPost, pass_through, kRetains},
    {"skills/{}/versions/{}", kGet | kDelete, pass_through, kRetains},
    {"skills/{}/versions/{}/content", kGet, pass_through, kRetains},
    {"agents", kGet | kPost, pass_through, kRetains},
    {"agents/**", kAll, pass_through, kRetains},
    {"vaults", kGet | kPost, pass_through, kRetains},
    {"vaults/**", kAll, pass_through, kRetains},
    {"webhook_endpoints", kGet | kPost, pass_through, kRetains},
    {"webhook_endpoints/**", kAll, pass_through, kRetains},
    {"webhook_event_types", kGet},
    {"safety/alerts/{}", kGet, pass_through, kRetains},
    {"safety/cases/{}", kGet, pass_through, kRetains},

    // Deprecated at the provider, still spoken.
    {"assistants", kGet | kPost, pass_through, kRetains},
    {"assistants/{}", kAll, pass_through, kRetains},
    {"threads", kPost, pass_through, kRetains},
    {"threads/runs", kPost, pass_through, kRetains},
    {"threads/{}", kAll, pass_through, kRetains},
    {"threads/{}/messages", kGet | kPost, pass_through, kRetains},
    {"threads/{}/messages/{}", kAll, pass_through, kRetains},
    {"threads/{}/runs", kGet | kPost, pass_through, kRetains},
    {"threads/{}/runs/{}", kGet | kPost, pass_through, kRetains},
    {"threads/{}/runs/{}/cancel", kPost, pass_through, kRetains},
    {"threads/{}/runs/{}/submit_tool_outputs", kPost, pass_through, kRetains},
    {"threads/{}/runs/{}/steps", kGet, pass_through, kRetains},
    {"threads/{}/runs/{}/steps/{}", kGet, pass_through, kRetains},
    {"videos", kGet | kPost, pass_through, kRetains},
    {"videos/characters", kPost, pass_through, kRetains},
    {"videos/characters/{}", kGet, pass_through, kRetains},
    {"videos/edits", kPost, pass_through, kRetains},
    {"videos/extensions", kPost, pass_through, kRetains},
    {"videos/{}", kGet | kDelete, pass_through, kRetains},
    {"videos/{}/content", kGet, pass_through, kRetains},
    {"videos/{}/remix", kPost, pass_through, kRetains},
};

}  // namespace

std::span<const OpenAiPathRow> openai_path_table() {
    return kTable;
}

}  // namespace tg
