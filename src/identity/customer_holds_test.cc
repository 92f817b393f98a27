#include "identity/customer_holds.h"

#include "identity/audit_log.h"
#include "identity/directory_holder.h"
#include "identity/test_identity.h"

namespace tg {
namespace {

class CustomerHoldsTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(CustomerHoldsTest);

TEST_P(CustomerHoldsTest, a_held_customer_is_refused_and_released_again) {
    TestIdentity t(GetParam());
    const CustomerId acme = t.customer("acme").id, other = t.customer("other").id;
    const CreatedKey key = t.key(t.project(acme, "chat").id);
    DirectoryHolder directory;
    const auto refused = [&] {
        EXPECT_TRUE(directory.refresh(t.store.connection()).ok());
        const Result<Caller> caller = directory.get()->authenticate(key.secret, t.clock.now());
        return caller.ok() ? std::string() : caller.error().text();
    };
    EXPECT_EQ(refused(), "");
    const std::string reason = "its prepaid balance is used up";
    EXPECT_EQ(set_holds(t.store.connection(), {{acme, reason}}, t.change()).value(), 1);
    EXPECT_EQ(refused(),
              "budget_exhausted: calls of customer 'acme' are on hold: its prepaid balance is used "
              "up");
    EXPECT_EQ(set_holds(t.store.connection(), {{acme, reason}}, t.change()).value(), 0);
    EXPECT_EQ(
        set_holds(t.store.connection(), {{acme, "another"}, {other, "x"}}, t.change()).value(), 2);
    const auto holds = list_holds(t.store.connection());
    ASSERT_EQ(holds->size(), 2U);
    EXPECT_EQ(holds->at(0).reason, "another");
    EXPECT_EQ(set_holds(t.store.connection(), {{other, "x"}}, t.change()).value(), 1);
    EXPECT_EQ(refused(), "");
    EXPECT_EQ(set_holds(t.store.connection(), {}, t.change()).value(), 1);

    std::vector<std::string> records;
    ASSERT_TRUE(read_audit(t.store.connection(), {.subject_kind = "customer_hold"},
                           [&](const AuditEntry& entry) {
                               records.push_back(entry.action + " " + entry.subject_id);
                               return true;
                           })
                    .ok());
    EXPECT_EQ(records.size(), 5U);
    EXPECT_EQ(records.front(), "release " + std::to_string(other.get()));
    EXPECT_TRUE(verify_audit(t.store.connection()).ok());
}

}  // namespace
}  // namespace tg
