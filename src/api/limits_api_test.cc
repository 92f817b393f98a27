#include "admission/limit_store.h"
#include "api/test_api.h"

namespace tg {
namespace {

/// An API with a customer, a project and a key, and the limits that a gate would see.
struct LimitsApi {
    explicit LimitsApi(Dialect dialect)
        : a(dialect, [this](AdminApi::Options& options) {
              options.on_limits_changed = [this](SqlConnection& connection) -> Status {
                  TG_TRY([[maybe_unused]] const bool has_changed, holder.refresh(connection));
                  return {};
              };
          }) {
        a.ok(201, "POST", "/customers", R"({"code":"acme","name":"Acme"})");
        a.ok(201, "POST", "/projects", R"({"customer":"acme","code":"chat","name":"Chat"})");
        a.ok(201, "POST", "/keys", R"({"project_id":1,"name":"web"})");
    }
    Limits published(const LimitSubject& subject) { return holder.get()->limits_of(subject); }

    LimitHolder holder;
    TestApi a;
};

class LimitsApiTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(LimitsApiTest);

TEST_P(LimitsApiTest, tiers_are_listed_created_changed_and_deleted) {
    LimitsApi it(GetParam());
    const auto all = it.a.ok(200, "GET", "/tiers");
    EXPECT_EQ(at(all, "data").items.size(), default_tiers().size());
    const auto tier = it.a.ok(200, "GET", "/tiers/tier_1");
    EXPECT_EQ(integer_at(tier, "requests"), 500);
    EXPECT_EQ(integer_at(tier, "total_tokens"), 400'000);
    EXPECT_EQ(text_at(tier, "concurrency"), "unlimited");

    const auto made = it.a.ok(
        201, "POST", "/tiers",
        R"({"code":"acme","name":"Acme's","requests":12000,"total_tokens":"unlimited","retention":"zero"})");
    EXPECT_EQ(text_at(made, "retention"), "zero");
    const auto changed =
        it.a.ok(200, "PATCH", "/tiers/acme", R"({"requests":"unlimited","concurrency":7})");
    EXPECT_EQ(text_at(changed, "requests"), "unlimited");
    EXPECT_EQ(integer_at(changed, "concurrency"), 7);
    it.a.ok(200, "DELETE", "/tiers/acme");
    EXPECT_EQ(it.a.error("GET", "/tiers/acme", "", "there are: custom, tier_1"), "not_found");
    EXPECT_EQ(it.a.error("POST", "/tiers", R"({"code":"tier_1"})", "exists already"), "conflict");
    EXPECT_EQ(it.a.error("DELETE", "/tiers/unlimited", "", "is given to 1"), "conflict");
}

TEST_P(LimitsApiTest, a_change_of_limits_holds_when_the_answer_is_sent) {
    LimitsApi it(GetParam());
    const LimitSubject acme = LimitSubject::of(CustomerId(1));
    const auto set = it.a.ok(
        200, "PATCH", "/customers/acme/limits",
        R"({"tier":"tier_1","requests":700,"weight":2,"priority":"interactive","max_wait_ms":60000})");
    EXPECT_EQ(text_at(set, "tier"), "tier_1");
    EXPECT_EQ(integer_at(at(set, "in_force"), "requests"), 700);
    EXPECT_EQ(integer_at(at(set, "in_force"), "total_tokens"), 400'000);
    EXPECT_EQ(it.published(acme), (Limits{.requests = 700, .total_tokens = 400'000}));
    EXPECT_EQ(it.holder.get()->find(acme)->priority, PriorityClass::interactive);

    it.a.ok(200, "PATCH", "/tiers/tier_1", R"({"total_tokens":900000})");
    EXPECT_EQ(it.published(acme).total_tokens, 900'000);

    const auto less =
        it.a.ok(200, "PATCH", "/customers/1/limits", R"({"requests":null,"priority":null})");
    EXPECT_EQ(at(less, "requests").kind, api::JsonValue::Kind::null);
    EXPECT_EQ(text_at(less, "tier"), "tier_1");
    EXPECT_EQ(integer_at(at(less, "in_force"), "requests"), 500);

    const auto cleared = it.a.ok(200, "DELETE", "/customers/acme/limits");
    EXPECT_EQ(at(cleared, "tier").kind, api::JsonValue::Kind::null);
    EXPECT_EQ(it.published(acme), Limits{});
    const auto audit = it.a.ok(200, "GET", "/audit?subject_kind=limits&limit=1");
    EXPECT_EQ(text_at(at(audit, "data").items.at(0), "subject_id"), "customer:1");
    EXPECT_EQ(text_at(at(audit, "data").items.at(0), "action"), "delete");
}

TEST_P(LimitsApiTest, projects_keys_models_and_the_default_have_limits_too) {
    LimitsApi it(GetParam());
    const struct {
        const char* path;
        LimitSubject subject;
    } kCases[] = {
        {"/limits/default", {}},
        {"/projects/1/limits", LimitSubject::of(ProjectId(1))},
        {"/keys/1/limits", LimitSubject::of(KeyId(1))},
        {"/models/meta%2Fllama%203/limits", LimitSubject::of_model("meta/llama 3")},
        {"/customers/acme/models/gpt-4o/limits", LimitSubject::of_model(CustomerId(1), "gpt-4o")},
    };
    std::int64_t limit = 10;
    for (const auto& each : kCases) {
        it.a.ok(200, "PATCH", each.path, R"({"requests":)" + std::to_string(++limit) + "}");
        EXPECT_EQ(it.published(each.subject).requests, limit) << each.path;
        const auto read = it.a.ok(200, "GET", each.path);
        EXPECT_EQ(integer_at(read, "requests"), limit);
        EXPECT_EQ(text_at(read, "subject"), name(each.subject.scope));
    }
    const auto page = it.a.ok(200, "GET", "/limits?limit=3");
    EXPECT_EQ(at(page, "data").items.size(), 3U);
    const auto rest =
        it.a.ok(200, "GET", "/limits?after=" + std::to_string(integer_at(page, "next_after")));
    EXPECT_EQ(at(rest, "data").items.size(), 2U);
}

TEST_P(LimitsApiTest, bad_requests_are_refused_and_change_nothing) {
    LimitsApi it(GetParam());
    const struct {
        const char* method;
        const char* path;
        const char* body;
        const char* says;
    } kCases[] = {
        {"POST", "/tiers", "{}", "'code' is missing"},
        {"POST", "/tiers", R"({"code":"No Code"})", "code must be 1 to 32"},
        {"POST", "/tiers", R"({"code":"x","requests":"many"})", "an integer, or \"unlimited\""},
        {"POST", "/tiers", R"({"code":"x","retention":"a year"})", "'retention' must be"},
        {"PATCH", "/tiers/tier_1", R"({"requests":-1})", "requests is -1"},
        {"PATCH", "/tiers/tier_1", R"({"rpm":5})", "'rpm' is no member"},
        {"PATCH", "/customers/acme/limits", R"({"tier":"tier_9"})", "'tier_9' does not exist"},
        {"PATCH", "/customers/acme/limits", R"({"tier":5})", "'tier' must be a text"},
        {"PATCH", "/customers/acme/limits", R"({"requests":1.5})", "64-bit integer"},
        {"PATCH", "/customers/acme/limits", R"({"weight":0})", "weight is 0"},
        {"PATCH", "/customers/acme/limits", R"({"priority":"urgent"})", "interactive, standard"},
        {"PATCH", "/customers/acme/limits", R"({"max_wait_ms":99999999})", "within 0 and 3600000"},
        {"PATCH", "/customers/nobody/limits", R"({"requests":1})", "does not exist"},
        {"PATCH", "/projects/9/limits", R"({"requests":1})", "the id 9"},
        {"GET", "/keys/9/limits", "", "the id 9"},
        {"PATCH", "/models/gpt-4o/limits", R"({"tier":"tier_1"})", "a model has limits only"},
    };
    for (const auto& each : kCases) it.a.error(each.method, each.path, each.body, each.says);
    EXPECT_EQ(it.holder.get()->version(), 0) << "nothing was published";
}

}  // namespace
}  // namespace tg
