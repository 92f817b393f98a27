#include "base/chinese_amount.h"

#include <gtest/gtest.h>

#include <limits>

namespace tg {
namespace {

struct Golden {
    std::int64_t fen;
    const char* written;
    const char* variant;  ///< the other form that the rules allow, or the same
};

// The first six are the central bank's own examples.
constexpr Golden kGolden[] = {
    {140'950, "壹仟肆佰零玖圆伍角整", "壹仟肆佰零玖元伍角"},
    {600'714, "陆仟零柒圆壹角肆分", "人民币陆仟零柒元壹角肆分"},
    {168'032, "壹仟陆佰捌拾圆叁角贰分", "壹仟陆佰捌拾圆零叁角贰分"},
    {10'700'053, "壹拾万柒仟圆伍角叁分", "壹拾万零柒仟圆零伍角叁分"},
    {1'640'902, "壹万陆仟肆佰零玖圆零贰分", "壹万陆仟肆佰零玖元零贰分"},
    {32'504, "叁佰贰拾伍圆零肆分", "人民币叁佰贰拾伍圆零肆分"},
    {5, "伍分", "人民币伍分"},
    {1'000, "壹拾圆整", "壹拾元正"},
    {10'000'000'000, "壹亿圆整", "壹亿元整"},
    {10'001'000, "壹拾万零壹拾圆整", "壹拾万零壹拾元正"},
    {999'999'999'999, "玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖圆玖角玖分",
     "玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖元玖角玖分"},
    {0, "零圆整", "零元正"},
    {50, "伍角整", "伍角"},
    {-50'000, "（负数）伍佰圆整", "（负数）人民币伍佰元整"},
    {10'000'100'000, "壹亿零壹仟圆整", "壹亿零壹仟元整"},
};

TEST(ChineseAmount, GoldenAmountsAreWrittenAndReadInEachForm) {
    for (const Golden& golden : kGolden) {
        EXPECT_EQ(amount_in_chinese(golden.fen), golden.written);
        for (const char* text : {golden.written, golden.variant}) {
            const Result<std::int64_t> read = parse_amount_in_chinese(text);
            ASSERT_TRUE(read.ok()) << read.error().detail;
            EXPECT_EQ(*read, golden.fen) << text;
        }
    }
}

void expect_round_trip(std::int64_t fen) {
    const std::string text = amount_in_chinese(fen);
    EXPECT_EQ(text.find("零零"), std::string::npos) << text;
    const Result<std::int64_t> read = parse_amount_in_chinese(text);
    ASSERT_TRUE(read.ok()) << fen << ": " << read.error().detail;
    EXPECT_EQ(*read, fen) << text;
}

TEST(ChineseAmount, EveryAmountIsReadBack) {
    for (std::int64_t fen = -2'000; fen <= 120'000; ++fen) expect_round_trip(fen);
    // Each place alone and with each other, where the zeros between are what can go wrong.
    for (std::int64_t high = 1; high <= 1'000'000'000'000'000'000; high *= 10) {
        for (std::int64_t low = 1; low < high; low *= 10) {
            expect_round_trip(high + low);
            expect_round_trip(-high * 3 - low * 7);
            expect_round_trip(high - low);
        }
        if (high == 1'000'000'000'000'000'000) break;
    }
    expect_round_trip(std::numeric_limits<std::int64_t>::max());
    expect_round_trip(std::numeric_limits<std::int64_t>::min());
}

TEST(ChineseAmount, WhatTheRulesForbidIsRefusedWithTheRightForm) {
    for (const char* text :
         {"", "整", "人民币", "1409.50", "壹仟肆佰玖圆伍角整", "壹拾圆", "拾圆整", "伍分整",
          "叁佰贰拾伍圆肆分", "零伍分", "壹拾圆整整", "壹圆壹圆整", "壹零圆整", "壹拾圆零零伍分",
          "（负数）零圆整", "壹亿亿亿亿圆整", "壹佰亿亿亿圆整", "\xE5\xA3", "壹拾圆整 "}) {
        const Result<std::int64_t> read = parse_amount_in_chinese(text);
        ASSERT_FALSE(read.ok()) << text;
        EXPECT_EQ(read.error().code, ErrorCode::invalid_request) << text;
    }
    EXPECT_NE(
        parse_amount_in_chinese("壹仟肆佰玖圆伍角整").error().detail.find("壹仟肆佰零玖圆伍角整"),
        std::string::npos);
    EXPECT_FALSE(parse_amount_in_chinese(std::string(4'000, 'x')).ok());
}

}  // namespace
}  // namespace tg
