#include "gateway/minute_window.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace tg {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000, kSlot = 1LL << 26;

/// given random adds, take-backs and gaps / when compared with a list of all entries / then the sum
/// lies between what is younger than the hold and what is younger than the hold and a slot, and
/// earliest_below() is the first moment at which the sum is that low.
TEST(MinuteWindow, AgreesWithAList) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Rng rng(seed);
        const std::int64_t hold = 55 * kSecond + static_cast<std::int64_t>(rng.below(12)) * kSecond;
        MinuteWindow window(hold);
        struct Entry {
            std::int64_t at, slot, amount;
        };
        std::vector<Entry> entries;
        std::int64_t now = static_cast<std::int64_t>(rng.below(100)) * kSecond;
        for (int step = 0; step < 3000; ++step) {
            const std::uint64_t pace = rng.below(100);
            now += static_cast<std::int64_t>(rng.below(pace < 2    ? 200 * kSecond
                                                       : pace < 10 ? 5 * kSecond
                                                                   : kSecond / 20));
            if (rng.below(10) == 0 && !entries.empty()) {
                Entry& entry = entries[rng.below(entries.size())];
                const auto part = static_cast<std::int64_t>(rng.below(entry.amount + 1));
                window.subtract(now, entry.slot, part);
                entry.amount -= part;
            } else {
                const auto amount = static_cast<std::int64_t>(rng.below(1000));
                entries.push_back({now, window.add(now, amount), amount});
            }
            std::int64_t low = 0, high = 0;
            for (const Entry& entry : entries) {
                if (entry.at + hold > now) low += entry.amount;
                if (entry.at + hold + kSlot > now) high += entry.amount;
            }
            const std::int64_t used = window.used(now);
            ASSERT_GE(used, low) << "seed " << seed << " step " << step;
            ASSERT_LE(used, high) << "seed " << seed << " step " << step;
            if (step % 10 != 0) continue;
            const auto target = static_cast<std::int64_t>(rng.below(used + 1));
            MinuteWindow copy = window;
            const std::int64_t at = copy.earliest_below(now, target);
            ASSERT_GE(at, now);
            if (at > now) ASSERT_GT(MinuteWindow(copy).used(at - 1), target) << "seed " << seed;
            ASSERT_LE(copy.used(at), target) << "seed " << seed;
        }
    }
}

TEST(MinuteWindow, TimeThatGoesBackCountsAsNow) {
    MinuteWindow window(60 * kSecond);
    window.add(10 * kSecond, 5);
    window.add(9 * kSecond, 5);
    EXPECT_EQ(window.used(8 * kSecond), 10);
    EXPECT_EQ(window.used(70 * kSecond), 10);
    EXPECT_EQ(window.used(70 * kSecond + kSlot), 0);
}

}  // namespace
}  // namespace tg
