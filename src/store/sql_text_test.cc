#include "store/internal/sql_text.h"

#include <gtest/gtest.h>

namespace tg::store_internal {
namespace {

TEST(SqlTextTest, parameters_are_numbered_outside_of_quotes_and_comments) {
    const std::pair<const char*, const char*> cases[] = {
        {"", ""},
        {"?", "$1"},
        {"a = ? AND b = ?", "a = $1 AND b = $2"},
        {"'?' || ?", "'?' || $1"},
        {"'it''s ?' || ?", "'it''s ?' || $1"},
        {"\"?\" = ? -- ?\n AND ?", "\"?\" = $1 -- ?\n AND $2"},
        {"/* ? ' */ ?", "/* ? ' */ $1"},
        {"$$ ? $$ ? $a$ ? $$ ? $a$ ?", "$$ ? $$ $1 $a$ ? $$ ? $a$ $2"},
        {"a$1 ?", "a$1 $1"},
        {"'open ?", "'open ?"},
        {"-- open ?", "-- open ?"},
        {"$open ? $", "$open $1 $"},
        {"a - ?/?", "a - $1/$2"},
    };
    for (const auto& [given, expected] : cases)
        EXPECT_EQ(number_parameters(given), expected) << given;
}

TEST(SqlTextTest, text_is_repaired_only_where_it_is_broken) {
    using namespace std::string_view_literals;
    const std::string bad = "\xef\xbf\xbd";
    const std::pair<std::string_view, std::string> cases[] = {
        {"", ""},
        {"plain ascii, longer than eight bytes", "plain ascii, longer than eight bytes"},
        {"\x01\x7f", "\x01\x7f"},
        {"é漢😀", "é漢😀"},
        {"12345678é12345678", "12345678é12345678"},
        {"\0"sv, bad},
        {"1234567\0abc"sv, "1234567" + bad + "abc"},
        {"12345678\0"sv, "12345678" + bad},
        {"\x80", bad},
        {"\xc3", bad},
        {"\xc0\x80", bad + bad},
        {"\xe0\x80\x80", bad + bad + bad},
        {"\xed\xa0\x80", bad + bad + bad},
        {"\xf4\x90\x80\x80", bad + bad + bad + bad},
        {"\xf0\x9f\x98", bad + bad + bad},
        {"a\xffz漢", "a" + bad + "z漢"},
    };
    for (const auto& [given, expected] : cases) {
        std::string scratch;
        const std::string_view got = storable_text(given, scratch);
        EXPECT_EQ(got, expected);
        if (given == expected) EXPECT_EQ(got.data(), given.data()) << "no copy";
    }
}

TEST(SqlTextTest, every_code_point_is_kept_and_every_cut_of_it_repaired) {
    std::string scratch;
    for (char32_t c = 1; c <= 0x10ffff; c += c < 0x3000 ? 1 : 97) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        std::string text;
        if (c < 0x80) {
            text = {static_cast<char>(c)};
        } else if (c < 0x800) {
            text = {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
        } else if (c < 0x10000) {
            text = {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
                    static_cast<char>(0x80 | (c & 63))};
        } else {
            text = {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
                    static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
        }
        ASSERT_EQ(storable_text(text, scratch), text) << static_cast<unsigned>(c);
        if (text.size() > 1) {
            const std::string cut = text.substr(0, text.size() - 1);
            ASSERT_NE(storable_text(cut, scratch), cut) << static_cast<unsigned>(c);
        }
    }
}

TEST(SqlTextTest, excerpts_are_one_short_line) {
    EXPECT_EQ(statement_excerpt("  SELECT\n\t1 "), "SELECT 1 ");
    EXPECT_LE(statement_excerpt(std::string(5000, 'x')).size(), 103U);
}

}  // namespace
}  // namespace tg::store_internal
