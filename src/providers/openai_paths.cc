#include "providers/openai_paths.h"

#include <algorithm>

#include <array>

#include "base/json_writer.h"
#include "providers/internal/openai_path_table.h"

namespace tg {
namespace {

constexpr std::size_t kSegmentsMax = 10;
constexpr std::string_view kModels = "/v1/models/";

struct Segments {
    std::array<std::string_view, kSegmentsMax> at;
    std::size_t count = 0;
};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Percent-decodes; false for a broken escape and for bytes that could make another path of it:
/// control characters, '/', '\'.
enum class Slashes : std::uint8_t { refused, allowed };
bool decode(std::string_view segment, Slashes slashes, std::string* out) {
    for (std::size_t i = 0; i < segment.size(); ++i) {
        char c = segment[i];
        if (c == '%') {
            if (i + 2 >= segment.size()) return false;
            const int high = hex_digit(segment[i + 1]), low = hex_digit(segment[i + 2]);
            if (high < 0 || low < 0) return false;
            c = static_cast<char>(high * 16 + low);
            i += 2;
            if ((c == '/' && slashes == Slashes::refused) || c == '%') return false;
        }
        if (c == '\\' || (c >= 0 && c < 0x20) || c == 0x7f || c == '?' || c == '#') return false;
        out->push_back(c);
    }
    return true;
}

/// A segment that means itself and nothing else to any server.
bool is_plain(std::string_view segment) {
    std::string decoded;
    return !segment.empty() && decode(segment, Slashes::refused, &decoded) && decoded != "." &&
           decoded != "..";
}

bool split(std::string_view path, Segments* out) {
    constexpr std::string_view kPrefix = "/v1/";
    if (!path.starts_with(kPrefix)) return false;
    path.remove_prefix(kPrefix.size());
    for (;;) {
        const std::size_t slash = path.find('/');
        const std::string_view segment = path.substr(0, slash);
        if (out->count == kSegmentsMax || !is_plain(segment)) return false;
        out->at[out->count++] = segment;
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
}

/// The segment that the first "{}" of the pattern stands for.
std::string_view object_of(std::string_view pattern, const Segments& path) {
    const std::size_t hole = pattern.find("{}");
    if (hole == std::string_view::npos) return {};
    return path.at[static_cast<std::size_t>(std::ranges::count(pattern.substr(0, hole), '/'))];
}

/// "{}" in the pattern stands for one segment, "**" at its end for one or more.
bool matches(std::string_view pattern, const Segments& path) {
    for (std::size_t i = 0;; ++i) {
        const std::size_t slash = pattern.find('/');
        const std::string_view part = pattern.substr(0, slash);
        if (part == "**") return i < path.count;
        if (i == path.count || (part != "{}" && part != path.at[i])) return false;
        if (slash == std::string_view::npos) return i + 1 == path.count;
        pattern.remove_prefix(slash + 1);
    }
}

std::uint8_t method_bit(std::string_view method) {
    if (method == "GET" || method == "HEAD") return kGet;
    if (method == "POST") return kPost;
    if (method == "DELETE") return kDelete;
    return 0;
}

OpenAiRoute engine_route(const Segments& path) {
    const std::string_view call = path.at[path.count - 1];
    if (path.count == 4 && path.at[2] == "chat" && call == "completions") return OpenAiRoute::chat;
    if (path.count != 3) return OpenAiRoute::unknown;
    if (call == "completions") return OpenAiRoute::completions;
    return call == "embeddings" ? OpenAiRoute::embeddings : OpenAiRoute::unknown;
}

/// The name in models/{model} is answered by the gate and never becomes an upstream's path, so
/// slashes are harmless in it.
bool is_model_name(std::string_view text, std::string* model) {
    return !text.empty() && decode(text, Slashes::allowed, model);
}

OpenAiPath classify_engine(std::string_view method, const Segments& path) {
    OpenAiPath out;
    const OpenAiRoute route = engine_route(path);
    if (route == OpenAiRoute::unknown) return out;
    if (method != "POST") {
        out.is_wrong_method = true;
        return out;
    }
    out.route = route;
    decode(path.at[1], Slashes::refused, &out.model);
    return out;
}

}  // namespace

OpenAiPath classify_openai_path(std::string_view method, std::string_view path) {
    OpenAiPath out;
    const std::uint8_t bit = method_bit(method);
    if (bit == kGet && path.starts_with(kModels) &&
        is_model_name(path.substr(kModels.size()), &out.model)) {
        out.route = OpenAiRoute::model_get;
        return out;
    }
    out.model.clear();
    Segments segments;
    if (!split(path, &segments)) return out;
    if (segments.at[0] == "engines" && segments.count > 2) return classify_engine(method, segments);
    for (const OpenAiPathRow& row : openai_path_table()) {
        if (!matches(row.pattern, segments)) continue;
        if ((row.methods & bit) == 0 && row.route != OpenAiRoute::admin) {
            out.is_wrong_method = true;
            continue;
        }
        out.route = row.route;
        out.retains = row.retains;
        out.object = object_of(row.pattern, segments);
        out.is_wrong_method = false;
        return out;
    }
    return out;
}

bool is_known_openai_path(std::string_view method, std::string_view path) {
    const OpenAiRoute route = classify_openai_path(method, path).route;
    return route != OpenAiRoute::unknown && route != OpenAiRoute::admin;
}

std::string openai_unknown_url_body(std::string_view method, std::string_view path) {
    std::string message = "Invalid URL (";
    message.append(method).append(" ").append(path).append(")");
    std::string out;
    JsonWriter writer(out);
    writer.begin_object()
        .key("error")
        .begin_object()
        .field("message", message)
        .field("type", "invalid_request_error");
    writer.key("param").null().key("code").null();
    writer.end_object().end_object();
    return out;
}

}  // namespace tg
