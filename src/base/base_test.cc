#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/json_writer.h"
#include "base/metrics.h"
#include "base/money.h"
#include "base/strong.h"
#include "base/task.h"
#include "base/time_zone.h"

namespace tg {
namespace {

TEST(Money, PriceTextIsParsedExactly) {
    EXPECT_EQ(*parse_scaled("2.5e-06", 15), int128{2'500'000'000});
    EXPECT_EQ(*parse_scaled("0.0000000375", 15), int128{37'500'000});
    EXPECT_EQ(*parse_scaled("-12.50", 2), int128{-1250});
    EXPECT_EQ(*parse_scaled("1E3", 0), int128{1000});
    EXPECT_EQ(*parse_scaled("0.000", 0), int128{0});
    EXPECT_FALSE(parse_scaled("1.005", 2).ok());
    for (const char* bad : {"", "-", ".", "1.2.3", "1e", "abc", "1e99999", "0x10", " 1"}) {
        EXPECT_FALSE(parse_scaled(bad, 2).ok()) << bad;
    }
    EXPECT_FALSE(parse_scaled("1e60", 0).ok());
    bool was_rounded = false;
    EXPECT_EQ(*parse_scaled_rounded("1.005", 2, &was_rounded), int128{101});
    EXPECT_TRUE(was_rounded);
    EXPECT_EQ(*parse_scaled_rounded("-1.005", 2, &was_rounded), int128{-101});
    EXPECT_EQ(*parse_scaled_rounded("0.0004", 2, &was_rounded), int128{0});
}

TEST(Money, HalfUpIsSymmetricSoThatAReversalIsExact) {
    EXPECT_EQ(divide(5, 10, Rounding::half_up), int128{1});
    EXPECT_EQ(divide(-5, 10, Rounding::half_up), int128{-1});
    EXPECT_EQ(divide(4, 10, Rounding::half_up), int128{0});
    EXPECT_EQ(divide(1, 10, Rounding::ceil), int128{1});
    EXPECT_EQ(divide(-1, 10, Rounding::ceil), int128{0});
}

TEST(Money, SplitAndJoinKeepEveryDigit) {
    for (const int128 v :
         {int128{0}, int128{1}, int128{-1}, int128{999'999}, int128{-1'000'001}, int128{1} << 80}) {
        EXPECT_EQ(join(split(Femto{v})).value, v);
        EXPECT_GE(split(Femto{v}).femto, 0);
    }
}

TEST(Money, Formats) {
    EXPECT_EQ(format_amount(Femto{35'062'500}), "0.0000000350625");
    EXPECT_EQ(format_amount(Femto{kFemtoPerUnit * 12}), "12.00");
    EXPECT_EQ(format_amount(Femto{-kFemtoPerUnit / 2}), "-0.50");
    EXPECT_EQ(format_cents(123'456'789), "1,234,567.89");
    EXPECT_EQ(format_cents(-123'456), "-1,234.56");
    EXPECT_EQ(format_cents(5), "0.05");
}

TEST(Clock, Rfc3339RoundTripAndErrors) {
    const UtcMicros t = *parse_rfc3339("2026-11-24T03:12:59.000123Z");
    EXPECT_EQ(format_rfc3339(t), "2026-11-24T03:12:59.000123Z");
    EXPECT_EQ(parse_rfc3339("2026-11-24T11:12:59.000123+08:00")->micros, t.micros);
    EXPECT_EQ(format_rfc3339(*parse_rfc3339("2024-02-29")), "2024-02-29T00:00:00Z");
    for (const char* bad :
         {"2023-02-29", "2026-13-01", "2026-11-24T25:00:00Z", "2026-11-24T03:12:59", "yesterday"}) {
        EXPECT_FALSE(parse_rfc3339(bad).ok()) << bad;
    }
}

TEST(TimeZone, MonthsAreCutInTheCustomersZone) {
    const TimeZone shanghai = *TimeZone::load("Asia/Shanghai");
    EXPECT_EQ(format_rfc3339(shanghai.start_of_month({2026, 11})), "2026-10-31T16:00:00Z");
    EXPECT_EQ(format_rfc3339(shanghai.end_of_month({2026, 12})), "2026-12-31T16:00:00Z");
    EXPECT_EQ(to_string(shanghai.month_of(*parse_rfc3339("2026-10-31T16:00:00Z"))), "2026-11");
    EXPECT_EQ(to_string(shanghai.month_of(*parse_rfc3339("2026-10-31T15:59:59Z"))), "2026-10");

    const TimeZone new_york = *TimeZone::load("America/New_York");
    EXPECT_EQ(format_rfc3339(new_york.start_of_month({2026, 7})), "2026-07-01T04:00:00Z");
    EXPECT_EQ(format_rfc3339(new_york.start_of_month({2060, 1})), "2060-01-01T05:00:00Z");
    EXPECT_EQ(format_rfc3339(new_york.start_of_month({2060, 7})), "2060-07-01T04:00:00Z");
    EXPECT_FALSE(TimeZone::load("Mars/Olympus").ok());
    EXPECT_FALSE(TimeZone::load("../../etc/passwd").ok());
}

TEST(Hash, KnownVectors) {
    EXPECT_EQ(crc32c("123456789", 9), 0xe3069283U);  // RFC 3720 B.4's check value
    EXPECT_EQ(crc32c("56789", 5, crc32c("1234", 4)), 0xe3069283U);
    const Sha256 digest = sha256("abc");  // FIPS 180-4 example
    EXPECT_EQ(hex(digest.data(), digest.size()),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_NE(hash64("a"), hash64("b"));
    EXPECT_TRUE(equal_constant_time("abc", "abc"));
    EXPECT_FALSE(equal_constant_time("abc", "abd"));
}

TEST(Ids, CarryTheirTimeAndParseBack) {
    RandomIdSource source(7);
    const RequestId id = source.next(*parse_rfc3339("2026-11-24T00:00:00Z"));
    EXPECT_EQ(id.time_ms(), parse_rfc3339("2026-11-24T00:00:00Z")->micros / 1000);
    EXPECT_EQ(*RequestId::parse(id.text()), id);
    EXPECT_FALSE(RequestId::parse("req_xyz").ok());
}

TEST(Json, EscapesAndRepairs) {
    std::string out;
    JsonWriter w(out);
    w.begin_object()
        .field("a", "q\"\\\n\x01")
        .field("b", -5)
        .key("c")
        .begin_array()
        .value(true)
        .null()
        .end_array();
    w.field("d", "\xff\xe4\xbd\xa0").end_object();
    EXPECT_EQ(out,
              "{\"a\":\"q\\\"\\\\\\n\\u0001\",\"b\":-5,\"c\":[true,null],\"d\":"
              "\"\xef\xbf\xbd\xe4\xbd\xa0\"}");
}

TEST(Metrics, PrometheusText) {
    MetricsRegistry registry;
    registry.counter("tg_requests_total", "Requests.", {{"model", "gpt\"x"}}).add(3);
    registry.histogram("tg_wait_seconds", "Wait.").observe_us(120);
    std::string text;
    registry.write_prometheus(text);
    EXPECT_NE(text.find("tg_requests_total{model=\"gpt\\\"x\"} 3\n"), std::string::npos);
    EXPECT_NE(text.find("tg_wait_seconds_bucket{le=\"0.0001\"} 0\n"), std::string::npos);
    EXPECT_NE(text.find("tg_wait_seconds_bucket{le=\"0.0002\"} 1\n"), std::string::npos);
    EXPECT_NE(text.find("tg_wait_seconds_sum 0.00012\n"), std::string::npos);
}

Task<int> add_one(int n) {
    co_return n + 1;
}
Task<int> add_many(int times) {
    int n = 0;
    for (int i = 0; i < times; ++i) n = co_await add_one(n);
    co_return n;
}
struct Detached {
    struct promise_type {
        Detached get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};
Detached store_result(int* out) {
    *out = co_await add_many(1000);
}

TEST(Task, AwaitsWithoutGrowingTheStack) {
    int result = 0;
    store_result(&result);
    EXPECT_EQ(result, 1000);
}

}  // namespace
}  // namespace tg
