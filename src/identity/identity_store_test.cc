#include "identity/identity_store.h"

#include <gtest/gtest.h>

#include "identity/test_identity.h"

namespace tg {
namespace {

constexpr std::int64_t kHourMicros = std::int64_t{3600} * 1'000'000;

template <typename T>
ErrorCode code_of(const Result<T>& result) {
    EXPECT_FALSE(result.ok());
    return result.ok() ? ErrorCode{} : result.error().code;
}

KeyPatch patch_active(bool is_active) {
    return {.is_active = is_active};
}

class IdentityStoreTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(IdentityStoreTest);

TEST_P(IdentityStoreTest, customers_are_created_read_updated_and_listed) {
    TestIdentity t(GetParam());
    const auto made = t.identity.create_customer(
        {.code = "acme-1", .name = "Acme 有限公司", .time_zone = "Europe/Berlin"}, t.change());
    ASSERT_TRUE(made.ok()) << made.error().text();
    EXPECT_EQ(made->value.code, "acme-1");
    EXPECT_EQ(made->value.time_zone, "Europe/Berlin");
    EXPECT_EQ(made->value.created_at, TestIdentity::kStart);
    EXPECT_EQ(t.identity.customer("acme-1")->name, "Acme 有限公司");
    const auto updated = t.identity.update_customer(
        made->value.id, {.time_zone = "UTC", .is_active = false}, t.change());
    ASSERT_TRUE(updated.ok()) << updated.error().text();
    EXPECT_EQ(updated->name, "Acme 有限公司");
    EXPECT_EQ(updated->time_zone, "UTC");
    EXPECT_FALSE(t.identity.customer(made->value.id)->is_active);
    t.customer("b");
    t.customer("c");
    const auto page = t.identity.customers({.after_id = made->value.id.get(), .limit = 1}).value();
    ASSERT_EQ(page.size(), 1U);
    EXPECT_EQ(page[0].code, "b");
    EXPECT_EQ(t.identity.customers({}).value().size(), 3U);
}

TEST_P(IdentityStoreTest, bad_values_are_refused_naming_field_and_value) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    const auto refused = [&](const auto& result, const char* says) {
        ASSERT_FALSE(result.ok()) << says;
        EXPECT_EQ(result.error().code, ErrorCode::invalid_request);
        EXPECT_NE(result.error().detail.find(says), std::string::npos) << result.error().text();
    };
    for (const char* code :
         {"", "Acme", "a b", "a_b", "ä", "123456789012345678901234567890123", "a/b", "a\n"}) {
        refused(t.identity.create_customer({.code = code, .name = "n"}, t.change()),
                "customer code");
        refused(t.identity.create_project({.customer = customer.id, .code = code, .name = "n"},
                                          t.change()),
                "project code");
    }
    refused(t.identity.create_customer({.code = "x", .name = ""}, t.change()),
            "name must not be empty");
    refused(t.identity.create_customer({.code = "x", .name = "a\nb"}, t.change()),
            "control characters");
    refused(t.identity.create_customer({.code = "x", .name = std::string(201, 'n')}, t.change()),
            "201 bytes");
    refused(t.identity.create_customer({.code = "x", .name = "n", .time_zone = "Mars/Olympus"},
                                       t.change()),
            "Mars/Olympus");
    refused(t.identity.create_customer({.code = "x", .name = "n", .time_zone = "../../etc/passwd"},
                                       t.change()),
            "../../etc/passwd");
    refused(t.identity.create_key({.name = "k", .expires_at = TestIdentity::kStart}, t.change()),
            "not in the future");
    EXPECT_EQ(t.identity.audit({}).value().size(), 1U) << "refusals leave no trace";
}

TEST_P(IdentityStoreTest, codes_are_unique_where_they_must_be) {
    TestIdentity t(GetParam());
    const Customer a = t.customer("a"), b = t.customer("b");
    EXPECT_EQ(code_of(t.identity.create_customer({.code = "a", .name = "n"}, t.change())),
              ErrorCode::conflict);
    t.project(a.id, "p");
    t.project(b.id, "p");
    const auto taken =
        t.identity.create_project({.customer = a.id, .code = "p", .name = "n"}, t.change());
    EXPECT_EQ(code_of(taken), ErrorCode::conflict);
    EXPECT_NE(taken.error().detail.find("customer 'a' has a project 'p'"), std::string::npos)
        << taken.error().text();
    EXPECT_EQ(t.identity.audit({}).value().size(), 4U);
    EXPECT_EQ(t.identity.verify_audit_log().value(), 4)
        << "a refused change leaves the chain whole";
}

TEST_P(IdentityStoreTest, unknown_ids_are_not_found) {
    TestIdentity t(GetParam());
    EXPECT_EQ(code_of(t.identity.customer(CustomerId(9))), ErrorCode::not_found);
    EXPECT_EQ(code_of(t.identity.customer("nobody")), ErrorCode::not_found);
    EXPECT_EQ(code_of(t.identity.update_customer(CustomerId(9), {}, t.change())),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(t.identity.create_project(
                  {.customer = CustomerId(9), .code = "p", .name = "n"}, t.change())),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(t.identity.update_project(ProjectId(9), {}, t.change())),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(t.identity.create_key({.project = ProjectId(9), .name = "k"}, t.change())),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(t.identity.rotate_key(KeyId(9), {}, t.change())), ErrorCode::not_found);
    EXPECT_EQ(code_of(t.identity.update_admin_token(9, {}, t.change())), ErrorCode::not_found);
}

TEST_P(IdentityStoreTest, projects_carry_department_and_environment) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    const Project project = t.project(customer.id, "chat");
    EXPECT_EQ(project.department, "research");
    EXPECT_EQ(project.environment, "production");
    const auto updated = t.identity.update_project(
        project.id, {.department = "sales", .environment = "staging"}, t.change());
    ASSERT_TRUE(updated.ok());
    EXPECT_EQ(t.identity.project(customer.id, "chat")->department, "sales");
    EXPECT_EQ(t.holder.get()->project(project.id)->environment, "staging");
    t.project(t.customer("other").id, "x");
    EXPECT_EQ(t.identity.projects({}, customer.id).value().size(), 1U);
    EXPECT_EQ(t.identity.projects({}).value().size(), 2U);
}

