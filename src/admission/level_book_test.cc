#include "admission/level_book.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

constexpr CustomerId kAcme{1};

std::shared_ptr<const LimitTable> table_of(std::int64_t requests) {
    LimitAssignment acme{.subject = LimitSubject::of(kAcme)};
    acme.own.of(LimitKind::requests) = requests;
    return LimitTable::build({}, {std::move(acme)}).value();
}

struct Book {
    Admission admission;
    LevelBook book{&admission, table_of(2)};
    Verdict ask(LevelHandle level) { return admission.reserve({.levels = {&level, 1}}, 0).verdict; }
};

TEST(LevelBook, ALevelIsMadeOnceWithItsLimits) {
    Book b;
    const LevelHandle level = b.book.level(LimitSubject::of(kAcme));
    EXPECT_EQ(b.book.level(LimitSubject::of(kAcme)), level);
    EXPECT_NE(b.book.level(LimitSubject::of(CustomerId(2))), level);
    EXPECT_EQ(b.book.size(), 2U);
    EXPECT_EQ(b.admission.limits(level).requests, 2);
}

TEST(LevelBook, AnotherTableHoldsForTheRunningWindow) {
    Book b;
    const LevelHandle level = b.book.level(LimitSubject::of(kAcme));
    EXPECT_EQ(b.ask(level), Verdict::admitted);
    EXPECT_EQ(b.ask(level), Verdict::admitted);
    EXPECT_EQ(b.ask(level), Verdict::refused);
    b.book.set_table(table_of(3), 0);
    EXPECT_EQ(b.ask(level), Verdict::admitted);
    EXPECT_EQ(b.ask(level), Verdict::refused);
}

TEST(LevelBook, AShareBoundsTheTablesLimitUntilItIsTakenAway) {
    Book b;
    const LimitSubject acme = LimitSubject::of(kAcme);
    b.book.set_share(level_id(acme), Limits{.requests = 1}, 0);
    const LevelHandle level = b.book.level(acme);
    EXPECT_EQ(b.admission.limits(level).requests, 1) << "known before the level was";
    b.book.set_table(table_of(9), 0);
    EXPECT_EQ(b.admission.limits(level).requests, 1);
    b.book.set_share(level_id(acme), Limits{.requests = 20}, 0);
    EXPECT_EQ(b.admission.limits(level).requests, 9) << "never more than the table allows";
    b.book.set_share(level_id(acme), std::nullopt, 0);
    EXPECT_EQ(b.admission.limits(level).requests, 9);
    b.book.for_each([&](const LimitSubject& subject, LevelId id, const Limits& configured) {
        EXPECT_EQ(subject, acme);
        EXPECT_EQ(id, level_id(acme));
        EXPECT_EQ(configured.requests, 9);
    });
}

}  // namespace
}  // namespace tg
