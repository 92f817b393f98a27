#include "admission/limit_store.h"

#include <gtest/gtest.h>

#include "identity/test_identity.h"

namespace tg {
namespace {

struct TestLimits {
    explicit TestLimits(Dialect dialect)
        : t(dialect), store(&t.pool, [this](SqlConnection& connection) -> Status {
              ++changes;
              TG_TRY([[maybe_unused]] const bool has_changed, holder.refresh(connection));
              return {};
          }) {}
    std::string last_audit() {
        const AuditEntry entry = t.identity.audit({.limit = 1}).value().at(0);
        return entry.action + " " + entry.subject_kind + " " + entry.subject_id + " " +
               entry.before + " -> " + entry.after;
    }

    TestIdentity t;
    int changes = 0;
    LimitHolder holder;
    LimitStore store;
};

LimitPatch requests(std::int64_t limit) {
    LimitPatch patch;
    patch.own[0] = std::optional(limit);
    return patch;
}

class LimitStoreTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(LimitStoreTest);

TEST_P(LimitStoreTest, a_new_store_has_the_promised_tiers_and_lets_everybody_in) {
    TestLimits l(GetParam());
    std::vector<Tier> expected(default_tiers().begin(), default_tiers().end());
    std::ranges::sort(expected, {}, &Tier::code);
    EXPECT_EQ(l.store.tiers().value(), expected);
    const auto table = load_limits(l.t.pool.take().value().operator*()).value();
    EXPECT_EQ(table->version(), 1);
    EXPECT_EQ(table->limits_of(LimitSubject::of(CustomerId(1))), Limits{});
    EXPECT_EQ(table->find({})->tier, "unlimited");
}

TEST_P(LimitStoreTest, a_tier_is_created_changed_and_deleted) {
    TestLimits l(GetParam());
    TierPatch patch{.name = "Acme's own", .retention = Retention::zero};
    patch.limits.of(LimitKind::requests) = 12'000;
    const Tier made = l.store.create_tier("acme", patch, l.t.change()).value();
    EXPECT_EQ(made.limits, Limits{.requests = 12'000});
    EXPECT_EQ(l.store.tier("acme").value(), made);
    EXPECT_EQ(l.store.create_tier("acme", {}, l.t.change()).error().code, ErrorCode::conflict);

    TierPatch change{.support_response_minutes = 5};
    change.limits.of(LimitKind::requests) = kUnlimited;
    change.limits.of(LimitKind::concurrency) = 7;
    const Tier changed = l.store.update_tier("acme", change, l.t.change()).value();
    EXPECT_EQ(changed.limits, Limits{.concurrency = 7});
    EXPECT_EQ(changed.name, "Acme's own");
    EXPECT_EQ(l.store.tier("acme").value(), changed);
    EXPECT_EQ(l.holder.get()->tier("acme")->limits.concurrency, 7) << "published";
    EXPECT_EQ(l.changes, 2);
    EXPECT_NE(l.last_audit().find(
                  R"(update tier acme {"code":"acme","name":"Acme's own","requests":12000)"),
              std::string::npos)
        << l.last_audit();

    EXPECT_TRUE(l.store.delete_tier("acme", l.t.change()).ok());
    const auto gone = l.store.tier("acme");
    EXPECT_EQ(gone.error().code, ErrorCode::not_found);
    EXPECT_NE(gone.error().detail.find("there are: custom, tier_1"), std::string::npos);
    EXPECT_TRUE(l.t.identity.verify_audit_log().ok());
}

TEST_P(LimitStoreTest, a_bad_tier_is_refused_and_changes_nothing) {
    TestLimits l(GetParam());
    const auto refused = [&](const TierPatch& patch, std::string_view says) {
        const auto result = l.store.update_tier("tier_1", patch, l.t.change());
        EXPECT_EQ(result.error().code, ErrorCode::invalid_request);
        EXPECT_NE(result.error().detail.find(says), std::string::npos) << result.error().detail;
    };
    TierPatch patch;
    patch.limits.of(LimitKind::requests) = -5;
    refused(patch, "requests is -5");
    refused({.name = ""}, "name must have");
    refused({.sla_availability_per_mille10 = 10'001}, "within 0 and 10000");
    refused({.support_response_minutes = std::int64_t{1} << 40}, "support_response_minutes is");
    EXPECT_EQ(l.store.create_tier("No Code", {}, l.t.change()).error().code,
              ErrorCode::invalid_request);
    EXPECT_EQ(l.store.update_tier("tier_9", {}, l.t.change()).error().code, ErrorCode::not_found);
    EXPECT_TRUE(l.store.update_tier("tier_1", {.name = "Tier 1"}, l.t.change()).ok());
    EXPECT_EQ(l.changes, 0);
    EXPECT_EQ(l.holder.get()->version(), 0);
}

TEST_P(LimitStoreTest, limits_are_set_shown_and_cleared) {
    TestLimits l(GetParam());
    const Customer acme = l.t.customer("acme");
    const LimitSubject subject = LimitSubject::of(acme.id);
    EXPECT_TRUE(l.store.limits(subject).value().assignment.is_empty());

    LimitPatch patch = requests(700);
    patch.tier = "tier_1";
    patch.weight = 3;
    patch.priority = PriorityClass::interactive;
    patch.max_wait_ms = 60'000;
    const auto set = l.store.change_limits(subject, patch, l.t.change()).value();
    EXPECT_EQ(set.in_force, (Limits{.requests = 700, .total_tokens = 400'000}));
    EXPECT_EQ(l.last_audit(),
              R"(create limits customer:1  -> {"tier":"tier_1","requests":700,"input_tokens":null,)"
              R"("output_tokens":null,"total_tokens":null,"concurrency":null,"weight":3,)"
              R"("priority":"interactive","max_wait_ms":60000})");
    const LimitAssignment read = l.store.limits(subject).value().assignment;
    EXPECT_EQ(read.tier, "tier_1");
    EXPECT_EQ(read.own.of(LimitKind::requests), 700);
    EXPECT_EQ(read.weight, 3U);
    EXPECT_EQ(read.priority, PriorityClass::interactive);
    EXPECT_EQ(read.max_wait_ms, 60'000);
    EXPECT_EQ(l.holder.get()->limits_of(subject), set.in_force) << "published";

    LimitPatch less = requests(kUnlimited);
    less.tier = std::optional<std::string>();
    less.own[0] = std::optional<std::int64_t>();
    EXPECT_EQ(l.store.change_limits(subject, less, l.t.change()).value().in_force, Limits{})
        << "the default's tier";
    EXPECT_EQ(l.store.assignments({}).value().size(), 2U);
    EXPECT_TRUE(l.store.clear_limits(subject, l.t.change()).value().assignment.is_empty());
    EXPECT_EQ(l.store.assignments({}).value().size(), 1U);
    EXPECT_EQ(l.changes, 3);
    EXPECT_TRUE(l.store.clear_limits(subject, l.t.change()).ok());
    EXPECT_EQ(l.changes, 3) << "nothing was set";
}

TEST_P(LimitStoreTest, every_kind_of_subject_can_be_limited) {
    TestLimits l(GetParam());
    const Customer acme = l.t.customer("acme");
    const Project chat = l.t.project(acme.id, "chat");
    const CreatedKey key = l.t.key(chat.id);
    const LimitSubject subjects[] = {{},
                                     LimitSubject::of(acme.id),
                                     LimitSubject::of(chat.id),
                                     LimitSubject::of(key.key.id),
                                     LimitSubject::of_model("meta/llama 3"),
                                     LimitSubject::of_model(acme.id, "meta/llama 3")};
    std::int64_t limit = 10;
    for (const LimitSubject& subject : subjects) {
        LimitPatch patch = requests(++limit);
        patch.own[4] = std::optional(kUnlimited);
        EXPECT_TRUE(l.store.change_limits(subject, patch, l.t.change()).ok()) << subject.text();
    }
    limit = 10;
    for (const LimitSubject& subject : subjects) {
        EXPECT_EQ(l.holder.get()->limits_of(subject).requests, ++limit) << subject.text();
        EXPECT_EQ(l.holder.get()->find(subject)->own.of(LimitKind::concurrency), kUnlimited);
    }
    EXPECT_TRUE(l.holder.get()->has_model_limits());
}

TEST_P(LimitStoreTest, bad_limits_are_refused_and_change_nothing) {
    TestLimits l(GetParam());
    const LimitSubject acme = LimitSubject::of(l.t.customer("acme").id);
    const auto refused = [&](const LimitSubject& subject, const LimitPatch& patch, ErrorCode code,
                             std::string_view says) {
        const auto result = l.store.change_limits(subject, patch, l.t.change());
        ASSERT_FALSE(result.ok()) << says;
        EXPECT_EQ(result.error().code, code);
        EXPECT_NE(result.error().detail.find(says), std::string::npos) << result.error().detail;
    };
    refused(acme, requests(-1), ErrorCode::invalid_request, "requests is -1");
    refused(acme, requests(kTierLimitMax + 1), ErrorCode::invalid_request, "within 0 and");
    refused(acme, {.tier = "tier_9"}, ErrorCode::not_found, "tier 'tier_9' does not exist");
    refused(acme, {.weight = 0}, ErrorCode::invalid_request, "weight is 0");
    refused(acme, {.max_wait_ms = kMaxWaitMsMax + 1}, ErrorCode::invalid_request, "max_wait_ms is");
    refused(LimitSubject::of(CustomerId(9)), requests(1), ErrorCode::not_found,
            "nothing in customers with the id 9");
    refused(LimitSubject::of(KeyId(9)), requests(1), ErrorCode::not_found, "api_keys");
    refused(LimitSubject::of_model(""), requests(1), ErrorCode::invalid_request, "model's name");
    refused(LimitSubject::of_model("gpt-4o"), {.tier = "tier_1"}, ErrorCode::invalid_request,
            "a model has limits only");
    EXPECT_EQ(l.changes, 0);
}

TEST_P(LimitStoreTest, a_tier_in_use_is_not_deleted) {
    TestLimits l(GetParam());
    const LimitSubject acme = LimitSubject::of(l.t.customer("acme").id);
    EXPECT_TRUE(l.store.change_limits(acme, {.tier = "tier_2"}, l.t.change()).ok());
    const Status kept = l.store.delete_tier("tier_2", l.t.change());
    EXPECT_EQ(kept.error().code, ErrorCode::conflict);
    EXPECT_NE(kept.error().detail.find("given to 1 "), std::string::npos);
}

TEST_P(LimitStoreTest, another_process_sees_a_change_at_its_next_look) {
    TestLimits l(GetParam());
    LimitHolder other;
    const auto connection = l.t.pool.take().value();
    EXPECT_TRUE(other.refresh(*connection).value());
    EXPECT_FALSE(other.refresh(*connection).value());
    EXPECT_TRUE(l.store.change_limits({}, {.tier = "tier_1"}, l.t.change()).ok());
    EXPECT_TRUE(other.refresh(*connection).value());
    EXPECT_EQ(other.get()->limits_of(LimitSubject::of(CustomerId(1))).requests, 500);
}

}  // namespace
}  // namespace tg
