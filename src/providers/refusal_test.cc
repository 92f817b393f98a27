#include "providers/refusal.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

using Meter = RefusalFacts::Meter;

TEST(RefusalTest, what_bodies_tell) {
    const struct {
        std::string_view body;
        Meter meter;
        bool can_heal;
    } cases[] = {
        {R"({"error":{"message":"Rate limit","type":"tokens","code":"rate_limit_exceeded"}})",
         Meter::tokens, true},
        {R"({"error":{"type":"requests","param":null,"code":"rate_limit_exceeded"}})",
         Meter::requests, true},
        {R"({"error":{"type":"insufficient_quota","code":"insufficient_quota"}})", Meter::not_told,
         false},
        {R"({"error":{"type":"x","code":"billing_hard_limit_reached"}})", Meter::not_told, false},
        {R"({"type":"error","error":{"type":"rate_limit_error","message":"..."}})", Meter::not_told,
         true},
        {R"({"error":{"code":"429","message":"Requests have exceeded token rate limit"}})",
         Meter::not_told, true},
        {R"({"error":"slow down"})", Meter::not_told, true},
        {"[1]", Meter::not_told, true},
        {"<html>", Meter::not_told, true},
        {"", Meter::not_told, true},
    };
    for (const auto& c : cases) {
        const RefusalFacts facts = read_refusal(c.body);
        EXPECT_EQ(facts.meter, c.meter) << c.body;
        EXPECT_EQ(facts.can_heal, c.can_heal) << c.body;
        EXPECT_FALSE(facts.is_object_missing || facts.is_model_missing) << c.body;
    }
}

TEST(RefusalTest, what_is_missing) {
    EXPECT_TRUE(
        read_refusal(R"({"error":{"code":"previous_response_not_found"}})").is_object_missing);
    EXPECT_TRUE(read_refusal(R"({"error":{"code":"model_not_found"}})").is_model_missing);
}

}  // namespace
}  // namespace tg
