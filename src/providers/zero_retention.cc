#include "providers/zero_retention.h"

#include <algorithm>

#include "providers/internal/json_cursor.h"
#include "providers/internal/retention_table.h"

namespace tg {
namespace {

constexpr int kDepthMax = 256;

std::string explain(std::string_view what, const RetentionRule& rule) {
    std::string out = "zero data retention: ";
    out.append(what).append(" is refused, because ").append(rule.reason);
    if (!rule.instead.empty()) out.append("; ").append(rule.instead);
    return out;
}

bool is_string(std::string_view token) {
    return token.size() >= 2 && token.front() == '"';
}
std::string_view inside(std::string_view token) {
    return is_string(token) ? token.substr(1, token.size() - 2) : std::string_view();
}
/// Is the raw JSON value the string `text`, escapes resolved?
bool is_text(std::string_view token, std::string_view text) {
    return is_string(token) && is_json_key(inside(token), text);
}

/// Judges one body, member by member.
class BodyJudge {
  public:
    BodyJudge(std::string_view path, std::string_view body, const RetentionOptions& options)
        : path_(path), body_(body), options_(options), cursor_(body) {}

    Result<RetentionVerdict> run();

  private:
    struct Member {
        std::string_view key, value;  ///< raw: the key without its quotes
        std::size_t at = 0;           ///< where the key's opening quote stands
        JsonSpan span() const { return {at, value_at + value.size() - at}; }
        std::size_t value_at = 0;
    };
    bool is(const Member& member, std::string_view name) const {
        return is_json_key(member.key, name);
    }
    bool is_responses() const { return path_.starts_with("/responses"); }
    bool is_chat() const { return path_ == "/chat/completions"; }
    bool is_image() const { return path_.starts_with("/images/"); }

    void refuse(RetentionFeature feature, std::string_view param) {
        if (!verdict_.explanation.empty()) return;
        verdict_.explanation =
            explain("'" + std::string(rule(feature).feature) + "'", rule(feature));
        verdict_.param = param;
    }
    void drop(const Member& member) {
        verdict_.edits.push_back({MemberEdit::Kind::remove, member.span(), {}});
    }

    void judge(const Member& member);
    void judge_storage(const Member& member);
    void judge_references(const Member& member);
    void judge_media(const Member& member);
    void judge_cache(const Member& member);
    void judge_cache_options(const Member& member);
    void judge_tools(std::string_view tools, int depth);
    void judge_tool(std::string_view tool, int depth);
    void judge_shell(std::string_view environment);
    bool has_audio(std::string_view modalities);

    /// Looks for references to stored objects in `value`, at any depth.
    void scan_content(const Member& member);
    bool scan_value(JsonCursor* cursor, int depth, std::string_view owner);
    bool scan_object(JsonCursor* cursor, int depth, std::string_view owner);
    void note_malformed() { is_malformed_ = true; }

