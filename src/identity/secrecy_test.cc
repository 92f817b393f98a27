#include <gtest/gtest.h>

#include "base/log.h"
#include "identity/test_identity.h"

namespace tg {
namespace {

/// No part of a secret longer than what its hint shows may be found anywhere.
void expect_absent(const std::string& haystack, const std::string& secret, const char* where) {
    constexpr std::size_t kRun = 8;
    for (std::size_t i = secret.find_last_of('-') + 1; i + kRun <= secret.size(); ++i) {
        EXPECT_EQ(haystack.find(secret.substr(i, kRun)), std::string::npos)
            << where << " holds a part of a secret";
    }
}

class SecrecyTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(SecrecyTest);

TEST_P(SecrecyTest, no_secret_is_in_a_table_a_log_or_an_error) {
    set_log_level(LogLevel::debug);
    testing::internal::CaptureStderr();
    std::vector<std::string> secrets;
    std::string errors;
    auto t = std::make_unique<TestIdentity>(GetParam());
    const Project project = t->project(t->customer("acme").id, "chat");
    const CreatedKey key = t->key(project.id);
    const CreatedKey rotated =
        t->identity.rotate_key(key.key.id, {.overlap_micros = 5}, t->change()).value();
    const CreatedAdminToken token =
        t->identity
            .create_admin_token({.name = "ops", .scopes = parse_admin_scopes("read").value()},
                                t->change())
            .value();
    secrets = {key.secret, rotated.secret, token.secret};
    for (const KeyId id : {key.key.id, rotated.key.id}) {
        ASSERT_TRUE(t->identity.update_key(id, {.is_active = false}, t->change()).ok());
    }
    for (const std::string& secret : secrets) {
        errors += t->holder.get()->authenticate(secret, t->clock.now()).error().text();
        errors += t->identity.authenticate_admin(secret + "x", t->clock.now()).error().text();
        errors += t->holder.get()->authenticate(secret + "x", t->clock.now()).error().text();
    }
    ASSERT_TRUE(
        t->identity.update_admin_token(token.token.id, {.is_active = false}, t->change()).ok());
    errors += t->identity.authenticate_admin(token.secret, t->clock.now()).error().text();
    const std::string dump = t->store.dump();
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(dump.find("api_keys|"), std::string::npos);
    EXPECT_NE(dump.find(key.key.hint), std::string::npos) << "the dump holds what it should";
    for (const std::string& secret : secrets) {
        expect_absent(dump, secret, "the store");
        expect_absent(errors, secret, "an error");
        expect_absent(log, secret, "the log");
    }
}

}  // namespace
}  // namespace tg
