#include "sim/usage.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace tg::sim {
namespace {

void field(std::string& out, std::string_view name_and_colon, std::int64_t value) {
    out.append(name_and_colon);
    append_number(out, value);
}

void append_chat(std::string& out, const SimUsage& u, std::int64_t total_shift) {
    field(out, R"({"prompt_tokens":)", u.prompt);
    field(out, R"(,"completion_tokens":)", u.completion);
    field(out, R"(,"total_tokens":)", u.total() + total_shift);
    field(out, R"(,"prompt_tokens_details":{"cached_tokens":)", u.cached);
    field(out, R"(,"audio_tokens":)", u.audio_in);
    field(out, R"(,"cache_write_tokens":)", u.cache_write + u.cache_write_long);
    if (u.image_in > 0) field(out, R"(,"image_tokens":)", u.image_in);
    field(out, R"(},"completion_tokens_details":{"reasoning_tokens":)", u.reasoning);
    field(out, R"(,"audio_tokens":)", u.audio_out);
    field(out, R"(,"accepted_prediction_tokens":)", u.accepted);
    field(out, R"(,"rejected_prediction_tokens":)", u.rejected);
    out.append("}}");
}

void append_responses(std::string& out, const SimUsage& u, std::int64_t total_shift) {
    field(out, R"({"input_tokens":)", u.prompt);
    field(out, R"(,"input_tokens_details":{"cached_tokens":)", u.cached);
    field(out, R"(,"cache_write_tokens":)", u.cache_write + u.cache_write_long);
    if (u.cache_write + u.cache_write_long > 0) {
        field(out, R"(,"cache_write_tokens_details":{"ttl_30m_tokens":)", u.cache_write);
        field(out, R"(,"ttl_12h_tokens":)", u.cache_write_long);
        out.push_back('}');
    }
    field(out, R"(},"output_tokens":)", u.completion);
    field(out, R"(,"output_tokens_details":{"reasoning_tokens":)", u.reasoning);
    field(out, R"(},"total_tokens":)", u.total() + total_shift);
    out.push_back('}');
}

}  // namespace

void append_number(std::string& out, std::int64_t number) {
    char text[24];
    out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

SimUsage usage_at_cut(const SimUsage& full, std::int64_t visible) {
    SimUsage cut = full;
    visible = std::min(visible, full.visible());
    cut.completion = full.reasoning + full.rejected + visible;
    cut.audio_out = std::min(full.audio_out, visible);
    cut.accepted = std::min(full.accepted, visible);
    return cut;
}

SimUsage contradictory(const SimUsage& usage) {
    SimUsage wrong = usage;
    wrong.cached = usage.prompt + 7;
    wrong.reasoning = usage.completion + 13;
    return wrong;
}

void append_usage(std::string& out, const SimUsage& usage, UsageForm form,
                  std::int64_t total_shift) {
    switch (form) {
        case UsageForm::chat:
            return append_chat(out, usage, total_shift);
        case UsageForm::responses:
            return append_responses(out, usage, total_shift);
        case UsageForm::embeddings:
            field(out, R"({"prompt_tokens":)", usage.prompt);
            field(out, R"(,"total_tokens":)", usage.prompt + total_shift);
            out.push_back('}');
    }
}

void append_billed(std::string& out, const SimUsage& u) {
    const struct {
        std::string_view name;
        std::int64_t value;
    } fields[] = {
        {"prompt_tokens", u.prompt},
        {"cached_tokens", u.cached},
        {"cache_write_tokens", u.cache_write},
        {"cache_write_long_tokens", u.cache_write_long},
        {"audio_in_tokens", u.audio_in},
        {"image_in_tokens", u.image_in},
        {"completion_tokens", u.completion},
        {"reasoning_tokens", u.reasoning},
        {"audio_out_tokens", u.audio_out},
        {"accepted_prediction_tokens", u.accepted},
        {"rejected_prediction_tokens", u.rejected},
        {"images", u.images},
        {"characters", u.characters},
        {"audio_ms", u.audio_ms},
    };
    char separator = '{';
    for (const auto& each : fields) {
        if (each.value == 0) continue;
        out.push_back(separator);
        out.push_back('"');
        out.append(each.name).append("\":");
        append_number(out, each.value);
        separator = ',';
    }
    if (separator == '{') out.push_back('{');
    out.push_back('}');
}

}  // namespace tg::sim
