#include "base/usage.h"

#include <algorithm>
#include <numeric>

namespace tg {
namespace {

constexpr std::array<std::string_view, kMeterCount> kMeters = {"input",
                                                               "cache_read",
                                                               "cache_write",
                                                               "cache_write_long",
                                                               "input_audio",
                                                               "input_audio_cached",
                                                               "input_image",
                                                               "input_image_cached",
                                                               "output",
                                                               "reasoning",
                                                               "output_audio",
                                                               "output_image",
                                                               "training",
                                                               "request",
                                                               "image",
                                                               "audio_ms",
                                                               "character",
                                                               "page",
                                                               "web_search_low",
                                                               "web_search_medium",
                                                               "web_search_high",
                                                               "file_search",
                                                               "code_interpreter",
                                                               "search_unit",
                                                               "citation",
                                                               "video_ms",
                                                               "image_in",
                                                               "pixel"};

}  // namespace

std::string_view name(Meter meter) {
    return kMeters[static_cast<std::size_t>(meter)];
}

Result<Meter> parse_meter(std::string_view text) {
    const auto at = std::ranges::find(kMeters, text);
    if (at == kMeters.end()) {
        return fail(ErrorCode::invalid_request, "meter '" + std::string(text) + "' is not known");
    }
    return static_cast<Meter>(at - kMeters.begin());
}

std::int64_t Usage::input_tokens() const {
    return std::accumulate(quantity.begin(), quantity.begin() + kInputMeterCount, std::int64_t{0});
}

std::int64_t Usage::output_tokens() const {
    return std::accumulate(quantity.begin() + kInputMeterCount,
                           quantity.begin() + kInputMeterCount + kOutputMeterCount,
                           std::int64_t{0});
}

bool Usage::is_empty() const {
    return std::ranges::all_of(quantity, [](std::int64_t q) { return q == 0; });
}

std::string_view name(UsageSource source) {
    constexpr std::string_view kNames[] = {"none", "provider", "estimated", "unconfirmed"};
    return kNames[static_cast<int>(source)];
}

std::string_view name(ServiceTier tier) {
    constexpr std::string_view kNames[] = {"standard", "batch", "flex",
                                           "priority", "fast",  "scale"};
    return kNames[static_cast<int>(tier)];
}

ServiceTier parse_service_tier(std::string_view text, bool* was_known) {
    if (was_known != nullptr) *was_known = true;
    if (text == "batch") return ServiceTier::batch;
    if (text == "flex") return ServiceTier::flex;
    if (text == "priority") return ServiceTier::priority;
    if (text == "fast") return ServiceTier::fast;
    if (text == "scale") return ServiceTier::scale;
    if (was_known != nullptr)
        *was_known = text == "auto" || text == "default" || text == "standard";
    return ServiceTier::standard;
}

}  // namespace tg