    std::string_view path_, body_;
    const RetentionOptions& options_;
    JsonCursor cursor_;
    RetentionVerdict verdict_;
    bool has_store_ = false, has_image_model_ = false, is_malformed_ = false;
    std::string_view param_;  ///< whose content is scanned
};

Result<RetentionVerdict> BodyJudge::run() {
    const auto offset_of = [&](std::string_view piece) {
        return static_cast<std::size_t>(piece.data() - body_.data());
    };
    cursor_.enter_object();
    Member member;
    while (cursor_.next_member(&member.key)) {
        member.at = offset_of(member.key) - 1;
        member.value = cursor_.take_value();
        if (member.value.empty()) break;
        member.value_at = offset_of(member.value);
        judge(member);
    }
    if (!cursor_.is_at_end() || is_malformed_) {
        return fail(ErrorCode::invalid_request,
                    "the request body is no well-formed JSON object, so it cannot be checked for "
                    "zero data retention");
    }
    if (is_image() && !has_image_model_) refuse(RetentionFeature::image_model, "model");
    if (path_ == "/responses" && !has_store_)
        verdict_.edits.push_back({MemberEdit::Kind::add, {}, "\"store\":false"});
    return std::move(verdict_);
}

void BodyJudge::judge(const Member& member) {
    judge_storage(member);
    judge_references(member);
    judge_cache(member);
    judge_media(member);
    if (is(member, "tools")) judge_tools(member.value, 0);
    if (is(member, "web_search_options") && member.value != "null" && !options_.allows_web_search)
        refuse(RetentionFeature::web_search, "web_search_options");
    if (is(member, "input") || is(member, "messages") || is(member, "images") ||
        is(member, "image") || is(member, "mask") || is(member, "prediction"))
        scan_content(member);
}

void BodyJudge::judge_storage(const Member& member) {
    if (is(member, "store")) {
        has_store_ = true;
        // null means the default, which is true for responses.
        const bool is_kept =
            member.value == "true" || (path_ == "/responses" && member.value == "null");
        if (is_kept) {
            verdict_.edits.push_back(
                {MemberEdit::Kind::replace, {member.value_at, member.value.size()}, "false"});
        }
    }
    if (is(member, "metadata") && (is_responses() || is_chat())) drop(member);
    if (is(member, "background") && member.value == "true")
        refuse(RetentionFeature::background, "background");
}

void BodyJudge::judge_references(const Member& member) {
    if (member.value == "null") return;
    if (is(member, "previous_response_id"))
        refuse(RetentionFeature::previous_response, "previous_response_id");
    if (is(member, "conversation")) refuse(RetentionFeature::conversation, "conversation");
    if (is(member, "prompt") && member.value.front() == '{')
        refuse(RetentionFeature::stored_prompt, "prompt");
    if (is(member, "voice") && member.value.front() == '{')
        refuse(RetentionFeature::custom_voice, "voice");
}

void BodyJudge::judge_cache(const Member& member) {
    if (member.value == "null") return;
    if (is(member, "prompt_cache_retention") && !is_text(member.value, "in_memory")) drop(member);
    if (is(member, "prompt_cache_options")) judge_cache_options(member);
}

void BodyJudge::judge_cache_options(const Member& member) {
    JsonCursor cursor(member.value);
    std::string_view key;
    bool is_longer = false;
    cursor.enter_object();
    while (cursor.next_member(&key)) {
        const std::string_view value = cursor.take_value();
        if (is_json_key(key, "ttl")) is_longer |= value != "null" && !is_text(value, "30m");
    }
    if (is_longer || !cursor.is_at_end()) drop(member);
}

bool BodyJudge::has_audio(std::string_view modalities) {
    JsonCursor cursor(modalities);
    bool found = false;
    cursor.enter_array();
    while (cursor.next_element()) found |= is_text(cursor.take_value(), "audio");
    return found || !cursor.is_at_end();
}

void BodyJudge::judge_media(const Member& member) {
    if (member.value == "null") return;
    if (is_chat() && (is(member, "audio") || (is(member, "modalities") && has_audio(member.value))))
        refuse(RetentionFeature::audio_output, is(member, "audio") ? "audio" : "modalities");
    if (!is_image()) return;
    if (is(member, "model")) {
        std::string model;
        append_json_unescaped(model, inside(member.value));
        has_image_model_ = true;
        if (!model.starts_with("gpt-image") && !model.starts_with("chatgpt-image"))
            refuse(RetentionFeature::image_model, "model");
    }
    if (is(member, "response_format") && is_text(member.value, "url"))
        refuse(RetentionFeature::image_url_answer, "response_format");
}

void BodyJudge::judge_tools(std::string_view tools, int depth) {
    if (tools == "null") return;
    if (depth > kDepthMax) return note_malformed();
    JsonCursor cursor(tools);
    cursor.enter_array();
    while (cursor.next_element()) {
        const std::string_view tool = cursor.take_value();
        if (tool.empty()) break;
        judge_tool(tool, depth);
    }
    if (!cursor.is_at_end()) note_malformed();
}

/// Each `type` counts, should it stand twice: which of them the provider takes is its own affair.
void BodyJudge::judge_tool(std::string_view tool, int depth) {
    JsonCursor cursor(tool);
    std::string_view key, environment;
    bool has_type = false, is_shell = false, is_web_search = false, is_cached = false,
         is_live = false;
    cursor.enter_object();
    while (cursor.next_member(&key)) {
        const std::string_view value = cursor.take_value();
        if (value.empty()) break;
        if (is_json_key(key, "environment")) environment = value;
        if (is_json_key(key, "external_web_access"))
            (value == "false" ? is_cached : is_live) = true;
        if (is_json_key(key, "tools")) judge_tools(value, depth + 1);
        if (is_json_key(key, "input_image_mask")) {
            JsonCursor mask(value);
            param_ = "tools";
            scan_value(&mask, 0, {});
        }
        if (!is_json_key(key, "type")) continue;
        has_type = true;
        std::string type;
        append_json_unescaped(type, inside(value));
        if (type == "namespace") continue;  // what counts is what stands in its own `tools`
        const RetentionFeature feature = feature_of_tool(type);
        if (feature == RetentionFeature::hosted_shell) {
            is_shell = true;
        } else if (feature == RetentionFeature::web_search) {
            is_web_search = true;
        } else if (rule(feature).action == RetentionAction::refuse) {
            refuse(feature, "tools");
        }
    }
    if (!cursor.is_at_end()) return note_malformed();
    if (!has_type) refuse(RetentionFeature::unknown_tool, "tools");
    if (is_shell) judge_shell(environment);
    if (is_web_search && (is_live || !is_cached) && !options_.allows_web_search)
        refuse(RetentionFeature::web_search, "tools");
}

/// Only `{"type":"local"}` runs on the client's side; without an environment the provider makes a
/// container.
void BodyJudge::judge_shell(std::string_view environment) {
    JsonCursor cursor(environment);
    std::string_view key;
    bool is_local = false, is_hosted = false;
    cursor.enter_object();
    while (cursor.next_member(&key)) {
        const std::string_view value = cursor.take_value();
        if (!is_json_key(key, "type")) continue;
        is_local |= is_text(value, "local");
        is_hosted |= !is_text(value, "local");
    }
    if (!is_local || is_hosted || !cursor.is_at_end())
        refuse(RetentionFeature::hosted_shell, "tools");
}

void BodyJudge::scan_content(const Member& member) {
    JsonCursor cursor(member.value);
    std::string name;
    append_json_unescaped(name, member.key);
    param_ = name;
    if (!scan_value(&cursor, 0, {}) || !cursor.is_at_end()) note_malformed();
    param_ = {};
}

/// `owner` is the key that the value belongs to. False when it is not well-formed.
bool BodyJudge::scan_value(JsonCursor* cursor, int depth, std::string_view owner) {
    if (depth > kDepthMax) return false;
    switch (cursor->peek()) {
        case '{':
            return scan_object(cursor, depth, owner);
        case '[':
            cursor->enter_array();
            while (cursor->next_element()) {
                if (!scan_value(cursor, depth + 1, owner)) return false;
            }
            return cursor->ok();
        default:
            return !cursor->take_value().empty();
    }
}

bool BodyJudge::scan_object(JsonCursor* cursor, int depth, std::string_view owner) {
    std::string_view key, id, type = "null";
    bool has_role = false;
    cursor->enter_object();
    while (cursor->next_member(&key)) {
        const char first = cursor->peek();
        if (first == '{' || first == '[') {
            if (is_json_key(key, "file_ids")) refuse(RetentionFeature::file_reference, param_);
            if (!scan_value(cursor, depth + 1, key)) return false;
            continue;
        }
        const std::string_view value = cursor->take_value();
        if (value.empty()) return false;
        if (is_json_key(key, "file_id") && value != "null")
            refuse(RetentionFeature::file_reference, param_);
        if (is_json_key(key, "id")) id = value;
        if (is_json_key(key, "role")) has_role = true;
        if (is_json_key(key, "type")) {
            if (is_text(value, "item_reference")) refuse(RetentionFeature::item_reference, param_);
            type = value;
        }
    }
    if (!cursor->ok()) return false;
    // An item of `input` that is nothing but an id refers to a stored one.
    const bool is_item = depth == 1 && param_ == "input";
    if (is_item && is_string(id) && type == "null" && !has_role)
        refuse(RetentionFeature::item_reference, param_);
    if (is_string(id) && is_json_key(owner, "audio"))
        refuse(RetentionFeature::audio_reference, param_);
    return true;
}

}  // namespace

std::string_view name(RetentionAction action) {
    switch (action) {
        case RetentionAction::allow:
            return "allow";
        case RetentionAction::rewrite:
            return "rewrite";
        case RetentionAction::refuse:
            return "refuse";
    }
    return "unknown";
}

std::vector<RetentionRule> zero_retention_rules() {
    std::vector<RetentionRule> out;
    for (const RetentionEndpoint& endpoint : retention_endpoints()) {
        out.push_back(
            {endpoint.path, "", RetentionAction::allow,
             endpoint.body == RetentionBody::json ? "JSON bodies, by the rules below" : "any body",
             ""});
    }
    const auto paths = refused_paths();
    out.insert(out.end(), paths.begin(), paths.end());
    out.push_back({"any other path", "", RetentionAction::refuse,
                   "nothing is known of what the provider keeps for it", ""});
    const auto features = feature_rules();
    out.insert(out.end(), features.begin(), features.end());
    return out;
}

RetentionPath zero_retention_path(std::string_view method, std::string_view path) {
    for (const RetentionEndpoint& endpoint : retention_endpoints()) {
        if (endpoint.method == method && endpoint.path == path) return {endpoint.body, {}};
    }
    const std::string what = std::string(method) + " /v1" + std::string(path.substr(0, 100));
    for (const RetentionRule& refused : refused_paths()) {
        if (path.starts_with(refused.where) &&
            (path.size() == refused.where.size() || path[refused.where.size()] == '/'))
            return {RetentionBody::json, explain(what, refused)};
    }
    return {RetentionBody::json,
            "zero data retention: " + what +
                " is refused, because it is not in the list of endpoints that are known to keep "
                "nothing"};
}

Result<RetentionVerdict> zero_retention_body(std::string_view path, std::string_view body,
                                             const RetentionOptions& options) {
    return BodyJudge(path, body, options).run();
}

bool is_plain_model_name(std::string_view model) {
    constexpr std::size_t kNameMax = 128;
    constexpr std::string_view kMarks = "._-:/@+";
    return !model.empty() && model.size() <= kNameMax && std::ranges::all_of(model, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kMarks.contains(c);
    });
}

}  // namespace tg
