#include "api/test_api.h"

#include "api/internal/openapi.h"

namespace tg {
namespace {

using Kind = api::JsonValue::Kind;

bool has_type(const api::JsonValue& value, const std::string& type) {
    switch (value.kind) {
        case Kind::null:
            return type == "null";
        case Kind::flag:
            return type == "boolean";
        case Kind::integer:
            return type == "integer" || type == "number";
        case Kind::text:
            return type == "string";
        case Kind::array:
            return type == "array";
        case Kind::object:
            return type == "object";
    }
    return false;
}

std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> out(1);
    for (const char c : path) {
        if (c == '/') {
            out.emplace_back();
        } else {
            out.back().push_back(c);
        }
    }
    return out;
}

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(c));
    return text;
}

}  // namespace

YAML::Node OpenApiChecker::resolve(const YAML::Node& node) const {
    if (!node.IsMap() || !node["$ref"]) return node;
    YAML::Node at;
    at.reset(root_);
    for (const std::string& part : split(node["$ref"].as<std::string>().substr(2))) {
        const YAML::Node next = at[part];
        EXPECT_TRUE(next.IsDefined()) << node["$ref"].as<std::string>();
        at.reset(next);
    }
    return at;
}

std::string OpenApiChecker::check_object(const api::JsonValue& value, const YAML::Node& schema,
                                         const std::string& where) const {
    const auto find = [&](const std::string& name) -> const api::JsonValue* {
        for (const auto& [key, member] : value.members) {
            if (key == name) return &member;
        }
        return nullptr;
    };
    for (const YAML::Node& name : schema["required"]) {
        if (find(name.as<std::string>()) == nullptr)
            return where + ": '" + name.as<std::string>() + "' is missing";
    }
    for (const auto& [key, member] : value.members) {
        const YAML::Node property = schema["properties"] ? schema["properties"][key] : YAML::Node();
        const YAML::Node other = schema["additionalProperties"];
        const bool is_named = property.IsDefined() && !property.IsNull();
        if (!is_named && !(other && other.IsMap())) {
            if (schema["properties"]) return where + ": '" + key + "' is not described";
            continue;
        }
        if (std::string problem = check(member, is_named ? property : other, where + "." + key);
            !problem.empty())
            return problem;
    }
    return "";
}

std::string OpenApiChecker::check(const api::JsonValue& value, const YAML::Node& reference,
                                  const std::string& where) const {
    const YAML::Node schema = resolve(reference);
    if (schema["allOf"]) {
        // One object described in parts: the parts are laid over each other.
        YAML::Node joined;
        joined["type"] = "object";
        for (const YAML::Node& part : schema["allOf"]) {
            const YAML::Node one = resolve(part);
            for (const auto& property : one["properties"])
                joined["properties"][property.first.as<std::string>()] = property.second;
            for (const YAML::Node& name : one["required"]) joined["required"].push_back(name);
        }
        return check(value, joined, where);
    }
    if (schema["type"]) {
        bool fits = false;
        if (schema["type"].IsSequence()) {
            for (const YAML::Node& type : schema["type"])
                fits = fits || has_type(value, type.as<std::string>());
        } else {
            fits = has_type(value, schema["type"].as<std::string>());
        }
        if (!fits) return where + " has another type than described";
    }
    if (schema["enum"]) {
        bool fits = false;
        for (const YAML::Node& one : schema["enum"])
            fits = fits || one.as<std::string>() == value.text;
        if (!fits) return where + " is '" + value.text + "', which is not in the enum";
    }
    if (schema["format"] && schema["format"].as<std::string>() == "date-time" &&
        value.kind == Kind::text && !parse_rfc3339(value.text).ok()) {
        return where + " is no date-time: " + value.text;
    }
    if (value.kind == Kind::object) return check_object(value, schema, where);
    if (value.kind == Kind::array && schema["items"]) {
        for (std::size_t i = 0; i < value.items.size(); ++i) {
            if (std::string problem =
                    check(value.items[i], schema["items"], where + "[" + std::to_string(i) + "]");
                !problem.empty()) {
                return problem;
            }
        }
    }
    return "";
}

