#include "api/test_api.h"

namespace tg {
namespace {

class OrganisationApiTest : public DialectTest {
  protected:
    static void make_project(TestApi& a) {
        a.ok(201, "POST", "/customers", R"({"code":"acme","name":"Acme"})");
        a.ok(201, "POST", "/projects",
             R"({"customer":"acme","code":"chat","name":"Chat","department":"support"})");
    }
};
TG_INSTANTIATE_DIALECTS(OrganisationApiTest);

TEST_P(OrganisationApiTest, a_customer_is_created_read_changed_and_listed) {
    TestApi a(GetParam(),
              [](AdminApi::Options& options) { options.default_time_zone = "Europe/Berlin"; });
    const auto made = a.ok(201, "POST", "/customers", R"({"code":"acme","name":"Acme 有限公司"})");
    EXPECT_EQ(integer_at(made, "id"), 1);
    EXPECT_EQ(text_at(made, "time_zone"), "Europe/Berlin");
    EXPECT_EQ(text_at(a.ok(200, "GET", "/customers/acme"), "name"), "Acme 有限公司");
    EXPECT_EQ(text_at(a.ok(200, "GET", "/customers/1"), "code"), "acme");
    const auto changed =
        a.ok(200, "PATCH", "/customers/acme", R"({"is_active":false,"time_zone":"UTC"})");
    EXPECT_FALSE(at(changed, "is_active").flag);
    EXPECT_EQ(text_at(changed, "name"), "Acme 有限公司");
    EXPECT_EQ(at(a.ok(200, "GET", "/customers"), "data").items.size(), 1U);
    EXPECT_EQ(a.error("GET", "/customers/nobody", "", "customer 'nobody' does not exist"),
              "not_found");
    EXPECT_EQ(a.error("POST", "/customers", R"({"code":"acme","name":"n"})", "is taken"),
              "conflict");
}

TEST_P(OrganisationApiTest, bodies_are_checked_member_by_member) {
    TestApi a(GetParam());
    make_project(a);
    struct Case {
        const char* method;
        const char* path;
        const char* body;
        const char* says;
    };
    const Case cases[] = {
        {"POST", "/customers", "", "'code' is missing"},
        {"POST", "/customers", "{", "no valid JSON"},
        {"POST", "/customers", "[]", "must be a JSON object"},
        {"POST", "/customers", R"({"code":"x"})", "'name' is missing"},
        {"POST", "/customers", R"({"code":5,"name":"n"})", "'code' must be a text"},
        {"POST", "/customers", R"({"code":"x","name":"n","tme_zone":"UTC"})",
         "'tme_zone' is no member"},
        {"POST", "/customers", R"({"code":"x","code":"y","name":"n"})", "'code' is given twice"},
        {"POST", "/customers", R"({"code":"X","name":"n"})", "customer code 'X'"},
        {"POST", "/customers", R"({"code":"x","name":"n","time_zone":"Mars"})", "Mars"},
        {"PATCH", "/customers/acme", R"({"code":"y"})", "'code' is no member"},
        {"PATCH", "/customers/acme", R"({"is_active":1})", "'is_active' must be true or false"},
        {"PATCH", "/customers/acme", R"({"name":null})", "'name' must be a text"},
        {"POST", "/projects", R"({"code":"x","name":"n"})", "'customer' is missing"},
        {"POST", "/projects", R"({"customer":true,"code":"x","name":"n"})",
         "'customer' is missing"},
        {"POST", "/keys", R"({"name":"k","project_id":"1"})", "'project_id' must be an id"},
        {"POST", "/keys", R"({"name":"k","project_id":-1})", "'project_id' must be an id"},
        {"POST", "/keys", R"({"name":"k","project_id":1.5})", "no 64-bit integer"},
        {"POST", "/keys", R"({"name":"k","expires_at":"tomorrow"})", "'expires_at' must be a time"},
        {"POST", "/keys", R"({"name":"k","expires_at":"2001-01-01T00:00:00Z"})",
         "not in the future"},
        {"POST", "/keys/1/disable", R"({"x":1})", "'x' is no member"},
        {"POST", "/admin-tokens", R"({"name":"t","scopes":["all"]})", "scope 'all' is not one of"},
        {"POST", "/admin-tokens", R"({"name":"t","scopes":[]})", "'scopes' is missing"},
        {"POST", "/admin-tokens", R"({"name":"t"})", "'scopes' is missing"},
    };
    for (const Case& test : cases)
        EXPECT_EQ(a.error(test.method, test.path, test.body, test.says), "invalid_request");
    EXPECT_EQ(a.t.identity.audit({}).value().size(), 2U) << "refused requests change nothing";
}

TEST_P(OrganisationApiTest, a_data_policy_is_set_shown_inherited_and_recorded) {
    TestApi a(GetParam());
    make_project(a);
    auto project = a.ok(200, "PATCH", "/projects/1",
                        R"({"data_policy":{"zero_retention":true,"regions":["us","eu"]}})");
    EXPECT_TRUE(at(at(project, "data_policy"), "zero_retention").flag);
    EXPECT_EQ(at(at(project, "data_policy"), "regions").items.at(0).text, "eu");
    project = a.ok(200, "PATCH", "/projects/1", R"({"data_policy":{"regions":null}})");
    EXPECT_EQ(at(at(project, "data_policy"), "regions").kind, api::JsonValue::Kind::null);
    EXPECT_TRUE(at(at(project, "data_policy"), "zero_retention").flag) << "the others stay";

    const auto customer =
        a.ok(200, "PATCH", "/customers/acme", R"({"data_policy":{"regions":["eu"],"pool":"gpu"}})");
    EXPECT_EQ(text_at(at(customer, "data_policy"), "pool"), "gpu");
    project = a.ok(200, "GET", "/projects/1");
    EXPECT_EQ(text_at(at(project, "data_policy"), "pool"), "");
    EXPECT_EQ(text_at(at(project, "effective_data_policy"), "pool"), "gpu");
    EXPECT_TRUE(a.t.holder.get()->project(ProjectId(1))->data_policy.is_zero_retention)
        << "it holds when the answer is there";
    EXPECT_EQ(
        a.error("PATCH", "/projects/1", R"({"data_policy":{"regions":["us"]}})", "may only narrow"),
        "invalid_request");
    const auto made = a.ok(201, "POST", "/projects",
                           R"({"customer":"acme","code":"b","name":"B",)"
                           R"("data_policy":{"zero_retention":true,"keep_end_user":true}})");
    EXPECT_TRUE(at(at(made, "effective_data_policy"), "keep_end_user").flag);
    const auto audit = a.ok(200, "GET", "/audit?subject_kind=project&subject_id=1");
    EXPECT_TRUE(
        at(at(at(at(audit, "data").items.at(0), "before"), "data_policy"), "zero_retention").flag);
}

TEST_P(OrganisationApiTest, a_data_policy_is_checked_member_by_member) {
    TestApi a(GetParam());
    make_project(a);
    const std::pair<const char*, const char*> cases[] = {
        {R"({"data_policy":true})", "'data_policy' must be an object"},
        {R"({"data_policy":{"zero_retentoin":true}})", "'zero_retentoin' is no member"},
        {R"({"data_policy":{"zero_retention":"yes"}})", "'zero_retention' must be true or false"},
        {R"({"data_policy":{"regions":"eu"}})", "'regions' must be a list"},
        {R"({"data_policy":{"regions":[1]}})", "'regions' must be a list"},
        {R"({"data_policy":{"regions":["EU"]}})", "'EU' is no name"},
        {R"({"data_policy":{"pool":"a b"}})", "'a b' is no name"},
        {R"({"data_policy":{"pool":"a","pool_on_request":"b"}})", "set only one"},
    };
    for (const auto& [body, says] : cases) {
        EXPECT_EQ(a.error("PATCH", "/projects/1", body, says), "invalid_request");
        EXPECT_EQ(a.error("PATCH", "/customers/acme", body, says), "invalid_request");
    }
    EXPECT_EQ(a.t.identity.audit({}).value().size(), 2U) << "refused requests change nothing";
}

TEST_P(OrganisationApiTest, a_key_lives_its_life) {
    TestApi a(GetParam());
    make_project(a);
    const auto made =
        a.ok(201, "POST", "/keys",
             R"({"name":"web","project_id":1,"expires_at":"2030-01-01T00:00:00+08:00"})");
    const std::string secret = text_at(made, "key");
    EXPECT_EQ(text_at(made, "expires_at"), "2029-12-31T16:00:00Z");
    const auto state = [&](const std::string& key) {
        const auto caller = a.t.holder.get()->authenticate(key, a.t.clock.now());
        return caller.ok() ? "good" : std::string(name(caller.error().code));
    };
    EXPECT_EQ(state(secret), "good") << "a key works as soon as the answer is there";
    a.ok(200, "POST", "/keys/1/disable");
    EXPECT_EQ(state(secret), "key_disabled");
    a.ok(200, "POST", "/keys/1/enable", "{}");
    EXPECT_EQ(state(secret), "good");
    const auto rotated = a.ok(201, "POST", "/keys/1/rotate", R"({"overlap_seconds":60})");
    EXPECT_EQ(state(secret), "good");
    EXPECT_EQ(state(text_at(rotated, "key")), "good");
    a.t.clock.advance_micros(60'000'000);
    EXPECT_EQ(state(secret), "key_expired");
    a.ok(200, "PATCH", "/keys/1", R"({"expires_at":null,"name":"web 2"})");
    EXPECT_EQ(state(secret), "good");
    EXPECT_EQ(a.error("POST", "/keys/1/rotate", R"({"overlap_seconds":99999999999999})",
                      "between 0 and 366 days"),
              "invalid_request");
    EXPECT_EQ(
        a.error("POST", "/keys/1/rotate", R"({"overlap_seconds":-1})", "between 0 and 366 days"),
        "invalid_request");
    EXPECT_EQ(text_at(a.ok(200, "GET", "/keys/1"), "name"), "web 2");
    EXPECT_EQ(a.send("GET", "/keys").body.find(secret), std::string::npos);
}

TEST_P(OrganisationApiTest, a_key_without_a_project_waits_for_one) {
    TestApi a(GetParam());
    make_project(a);
    const std::string secret =
        text_at(a.ok(201, "POST", "/keys", R"({"name":"k","project_id":null})"), "key");
    EXPECT_EQ(a.t.holder.get()->authenticate(secret, a.t.clock.now()).error().code,
              ErrorCode::key_without_project);
    a.ok(200, "PATCH", "/keys/1", R"({"project_id":1})");
    EXPECT_TRUE(a.t.holder.get()->authenticate(secret, a.t.clock.now()).ok());
    a.ok(201, "POST", "/projects", R"({"customer":1,"code":"b","name":"B"})");
    EXPECT_EQ(a.error("PATCH", "/keys/1", R"({"project_id":2})", "cannot move"), "conflict");
}

TEST_P(OrganisationApiTest, lists_are_filtered_and_walked_page_by_page) {
    TestApi a(GetParam());
    make_project(a);
    a.ok(201, "POST", "/customers", R"({"code":"other","name":"Other"})");
    a.ok(201, "POST", "/projects", R"({"customer":"other","code":"x","name":"X"})");
    for (int i = 0; i < 7; ++i) {
        a.ok(201, "POST", "/keys",
             R"({"name":"k","project_id":)" + std::to_string(1 + i % 2) + "}");
    }
    std::vector<std::int64_t> ids;
    std::string after = "0";
    for (int pages = 0; pages < 10; ++pages) {
        const auto page = a.ok(200, "GET", "/keys?limit=3&after=" + after);
        for (const auto& key : at(page, "data").items) ids.push_back(integer_at(key, "id"));
        if (at(page, "next_after").kind == api::JsonValue::Kind::null) break;
        after = std::to_string(integer_at(page, "next_after"));
    }
    EXPECT_EQ(ids, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(at(a.ok(200, "GET", "/keys?project=2"), "data").items.size(), 3U);
    EXPECT_EQ(at(a.ok(200, "GET", "/keys?customer=acme"), "data").items.size(), 4U);
    EXPECT_EQ(at(a.ok(200, "GET", "/keys?customer=2&limit=3"), "next_after").kind,
              api::JsonValue::Kind::null)
        << "exactly one page";
    EXPECT_EQ(at(a.ok(200, "GET", "/projects?customer=other"), "data").items.size(), 1U);
    EXPECT_EQ(a.error("GET", "/projects?customer=nobody", "", "does not exist"), "not_found");
    EXPECT_EQ(text_at(a.ok(200, "GET", "/projects/1"), "department"), "support");
    EXPECT_EQ(
        text_at(a.ok(200, "PATCH", "/projects/1", R"({"environment":"staging"})"), "environment"),
        "staging");
}

TEST_P(OrganisationApiTest, a_repeated_create_answers_the_same_without_the_secret) {
    TestApi a(GetParam());
    const auto post = [&](const std::string& path, const std::string& body) {
        return a.send({.method = "POST",
                       .path = "/admin/v1" + path,
                       .body = body,
                       .bearer_token = TestApi::kBootstrap,
                       .idempotency_key = "again"});
    };
    const ApiReply first = post("/keys", R"({"name":"k"})"),
                   second = post("/keys", R"({"name":"k"})");
    EXPECT_EQ(first.status, 201);
    EXPECT_EQ(second.status, 201);
    EXPECT_NE(second.body.find(R"("key":null)"), std::string::npos) << second.body;
    EXPECT_EQ(first.headers.at(0).second, "/admin/v1/keys/1");
    EXPECT_EQ(second.headers.at(0).second, "/admin/v1/keys/1");
    EXPECT_EQ(second.headers.at(1),
              (std::pair<std::string, std::string>("idempotent-replayed", "true")));
    EXPECT_EQ(post("/keys", R"({"name":"other"})").status, 409);
    EXPECT_EQ(post("/customers", R"({"code":"c","name":"n"})").status, 409);
    EXPECT_EQ(a.t.store.integer("SELECT count(*) FROM api_keys"), 1);
}

TEST_P(OrganisationApiTest, the_audit_log_shows_who_did_what) {
    TestApi a(GetParam());
    make_project(a);
    a.ok(200, "PATCH", "/projects/1", R"({"name":"Chat 2"})");
    const auto page = a.ok(200, "GET", "/audit?limit=2");
    ASSERT_EQ(at(page, "data").items.size(), 2U);
    const auto& newest = at(page, "data").items[0];
    EXPECT_EQ(text_at(newest, "actor"), "bootstrap");
    EXPECT_EQ(text_at(newest, "action"), "update");
    EXPECT_EQ(text_at(at(newest, "before"), "name"), "Chat");
    EXPECT_EQ(text_at(at(newest, "after"), "name"), "Chat 2");
    const auto rest =
        a.ok(200, "GET", "/audit?limit=2&after=" + std::to_string(integer_at(page, "next_after")));
    EXPECT_EQ(at(rest, "data").items.size(), 1U);
    EXPECT_EQ(at(a.ok(200, "GET", "/audit?subject_kind=project&subject_id=1"), "data").items.size(),
              2U);
    EXPECT_EQ(integer_at(a.ok(200, "GET", "/audit/verification"), "entries"), 3);
    ASSERT_TRUE(a.t.store->execute("UPDATE audit_head SET entries = 2").ok());
    const auto broken = a.ok(200, "GET", "/audit/verification");
    EXPECT_FALSE(at(broken, "is_whole").flag);
    EXPECT_NE(text_at(broken, "problem").find("end was cut"), std::string::npos);
}

TEST_P(OrganisationApiTest, admin_tokens_are_listed_renamed_and_disabled) {
    TestApi a(GetParam());
    const auto made =
        a.ok(201, "POST", "/admin-tokens",
             R"({"name":"ops","scopes":["read"],"expires_at":"2030-01-01T00:00:00Z"})");
    EXPECT_EQ(at(made, "scopes").items.size(), 1U);
    EXPECT_EQ(text_at(a.ok(200, "PATCH", "/admin-tokens/1", R"({"name":"ops 2"})"), "name"),
              "ops 2");
    EXPECT_FALSE(at(a.ok(200, "POST", "/admin-tokens/1/disable"), "is_active").flag);
    EXPECT_EQ(at(a.ok(200, "GET", "/admin-tokens"), "data").items.size(), 1U);
    EXPECT_EQ(text_at(a.ok(200, "GET", "/admin-tokens/1"), "hint"),
              key_hint(text_at(made, "token")));
    EXPECT_EQ(a.error("GET", "/admin-tokens/9", "", "admin token 9 does not exist"), "not_found");
}

}  // namespace
}  // namespace tg
