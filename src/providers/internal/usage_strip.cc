#include "providers/internal/usage_strip.h"

#include "providers/internal/json_cursor.h"
#include "providers/internal/json_skim.h"
#include "providers/internal/openai_grammar.h"
#include "providers/internal/sse_parser.h"

namespace tg {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// `joined` is JSON text whose usage members go, the last one first.
void erase_usage_members(OpenAiCall call, std::string& joined) {
    for (;;) {
        JsonSkimmer skimmer(openai_grammar(OpenAiDocument::chat_event));
        ReplyCollector collector(call);
        skimmer.feed(joined, collector);
        if (collector.event().usage_members == 0) return;
        const Cut cut = find_usage_member(joined, collector.event());
        if (cut.is_empty()) return;
        joined.erase(cut.begin, cut.end - cut.begin);
    }
}

}  // namespace

Cut find_usage_member(std::string_view data, const ReplyCollector::Event& event) {
    std::size_t end = event.usage_end;
    if (event.usage_first == 'n' && data.substr(event.usage_value, 4) == "null")
        end = event.usage_value + 4;
    if (end == 0) return {};
    std::size_t begin = event.usage_key;
    std::size_t next = end;
    while (next < data.size() && is_json_space(data[next])) ++next;
    if (next < data.size() && data[next] == ',') return {begin, next + 1};
    std::size_t before = begin;
    while (before > 0 && is_json_space(data[before - 1])) --before;
    if (before > 0 && data[before - 1] == ',') begin = before - 1;
    return {begin, end};
}

std::string rebuild_without_usage(OpenAiCall call, std::string_view event) {
    std::string out, joined;
    if (event.starts_with(kByteOrderMark)) {
        out = kByteOrderMark;
        event.remove_prefix(kByteOrderMark.size());
    }
    bool has_data = false;
    while (!event.empty()) {
        const char* begin = event.data();
        const std::string_view line(
            begin, static_cast<std::size_t>(find_line_end(begin, begin + event.size()) - begin));
        event.remove_prefix(line.size());
        event.remove_prefix(event.starts_with("\r\n") ? 2 : event.empty() ? 0 : 1);
        if (line.starts_with("data:") || line == "data") {
            if (has_data) joined.push_back('\n');
            has_data = true;
            std::string_view value = line.substr(std::min<std::size_t>(line.size(), 5));
            if (value.starts_with(' ')) value.remove_prefix(1);
            joined.append(value);
        } else if (!line.empty()) {
            out.append(line).push_back('\n');
        }
    }
    erase_usage_members(call, joined);
    std::string_view rest = joined;
    for (;;) {
        const std::size_t end = rest.find('\n');
        out.append("data: ").append(rest.substr(0, end)).push_back('\n');
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    out.push_back('\n');
    return out;
}

}  // namespace tg
