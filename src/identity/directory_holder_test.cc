#include "identity/directory_holder.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <thread>

#include "identity/test_identity.h"

namespace tg {
namespace {

std::shared_ptr<const Directory> directory_of(std::int64_t version) {
    return std::make_shared<Directory>(std::vector<Customer>{}, std::vector<Project>{},
                                       std::vector<ApiKey>{}, version);
}

class DirectoryHolderTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(DirectoryHolderTest);

TEST_P(DirectoryHolderTest, a_change_of_this_process_holds_at_once) {
    TestIdentity t(GetParam());
    const CreatedKey key = t.key(t.project(t.customer("acme").id, "chat").id);
    EXPECT_TRUE(t.holder.get()->authenticate(key.secret, t.clock.now()).ok());
    ASSERT_TRUE(t.identity.update_key(key.key.id, {.is_active = false}, t.change()).ok());
    EXPECT_EQ(t.holder.get()->authenticate(key.secret, t.clock.now()).error().code,
              ErrorCode::key_disabled);
}

TEST_P(DirectoryHolderTest, a_change_of_another_process_holds_after_a_refresh) {
    TestIdentity t(GetParam());
    DirectoryHolder other;
    const auto connection = t.store.connect();
    EXPECT_TRUE(other.refresh(*connection).value());
    EXPECT_FALSE(other.refresh(*connection).value()) << "nothing new";
    const CreatedKey key = t.key(t.project(t.customer("acme").id, "chat").id);
    EXPECT_FALSE(other.get()->authenticate(key.secret, t.clock.now()).ok());
    EXPECT_TRUE(other.refresh(*connection).value());
    EXPECT_TRUE(other.get()->authenticate(key.secret, t.clock.now()).ok());
}

TEST_P(DirectoryHolderTest, a_request_keeps_the_directory_it_took) {
    TestIdentity t(GetParam());
    const CreatedKey key = t.key(t.project(t.customer("acme").id, "chat").id);
    const auto taken = t.holder.get();
    ASSERT_TRUE(t.identity.update_key(key.key.id, {.is_active = false}, t.change()).ok());
    EXPECT_TRUE(taken->authenticate(key.secret, t.clock.now()).ok());
    EXPECT_FALSE(t.holder.get()->authenticate(key.secret, t.clock.now()).ok());
}

TEST_P(DirectoryHolderTest, a_damaged_row_keeps_the_published_directory_and_names_itself) {
    TestIdentity t(GetParam());
    const CreatedKey key = t.key(t.project(t.customer("acme").id, "chat").id);
    ASSERT_TRUE(t.store
                    ->execute("UPDATE api_keys SET hash = 'short' WHERE id = ?",
                              {std::int64_t{key.key.id.get()}})
                    .ok());
    ASSERT_TRUE(t.store->execute("UPDATE directory_version SET version = version + 1").ok());
    const auto refreshed = t.holder.refresh(t.store.connection());
    ASSERT_FALSE(refreshed.ok());
    EXPECT_EQ(refreshed.error().code, ErrorCode::corrupt_data);
    EXPECT_NE(refreshed.error().detail.find("API key " + std::to_string(key.key.id.get())),
              std::string::npos);
    EXPECT_TRUE(t.holder.get()->authenticate(key.secret, t.clock.now()).ok());
}

TEST(SnapshotTest, several_holders_on_one_thread_do_not_mix) {
    std::vector<std::unique_ptr<DirectoryHolder>> holders;
    for (int i = 0; i < 9; ++i) holders.push_back(std::make_unique<DirectoryHolder>());
    for (int round = 1; round < 4; ++round) {
        for (int i = 0; i < 9; ++i)
            holders[static_cast<std::size_t>(i)]->publish(directory_of(100 * round + i));
        for (int i = 8; i >= 0; --i)
            EXPECT_EQ(holders[static_cast<std::size_t>(i)]->get()->version(), 100 * round + i);
    }
}

TEST(SnapshotTest, readers_never_go_back_while_a_writer_publishes) {
    DirectoryHolder holder;
    std::atomic<bool> is_done{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            std::int64_t last = 0;
            while (!is_done.load(std::memory_order_relaxed)) {
                const auto directory = holder.get();
                EXPECT_GE(directory->version(), last);
                last = directory->version();
            }
            EXPECT_EQ(holder.get()->version(), 2000);
        });
    }
    for (int version = 1; version <= 2000; ++version) holder.publish(directory_of(version));
    is_done = true;
    for (std::thread& reader : readers) reader.join();
}

TEST(SnapshotTest, an_old_value_dies_when_its_last_reader_lets_go) {
    DirectoryHolder holder;
    auto first = directory_of(1);
    const std::weak_ptr<const Directory> watch = first;
    holder.publish(std::move(first));
    auto reader = holder.get();
    holder.publish(directory_of(2));
    EXPECT_EQ(holder.get()->version(), 2);
    EXPECT_FALSE(watch.expired());
    reader.reset();
    EXPECT_TRUE(watch.expired());
}

TEST(SnapshotTest, speed_of_get) {
    const DirectoryHolder holder;
    constexpr int kRounds = 2'000'000;
    std::int64_t sum = 0;
    const std::int64_t start = system_clock().monotonic_ns();
    for (int i = 0; i < kRounds; ++i) sum += holder.get()->version();
    std::printf("get: %.1f ns\n",
                static_cast<double>(system_clock().monotonic_ns() - start) / kRounds);
    EXPECT_EQ(sum, 0);
}

}  // namespace
}  // namespace tg
