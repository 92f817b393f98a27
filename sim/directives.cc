#include "sim/directives.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tg::sim {
namespace {

struct NumberKey {
    std::string_view name;
    std::int64_t Directives::* member;
    std::int64_t max;
};
constexpr std::int64_t kMany = 1'000'000'000;
constexpr NumberKey kNumbers[] = {
    {"status", &Directives::status, 599},
    {"retry_after", &Directives::retry_after, kMany},
    {"retry_after_ms", &Directives::retry_after_ms, kMany},
    {"first_byte_ms", &Directives::first_byte_ms, 3'600'000},
    {"token_interval_us", &Directives::token_interval_us, 3'600'000'000},
    {"stall_after", &Directives::stall_after, kMany},
    {"cut_after", &Directives::cut_after, kMany},
    {"malformed_after", &Directives::malformed_after, kMany},
    {"error_after", &Directives::error_after, kMany},
    {"wrong_usage", &Directives::wrong_usage, 1},
    {"no_usage", &Directives::no_usage, 1},
    {"usage_in_last_choice", &Directives::usage_in_last_choice, 1},
    {"no_done", &Directives::no_done, 1},
    {"input_tokens", &Directives::input_tokens, kMany},
    {"output_tokens", &Directives::output_tokens, 10'000'000},
    {"cached", &Directives::cached, kMany},
    {"cache_write", &Directives::cache_write, kMany},
    {"cache_write_long", &Directives::cache_write_long, kMany},
    {"reasoning", &Directives::reasoning, kMany},
    {"accepted", &Directives::accepted, kMany},
    {"rejected", &Directives::rejected, kMany},
    {"audio_in", &Directives::audio_in, kMany},
    {"audio_out", &Directives::audio_out, kMany},
    {"burst", &Directives::burst, 100'000},
    {"chunk_bytes", &Directives::chunk_bytes, 1 << 20},
    {"tokens_per_event", &Directives::tokens_per_event, 100'000},
    {"big_event", &Directives::big_event, 64 << 20},
    {"close", &Directives::close, 1},
};

struct TextKey {
    std::string_view name;
    std::string Directives::* member;
};
constexpr TextKey kTexts[] = {
    {"service_tier", &Directives::service_tier},
    {"finish_reason", &Directives::finish_reason},
    {"code", &Directives::code},
    {"cut_by", &Directives::cut_by},
};
constexpr int kKnownStatuses[] = {400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504};

std::unexpected<Error> bad(std::string_view key, std::string_view value, std::string_view allowed) {
    return fail(ErrorCode::invalid_request, "simulator directive " + std::string(key) + "=" +
                                                std::string(value.substr(0, 40)) +
                                                " is not understood: " + std::string(allowed));
}

Status read_one(Directives& out, std::string_view key, std::string_view value) {
    for (const NumberKey& known : kNumbers) {
        if (known.name != key) continue;
        std::int64_t number = 0;
        const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
        if (parsed.ec != std::errc{} || parsed.ptr != value.data() + value.size() || number < 0 ||
            number > known.max)
            return bad(key, value, "give a whole number from 0 to " + std::to_string(known.max));
        if (key == "status" && number != 200 &&
            std::ranges::find(kKnownStatuses, number) == std::end(kKnownStatuses))
            return bad(key, value, "give 200 or an error status OpenAI uses");
        out.*known.member = number;
        return {};
    }
    for (const TextKey& known : kTexts) {
        if (known.name != key) continue;
        const auto is_plain = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        };
        if (value.empty() || !std::ranges::all_of(value, is_plain))
            return bad(key, value, "give a word of a-z, 0-9, _ and -");
        if (key == "cut_by" && value != "fin" && value != "reset")
            return bad(key, value, "give fin or reset");
        out.*known.member = value;
        return {};
    }
    return bad(key, value, "no directive has this name, sim/README.md lists them");
}

}  // namespace

Status Directives::read(std::string_view text) {
    constexpr std::string_view kSeparators = "; \t";
    for (;;) {
        const std::size_t at = text.find_first_not_of(kSeparators);
        if (at == std::string_view::npos) return {};
        const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
        const std::string_view item = text.substr(at, end - at);
        text.remove_prefix(end);
        const std::size_t sign = item.find('=');
        if (sign == std::string_view::npos) return bad(item, "", "write key=value");
        TG_CHECK_OK(read_one(*this, item.substr(0, sign), item.substr(sign + 1)));
    }
}

Status Directives::read_marked(std::string_view body) {
    constexpr std::string_view kMark = "[[sim ";
    while (!body.empty()) {
        const void* found = ::memmem(body.data(), body.size(), kMark.data(), kMark.size());
        if (found == nullptr) return {};
        body.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(found) - body.data()) +
                           kMark.size());
        const std::size_t end = body.find("]]");
        if (end == std::string_view::npos)
            return bad("[[sim", body.substr(0, 20), "end it with ]]");
        TG_CHECK_OK(read(body.substr(0, end)));
        body.remove_prefix(end);
    }
    return {};
}

}  // namespace tg::sim
