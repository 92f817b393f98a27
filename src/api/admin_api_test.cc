#include "api/admin_api.h"

#include "api/test_api.h"
#include "base/log.h"

namespace tg {
namespace {

class AdminApiTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(AdminApiTest);

std::string header(const ApiReply& reply, std::string_view name) {
    for (const auto& [key, value] : reply.headers) {
        if (key == name) return value;
    }
    return "";
}

TEST_P(AdminApiTest, without_a_good_token_everything_is_401) {
    TestApi a(GetParam());
    const std::string expired =
        a.t.identity
            .create_admin_token({.name = "old",
                                 .scopes = parse_admin_scopes("write").value(),
                                 .expires_at = UtcMicros{a.t.clock.now().micros + 1}},
                                a.t.change())
            .value()
            .secret;
    a.t.clock.advance_micros(1);
    for (const std::string& token :
         {std::string(), std::string("bootstrap-token-of-the-test"), std::string("x"), expired,
          generate_key_text(kAdminTokenPrefix), generate_key_text(kApiKeyPrefix)}) {
        for (const char* path :
             {"/admin/v1/customers", "/admin/v1/nothing", "/", "", "/admin/v1", "/metrics"}) {
            const ApiReply reply = a.send({.method = "GET", .path = path, .bearer_token = token});
            EXPECT_EQ(reply.status, 401) << token << " " << path;
            EXPECT_EQ(header(reply, "www-authenticate"), "Bearer");
            if (token.size() > 30)
                EXPECT_EQ(reply.body.find(token.substr(9, 12)), std::string::npos);
        }
    }
}

TEST_P(AdminApiTest, scopes_decide_what_a_token_may_do) {
    TestApi a(GetParam());
    const auto token_of = [&](const char* scopes) {
        return text_at(a.ok(201, "POST", "/admin-tokens",
                            std::string(R"({"name":"n","scopes":)") + scopes + "}"),
                       "token");
    };
    const std::string reader = token_of(R"(["read"])"), writer = token_of(R"(["write"])");
    const auto status = [&](const std::string& token, const char* method, const char* body) {
        return a
            .send({.method = method,
                   .path = "/admin/v1/customers",
                   .body = body,
                   .bearer_token = token})
            .status;
    };
    const char* customer = R"({"code":"acme","name":"Acme"})";
    EXPECT_EQ(status(reader, "GET", ""), 200);
    EXPECT_EQ(status(reader, "POST", customer), 403);
    EXPECT_EQ(status(writer, "POST", customer), 201);
    EXPECT_EQ(status(writer, "GET", ""), 200);
    a.ok(200, "POST", "/admin-tokens/2/disable");
    EXPECT_EQ(status(writer, "GET", ""), 401) << "a disabled token is refused at once";
    const auto entries = a.t.identity.audit({.subject_kind = "customer"}).value();
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].actor, "admin_token:2 n");
}

