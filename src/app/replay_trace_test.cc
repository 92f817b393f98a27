#include "app/replay_trace.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

const std::string kDirectory = TG_SOURCE_DIR "/tests/data/traces/";

std::string error_of(const std::string& text) {
    const auto trace = parse_trace(text, "t.csv");
    return trace.ok() ? "no error" : trace.error().detail;
}

TEST(ReplayTrace, ReadsBothForms) {
    const auto azure = parse_trace(
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 23:59:59.5000000,374,44\r\n"
        "2023-11-17 00:00:01,396,109\r\n",
        "a.csv");
    ASSERT_TRUE(azure.ok()) << azure.error().detail;
    ASSERT_EQ(azure->requests.size(), 2U);
    EXPECT_EQ(azure->requests[0].at_us, 0);
    EXPECT_EQ(azure->requests[1].at_us, 1'500'000);
    EXPECT_EQ(azure->requests[1].tokens(), 505);

    // Out of order, as merged files are: sorted by time.
    const auto tenants = parse_trace(
        "t_s,tenant,input_tokens,output_tokens\n12.5,17,18,2\n2.000,2,1201,47\n", "b.csv");
    ASSERT_TRUE(tenants.ok()) << tenants.error().detail;
    EXPECT_EQ(tenants->requests[0].tenant, 2U);
    EXPECT_EQ(tenants->requests[1].at_us, 10'500'000);
    EXPECT_EQ(tenants->total_tokens(), 1'268);
}

TEST(ReplayTrace, SaysWhatIsWrongAndWhere) {
    const std::string azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    const std::string tenants = "t_s,tenant,input_tokens,output_tokens\n";
    EXPECT_NE(error_of("").find("holds no request"), std::string::npos);
    EXPECT_NE(error_of(azure).find("holds no request"), std::string::npos);
    EXPECT_NE(error_of("a,b\n1,2\n").find("t.csv:1: the header is 'a,b'"), std::string::npos);
    EXPECT_EQ(error_of(tenants + "0,1,2\n"), "t.csv:2: 3 columns, its header has 4");
    EXPECT_EQ(error_of(tenants + "0,1,2,3,4\n"), "t.csv:2: 5 columns, its header has 4");
    EXPECT_EQ(error_of(tenants + "0,1,2,3\n1,1,-2,3\n"),
              "t.csv:3: column input_tokens: '-2' is not a whole number from 0 to 100000000");
    EXPECT_NE(error_of(tenants + "0,1,2,3x\n").find("column output_tokens: '3x'"),
              std::string::npos);
    for (const char* bad : {"nan", "-1", "1e99", "", "1 "})
        EXPECT_NE(error_of(tenants + bad + ",1,2,3\n").find("t.csv:2: column t_s: "),
                  std::string::npos)
            << bad;
    for (const char* bad :
         {"2023-11-16T18:15:46", "2023-13-16 18:15:46", "2023-11-16 18:15:46.", "yesterday", "",
          "2023-11-16 18:15:46.12x", "2023-11-16 18:15:46 1234567"})
        EXPECT_NE(error_of(azure + bad + ",1,2\n").find("t.csv:2: column TIMESTAMP: "),
                  std::string::npos)
            << bad;
    EXPECT_NE(read_trace("/nowhere/t.csv").error().detail.find("'/nowhere/t.csv'"),
              std::string::npos);
}

/// Both real traces, at a mean of 85 % of tier 5, keep the ratio of their busiest minute to it.
TEST(ReplayTrace, ScalesToTheLimitThatBindsAndKeepsBursts) {
    for (const char* file :
         {"AzureLLMInferenceTrace_conv.csv", "gen_msmall_morning_1h_seed20263.csv"}) {
        const auto trace = read_trace(kDirectory + file);
        ASSERT_TRUE(trace.ok()) << trace.error().detail;
        Rng rng(1);
        const auto scaled =
            scale_trace(*trace, {.rpm = 5'000, .tpm = 5'000'000, .share = 0.85}, &rng);
        ASSERT_TRUE(scaled.ok()) << scaled.error().detail;
        const double rpm = static_cast<double>(scaled->requests.size()) / scaled->minutes();
        const double tpm = static_cast<double>(scaled->total_tokens()) / scaled->minutes();
        EXPECT_NEAR(std::max(rpm / 5'000, tpm / 5'000'000), 0.85, 0.002) << file;
        const auto busiest = [](const ReplayTrace& it) {
            std::vector<double> minutes(static_cast<std::size_t>(it.minutes()) + 1);
            for (const ReplayRequest& request : it.requests)
                minutes[static_cast<std::size_t>(request.at_us / 60'000'000)] += 1;
            return std::ranges::max(minutes) / static_cast<double>(it.requests.size());
        };
        EXPECT_NEAR(busiest(*scaled) / busiest(*trace), 1, 0.02) << file;
    }
}

TEST(ReplayTrace, ScalesDownToo) {
    ReplayTrace trace;
    for (int i = 0; i < 10'000; ++i)
        trace.requests.push_back({.at_us = i * 30'000L, .input_tokens = 10});
    Rng rng(3);
    const auto scaled = scale_trace(trace, {.rpm = 400, .tpm = 1'000'000, .share = 0.5}, &rng);
    ASSERT_TRUE(scaled.ok());
    EXPECT_NEAR(static_cast<double>(scaled->requests.size()), 1'000, 2);
    EXPECT_EQ(scaled->requests.front().at_us, 0);

    EXPECT_FALSE(scale_trace({{trace.requests[0]}}, {.rpm = 1, .tpm = 1}, &rng).ok());
    EXPECT_FALSE(scale_trace(trace, {.rpm = 1'000'000'000, .tpm = INT64_MAX}, &rng).ok());
}

}  // namespace
}  // namespace tg
