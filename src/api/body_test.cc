#include "api/internal/body.h"

#include <gtest/gtest.h>

namespace tg::api {
namespace {

TEST(JsonValueTest, values_keep_their_kind) {
    const JsonValue value =
        parse_json(R"({"a":[1,-9223372036854775808,true,null,"x\u00e9"],"b":{}})").value();
    ASSERT_EQ(value.members.size(), 2U);
    const auto& items = value.members[0].second.items;
    ASSERT_EQ(items.size(), 5U);
    EXPECT_EQ(items[1].integer, std::numeric_limits<std::int64_t>::min());
    EXPECT_TRUE(items[2].flag);
    EXPECT_EQ(items[3].kind, JsonValue::Kind::null);
    EXPECT_EQ(items[4].text, "xé");
}

TEST(JsonValueTest, what_is_no_json_of_ours_is_refused) {
    const std::string deep = std::string(40, '[') + std::string(40, ']');
    for (const std::string& text :
         {std::string("{"), std::string("{} x"), std::string("{'a':1}"),
          std::string(R"({"a":1,"a":2})"), std::string("1.5"), std::string("18446744073709551615"),
          std::string("99999999999999999999"), std::string("\"\xff\""), std::string("nul"), deep,
          std::string("[1,]"), std::string("\"\\ud800\"")}) {
        const auto value = parse_json(text);
        ASSERT_FALSE(value.ok()) << text;
        EXPECT_EQ(value.error().code, ErrorCode::invalid_request);
    }
    EXPECT_TRUE(parse_json(std::string(30, '[') + std::string(30, ']')).ok());
}

TEST(BodyTest, the_first_mistake_is_reported) {
    Body body = parse_body(R"({"a":1,"b":"x"})").value();
    EXPECT_EQ(body.text("a"), std::nullopt);
    EXPECT_EQ(body.integer("b"), std::nullopt);
    EXPECT_EQ(body.finish().error().detail, "'a' must be a text");
}

TEST(BodyTest, members_that_nobody_asked_for_are_refused) {
    Body body = parse_body(R"({"a":1,"b":"x"})").value();
    EXPECT_EQ(body.integer("a"), 1);
    EXPECT_FALSE(body.finish().ok());
    EXPECT_EQ(body.text("b"), "x");
    EXPECT_TRUE(body.finish().ok());
}

TEST(BodyTest, times_tell_absent_from_never) {
    Body body = parse_body(R"({"never":null,"then":"2026-01-01T00:00:00Z"})").value();
    EXPECT_EQ(body.time("absent"), std::nullopt);
    ASSERT_TRUE(body.time("never").has_value());
    EXPECT_EQ(*body.time("never"), std::nullopt);
    EXPECT_EQ(format_rfc3339(body.time("then").value().value()), "2026-01-01T00:00:00Z");
    EXPECT_TRUE(body.finish().ok());
}

TEST(BodyTest, an_empty_body_is_an_empty_object) {
    EXPECT_TRUE(parse_body("")->finish().ok());
    EXPECT_TRUE(parse_body(" \r\n")->finish().ok());
    EXPECT_FALSE(parse_body("null").ok());
}

}  // namespace
}  // namespace tg::api