TEST_P(AdminApiTest, each_role_makes_the_changes_of_its_work_and_reads_everything) {
    TestApi a(GetParam());
    std::map<std::string, std::string> tokens;
    for (const char* role : {"read", "finance", "account_manager", "platform"}) {
        const auto made = a.ok(201, "POST", "/admin-tokens",
                               std::string(R"({"name":"n","scopes":[")") + role + R"("]})");
        tokens[role] = text_at(made, "token");
        EXPECT_EQ(at(made, "scopes").items.size(), role == std::string("read") ? 1U : 2U);
    }
    struct Case {
        const char* path;
        const char* body;
        std::set<std::string> roles;
    };
    // Bodies that the handlers refuse, so that nothing changes: 403 is a matter of the role alone.
    const Case cases[] = {
        {"/customers", "{}", {"account_manager"}},
        {"/contracts", "{}", {"account_manager"}},
        {"/projects", "{}", {"account_manager", "platform"}},
        {"/keys", "{}", {"platform"}},
        {"/tiers", "{}", {"platform"}},
        {"/payments", "{}", {"finance"}},
        {"/bills/BILL-x/finalise", "", {"finance"}},
        {"/invoices", "{}", {"finance"}},
        {"/admin-tokens", "{}", {}},
    };
    for (const Case& each : cases) {
        for (const auto& [role, token] : tokens) {
            const ApiReply reply = a.send({.method = "POST",
                                           .path = std::string("/admin/v1") + each.path,
                                           .body = each.body,
                                           .bearer_token = token});
            EXPECT_EQ(reply.status != 403, each.roles.contains(role)) << role << " " << each.path;
            if (reply.status == 403)
                EXPECT_NE(reply.body.find("this needs one of write"), std::string::npos);
        }
    }
    for (const auto& [role, token] : tokens) {
        for (const char* path :
             {"/customers", "/payments", "/fx-rates", "/audit", "/ledger/entries"})
            EXPECT_EQ(a.send({.method = "GET",
                              .path = std::string("/admin/v1") + path,
                              .bearer_token = token})
                          .status,
                      200)
                << role << " " << path;
    }
    EXPECT_EQ(a.error("POST", "/admin-tokens", R"({"name":"n","scopes":["auditor"]})",
                      "is not one of read, write, finance, account_manager, platform"),
              "invalid_request");
}

TEST_P(AdminApiTest, without_a_bootstrap_token_the_empty_one_is_no_key) {
    TestApi a(GetParam(), [](AdminApi::Options& options) { options.bootstrap_token.clear(); });
    EXPECT_EQ(a.send({.method = "GET", .path = "/admin/v1/customers"}).status, 401);
    EXPECT_EQ(a.send("GET", "/customers").status, 401);
}

TEST_P(AdminApiTest, unknown_paths_methods_and_parameters_are_named) {
    TestApi a(GetParam());
    struct Case {
        const char* method;
        const char* path;
        int status;
        const char* code;
    };
    const Case cases[] = {
        {"GET", "/nothing", 404, "not_found"},
        {"GET", "/customers/", 404, "not_found"},
        {"GET", "//customers", 404, "not_found"},
        {"GET", "/customers/1/2", 404, "not_found"},
        {"GET", "/keys/abc", 404, "not_found"},
        {"GET", "/keys/0", 404, "not_found"},
        {"GET", "/keys/99999999999", 404, "not_found"},
        {"GET", "/keys/-1", 404, "not_found"},
        {"DELETE", "/keys/1", 405, "method_not_allowed"},
        {"PUT", "/customers", 405, "method_not_allowed"},
        {"get", "/customers", 405, "method_not_allowed"},
        {"GET", "/customers?limt=5", 400, "invalid_request"},
        {"GET", "/customers?limit=5&limit=6", 400, "invalid_request"},
        {"GET", "/customers?limit=0", 400, "invalid_request"},
        {"GET", "/customers?limit=1001", 400, "invalid_request"},
        {"GET", "/customers?limit=", 400, "invalid_request"},
        {"GET", "/customers?after=x", 400, "invalid_request"},
        {"GET", "/customers?after=%zz", 400, "invalid_request"},
        {"GET", "/customers/%2", 400, "invalid_request"},
    };
    for (const Case& test : cases) {
        const ApiReply reply = a.send(test.method, test.path);
        EXPECT_EQ(reply.status, test.status)
            << test.method << " " << test.path << " " << reply.body;
        EXPECT_NE(reply.body.find(std::string(R"("code":")") + test.code), std::string::npos)
            << reply.body;
    }
    EXPECT_EQ(header(a.send("DELETE", "/keys/1"), "allow"), "GET, PATCH");
}

TEST_P(AdminApiTest, a_store_that_is_away_is_503_and_may_be_retried) {
    TestApi a(GetParam(), [](AdminApi::Options& options) {
        options.store_url = "sqlite:/no/such/folder/x.db";
    });
    const ApiReply reply = a.send("GET", "/customers");
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(header(reply, "retry-after"), "1");
}

TEST_P(AdminApiTest, openapi_is_served_to_everybody) {
    TestApi a(GetParam());
    const ApiReply reply = a.send({.method = "GET", .path = "/admin/v1/openapi.yaml"});
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.content_type, "application/yaml");
    EXPECT_TRUE(reply.body.starts_with("openapi: 3.1.0"));
}

TEST_P(AdminApiTest, no_secret_reaches_the_log_or_an_error) {
    set_log_level(LogLevel::debug);
    testing::internal::CaptureStderr();
    TestApi a(GetParam());
    const std::string key = text_at(a.ok(201, "POST", "/keys", R"({"name":"k"})"), "key");
    const std::string token =
        text_at(a.ok(201, "POST", "/admin-tokens", R"({"name":"n","scopes":["read"]})"), "token");
    std::string errors;
    for (const std::string& secret : {key, token}) {
        errors += a.send("GET", "/keys/" + secret).body;
        errors += a.send("GET", "/" + secret).body;
        errors += a.send("GET", "/customers/" + secret).body;
        errors += a.send("GET", "/customers?" + secret + "=1").body;
        errors += a.send("GET", "/keys?customer=" + secret).body;
        errors += a.send("POST", "/customers", R"({"code":")" + secret + R"(","name":"n"})").body;
        errors += a.send("POST", "/customers", R"({")" + secret + R"(":"n"})").body;
        errors += a.send("POST", "/customers", secret).body;
        errors += a.send({.method = secret, .path = "/admin/v1/keys", .bearer_token = secret}).body;
        errors += a.send({.method = "POST", .path = "/admin/v1/keys", .bearer_token = secret}).body;
        errors += a.send({.method = "POST",
                          .path = "/admin/v1/customers",
                          .body = R"({"code":"c","name":"n"})",
                          .bearer_token = TestApi::kBootstrap,
                          .idempotency_key = secret})
                      .body;
        errors += a.send({.method = "POST",
                          .path = "/admin/v1/customers",
                          .body = R"({"code":"d","name":"n"})",
                          .bearer_token = TestApi::kBootstrap,
                          .idempotency_key = secret})
                      .body;
    }
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find("admin_request"), std::string::npos);
    for (const std::string& secret : {key, token, std::string(TestApi::kBootstrap)}) {
        for (std::size_t i = 9; i + 8 <= secret.size(); ++i) {
            EXPECT_EQ(errors.find(secret.substr(i, 8)), std::string::npos) << errors;
            EXPECT_EQ(log.find(secret.substr(i, 8)), std::string::npos) << log;
        }
    }
}

}  // namespace
}  // namespace tg
