// One customer floods a shared account: what do the others feel?
#include <gtest/gtest.h>

#include "admission/test_flood.h"

namespace tg {
namespace {

using test::flood;
using test::FloodFigures;
using test::FloodOptions;

// given ten customers that share an account, the others at their share / when one sends a hundred
// times its share / then the others' p99 is at most a tenth longer, and all of them are served
TEST(Fairness, AFloodDelaysTheOthersByLessThanATenth) {
    const FloodFigures calm = flood({.flood_factor = 1});
    const FloodFigures flooded = flood({.flood_factor = 100});
    EXPECT_EQ(calm.others_refused, 0U);
    EXPECT_EQ(flooded.others_refused, 0U);
    EXPECT_LT(static_cast<double>(flooded.others_p99_us),
              1.1 * static_cast<double>(calm.others_p99_us))
        << calm.others_p99_us << " " << flooded.others_p99_us;
    EXPECT_GT(flooded.account_used_per_mille, 970) << "what is left over is not wasted";
}

// given calls that reserve four times the output they use / when the account is overloaded / then
// it is used up to what calls in flight hold in vain (5 %) and the guard (3 %): what they give back
// is taken at once
TEST(Fairness, ReservingTooMuchDoesNotLeaveTheAccountIdle) {
    const FloodFigures figures = flood({.flood_factor = 100, .reserve_factor = 4});
    EXPECT_EQ(figures.others_refused, 0U);
    EXPECT_GT(figures.account_used_per_mille, 920);
    EXPECT_LT(figures.others_p99_wait_us, 1'000'000);
}

}  // namespace
}  // namespace tg
