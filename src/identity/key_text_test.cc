#include "identity/key_text.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <set>

namespace tg {
namespace {

void fill_zero(void* out, std::size_t bytes) {
    std::memset(out, 0, bytes);
}
/// 255 is above the last multiple of 62 and must be drawn again, so that every other byte counts.
void fill_alternating(void* out, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
        static_cast<unsigned char*>(out)[i] = i % 2 == 0 ? 255 : 61;
}

TEST(KeyText, has_the_promised_form) {
    const std::string key = generate_key_text(kApiKeyPrefix);
    EXPECT_EQ(key.size(), kApiKeyPrefix.size() + 43);
    EXPECT_TRUE(key.starts_with("sk-tg-"));
    EXPECT_EQ(check_key_text(key, kApiKeyPrefix), KeyTextCheck::well_formed);
    EXPECT_EQ(check_key_text(key, kAdminTokenPrefix), KeyTextCheck::foreign);
    EXPECT_EQ(check_key_text(generate_key_text(kAdminTokenPrefix), kAdminTokenPrefix),
              KeyTextCheck::well_formed);
}

TEST(KeyText, is_stable_for_given_randomness) {
    const std::string key = generate_key_text(kApiKeyPrefix, fill_zero);
    EXPECT_EQ(key.substr(0, key.size() - kKeyChecksumChars), "sk-tg-" + std::string(37, '0'));
    const std::string other = generate_key_text(kApiKeyPrefix, fill_alternating);
    EXPECT_EQ(other.substr(0, other.size() - kKeyChecksumChars), "sk-tg-" + std::string(37, 'z'));
}

TEST(KeyText, every_single_typing_error_and_swap_is_noticed) {
    const std::string key = generate_key_text(kApiKeyPrefix);
    for (std::size_t i = kApiKeyPrefix.size(); i < key.size(); ++i) {
        for (const char c : {'0', '9', 'A', 'Z', 'a', 'z'}) {
            std::string wrong = key;
            wrong[i] = c;
            if (wrong != key)
                EXPECT_EQ(check_key_text(wrong, kApiKeyPrefix), KeyTextCheck::mistyped) << i;
        }
        std::string swapped = key;
        if (i + 1 < key.size()) std::swap(swapped[i], swapped[i + 1]);
        if (swapped != key)
            EXPECT_EQ(check_key_text(swapped, kApiKeyPrefix), KeyTextCheck::mistyped) << i;
        std::string foreign = key;
        foreign[i] = '-';
        EXPECT_EQ(check_key_text(foreign, kApiKeyPrefix), KeyTextCheck::foreign);
    }
    EXPECT_EQ(check_key_text(key.substr(0, key.size() - 1), kApiKeyPrefix), KeyTextCheck::foreign);
    EXPECT_EQ(check_key_text("", kApiKeyPrefix), KeyTextCheck::foreign);
}

TEST(KeyText, characters_are_even_and_keys_differ) {
    std::array<int, 256> counts{};
    std::set<std::string> seen;
    constexpr int kKeys = 5000;
    for (int i = 0; i < kKeys; ++i) {
        const std::string key = generate_key_text(kApiKeyPrefix);
        for (const char c : key.substr(6, kKeyRandomChars)) ++counts[static_cast<unsigned char>(c)];
        EXPECT_TRUE(seen.insert(key).second);
    }
    // Expected 2984 of each digit, standard deviation 54; seven deviations either side.
    for (const char c : std::string("09AZaz5Mm")) {
        EXPECT_GT(counts[static_cast<unsigned char>(c)], 2600) << c;
        EXPECT_LT(counts[static_cast<unsigned char>(c)], 3370) << c;
    }
}

TEST(KeyText, a_hint_shows_fourteen_characters) {
    EXPECT_EQ(key_hint("sk-tg-0123456789012345678901234567890123456wxyz"), "sk-tg-0123…wxyz");
}

TEST(KeyText, secrets_in_a_text_are_masked) {
    const std::string key = generate_key_text(kApiKeyPrefix),
                      token = generate_key_text(kAdminTokenPrefix);
    EXPECT_EQ(mask_secrets("a '" + key + "' b/" + token), "a 'sk-tg-…' b/tg-admin-…");
    EXPECT_EQ(mask_secrets("sk-tg-" + key), "sk-tg-sk-tg-…");
    EXPECT_EQ(mask_secrets(key.substr(0, 30)), "sk-tg-…") << "a cut one too";
    for (const char* harmless :
         {"", "sk-tg-", "hint sk-tg-3fGh…x9Qz", "write tg-admin-...", "tg-administrator"}) {
        EXPECT_EQ(mask_secrets(harmless), harmless);
    }
}

}  // namespace
}  // namespace tg
