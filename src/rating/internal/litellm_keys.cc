#include "rating/internal/litellm_keys.h"

#include <algorithm>
#include <charconv>

namespace tg {
namespace {

using Use = LitellmKey::Use;

struct Base {
    std::string_view key;
    Meter meter;
    int scale = 15;
    bool is_secondary = false;
};

constexpr int kPerToken = 15;   // also any other single unit
constexpr int kPerSecond = 12;  // metered in milliseconds
constexpr int kPerThousand = 12;

constexpr Base kBases[] = {
    {"input_cost_per_token", Meter::input},
    {"output_cost_per_token", Meter::output},
    {"cache_read_input_token_cost", Meter::cache_read},
    {"input_cost_per_token_cache_hit", Meter::cache_read, kPerToken, true},
    {"cache_creation_input_token_cost", Meter::cache_write},
    {"cache_creation_input_token_cost_above_1hr", Meter::cache_write_long},
    {"output_cost_per_reasoning_token", Meter::reasoning},
    {"input_cost_per_audio_token", Meter::input_audio},
    {"output_cost_per_audio_token", Meter::output_audio},
    {"cache_read_input_audio_token_cost", Meter::input_audio_cached},
    // The list gives the price of cached audio of realtime models under this name.
    {"cache_creation_input_audio_token_cost", Meter::input_audio_cached, kPerToken, true},
    {"input_cost_per_image_token", Meter::input_image},
    {"cache_read_input_image_token_cost", Meter::input_image_cached},
    {"output_cost_per_image_token", Meter::output_image},
    {"input_cost_per_image", Meter::image_in},
    {"output_cost_per_image", Meter::image},
    {"input_cost_per_pixel", Meter::pixel},
    {"output_cost_per_pixel", Meter::pixel},
    {"input_cost_per_second", Meter::audio_ms, kPerSecond},
    {"output_cost_per_second", Meter::audio_ms, kPerSecond},
    {"input_cost_per_audio_per_second", Meter::audio_ms, kPerSecond},
    {"output_cost_per_audio_per_second", Meter::audio_ms, kPerSecond},
    {"input_cost_per_video_per_second", Meter::video_ms, kPerSecond},
    {"output_cost_per_video_per_second", Meter::video_ms, kPerSecond},
    {"input_cost_per_character", Meter::character},
    {"output_cost_per_character", Meter::character},
    {"input_cost_per_query", Meter::search_unit},
    {"output_cost_per_query", Meter::search_unit},
    {"input_cost_per_request", Meter::request},
    {"output_cost_per_request", Meter::request},
    {"ocr_cost_per_page", Meter::page},
    {"citation_cost_per_token", Meter::citation},
    {"code_interpreter_cost_per_session", Meter::code_interpreter},
    {"file_search_cost_per_1k_calls", Meter::file_search, kPerThousand},
};

constexpr std::string_view kUnmetered[] = {
    "annotation_cost_per_page",
    "ocr_cost_per_credit",
    "file_search_cost_per_gb_per_day",
    "vector_store_cost_per_gb_per_day",
    "input_dbu_cost_per_token",
    "output_dbu_cost_per_token",
    "computer_use_input_cost_per_1k_tokens",
    "computer_use_output_cost_per_1k_tokens",
    "input_cost_per_video_token",
    "output_cost_per_video_token",
    "web_search_billing_unit",
};

bool take_suffix(std::string_view& text, std::string_view suffix) {
    if (!text.ends_with(suffix)) return false;
    text.remove_suffix(suffix.size());
    return true;
}

/// "..._above_200k_tokens" -> 200000.
std::optional<std::int64_t> take_band(std::string_view& text) {
    constexpr std::string_view kTail = "k_tokens", kHead = "_above_";
    if (!text.ends_with(kTail)) return std::nullopt;
    const std::size_t head = text.rfind(kHead);
    if (head == std::string_view::npos) return std::nullopt;
    const std::string_view digits =
        text.substr(head + kHead.size(), text.size() - kTail.size() - head - kHead.size());
    std::int64_t thousands = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), thousands);
    if (error != std::errc() || end != digits.data() + digits.size() || thousands <= 0 ||
        digits.size() > 6) {
        return std::nullopt;
    }
    text = text.substr(0, head);
    return thousands * 1000;
}

bool looks_like_price(std::string_view key) {
    return std::ranges::any_of(
        std::initializer_list<std::string_view>{"cost", "price", "pricing", "multiplier", "uplift"},
        [&](std::string_view word) { return key.find(word) != std::string_view::npos; });
}

void fit_to_mode(LitellmKey& out, std::string_view base, std::string_view mode) {
    if (base == "input_cost_per_image") {
        // Image generators give the price of a generated image as input; realtime models that of an
        // image token.
        if (mode == "image_generation" || mode == "image_edit") {
            out.meter = Meter::image;
            out.is_secondary = true;
        } else if (mode == "realtime") {
            out.meter = Meter::input_image;
        }
    } else if (base == "input_cost_per_second" || base == "output_cost_per_second") {
        if (mode == "video_generation") {
            out.meter = Meter::video_ms;
        } else if (mode != "audio_transcription" && mode != "audio_speech" && mode != "realtime") {
            out.use = Use::conditional;  // seconds of reserved capacity
        }
    }
}

}  // namespace

LitellmKey parse_litellm_key(std::string_view key, std::string_view mode) {
    LitellmKey out;
    if (!looks_like_price(key)) {
        if (key == "web_search_billing_unit") out.use = Use::unmetered;
        return out;
    }
    if (std::ranges::find(kUnmetered, key) != std::end(kUnmetered)) {
        out.use = Use::unmetered;
        return out;
    }
    std::string_view base = key;
    for (bool changed = true; changed;) {
        changed = true;
        if (out.tier == ServiceTier::standard &&
            (take_suffix(base, "_batches") || take_suffix(base, "_batch"))) {
            out.tier = ServiceTier::batch;
        } else if (out.tier == ServiceTier::standard && take_suffix(base, "_flex")) {
            out.tier = ServiceTier::flex;
        } else if (out.tier == ServiceTier::standard && take_suffix(base, "_priority")) {
            out.tier = ServiceTier::priority;
        } else if (const auto band = out.above_tokens ? std::nullopt : take_band(base)) {
            out.above_tokens = band;
        } else {
            changed = false;
        }
    }
    const auto at = std::ranges::find(kBases, base, &Base::key);
    if (at != std::end(kBases)) {
        out.use = Use::price;
        out.meter = at->meter;
        out.scale = at->scale;
        out.is_secondary = at->is_secondary;
        fit_to_mode(out, base, mode);
        return out;
    }
    // A known price with an ending of its own (a resolution, an interval) is a condition, not a new
    // price.
    out.use = std::ranges::any_of(kBases, [&](const Base& b) { return base.starts_with(b.key); })
                  ? Use::conditional
                  : Use::unknown;
    return out;
}

}  // namespace tg
