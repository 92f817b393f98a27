#include "store/connection_pool.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/test_store.h"

namespace tg {
namespace {

class ConnectionPoolTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(ConnectionPoolTest);

TEST_P(ConnectionPoolTest, a_returned_connection_is_used_again_without_its_transaction) {
    auto store = fresh_store(TestStore::Schema::empty);
    ASSERT_TRUE((*store)->execute_script("CREATE TABLE t (id BIGINT)").ok());
    ConnectionPool pool(store->url(), 2);
    SqlConnection* first = nullptr;
    {
        auto lease = pool.take();
        ASSERT_TRUE(lease.ok()) << lease.error().text();
        first = &**lease;
        ASSERT_TRUE((*lease)->begin().ok());
        ASSERT_TRUE((*lease)->execute("INSERT INTO t VALUES (1)").ok());
    }
    auto lease = pool.take();
    ASSERT_TRUE(lease.ok());
    EXPECT_EQ(&**lease, first);
    EXPECT_TRUE((*lease)->begin().ok()) << "the open transaction was rolled back";
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 0);
}

TEST_P(ConnectionPoolTest, a_full_pool_answers_after_its_limit) {
    auto store = fresh_store(TestStore::Schema::empty);
    ConnectionPool pool(store->url(), 1, 1);
    {
        const auto held = pool.take();
        ASSERT_TRUE(held.ok());
        const auto refused = pool.take();
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().code, ErrorCode::store_unavailable);
    }
    EXPECT_TRUE(pool.take().ok());
}

TEST_P(ConnectionPoolTest, many_threads_share_few_connections) {
    auto store = fresh_store(TestStore::Schema::empty);
    ASSERT_TRUE((*store)->execute_script("CREATE TABLE t (id BIGINT)").ok());
    ConnectionPool pool(store->url(), 2);
    std::atomic<int> done{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < 10; ++n) {
                auto lease = pool.take();
                if (lease.ok() && (*lease)->execute("INSERT INTO t VALUES (1)").ok()) ++done;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(done, 80);
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 80);
}

TEST_P(ConnectionPoolTest, a_connection_that_died_while_idle_is_replaced) {
    auto store = fresh_store(TestStore::Schema::empty);
    if (GetParam() == Dialect::sqlite) {
        EXPECT_FALSE((*store)->is_lost()) << "a file does not go away";
        return;
    }
    ConnectionPool pool(store->url(), 1);
    std::int64_t pid = 0;
    {
        auto lease = pool.take();
        ASSERT_TRUE(lease.ok());
        ASSERT_TRUE((*lease)
                        ->query("SELECT pg_backend_pid()", {},
                                [&](const SqlRow& row) {
                                    pid = row.integer(0);
                                    return true;
                                })
                        .ok());
    }
    ASSERT_TRUE(
        (*store)->execute("SELECT pg_terminate_backend(CAST(? AS INTEGER), 10000)", {pid}).ok());
    auto lease = pool.take();
    ASSERT_TRUE(lease.ok()) << lease.error().text();
    EXPECT_TRUE((*lease)->execute("SELECT 1").ok());
}

TEST(ConnectionPoolOpenTest, a_store_that_cannot_be_opened_does_not_use_up_the_pool) {
    ConnectionPool pool("sqlite:/no/such/folder/x.db", 1, 1);
    for (int i = 0; i < 3; ++i) {
        const auto refused = pool.take();
        ASSERT_FALSE(refused.ok());
        EXPECT_NE(refused.error().detail.find("/no/such/folder"), std::string::npos)
            << refused.error().text();
    }
}

}  // namespace
}  // namespace tg
