#include "api/internal/query.h"

#include <gtest/gtest.h>

namespace tg::api {
namespace {

TEST(QueryTest, names_and_values_are_decoded) {
    const Query query =
        Query::parse("a=1&b=x%20y+z&c&&d=%E6%BC%A2&e==", {"a", "b", "c", "d", "e"}).value();
    EXPECT_EQ(query.text("a"), "1");
    EXPECT_EQ(query.text("b"), "x y z");
    EXPECT_EQ(query.text("c"), "");
    EXPECT_EQ(query.text("d"), "漢");
    EXPECT_EQ(query.text("e"), "=");
    EXPECT_EQ(query.text("f"), std::nullopt);
    EXPECT_EQ(percent_decode("a+b%2B", false).value(), "a+b+");
}

TEST(QueryTest, bad_texts_are_refused) {
    for (const char* text : {"a=%", "a=%1", "a=%g1", "a=1&a=2", "b=1", "%61=1&a=2"})
        EXPECT_FALSE(Query::parse(text, {"a"}).ok()) << text;
}

TEST(QueryTest, typed_values_name_their_rule) {
    const Query query = Query::parse("n=7&big=5000000000&flag=true&bad=yes&time=2026-01-01",
                                     {"n", "big", "flag", "bad", "time"})
                            .value();
    EXPECT_EQ(query.integer("n", 1, 0, 10).value(), 7);
    EXPECT_EQ(query.integer("absent", 3, 0, 10).value(), 3);
    EXPECT_FALSE(query.integer("n", 1, 0, 6).ok());
    EXPECT_FALSE(query.integer("bad", 1, 0, 6).ok());
    EXPECT_EQ(query.id("n").value(), 7U);
    EXPECT_EQ(query.id("absent").value(), std::nullopt);
    EXPECT_FALSE(query.id("big").ok());
    EXPECT_TRUE(query.flag("flag").value());
    EXPECT_FALSE(query.flag("absent").value());
    EXPECT_FALSE(query.flag("bad").ok());
    EXPECT_TRUE(query.time("time").value().has_value());
    EXPECT_FALSE(query.time("bad").ok());
    EXPECT_NE(query.time("bad").error().detail.find("'bad' is 'yes'"), std::string::npos);
}

}  // namespace
}  // namespace tg::api