TEST_P(IdentityStoreTest, a_key_without_a_project_is_refused_until_it_gets_one_for_good) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    const Project chat = t.project(customer.id, "chat"), batch = t.project(customer.id, "batch");
    const CreatedKey key = t.key(std::nullopt);
    const auto authenticate = [&] {
        return t.holder.get()->authenticate(key.secret, t.clock.now());
    };
    EXPECT_EQ(code_of(authenticate()), ErrorCode::key_without_project);
    const auto assign = [&](ProjectId project) {
        return t.identity.update_key(key.key.id, {.project = project}, t.change());
    };
    ASSERT_TRUE(assign(chat.id).ok());
    EXPECT_EQ(authenticate()->project->code, "chat");
    EXPECT_TRUE(assign(chat.id).ok());
    EXPECT_EQ(code_of(assign(batch.id)), ErrorCode::conflict);
}

TEST_P(IdentityStoreTest, keys_are_disabled_enabled_and_expire) {
    TestIdentity t(GetParam());
    const Project project = t.project(t.customer("acme").id, "chat");
    const CreatedKey key = t.key(project.id);
    EXPECT_EQ(key.key.hint, key_hint(key.secret));
    EXPECT_EQ(check_key_text(key.secret, kApiKeyPrefix), KeyTextCheck::well_formed);
    const auto is_good = [&] {
        return t.holder.get()->authenticate(key.secret, t.clock.now()).ok();
    };
    ASSERT_TRUE(t.identity.update_key(key.key.id, patch_active(false), t.change()).ok());
    EXPECT_FALSE(is_good());
    ASSERT_TRUE(t.identity.update_key(key.key.id, patch_active(true), t.change()).ok());
    EXPECT_TRUE(is_good());
    const UtcMicros later{t.clock.now().micros + kHourMicros};
    ASSERT_TRUE(
        t.identity.update_key(key.key.id, {.expires_at = std::optional(later)}, t.change()).ok());
    EXPECT_TRUE(is_good());
    t.clock.set(later);
    EXPECT_FALSE(is_good());
    ASSERT_TRUE(
        t.identity.update_key(key.key.id, {.expires_at = std::optional<UtcMicros>{}}, t.change())
            .ok());
    EXPECT_TRUE(is_good()) << "never expires again";
    EXPECT_EQ(t.identity.keys({}, project.id).value().size(), 1U);
    EXPECT_EQ(t.identity.keys({}, {}, project.customer).value().size(), 1U);
    EXPECT_EQ(t.identity.keys({}, {}, CustomerId(99)).value().size(), 0U);
}

