#include "net/loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "net/internal/loop_thread.h"

namespace tg {
namespace {

Task<int> add(int a, int b) {
    co_return a + b;
}

Task<int> nested(int depth) {
    if (depth == 0) co_return 0;
    co_return 1 + co_await nested(depth - 1);
}

Task<Wake> sleep_ms(Loop* loop, std::int64_t ms) {
    co_return co_await wait_until(loop, loop->now_ns() + ms * 1'000'000);
}

Task<void> count_when_woken(Loop* loop, std::int64_t deadline_ns, std::atomic<int>* interrupted) {
    if (co_await wait_until(loop, deadline_ns) == Wake::interrupted) ++*interrupted;
    // A task that goes on waiting while the loop stops is not held up again.
    if (co_await wait_until(loop, deadline_ns) == Wake::interrupted) ++*interrupted;
}

TEST(Loop, RunsTasksAndReturnsWhatTheyGive) {
    LoopThread thread;
    EXPECT_EQ(thread.run(add(2, 3)), 5);
    EXPECT_EQ(thread.run(nested(1000)), 1000);
    EXPECT_EQ(thread.call([&] { return Loop::current(); }), thread.loop());
    EXPECT_EQ(Loop::current(), nullptr);
}

TEST(Loop, SleepEndsAtItsDeadlineAndNotBefore) {
    LoopThread thread;
    for (const std::int64_t ms : {0, 1, 5, 20}) {
        const std::int64_t start = system_clock().monotonic_ns();
        EXPECT_EQ(thread.run(sleep_ms(thread.loop(), ms)), Wake::ready);
        // The loop's time is read once an iteration, so it may lag behind by one.
        EXPECT_GE(system_clock().monotonic_ns() - start, (ms - 1) * 1'000'000);
    }
}

TEST(Loop, PostedWorkOfManyThreadsRunsOnceAndInOrder) {
    constexpr int kThreads = 4, kEach = 5000;
    LoopThread thread;
    std::vector<std::vector<int>> seen(kThreads);
    std::promise<void> all;
    int total = 0;
    std::vector<std::thread> posters;
    for (int t = 0; t < kThreads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < kEach; ++i) {
                thread.loop()->post([&, t, i] {
                    seen[static_cast<std::size_t>(t)].push_back(i);
                    if (++total == kThreads * kEach) all.set_value();
                });
            }
        });
    }
    for (std::thread& poster : posters) poster.join();
    std::future<void> done = all.get_future();
    LoopThread::take(&done);
    for (const std::vector<int>& one : seen) {
        ASSERT_EQ(one.size(), static_cast<std::size_t>(kEach));
        for (int i = 0; i < kEach; ++i) ASSERT_EQ(one[static_cast<std::size_t>(i)], i);
    }
}

TEST(Loop, WorkMayPostMoreWork) {
    LoopThread thread;
    std::promise<int> promise;
    std::future<int> future = promise.get_future();
    int runs = 0;
    std::function<void()> again = [&] {
        if (++runs == 100) {
            promise.set_value(runs);
            return;
        }
        thread.loop()->post(again);
    };
    thread.loop()->post(again);
    EXPECT_EQ(LoopThread::take(&future), 100);
}

TEST(Loop, StopInterruptsEverySleepAndWaitsForEveryTask) {
    std::atomic<int> interrupted = 0;
    LoopThread thread;
    thread.call([&] {
        for (const std::int64_t deadline :
             {INT64_MAX, INT64_MAX / 2, thread.loop()->now_ns() + 3'600'000'000'000})
            thread.loop()->spawn(count_when_woken(thread.loop(), deadline, &interrupted));
        EXPECT_EQ(thread.loop()->task_count(), 3U);
    });
    thread.stop();
    EXPECT_EQ(interrupted, 6);
    EXPECT_EQ(thread.loop()->task_count(), 0U);
}

TEST(Loop, StopBeforeRunAndStopTwiceEndItAtOnce) {
    Loop loop;
    loop.stop();
    loop.stop();
    loop.run();
    EXPECT_TRUE(loop.is_stopping());
}

TEST(Loop, WorkPostedBeforeRunIsDone) {
    Loop loop;
    int runs = 0;
    loop.post([&] { ++runs; });
    loop.post([&] {
        ++runs;
        loop.stop();
    });
    loop.run();
    EXPECT_EQ(runs, 2);
}

TEST(Loop, WorkPostedAfterTheEndIsDoneByTheDestructor) {
    int runs = 0;
    {
        Loop loop;
        loop.stop();
        loop.run();
        loop.post([&] { ++runs; });
        EXPECT_EQ(runs, 0);
    }
    EXPECT_EQ(runs, 1);
}

Task<void> mark(std::vector<int>* order, int value, LoopEvent* event) {
    order->push_back(value);
    co_await *event;
    order->push_back(-value);
}

TEST(Loop, SpawnRunsToTheFirstWaitAndResumesInOrder) {
    LoopThread thread;
    std::vector<int> order;
    LoopEvent event;
    thread.call([&] {
        thread.loop()->spawn(mark(&order, 1, &event));
        thread.loop()->spawn(mark(&order, 2, &event));
        order.push_back(0);
        event.set(thread.loop());
        order.push_back(9);
    });
    thread.stop();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 0, 9, -1, -2}));
}

TEST(Loop, WritingToAGonePeerIsNoSignal) {
    Loop loop;
    struct sigaction action{};
    ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &action), 0);
    EXPECT_EQ(action.sa_handler, SIG_IGN);
}

}  // namespace
}  // namespace tg