std::string OpenApiChecker::path_pattern(const std::string& path) const {
    const std::vector<std::string> parts = split(path);
    for (const auto& entry : root_["paths"]) {
        const std::vector<std::string> pattern = split(entry.first.as<std::string>());
        bool fits = pattern.size() == parts.size();
        for (std::size_t i = 0; fits && i < parts.size(); ++i)
            fits = pattern[i].starts_with("{") || pattern[i] == parts[i];
        if (fits) return entry.first.as<std::string>();
    }
    return "";
}

std::string OpenApiChecker::check_reply(const ApiRequest& request, const ApiReply& reply) const {
    YAML::Node response;
    const std::string pattern = path_pattern(request.path);
    const std::string method = lower(request.method);
    if (!pattern.empty() && root_["paths"][pattern][method]) {
        const YAML::Node responses = root_["paths"][pattern][method]["responses"];
        const YAML::Node exact = responses[std::to_string(reply.status)];
        response = resolve(exact.IsDefined() ? exact : responses["default"]);
        if (!response.IsDefined() || response.IsNull())
            return "status " + std::to_string(reply.status) + " is not described";
    } else {
        if (reply.status < 400) return "the path or method is not described";
        response = resolve(YAML::Load("{ $ref: '#/components/responses/Error' }"));
    }
    const YAML::Node media = response["content"][reply.content_type];
    if (!media.IsDefined()) return "content type " + reply.content_type + " is not described";
    if (reply.content_type != "application/json") return "";
    const auto body = api::parse_json(reply.body);
    if (!body.ok()) return "the body is no JSON: " + body.error().text();
    return check(*body, media["schema"]);
}

TestApi::TestApi(Dialect dialect, std::function<void(AdminApi::Options&)> adjust)
    : t(dialect), checker(std::string(api::openapi_yaml())), api([&] {
          AdminApi::Options options;
          options.store_url = t.store.url();
          options.bootstrap_token = kBootstrap;
          options.clock = &t.clock;
          options.on_directory_changed = [this](SqlConnection& connection) -> Status {
              TG_TRY([[maybe_unused]] const bool has_changed, t.holder.refresh(connection));
              return {};
          };
          if (adjust) adjust(options);
          return options;
      }()) {}

ApiReply TestApi::send(ApiRequest request) {
    ApiReply reply = api.handle(request);
    EXPECT_EQ(checker.check_reply(request, reply), "")
        << request.method << " " << request.path << " -> " << reply.status << " " << reply.body;
    return reply;
}

ApiReply TestApi::send(const std::string& method, const std::string& path,
                       const std::string& body) {
    const std::size_t question = std::min(path.find('?'), path.size());
    return send({.method = method,
                 .path = "/admin/v1" + path.substr(0, question),
                 .query = path.substr(std::min(question + 1, path.size())),
                 .body = body,
                 .bearer_token = kBootstrap,
                 .remote = "127.0.0.1:1"});
}

api::JsonValue TestApi::ok(int status, const std::string& method, const std::string& path,
                           const std::string& body) {
    const ApiReply reply = send(method, path, body);
    EXPECT_EQ(reply.status, status) << method << " " << path << " -> " << reply.body;
    auto parsed = api::parse_json(reply.body);
    EXPECT_TRUE(parsed.ok()) << reply.body;
    return parsed.ok() ? std::move(parsed).value() : api::JsonValue{};
}

std::string TestApi::error(const std::string& method, const std::string& path,
                           const std::string& body, const std::string& says) {
    const ApiReply reply = send(method, path, body);
    const auto parsed = api::parse_json(reply.body);
    EXPECT_GE(reply.status, 400) << method << " " << path << " " << body << " -> " << reply.body;
    if (reply.status < 400 || !parsed.ok()) return "";
    EXPECT_NE(text_at(at(*parsed, "error"), "message").find(says), std::string::npos)
        << method << " " << path << " " << body << " -> " << reply.body;
    return text_at(at(*parsed, "error"), "code");
}

const api::JsonValue& at(const api::JsonValue& object, std::string_view name) {
    static const api::JsonValue kNothing;
    for (const auto& [key, value] : object.members) {
        if (key == name) return value;
    }
    ADD_FAILURE() << "no member " << name;
    return kNothing;
}

std::int64_t integer_at(const api::JsonValue& object, std::string_view name) {
    return at(object, name).integer;
}
std::string text_at(const api::JsonValue& object, std::string_view name) {
    return at(object, name).text;
}

}  // namespace tg