TEST_P(IdentityStoreTest, rotation_replaces_a_key_at_once_or_with_an_overlap) {
    TestIdentity t(GetParam());
    const Project project = t.project(t.customer("acme").id, "chat");
    const CreatedKey first = t.key(project.id, "server");
    const auto is_good = [&](const CreatedKey& key) {
        return t.holder.get()->authenticate(key.secret, t.clock.now()).ok();
    };

    const auto second = t.identity.rotate_key(first.key.id, {}, t.change()).value();
    EXPECT_FALSE(is_good(first));
    EXPECT_TRUE(is_good(second));
    EXPECT_EQ(second.key.name, "server");
    EXPECT_EQ(second.key.project, first.key.project);
    EXPECT_EQ(code_of(t.identity.rotate_key(first.key.id, {}, t.change())), ErrorCode::conflict);

    const auto third =
        t.identity.rotate_key(second.key.id, {.overlap_micros = kHourMicros}, t.change()).value();
    EXPECT_TRUE(is_good(second));
    EXPECT_TRUE(is_good(third));
    // A second rotation with a longer overlap does not keep the old key alive.
    ASSERT_TRUE(
        t.identity.rotate_key(second.key.id, {.overlap_micros = 5 * kHourMicros}, t.change()).ok());
    t.clock.advance_micros(kHourMicros);
    EXPECT_FALSE(is_good(second));
    EXPECT_TRUE(is_good(third));
    EXPECT_EQ(code_of(t.identity.rotate_key(third.key.id, {.overlap_micros = -1}, t.change())),
              ErrorCode::invalid_request);
    EXPECT_EQ(t.store.integer("SELECT count(*) FROM api_keys"), 4) << "no key is ever deleted";
}

TEST_P(IdentityStoreTest, a_repeated_create_makes_nothing_twice_and_shows_no_secret_again) {
    TestIdentity t(GetParam());
    const Project project = t.project(t.customer("acme").id, "chat");
    Change change = t.change();
    change.idempotency = Idempotency{.token = "once", .request_hash = "h1"};
    const NewKey request{.project = project.id, .name = "k"};
    const auto first = t.identity.create_key(request, change).value();
    EXPECT_FALSE(first.was_replayed);
    const auto again = t.identity.create_key(request, change).value();
    EXPECT_TRUE(again.was_replayed);
    EXPECT_EQ(again.key.id, first.key.id);
    EXPECT_EQ(again.secret, "");
    EXPECT_EQ(t.store.integer("SELECT count(*) FROM api_keys"), 1);

    change.idempotency->request_hash = "h2";
    EXPECT_EQ(code_of(t.identity.create_key(request, change)), ErrorCode::conflict);
    change.idempotency->request_hash = "h1";
    EXPECT_EQ(code_of(t.identity.create_customer({.code = "x", .name = "n"}, change)),
              ErrorCode::conflict)
        << "another kind";
    change.actor = "somebody else";
    EXPECT_FALSE(t.identity.create_key(request, change)->was_replayed)
        << "tokens are each actor's own";
    change.actor = "test";
    change.at.micros += 25 * kHourMicros;
    EXPECT_FALSE(t.identity.create_key(request, change)->was_replayed) << "a day has passed";
    change.idempotency->token = "";
    EXPECT_EQ(code_of(t.identity.create_key(request, change)), ErrorCode::invalid_request);
}

using Regions = std::vector<std::string>;

