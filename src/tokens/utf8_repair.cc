#include "tokens/internal/utf8_repair.h"

#include <cstddef>
#include <cstdint>

namespace tg::bpe {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// What a sequence looks like that starts with a certain byte (Unicode 16, table 3-7).
struct Lead {
    int length;  // 0: no sequence starts so
    std::uint8_t second_min;
    std::uint8_t second_max;
};

Lead lead_of(std::uint8_t byte) {
    if (byte < 0x80) return {1, 0, 0};
    if (byte < 0xc2) return {0, 0, 0};
    if (byte < 0xe0) return {2, 0x80, 0xbf};
    if (byte == 0xe0) return {3, 0xa0, 0xbf};
    if (byte == 0xed) return {3, 0x80, 0x9f};
    if (byte < 0xf0) return {3, 0x80, 0xbf};
    if (byte == 0xf0) return {4, 0x90, 0xbf};
    if (byte < 0xf4) return {4, 0x80, 0xbf};
    if (byte == 0xf4) return {4, 0x80, 0x8f};
    return {0, 0, 0};
}

}  // namespace

void repair_utf8(std::string_view text, std::string* out) {
    out->clear();
    out->reserve(text.size() + text.size() / 2);
    for (std::size_t at = 0; at < text.size();) {
        const Lead lead = lead_of(static_cast<std::uint8_t>(text[at]));
        const auto wanted = static_cast<std::size_t>(lead.length);
        std::size_t got = 1;
        for (; got < wanted && at + got < text.size(); ++got) {
            const auto byte = static_cast<std::uint8_t>(text[at + got]);
            const std::uint8_t min = got == 1 ? lead.second_min : std::uint8_t{0x80};
            const std::uint8_t max = got == 1 ? lead.second_max : std::uint8_t{0xbf};
            if (byte < min || byte > max) break;
        }
        if (got == wanted) {
            out->append(text.substr(at, got));
        } else {
            out->append(kReplacement);
        }
        at += got;
    }
}

}  // namespace tg::bpe
