#include "net/blocking_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>

#include "net/internal/loop_thread.h"

namespace tg {
namespace {

Task<Status> run_on(BlockingPool* pool, Loop* loop, std::function<void()> work) {
    co_return co_await pool->run(loop, std::move(work));
}

Task<std::thread::id> thread_after(BlockingPool* pool, Loop* loop) {
    const Status status = co_await pool->run(loop, [] {});
    TG_ASSERT(status.ok());
    co_return std::this_thread::get_id();
}

TEST(BlockingPool, RunsOnItsThreadsAndResumesOnTheLoop) {
    LoopThread thread;
    BlockingPool pool(2);
    const std::thread::id loop_id = thread.call([] { return std::this_thread::get_id(); });
    std::thread::id work_id;
    ASSERT_TRUE(
        thread.run(run_on(&pool, thread.loop(), [&] { work_id = std::this_thread::get_id(); }))
            .ok());
    EXPECT_NE(work_id, loop_id);
    EXPECT_NE(work_id, std::thread::id());
    EXPECT_EQ(thread.run(thread_after(&pool, thread.loop())), loop_id);
}

TEST(BlockingPool, RefusesWhatDoesNotFitItsQueue) {
    LoopThread thread;
    BlockingPool pool(1, 2);
    std::promise<void> gate, entered;
    std::shared_future<void> open(gate.get_future());
    std::future<void> is_entered = entered.get_future();
    ASSERT_TRUE(pool.submit([&] {
        entered.set_value();
        open.wait();
    }));
    LoopThread::take(&is_entered);
    std::atomic<int> ran = 0;
    std::future<Status> first = thread.start(run_on(&pool, thread.loop(), [&] { ++ran; }));
    std::future<Status> second = thread.start(run_on(&pool, thread.loop(), [&] { ++ran; }));
    const Status third = thread.run(run_on(&pool, thread.loop(), [&] { ++ran; }));
    ASSERT_FALSE(third.ok());
    EXPECT_EQ(third.error().code, ErrorCode::overloaded);
    EXPECT_FALSE(pool.submit([] {}));
    gate.set_value();
    EXPECT_TRUE(LoopThread::take(&first).ok());
    EXPECT_TRUE(LoopThread::take(&second).ok());
    EXPECT_EQ(ran, 2);
}

TEST(BlockingPool, DestructionRunsWhatIsQueued) {
    std::atomic<int> ran = 0;
    {
        BlockingPool pool(1);
        for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.submit([&] { ++ran; }));
    }
    EXPECT_EQ(ran, 100);
}

TEST(BlockingPool, ManyTasksOfTwoLoopsAllComeBack) {
    LoopThread one, two;
    BlockingPool pool(3);
    std::atomic<int> ran = 0;
    std::vector<std::future<Status>> results;
    for (int i = 0; i < 500; ++i) {
        results.push_back(one.start(run_on(&pool, one.loop(), [&] { ++ran; })));
        results.push_back(two.start(run_on(&pool, two.loop(), [&] { ++ran; })));
    }
    for (std::future<Status>& result : results) EXPECT_TRUE(LoopThread::take(&result).ok());
    EXPECT_EQ(ran, 1000);
}

TEST(BlockingPool, StopWaitsForWorkThatIsUnderWay) {
    BlockingPool pool(1);
    std::promise<void> gate, entered;
    std::shared_future<void> open(gate.get_future());
    std::future<void> is_entered = entered.get_future();
    std::future<Status> result;
    LoopThread thread;
    result = thread.start(run_on(&pool, thread.loop(), [&] {
        entered.set_value();
        open.wait();
    }));
    LoopThread::take(&is_entered);
    thread.loop()->stop();
    gate.set_value();
    thread.stop();
    EXPECT_TRUE(LoopThread::take(&result).ok());
}

}  // namespace
}  // namespace tg
