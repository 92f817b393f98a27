#include "admission/admission_core.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

TEST(Admission, smoke) {
    AdmissionCore core;
    const LevelHandle key = core.intern({LevelKind::key, 1}, {.requests = 2});
    const LevelHandle levels[] = {key};
    EXPECT_EQ(core.reserve({.levels = levels}, 0).verdict, Verdict::admitted);
    EXPECT_EQ(core.reserve({.levels = levels}, 0).verdict, Verdict::admitted);
    EXPECT_EQ(core.reserve({.levels = levels}, 0).verdict, Verdict::refused);
}

}  // namespace
}  // namespace tg
