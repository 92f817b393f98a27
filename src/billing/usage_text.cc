#include "billing/internal/usage_text.h"

#include <array>
#include <charconv>

#include "base/utf8.h"

namespace tg {
namespace {

/// ",cache_read:" of each meter.
const std::array<std::string, kMeterCount>& item_heads() {
    static const auto kHeads = [] {
        std::array<std::string, kMeterCount> out;
        for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = "," + std::string(name(static_cast<Meter>(i))) + ":";
        return out;
    }();
    return kHeads;
}

}  // namespace

void write_usage_text(const Usage& usage, std::string* out) {
    const auto& heads = item_heads();
    out->clear();
    char number[24];
    for (std::size_t i = 0; i < usage.quantity.size(); ++i) {
        if (usage.quantity[i] == 0) continue;
        out->append(heads[i], out->empty() ? 1 : 0);
        out->append(number, std::to_chars(number, number + sizeof number, usage.quantity[i]).ptr);
    }
}

Result<Usage> parse_usage_text(std::string_view text) {
    Usage usage;
    const auto bad = [](std::string_view item) {
        return fail(ErrorCode::corrupt_data,
                    "'" + std::string(item) + "' in the usage of an event is no 'meter:quantity'");
    };
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view item = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        const std::size_t colon = item.find(':');
        if (colon == std::string_view::npos) return bad(item);
        const Result<Meter> meter = parse_meter(item.substr(0, colon));
        if (!meter.ok()) return bad(item);
        const std::string_view digits = item.substr(colon + 1);
        const char* const begin = digits.data();
        const char* const end = begin + digits.size();
        const auto parsed = std::from_chars(begin, end, usage[*meter]);
        if (parsed.ec != std::errc{} || parsed.ptr != end) return bad(item);
    }
    return usage;
}

std::string_view storable(std::string_view text, std::string* scratch) {
    if (is_storable_text(text)) return text;
    make_storable(text, scratch);
    return *scratch;
}

}  // namespace tg
