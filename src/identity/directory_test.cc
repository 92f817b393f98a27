#include "identity/directory.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdio>

#include "identity/key_text.h"

namespace tg {
namespace {

constexpr UtcMicros kNow{1'780'000'000'000'000};

struct Fixture {
    std::vector<Customer> customers{
        {.id = CustomerId(1), .code = "acme", .name = "Acme"},
        {.id = CustomerId(2), .code = "gone", .name = "Gone", .is_active = false}};
    std::vector<Project> projects{{.id = ProjectId(10),
                                   .customer = CustomerId(1),
                                   .code = "chat",
                                   .name = "Chat",
                                   .department = "d",
                                   .environment = "e"},
                                  {.id = ProjectId(11),
                                   .customer = CustomerId(1),
                                   .code = "old",
                                   .name = "Old",
                                   .department = "d",
                                   .environment = "e",
                                   .is_active = false},
                                  {.id = ProjectId(12),
                                   .customer = CustomerId(2),
                                   .code = "chat",
                                   .name = "Chat",
                                   .department = "d",
                                   .environment = "e"}};
    std::vector<ApiKey> keys;

    void add(std::uint32_t id, std::string_view text, std::optional<ProjectId> project) {
        keys.push_back({.id = KeyId(id),
                        .project = project,
                        .name = "k",
                        .hint = "hint",
                        .hash = sha256(text),
                        .is_active = true,
                        .created_at = kNow});
    }
    Directory build() const { return Directory(customers, projects, keys, 7); }
};

TEST(DirectoryTest, a_good_key_yields_its_project_and_customer) {
    Fixture fixture;
    fixture.add(5, "the-key", ProjectId(10));
    const Directory directory = fixture.build();
    const auto caller = directory.authenticate("the-key", kNow);
    ASSERT_TRUE(caller.ok()) << caller.error().text();
    EXPECT_EQ(caller->key, directory.key(KeyId(5)));
    EXPECT_EQ(caller->project, directory.project(ProjectId(10)));
    EXPECT_EQ(caller->customer, directory.customer(CustomerId(1)));
    EXPECT_EQ(directory.version(), 7);
}

TEST(DirectoryTest, each_refusal_has_its_code_and_never_the_key) {
    const std::string good = generate_key_text(kApiKeyPrefix);
    std::string mistyped = good;
    mistyped[12] = mistyped[12] == 'x' ? 'y' : 'x';
    struct Case {
        const char* what;
        std::function<void(ApiKey&)> change;
        std::string presented;
        ErrorCode code;
        const char* says;
    };
    const auto nothing = [](ApiKey&) {};
    const Case cases[] = {
        {"empty", nothing, "", ErrorCode::unauthenticated, "no API key"},
        {"unknown", nothing, generate_key_text(kApiKeyPrefix), ErrorCode::unauthenticated,
         "not known"},
        {"mistyped", nothing, mistyped, ErrorCode::unauthenticated, "mistyped"},
        {"foreign", nothing, "sk-proj-abcdefghijklmnop", ErrorCode::unauthenticated, "not known"},
        {"huge", nothing, std::string(100'000, 'k'), ErrorCode::unauthenticated, "not known"},
        {"disabled", [](ApiKey& k) { k.is_active = false; }, good, ErrorCode::key_disabled,
         "disabled"},
        {"expired", [](ApiKey& k) { k.expires_at = kNow; }, good, ErrorCode::key_expired, "2026-"},
        {"no project", [](ApiKey& k) { k.project.reset(); }, good, ErrorCode::key_without_project,
         "assign it"},
        {"lost project", [](ApiKey& k) { k.project = ProjectId(99); }, good,
         ErrorCode::key_without_project, "assign it"},
        {"project disabled", [](ApiKey& k) { k.project = ProjectId(11); }, good,
         ErrorCode::key_disabled, "project 'old'"},
        {"customer disabled", [](ApiKey& k) { k.project = ProjectId(12); }, good,
         ErrorCode::key_disabled, "customer 'gone'"},
    };
    for (const Case& test : cases) {
        Fixture fixture;
        fixture.add(1, good, ProjectId(10));
        test.change(fixture.keys[0]);
        const Directory directory = fixture.build();
        const auto caller = directory.authenticate(test.presented, kNow);
        ASSERT_FALSE(caller.ok()) << test.what;
        EXPECT_EQ(caller.error().code, test.code) << test.what << ": " << caller.error().text();
        EXPECT_NE(caller.error().detail.find(test.says), std::string::npos)
            << caller.error().text();
        if (!test.presented.empty()) {
            EXPECT_EQ(caller.error().detail.find(test.presented.substr(6, 12)), std::string::npos)
                << caller.error().text();
        }
    }
}

TEST(DirectoryTest, a_key_is_good_until_the_moment_it_expires) {
    Fixture fixture;
    fixture.add(1, "k", ProjectId(10));
    fixture.keys[0].expires_at = kNow;
    const Directory directory = fixture.build();
    EXPECT_TRUE(directory.authenticate("k", {kNow.micros - 1}).ok());
    EXPECT_FALSE(directory.authenticate("k", kNow).ok());
}

TEST(DirectoryTest, names_and_ids_are_found_or_null) {
    const Directory directory = Fixture().build();
    EXPECT_EQ(directory.customer("acme"), directory.customer(CustomerId(1)));
    EXPECT_EQ(directory.project(CustomerId(1), "chat")->id, ProjectId(10));
    EXPECT_EQ(directory.project(CustomerId(2), "chat")->id, ProjectId(12));
    EXPECT_EQ(directory.customer("nobody"), nullptr);
    EXPECT_EQ(directory.customer(CustomerId(0)), nullptr);
    EXPECT_EQ(directory.project(CustomerId(2), "old"), nullptr);
    EXPECT_EQ(directory.project(ProjectId(99)), nullptr);
    EXPECT_EQ(directory.key(KeyId(1)), nullptr);
    EXPECT_FALSE(directory.authenticate("anything", kNow).ok()) << "no keys at all";
}

TEST(DirectoryTest, any_set_of_keys_finds_exactly_its_own) {
    EXPECT_TRUE(rc::check("members are found, others are not", [] {
        const auto members = *rc::gen::unique<std::vector<std::uint32_t>>(
            rc::gen::inRange<std::uint32_t>(0, 100'000));
        Fixture fixture;
        for (std::size_t i = 0; i < members.size(); ++i) {
            fixture.add(static_cast<std::uint32_t>(i + 1), "key-" + std::to_string(members[i]),
                        ProjectId(10));
        }
        const Directory directory = fixture.build();
        for (std::size_t i = 0; i < members.size(); ++i) {
            const auto caller = directory.authenticate("key-" + std::to_string(members[i]), kNow);
            RC_ASSERT(caller.ok());
            RC_ASSERT(caller->key->id == KeyId(static_cast<std::uint32_t>(i + 1)));
            RC_ASSERT(!directory.authenticate("other-" + std::to_string(members[i]), kNow).ok());
        }
    }));
}

TEST(DirectoryTest, keys_whose_hashes_begin_alike_are_told_apart) {
    Fixture fixture;
    // Same first eight bytes, so the same slot: only the rest differs from the real hash.
    fixture.add(1, "k", ProjectId(10));
    ApiKey twin = fixture.keys[0];
    twin.id = KeyId(2);
    twin.hash[31] = static_cast<std::uint8_t>(twin.hash[31] ^ 1);
    fixture.keys.insert(fixture.keys.begin(), twin);
    EXPECT_EQ(fixture.build().authenticate("k", kNow)->key->id, KeyId(1));
}

/// Prints what a lookup costs among 10,000 keys; the README quotes it.
TEST(DirectoryTest, speed_of_authentication) {
    Fixture fixture;
    std::vector<std::string> texts;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        texts.push_back(generate_key_text(kApiKeyPrefix));
        fixture.add(i + 1, texts.back(), ProjectId(10));
    }
    const Directory directory = fixture.build();
    constexpr int kRounds = 200'000;
    std::int64_t found = 0;
    const std::int64_t start = system_clock().monotonic_ns();
    for (int i = 0; i < kRounds; ++i)
        found +=
            directory.authenticate(texts[static_cast<std::size_t>(i) % 1000], kNow).ok() ? 1 : 0;
    const std::int64_t middle = system_clock().monotonic_ns();
    std::uint8_t mixed = 0;
    for (int i = 0; i < kRounds; ++i) mixed ^= sha256(texts[static_cast<std::size_t>(i) % 1000])[0];
    const std::int64_t end = system_clock().monotonic_ns();
    std::printf("authenticate: %lld ns, of which SHA-256 %lld ns (%d)\n",
                static_cast<long long>((middle - start) / kRounds),
                static_cast<long long>((end - middle) / kRounds), mixed);
    EXPECT_EQ(found, kRounds);
}

}  // namespace
}  // namespace tg
