#include "providers/openai_request.h"

#include <simdjson.h>

#include <algorithm>
#include <memory>

#include "providers/internal/json_cursor.h"
#include "providers/internal/json_depth.h"
#include "providers/object_key.h"

namespace tg {
namespace {

namespace od = simdjson::ondemand;
static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

/// The members the gate reads. Each may stand only once, but for the last two, which are hints.
enum class Member : std::uint8_t {
    none,
    model,
    stream,
    stream_options,
    max_tokens,
    max_completion_tokens,
    max_output_tokens,
    n,
    store,
    background,
    user,
    safety_identifier,
    service_tier,
    metadata,
    deployment_type,
    previous_response_id,
    conversation,
};

struct MemberName {
    std::string_view name;
    Member member;
};
constexpr MemberName kMembers[] = {
    {"model", Member::model},
    {"stream", Member::stream},
    {"stream_options", Member::stream_options},
    {"max_tokens", Member::max_tokens},
    {"max_completion_tokens", Member::max_completion_tokens},
    {"max_output_tokens", Member::max_output_tokens},
    {"n", Member::n},
    {"store", Member::store},
    {"background", Member::background},
    {"user", Member::user},
    {"safety_identifier", Member::safety_identifier},
    {"service_tier", Member::service_tier},
    {"metadata", Member::metadata},
    {"deployment_type", Member::deployment_type},
    {"previous_response_id", Member::previous_response_id},
    {"conversation", Member::conversation},
};
constexpr std::size_t kMemberNameMax = 21;
constexpr std::size_t kEndUserMax = 256;
constexpr std::size_t kMetadataMax = 16;

/// Bit n: some member's name has n bytes.
constexpr std::uint32_t member_lengths() {
    std::uint32_t mask = 0;
    for (const MemberName& m : kMembers) mask |= 1U << m.name.size();
    return mask;
}

Member find_member(std::string_view key) {
    if (key.size() > kMemberNameMax || (member_lengths() >> key.size() & 1) == 0)
        return Member::none;
    for (const MemberName& m : kMembers) {
        if (m.name == key) return m.member;
    }
    return Member::none;
}

std::string_view name_of(Member member) {
    for (const MemberName& m : kMembers) {
        if (m.member == member) return m.name;
    }
    return {};
}

std::unexpected<Error> refuse(std::string detail) {
    return fail(ErrorCode::invalid_request, std::move(detail));
}

std::unexpected<Error> refuse_value(Member member, std::string_view what) {
    return refuse("'" + std::string(name_of(member)) + "' must be " + std::string(what));
}

/// What simdjson found wrong, in words for the one who wrote the body.
std::string_view reason_of(simdjson::error_code code) {
    switch (code) {
        case simdjson::EMPTY:
            return "it is empty";
        case simdjson::UTF8_ERROR:
            return "it is not valid UTF-8";
        case simdjson::UNCLOSED_STRING:
            return "a string is not closed";
        case simdjson::UNESCAPED_CHARS:
            return "a string holds a control character that is not escaped";
        case simdjson::STRING_ERROR:
            return "a string holds an escape that JSON does not know";
        case simdjson::INCORRECT_TYPE:
            return "it is no object";
        case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
            return "an object or array is not closed";
        case simdjson::TRAILING_CONTENT:
            return "something follows the object";
        case simdjson::DEPTH_ERROR:
            return "it is nested too deeply";
        default:
            return "a comma, colon, key or value is missing or out of place";
    }
}

/// Parsers keep their buffers from body to body; one that grew for a huge body is let go.
class ThreadParser {
  public:
    static constexpr std::size_t kKeptBody = 1U << 20;
    od::parser& get() {
        if (!parser_) parser_ = std::make_unique<od::parser>();
        return *parser_;
    }
    void trim() {
        if (parser_ && parser_->capacity() > kKeptBody) parser_.reset();
    }

  private:
    std::unique_ptr<od::parser> parser_;
};
thread_local ThreadParser thread_parser;

void truncate_utf8(std::string& text, std::size_t max) {
    if (text.size() <= max) return;
    std::size_t end = max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
}

/// Reads the members the gate needs into facts, while simdjson walks the top level.
class Inspector {
  public:
    Inspector(OpenAiCall call, std::string_view body) : call_(call), body_(body) {}