TEST_P(IdentityStoreTest, a_projects_data_policy_holds_at_once_and_is_recorded) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    const auto made = t.identity.create_project(
        {.customer = customer.id,
         .code = "chat",
         .name = "Chat",
         .data_policy = {.is_zero_retention = true, .regions = Regions{"us", "eu"}, .pool = "gpu"}},
        t.change());
    ASSERT_TRUE(made.ok()) << made.error().text();
    const ProjectId id = made->value.id;
    const DataPolicy expected{
        .is_zero_retention = true, .regions = Regions{"eu", "us"}, .pool = "gpu"};
    EXPECT_EQ(made->value.own_policy, expected);
    EXPECT_EQ(t.identity.project(id)->data_policy, expected);
    EXPECT_EQ(t.holder.get()->project(id)->data_policy, expected);

    ASSERT_TRUE(t.identity
                    .update_project(id,
                                    {.data_policy = {.allows_web_search = true,
                                                     .regions = std::optional<Regions>{},
                                                     .pool = ""}},
                                    t.change())
                    .ok());
    const DataPolicy changed{.is_zero_retention = true, .allows_web_search = true};
    EXPECT_EQ(t.holder.get()->project(id)->data_policy, changed);
    EXPECT_EQ(t.identity.projects({}).value().at(0).data_policy, changed);
    EXPECT_EQ(t.identity.project(customer.id, "chat")->data_policy, changed);
    const AuditEntry entry = t.identity.audit({.limit = 1}).value().at(0);
    EXPECT_NE(entry.before.find(R"("regions":["eu","us"],"pool":"gpu")"), std::string::npos);
    EXPECT_NE(entry.after.find(R"("regions":null,"pool":"")"), std::string::npos);

    // "Nowhere" is not "anywhere", and stays so in the store.
    ASSERT_TRUE(
        t.identity.update_project(id, {.data_policy = {.regions = Regions{}}}, t.change()).ok());
    EXPECT_EQ(t.identity.project(id)->data_policy.regions, Regions{});
    EXPECT_EQ(t.holder.get()->project(id)->data_policy.regions, Regions{});
}

TEST_P(IdentityStoreTest, a_customers_data_policy_holds_for_its_projects_which_may_narrow_it) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    const Project project = t.project(customer.id, "chat");
    ASSERT_TRUE(t.identity
                    .update_customer(customer.id,
                                     {.data_policy = {.is_zero_retention = true,
                                                      .regions = Regions{"eu", "us"}}},
                                     t.change())
                    .ok());
    EXPECT_TRUE(t.holder.get()->project(project.id)->data_policy.is_zero_retention);
    EXPECT_TRUE(t.identity.project(project.id)->data_policy.is_zero_retention);
    EXPECT_FALSE(t.identity.project(project.id)->own_policy.is_zero_retention);
    const auto narrowed = t.identity.update_project(
        project.id, {.data_policy = {.regions = Regions{"us"}}}, t.change());
    ASSERT_TRUE(narrowed.ok());
    EXPECT_EQ(narrowed->data_policy,
              (DataPolicy{.is_zero_retention = true, .regions = Regions{"us"}}));
    EXPECT_EQ(t.holder.get()->project(project.id)->data_policy.regions, Regions{"us"});
    const auto widened = t.identity.update_project(
        project.id, {.data_policy = {.regions = Regions{"us", "cn"}}}, t.change());
    EXPECT_EQ(code_of(widened), ErrorCode::invalid_request);
    EXPECT_NE(widened.error().detail.find("'cn'"), std::string::npos);
    EXPECT_EQ(code_of(t.identity.create_project({.customer = customer.id,
                                                 .code = "wide",
                                                 .name = "Wide",
                                                 .data_policy = {.regions = Regions{"cn"}}},
                                                t.change())),
              ErrorCode::invalid_request);

    // The customer's own change may not leave a project nowhere, or in two pools.
    const auto cut = t.identity.update_customer(
        customer.id, {.data_policy = {.regions = Regions{"eu"}}}, t.change());
    EXPECT_EQ(code_of(cut), ErrorCode::conflict);
    EXPECT_NE(cut.error().detail.find("'chat'"), std::string::npos);
    ASSERT_TRUE(
        t.identity.update_project(project.id, {.data_policy = {.pool = "a"}}, t.change()).ok());
    EXPECT_EQ(code_of(t.identity.update_customer(customer.id, {.data_policy = {.pool = "b"}},
                                                 t.change())),
              ErrorCode::conflict);
    EXPECT_EQ(t.identity.customer(customer.id)->data_policy.regions, (Regions{"eu", "us"}));
    EXPECT_EQ(t.holder.get()->project(project.id)->data_policy.pool, "a");
}

