#include "base/json_writer.h"
#include "providers/internal/json_cursor.h"
#include "providers/openai_request.h"

namespace tg {
namespace {

constexpr std::string_view kUsageMember = "\"include_usage\":true";

std::string quoted(std::string_view text) {
    std::string out = "\"";
    append_json_escaped(out, text);
    out.push_back('"');
    return out;
}

/// Makes include_usage true inside the stream_options that stand in the body; the other members
/// stay as they are.
Splice ask_inside(const JsonSpan& options, std::string_view body) {
    const std::string_view text = body.substr(options.offset, options.size);
    if (text == "null")
        return {options.offset, options.size, "{" + std::string(kUsageMember) + "}"};
    JsonCursor cursor(text);
    std::string_view key;
    bool is_empty = true;
    cursor.enter_object();
    while (cursor.next_member(&key)) {
        is_empty = false;
        const std::string_view value = cursor.take_value();
        if (is_json_key(key, "include_usage")) {
            return {options.offset + static_cast<std::size_t>(value.data() - text.data()),
                    value.size(), "true"};
        }
    }
    return {options.offset + 1, 0, std::string(kUsageMember) + (is_empty ? "" : ",")};
}

bool is_top_level_empty(const RequestFacts& facts, std::string_view body) {
    std::size_t before = facts.last_brace;
    while (before > 0 && is_json_space(body[before - 1])) --before;
    return before > 0 && body[before - 1] == '{';
}

}  // namespace

std::vector<Splice> rewrite_request(OpenAiCall call, const RequestFacts& facts,
                                    std::string_view body, const RewriteOptions& options) {
    std::vector<Splice> out;
    std::string added;  // members that go in front of the last brace
    // What stands in the body counts, not facts.model: another model may stand in for it.
    const JsonSpan& there = facts.model_value;
    std::string model = options.upstream_model.empty() ? "" : quoted(options.upstream_model);
    if (!model.empty() && there.is_set()) {
        if (body.substr(there.offset, there.size) != model)
            out.push_back({there.offset, there.size, std::move(model)});
    } else if (!model.empty()) {
        added = "\"model\":" + model;
    }
    const bool puts_usage_last = call == OpenAiCall::chat || call == OpenAiCall::completions;
    if (options.inject_usage && puts_usage_last && facts.is_stream && !facts.asks_usage) {
        if (facts.stream_options_value.is_set()) {
            out.push_back(ask_inside(facts.stream_options_value, body));
        } else {
            if (!added.empty()) added.push_back(',');
            added.append("\"stream_options\":{").append(kUsageMember).append("}");
        }
    }
    if (out.size() == 2 && out[1].offset < out[0].offset) std::swap(out[0], out[1]);
    if (!added.empty()) {
        if (!is_top_level_empty(facts, body)) added.insert(added.begin(), ',');
        out.push_back({facts.last_brace, 0, std::move(added)});
    }
    return out;
}

}  // namespace tg
