#include "admission/output_learner.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace tg {
namespace {

// given any outputs, fewer than are halved / when a quantile is asked for / then it is at most an
// eighth above the exact one, and never below it
RC_GTEST_PROP(OutputDistribution, QuantilesAreWithinAnEighth, (std::vector<std::uint32_t> values)) {
    RC_PRE(!values.empty());
    values.resize(std::min<std::size_t>(values.size(), OutputDistribution::kHalveAfter - 1));
    OutputDistribution distribution;
    for (std::uint32_t& value : values) {
        value %= 1U << 22;
        distribution.observe(value);
    }
    std::sort(values.begin(), values.end());
    for (const std::size_t per_mille : {1, 500, 900, 990, 1000}) {
        const std::size_t rank = (values.size() * per_mille + 999) / 1000;
        const std::int64_t exact = values[rank - 1];
        const std::int64_t found =
            distribution.quantile_per_mille(static_cast<std::int64_t>(per_mille));
        RC_ASSERT(found >= exact);
        RC_ASSERT(found <= exact + exact / 8);
    }
}

TEST(OutputDistribution, FollowsAChangeOfUse) {
    OutputDistribution distribution;
    for (int i = 0; i < 10'000; ++i) distribution.observe(100);
    for (int i = 0; i < 2'000; ++i) distribution.observe(5'000);
    EXPECT_GE(distribution.quantile_per_mille(500), 5'000);
}

TEST(OutputLearner, TakesWhatIsKnownBest) {
    OutputLearner learner;
    EXPECT_EQ(learner.estimate(1, 7, 0, 0), 1'024) << "nothing known, nothing given";
    EXPECT_EQ(learner.estimate(1, 7, 0, 512), 512) << "no more than the model can write";
    EXPECT_EQ(learner.estimate(1, 7, 1'000'000, 0), 1'000'000) << "nothing known: as given";
    for (int i = 0; i < 100; ++i) learner.observe(1, 8, 200);
    EXPECT_EQ(learner.estimate(1, 7, 0, 0), 207) << "the model's, of another key";
    for (int i = 0; i < 100; ++i) learner.observe(1, 7, 2'000);
    EXPECT_EQ(learner.estimate(1, 7, 0, 0), 2'047) << "the key's own";
    EXPECT_EQ(learner.estimate(1, 8, 500, 0), 500) << "plausible: as given";
    EXPECT_EQ(learner.estimate(1, 8, 128'000, 0), 207) << "absurd for this key";
    EXPECT_EQ(learner.estimate(2, 8, 0, 0), 1'024) << "another model";
}

// given log-normal outputs / when many calls run together / then what is reserved for them is
// enough for all of them, though a tenth of them uses more than its own part
TEST(OutputLearner, TheSumIsEnoughThoughEachIsNot) {
    Rng rng(1);
    const auto sample = [&rng] {
        double normal = -6;
        for (int i = 0; i < 12; ++i) normal += static_cast<double>(rng.below(1'000'000)) / 1e6;
        return static_cast<std::int64_t>(300 * std::exp(normal));
    };
    OutputLearner learner;
    for (int i = 0; i < 1'000; ++i) learner.observe(1, 0, sample());
    const std::int64_t reserved = learner.estimate(1, 0, 0, 0);
    int over = 0;
    int sums_over = 0;
    for (int round = 0; round < 1'000; ++round) {
        constexpr int kTogether = 20;
        std::int64_t used = 0;
        for (int i = 0; i < kTogether; ++i) {
            const std::int64_t tokens = sample();
            used += tokens;
            if (tokens > reserved) ++over;
        }
        if (used > kTogether * reserved) ++sums_over;
    }
    EXPECT_GT(over, 1'000);
    EXPECT_LT(sums_over, 5);
}

}  // namespace
}  // namespace tg
