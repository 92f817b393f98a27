#pragma once
// For tests of the API: an AdminApi over a fresh store, whose every answer is checked against
// openapi.yaml.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>

#include "api/admin_api.h"
#include "api/internal/json_value.h"
#include "identity/test_identity.h"

namespace tg {

/// The parts of JSON Schema that openapi.yaml uses. A member that the schema does not name is a
/// problem too.
class OpenApiChecker {
  public:
    explicit OpenApiChecker(const std::string& yaml) : root_(YAML::Load(yaml)) {}

    const YAML::Node& root() const { return root_; }
    YAML::Node resolve(const YAML::Node& node) const;
    /// Empty when `value` fits; else where and why not.
    std::string check(const api::JsonValue& value, const YAML::Node& schema,
                      const std::string& where = "$") const;
    /// The pattern of the path, such as "/admin/v1/keys/{key}", or "".
    std::string path_pattern(const std::string& path) const;
    /// Empty when the file describes this answer to this request.
    std::string check_reply(const ApiRequest& request, const ApiReply& reply) const;

  private:
    std::string check_object(const api::JsonValue& value, const YAML::Node& schema,
                             const std::string& where) const;
    YAML::Node root_;
};

struct TestApi {
    static constexpr const char* kBootstrap = "bootstrap-token-of-the-tests";

    explicit TestApi(Dialect dialect, std::function<void(AdminApi::Options&)> adjust = {});

    /// A request with the bootstrap token; the answer is checked against openapi.yaml.
    ApiReply send(ApiRequest request);
    ApiReply send(const std::string& method, const std::string& path, const std::string& body = "");
    /// The body of an answer that must have this status.
    api::JsonValue ok(int status, const std::string& method, const std::string& path,
                      const std::string& body = "");
    /// The code of an answer that must be an error whose message holds `says`.
    std::string error(const std::string& method, const std::string& path, const std::string& body,
                      const std::string& says);

    TestIdentity t;
    OpenApiChecker checker;
    AdminApi api;
};

/// A member of an object; fails the test when it is not there.
const api::JsonValue& at(const api::JsonValue& object, std::string_view name);
std::int64_t integer_at(const api::JsonValue& object, std::string_view name);
std::string text_at(const api::JsonValue& object, std::string_view name);

}  // namespace tg
