#include "metering/usage_event.h"

#include "base/check.h"

namespace tg {
namespace {

constexpr std::array<std::string_view, kEndpointCount> kEndpoints = {"other",
                                                                     "chat_completions",
                                                                     "completions",
                                                                     "embeddings",
                                                                     "responses",
                                                                     "images",
                                                                     "audio_speech",
                                                                     "audio_transcriptions",
                                                                     "moderations",
                                                                     "files",
                                                                     "batches",
                                                                     "fine_tuning",
                                                                     "models",
                                                                     "messages",
                                                                     "generate_content",
                                                                     "realtime"};
constexpr std::array<std::string_view, kOutcomeCount> kOutcomes = {
    "ok", "upstream_error", "upstream_broken", "client_gone", "unreachable", "crash"};

}  // namespace

std::string_view name(Endpoint endpoint) {
    const auto at = static_cast<std::size_t>(endpoint);
    TG_ASSERT(at < kEndpoints.size());
    return kEndpoints[at];
}

std::string_view name(Outcome outcome) {
    const auto at = static_cast<std::size_t>(outcome);
    TG_ASSERT(at < kOutcomes.size());
    return kOutcomes[at];
}

}  // namespace tg
