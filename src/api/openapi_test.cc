#include <set>

#include "api/internal/openapi.h"
#include "api/test_api.h"

namespace tg {
namespace {

std::set<std::string> query_parameters(const OpenApiChecker& checker, const YAML::Node& path,
                                       const YAML::Node& operation) {
    std::set<std::string> out;
    for (const YAML::Node& list : {path["parameters"], operation["parameters"]}) {
        if (!list.IsDefined()) continue;
        for (const YAML::Node& parameter : list) {
            const YAML::Node one = checker.resolve(parameter);
            if (one["in"].as<std::string>() == "query") out.insert(one["name"].as<std::string>());
        }
    }
    return out;
}

AdminScope scope_of(const std::string& text) {
    for (const AdminScope scope : {AdminScope::read, AdminScope::write, AdminScope::finance,
                                   AdminScope::account_manager, AdminScope::platform})
        if (name(scope) == text) return scope;
    ADD_FAILURE() << "no scope: " << text;
    return AdminScope::read;
}

TEST(OpenApiTest, the_file_and_the_routes_say_the_same) {
    const OpenApiChecker checker{std::string(api::openapi_yaml())};
    std::map<std::string, std::set<std::string>> described, served;
    for (const auto& path : checker.root()["paths"]) {
        for (const auto& operation : path.second) {
            std::string method = operation.first.as<std::string>();
            if (method == "parameters") continue;
            for (char& c : method) c = static_cast<char>(std::toupper(c));
            described[method + " " + path.first.as<std::string>()] =
                query_parameters(checker, path.second, operation.second);
        }
    }
    for (const AdminApi::RouteInfo& route : AdminApi::routes()) {
        const bool is_new = served
                                .emplace(route.method + " " + route.path,
                                         std::set(route.query.begin(), route.query.end()))
                                .second;
        EXPECT_TRUE(is_new) << route.method << " " << route.path << " is served twice";
        std::string method = route.method;
        for (char& c : method) c = static_cast<char>(std::tolower(c));
        AdminScopes described_scopes;
        for (const YAML::Node& scope : checker.root()["paths"][route.path][method]["x-scopes"])
            described_scopes.bits |= static_cast<std::uint8_t>(scope_of(scope.as<std::string>()));
        if (method == "get") {
            EXPECT_FALSE(route.scopes.has(AdminScope::write)) << route.path;
            EXPECT_EQ(described_scopes, AdminScopes{}) << route.path;
        } else {
            EXPECT_FALSE(route.scopes.has(AdminScope::read)) << method << " " << route.path;
            EXPECT_EQ(to_string(described_scopes), to_string(route.scopes)) << route.path;
        }
    }
    EXPECT_EQ(described, served);
}

void check_references(const OpenApiChecker& checker, const YAML::Node& node) {
    if (node.IsMap() && node["$ref"]) {
        EXPECT_TRUE(checker.resolve(node).IsMap()) << node["$ref"].as<std::string>();
        return;
    }
    if (node.IsMap()) {
        for (const auto& child : node) check_references(checker, child.second);
    } else if (node.IsSequence()) {
        for (const YAML::Node& child : node) check_references(checker, child);
    }
}

TEST(OpenApiTest, references_lead_somewhere_and_operations_have_names_of_their_own) {
    const OpenApiChecker checker{std::string(api::openapi_yaml())};
    check_references(checker, checker.root());
    std::set<std::string> ids, tags;
    for (const YAML::Node& tag : checker.root()["tags"]) tags.insert(tag["name"].as<std::string>());
    for (const auto& path : checker.root()["paths"]) {
        for (const auto& operation : path.second) {
            if (operation.first.as<std::string>() == "parameters") continue;
            EXPECT_TRUE(ids.insert(operation.second["operationId"].as<std::string>()).second)
                << path.first.as<std::string>();
            EXPECT_TRUE(operation.second["summary"].IsDefined()) << path.first.as<std::string>();
            for (const YAML::Node& tag : operation.second["tags"])
                EXPECT_TRUE(tags.contains(tag.as<std::string>()));
        }
    }
}

TEST(OpenApiTest, the_checker_notices_what_does_not_fit) {
    const OpenApiChecker checker{std::string(api::openapi_yaml())};
    const YAML::Node schema = YAML::Load("{ $ref: '#/components/schemas/Customer' }");
    const std::string good =
        R"("id":1,"code":"c","name":"n","time_zone":"UTC","is_active":true,"created_at":"2026-01-01T00:00:00Z",)"
        R"("data_policy":{"zero_retention":true,"regions":null,"pool":"","pool_on_request":"",)"
        R"("allow_web_search":false,"keep_end_user":false})";
    const auto problem = [&](const std::string& json) {
        return checker.check(api::parse_json(json).value(), schema);
    };
    EXPECT_EQ(problem("{" + good + "}"), "");
    EXPECT_NE(problem("{" + good + R"(,"more":1})"), "");
    EXPECT_NE(problem(R"({"id":1})"), "");
    EXPECT_NE(problem("[]"), "");
    EXPECT_NE(problem("{" + good.substr(0, 5) + R"("1")" + good.substr(6) + "}"), "");
}

}  // namespace
}  // namespace tg