    /// `key_at`: where the key's opening quote stands.
    Status take(Member member, std::size_t key_at, od::value& value);
    RequestFacts take_facts() { return std::move(facts_); }
    void set_last_brace(std::size_t offset) { facts_.last_brace = offset; }

  private:
    Result<std::string_view> token_of(Member member, od::value& value) const;
    Status take_text(Member member, std::string_view token, std::string* out);
    Status take_store(std::string_view token);
    Status take_deployment_type(std::size_t key_at, std::string_view token);
    Status take_flag(Member member, std::string_view token, bool* out);
    Status take_limit(Member member, std::string_view token);
    Status take_choices(std::string_view token);
    Status take_stream_options(std::string_view text);
    Status take_metadata(std::string_view text);
    Status take_end_user(Member member, std::string_view token);
    Status take_previous_response(std::string_view token);
    Status take_conversation(std::string_view token);
    JsonSpan span_of(std::string_view token) const {
        return {static_cast<std::size_t>(token.data() - body_.data()), token.size()};
    }

    OpenAiCall call_;
    std::string_view body_;
    std::uint32_t seen_ = 0;
    bool has_safety_identifier_ = false;
    RequestFacts facts_;
};

/// The value's text: of an object all of it, of an array its bracket.
Result<std::string_view> Inspector::token_of(Member member, od::value& value) const {
    std::string_view token;
    if (member == Member::stream_options || member == Member::metadata) {
        od::object object;
        token = value.raw_json_token();
        if (!token.starts_with("null")) {
            if (!token.starts_with('{') || value.get_object().get(object) != simdjson::SUCCESS) {
                return refuse_value(member, "an object");
            }
            if (object.raw_json().get(token) != simdjson::SUCCESS)
                return refuse_value(member, "a complete object");
        }
    } else {
        token = value.raw_json_token();
        // The token goes up to the next one. simdjson would skip a scalar with a colon behind it as
        // if it were a key.
        const bool is_scalar = !token.starts_with('{') && !token.starts_with('[');
        const char* const next = token.data() + token.size();
        od::object object;
        if (member == Member::conversation && token.starts_with('{') &&
            (value.get_object().get(object) != simdjson::SUCCESS ||
             object.raw_json().get(token) != simdjson::SUCCESS)) {
            return refuse_value(member, "a complete object");
        }
        if (is_scalar && (next >= body_.data() + body_.size() || (*next != ',' && *next != '}'))) {
            return refuse("the request body is no valid JSON object: no comma or brace follows '" +
                          std::string(name_of(member)) + "'");
        }
    }
    return token;
}

Status Inspector::take(Member member, std::size_t key_at, od::value& value) {
    const std::uint32_t bit = 1U << static_cast<unsigned>(member);
    const bool is_hint = member >= Member::previous_response_id;
    if ((seen_ & bit) != 0 && !is_hint) {
        return refuse("'" + std::string(name_of(member)) +
                      "' stands twice in the request body; send it once");
    }
    seen_ |= bit;
    TG_TRY(std::string_view token, token_of(member, value));
    while (!token.empty() && is_json_space(token.back())) token.remove_suffix(1);
    switch (member) {
        case Member::model:
            facts_.model_value = span_of(token);
            return take_text(member, token, &facts_.model);
        case Member::stream:
            return take_flag(member, token, &facts_.is_stream);
        case Member::background:
            // Elsewhere it means another thing: of an image it is "transparent" or "opaque".
            if (call_ != OpenAiCall::responses) return {};
            return take_flag(member, token, &facts_.is_background);
        case Member::store:
            return take_store(token);
        case Member::max_tokens:
        case Member::max_completion_tokens:
        case Member::max_output_tokens:
            return take_limit(member, token);
        case Member::n:
            return take_choices(token);
        case Member::user:
        case Member::safety_identifier:
            return take_end_user(member, token);
        case Member::service_tier:
            return token == "null" ? Status() : take_text(member, token, &facts_.service_tier);
        case Member::stream_options:
            return take_stream_options(token);
        case Member::metadata:
            return take_metadata(token);
        case Member::deployment_type:
            return take_deployment_type(key_at, token);
        case Member::previous_response_id:
            return take_previous_response(token);
        case Member::conversation:
            return take_conversation(token);
        case Member::none:
            break;
    }
    return {};
}

Status Inspector::take_text(Member member, std::string_view token, std::string* out) {
    if (token.size() < 2 || token.front() != '"') return refuse_value(member, "a string");
    append_json_unescaped(*out, token.substr(1, token.size() - 2));
    return {};
}

Status Inspector::take_store(std::string_view token) {
    if (token == "null") return {};
    bool store = false;
    TG_CHECK_OK(take_flag(Member::store, token, &store));
    facts_.store = store;
    return {};
}

Status Inspector::take_deployment_type(std::size_t key_at, std::string_view token) {
    if (token != "null")
        TG_CHECK_OK(take_text(Member::deployment_type, token, &facts_.deployment_type));
    const JsonSpan value = span_of(token);
    facts_.policy_edits.push_back(
        {MemberEdit::Kind::remove, {key_at, value.offset + value.size - key_at}, {}});
    return {};
}

Status Inspector::take_flag(Member member, std::string_view token, bool* out) {
    if (token != "true" && token != "false" && token != "null")
        return refuse_value(member, "true or false");
    *out = token == "true";
    return {};
}

/// Where several limits stand, the largest counts: which of them an upstream obeys is its own
/// affair.
Status Inspector::take_limit(Member member, std::string_view token) {
    if (token == "null") return {};
    std::int64_t limit = 0;
    if (parse_json_decimal(token, 0, &limit) != DecimalStatus::exact) {
        return refuse_value(member, "a whole number of tokens, 0 or more");
    }
    const bool is_responses_limit = member == Member::max_output_tokens;
    if (call_ != OpenAiCall::other_json && is_responses_limit != (call_ == OpenAiCall::responses))
        return {};
    facts_.max_output_tokens = std::max(facts_.max_output_tokens.value_or(0), limit);
    return {};
}

Status Inspector::take_choices(std::string_view token) {
    if (token == "null") return {};
    std::int64_t choices = 0;
    if (parse_json_decimal(token, 0, &choices) != DecimalStatus::exact || choices < 1) {
        return refuse_value(Member::n, "a whole number, 1 or more");
    }
    facts_.choices = choices;
    return {};
}

/// What is not in form is the provider's to refuse: no such object is kept anywhere.
Status Inspector::take_previous_response(std::string_view token) {
    if (call_ != OpenAiCall::responses || token.size() < 2 || token.front() != '"') return {};
    facts_.stored_object = object_key(token.substr(1, token.size() - 2));
    return {};
}

/// An id, or an object that holds one.
Status Inspector::take_conversation(std::string_view token) {
    if (call_ != OpenAiCall::responses || facts_.stored_object != 0) return {};
    if (token.starts_with('"') && token.size() > 2)
        facts_.stored_object = object_key(token.substr(1, token.size() - 2));
    if (!token.starts_with('{')) return {};
    JsonCursor cursor(token);
    std::string_view key;
    cursor.enter_object();
    while (cursor.next_member(&key)) {
        const std::string_view value = cursor.take_value();
        if (!is_json_key(key, "id") || !value.starts_with('"') || value.size() < 3) continue;
        facts_.stored_object = object_key(value.substr(1, value.size() - 2));
    }
    return {};
}

/// safety_identifier is what `user` became, so it wins where both stand.
Status Inspector::take_end_user(Member member, std::string_view token) {
    if (token == "null" || (member == Member::user && has_safety_identifier_)) return {};
    std::string name;
    TG_CHECK_OK(take_text(member, token, &name));
    truncate_utf8(name, kEndUserMax);
    has_safety_identifier_ = member == Member::safety_identifier;
    facts_.end_user = std::move(name);
    return {};
}

Status Inspector::take_stream_options(std::string_view text) {
    facts_.stream_options_value = span_of(text);
    if (text == "null") return {};
    JsonCursor cursor(text);
    std::string_view key;
    bool has_include_usage = false;
    cursor.enter_object();
    while (cursor.next_member(&key)) {
        const std::string_view value = cursor.take_value();
        if (!is_json_key(key, "include_usage")) continue;
        if (has_include_usage) {
            return refuse(
                "'stream_options.include_usage' stands twice in the request body; send it once");
        }
        has_include_usage = true;
        if (value != "true" && value != "false" && value != "null") {
            return refuse("'stream_options.include_usage' must be true or false");
        }
        facts_.asks_usage = value == "true";
    }
    if (!cursor.is_at_end())
        return refuse_value(Member::stream_options, "a well-formed JSON object");
    return {};
}

Status Inspector::take_metadata(std::string_view text) {
    if (text == "null") return {};
    JsonCursor cursor(text);
    std::string_view key;
    cursor.enter_object();
    while (cursor.next_member(&key)) {
        const std::string_view value = cursor.take_value();
        if (value.size() < 2 || value.front() != '"' || facts_.metadata.size() >= kMetadataMax)
            continue;
        auto& pair = facts_.metadata.emplace_back();
        append_json_unescaped(pair.first, key);
        append_json_unescaped(pair.second, value.substr(1, value.size() - 2));
    }
    if (!cursor.is_at_end()) return refuse_value(Member::metadata, "a well-formed JSON object");
    return {};
}

/// The member a raw key names. `raw` points behind the opening quote; simdjson has seen the closing
/// one.
Member member_of(const char* raw) {
    std::size_t size = 0;
    bool has_escape = false;
    // One byte beyond the longest name tells that it is none of them; an escaped name is up to six
    // times as long.
    while (size <= (has_escape ? 6 : 1) * kMemberNameMax && raw[size] != '"') {
        if (raw[size] == '\\') {
            has_escape = true;
            ++size;
        }
        ++size;
    }
    if (!has_escape) return find_member({raw, size});
    std::string plain;
    append_json_unescaped(plain, {raw, size});
    return find_member(plain);
}

Status walk(od::parser& parser, std::string_view body, Inspector* inspector) {
    const simdjson::padded_string_view padded(body.data(), body.size(), body.size() + kJsonPadding);
    od::document document;
    od::object object;
    const auto refuse_json = [&](simdjson::error_code code) {
        std::string text = "the request body is no valid JSON object: ";
        text.append(reason_of(code));
        const char* at = nullptr;
        if (document.is_alive() && document.current_location().get(at) == simdjson::SUCCESS &&
            at >= body.data() && at <= body.data() + body.size()) {
            text.append(" (near byte ").append(std::to_string(at - body.data())).append(")");
        }
        return refuse(std::move(text));
    };
    if (const auto code = parser.iterate(padded).get(document)) return refuse_json(code);
    if (const auto code = document.get_object().get(object)) return refuse_json(code);
    for (auto item : object) {
        od::field field;
        if (const auto code = std::move(item).get(field)) return refuse_json(code);
        const char* const key = field.key().raw();
        const Member member = member_of(key);
        if (member == Member::none) continue;
        const auto key_at = static_cast<std::size_t>(key - body.data()) - 1;
        TG_CHECK_OK(inspector->take(member, key_at, field.value()));
    }
    const char* rest = nullptr;
    if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS)
        return refuse_json(simdjson::TRAILING_CONTENT);
    return {};
}

}  // namespace

Result<RequestFacts> inspect_request(OpenAiCall call, std::string_view body) {
    constexpr std::size_t kDepthMax = 256;
    std::size_t end = body.size();
    while (end > 0 && is_json_space(body[end - 1])) --end;
    if (end == 0) return refuse("the request body is empty; send a JSON object");
    if (body[end - 1] != '}')
        return refuse("the request body is no JSON object: it does not end with '}'");
    if (is_nested_deeper(body, kDepthMax)) {
        return refuse("the request body is nested deeper than " + std::to_string(kDepthMax) +
                      " levels");
    }
    Inspector inspector(call, body);
    inspector.set_last_brace(end - 1);
    const Status status = walk(thread_parser.get(), body, &inspector);
    thread_parser.trim();
    if (!status.ok()) return fail(status.error());
    return inspector.take_facts();
}

}  // namespace tg
