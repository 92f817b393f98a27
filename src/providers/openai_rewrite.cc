#include <algorithm>

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

/// The end of what comes before `at`, without white space.
std::size_t end_before(std::string_view body, std::size_t at) {
    while (at > 0 && is_json_space(body[at - 1])) --at;
    return at;
}

/// Takes whole members out of the top level, each with one of its commas, so that the rest stays
/// well-formed whichever and however many they are.
class MemberRemover {
  public:
    explicit MemberRemover(std::string_view body) : body_(body) {}

    /// In ascending order.
    void remove(JsonSpan member, std::vector<Splice>* out) {
        std::size_t begin = member.offset, end = member.offset + member.size;
        const std::size_t before = end_before(body_, begin);
        const bool is_first = body_[before - 1] == '{';
        const bool follows_removed = end_ > 0 && end_before(body_, before - 1) == end_;
        keeps_before_ = !is_first && (!follows_removed || keeps_before_);
        end_ = end;
        if (keeps_before_) {
            begin = before - 1;
        } else {
            std::size_t after = end;
            while (is_json_space(body_[after])) ++after;
            if (body_[after] == ',') end = after + 1;
        }
        out->push_back({begin, end - begin, {}});
    }
    /// Does a member stay in front of the closing brace?
    bool has_member_left(std::size_t last_brace) const {
        const std::size_t before = end_before(body_, last_brace);
        if (before == 0 || body_[before - 1] == '{') return false;
        return before != end_ || keeps_before_;
    }

  private:
    std::string_view body_;
    std::size_t end_ = 0;  ///< of the member removed last
    bool keeps_before_ = false;
};

/// Puts the policy's edits into `out` and, for members that are added, into `added`. True when
/// something else stays in the top level.
bool apply_policy(const RequestFacts& facts, std::string_view body, std::vector<Splice>* out,
                  std::string* added) {
    std::vector<const MemberEdit*> removed;
    for (const MemberEdit& edit : facts.policy_edits) {
        switch (edit.kind) {
            case MemberEdit::Kind::remove:
                removed.push_back(&edit);
                break;
            case MemberEdit::Kind::replace:
                out->push_back({edit.span.offset, edit.span.size, edit.text});
                break;
            case MemberEdit::Kind::add:
                if (!added->empty()) added->push_back(',');
                added->append(edit.text);
                break;
        }
    }
    std::ranges::sort(removed, {}, [](const MemberEdit* edit) { return edit->span.offset; });
    MemberRemover remover(body);
    for (const MemberEdit* edit : removed) remover.remove(edit->span, out);
    return remover.has_member_left(facts.last_brace);
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
    const bool has_member_left = apply_policy(facts, body, &out, &added);
    if (out.size() > 1) std::ranges::sort(out, {}, &Splice::offset);
    if (!added.empty()) {
        if (has_member_left) added.insert(added.begin(), ',');
        out.push_back({facts.last_brace, 0, std::move(added)});
    }
    return out;
}

}  // namespace tg