TEST_P(IdentityStoreTest, a_malformed_data_policy_changes_nothing) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    const Project project = t.project(customer.id, "chat");
    for (const DataPolicyPatch& bad :
         {DataPolicyPatch{.regions = Regions{"EU"}}, DataPolicyPatch{.pool = "a b"},
          DataPolicyPatch{.pool = "a", .pool_on_request = "b"}}) {
        EXPECT_EQ(code_of(t.identity.update_project(project.id, {.data_policy = bad}, t.change())),
                  ErrorCode::invalid_request);
        EXPECT_EQ(
            code_of(t.identity.update_customer(customer.id, {.data_policy = bad}, t.change())),
            ErrorCode::invalid_request);
    }
    EXPECT_EQ(t.identity.audit({}).value().size(), 2U);
}

TEST_P(IdentityStoreTest, a_patch_that_changes_nothing_leaves_no_trace) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    const std::int64_t version = t.store.integer("SELECT version FROM directory_version");
    ASSERT_TRUE(
        t.identity
            .update_customer(customer.id, {.name = customer.name, .is_active = true}, t.change())
            .ok());
    EXPECT_EQ(t.store.integer("SELECT version FROM directory_version"), version);
    EXPECT_EQ(t.identity.audit({}).value().size(), 1U);
}

TEST_P(IdentityStoreTest, admin_tokens_authenticate_until_disabled_or_expired) {
    TestIdentity t(GetParam());
    const UtcMicros end{t.clock.now().micros + kHourMicros};
    const auto made =
        t.identity
            .create_admin_token(
                {.name = "ops", .scopes = parse_admin_scopes("write").value(), .expires_at = end},
                t.change())
            .value();
    EXPECT_TRUE(made.secret.starts_with("tg-admin-"));
    const auto token = t.identity.authenticate_admin(made.secret, t.clock.now());
    ASSERT_TRUE(token.ok()) << token.error().text();
    EXPECT_EQ(token->name, "ops");
    EXPECT_TRUE(token->scopes.has(AdminScope::read));
    EXPECT_TRUE(token->scopes.has(AdminScope::write));
    EXPECT_EQ(code_of(t.identity.authenticate_admin(made.secret, end)), ErrorCode::unauthenticated);
    std::string mistyped = made.secret;
    std::swap(mistyped[20], mistyped[21]);
    if (mistyped == made.secret) mistyped[20] = mistyped[20] == 'a' ? 'b' : 'a';
    for (const std::string& bad :
         {std::string(), std::string("sk-tg-x"), mistyped, generate_key_text(kAdminTokenPrefix),
          std::string(1'000'000, 'x')}) {
        const auto refused = t.identity.authenticate_admin(bad, t.clock.now());
        EXPECT_EQ(code_of(refused), ErrorCode::unauthenticated);
        if (bad.size() > 20)
            EXPECT_EQ(refused.error().detail.find(bad.substr(9, 12)), std::string::npos);
    }
    ASSERT_TRUE(
        t.identity.update_admin_token(made.token.id, {.is_active = false}, t.change()).ok());
    EXPECT_EQ(code_of(t.identity.authenticate_admin(made.secret, t.clock.now())),
              ErrorCode::unauthenticated);
    EXPECT_EQ(t.identity.admin_tokens({}).value().size(), 1U);
    EXPECT_EQ(t.store.integer("SELECT version FROM directory_version"), 1)
        << "requests do not see admin tokens";
    EXPECT_EQ(t.identity.audit({}).value().size(), 2U);
}

TEST(AdminScopesTest, parse_and_print) {
    EXPECT_EQ(to_string(parse_admin_scopes("read").value()), "read");
    EXPECT_EQ(to_string(parse_admin_scopes("write").value()), "read,write");
    EXPECT_EQ(to_string(parse_admin_scopes("write,read").value()), "read,write");
    EXPECT_EQ(to_string(parse_admin_scopes("platform,finance").value()), "read,finance,platform");
    EXPECT_EQ(to_string(parse_admin_scopes("account_manager").value()), "read,account_manager");
    for (const char* bad : {"", "all", "read,", "read,,write", " read", "READ"}) {
        const auto refused = parse_admin_scopes(bad);
        ASSERT_FALSE(refused.ok()) << bad;
        EXPECT_TRUE(refused.error().detail.ends_with(
            "is not one of read, write, finance, account_manager, platform"))
            << refused.error().detail;
    }
}

}  // namespace
}  // namespace tg
