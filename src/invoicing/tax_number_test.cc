#include "invoicing/tax_number.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

std::string read(std::string_view text) {
    const auto out = parse_tax_number(text);
    return out.ok() ? *out : out.error().detail;
}
std::string refused(std::string_view text) {
    const auto out = parse_tax_number(text);
    EXPECT_FALSE(out.ok()) << text;
    return out.ok() ? "" : out.error().detail;
}

TEST(TaxNumberTest, codes_of_known_companies_are_good) {
    // Public register: Tencent, Alibaba, Huawei, Baidu.
    for (const std::string_view code :
         {"9144030071526726XG", "91330100799655058B", "914403001922038216", "91110000802100433B"})
        EXPECT_EQ(read(code), code);
    EXPECT_EQ(read(" 9144 0300 7152 6726 xg"), "9144030071526726XG");
}

TEST(TaxNumberTest, every_single_wrong_character_is_found) {
    const std::string good = "9144030071526726XG";
    const std::string_view alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const char c : alphabet) {
            std::string text = good;
            text[i] = c;
            EXPECT_EQ(parse_tax_number(text).ok(), c == good[i]) << text;
        }
    }
}

TEST(TaxNumberTest, neighbours_that_changed_places_are_found) {
    const std::string good = "91330100799655058B";
    for (std::size_t i = 0; i + 1 < good.size(); ++i) {
        std::string text = good;
        std::swap(text[i], text[i + 1]);
        EXPECT_EQ(parse_tax_number(text).ok(), good[i] == good[i + 1]) << text;
    }
}

TEST(TaxNumberTest, what_is_wrong_is_said) {
    EXPECT_NE(refused("9144030071526726XH").find("would be 'G'"), std::string::npos);
    EXPECT_NE(refused("9144030071526726OG").find("'O' at place 17"), std::string::npos);
    EXPECT_NE(refused("12345").find("this has 5"), std::string::npos);
    EXPECT_NE(refused("91440300-15267 26XG").find("is no tax number"), std::string::npos);
    refused("");
}

TEST(TaxNumberTest, older_numbers_have_no_check) {
    for (const std::string_view number :
         {"110105123456789", "11010512345678901", "11010519800101123X01"})
        EXPECT_TRUE(parse_tax_number(number).ok()) << number;
}

}  // namespace
}  // namespace tg
