#include "identity/data_policy.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/json_writer.h"

namespace tg {
namespace {

using Regions = std::vector<std::string>;

DataPolicy zero_retention() {
    return {.is_zero_retention = true};
}

TEST(DataPolicyTest, zero_retention_of_either_side_holds) {
    EXPECT_TRUE(narrow(zero_retention(), {}).is_zero_retention);
    EXPECT_TRUE(narrow({}, zero_retention()).is_zero_retention);
    EXPECT_FALSE(narrow({}, {}).is_zero_retention);
}

TEST(DataPolicyTest, an_exception_needs_each_that_demands_zero_retention) {
    DataPolicy lenient = zero_retention();
    lenient.allows_web_search = true;
    EXPECT_TRUE(narrow({}, lenient).allows_web_search);
    EXPECT_TRUE(narrow(lenient, {}).allows_web_search);
    EXPECT_FALSE(narrow(zero_retention(), lenient).allows_web_search);
    EXPECT_FALSE(narrow(lenient, zero_retention()).allows_web_search);
    EXPECT_TRUE(narrow(lenient, lenient).allows_web_search);
}

TEST(DataPolicyTest, regions_are_what_both_allow) {
    const DataPolicy europe{.regions = Regions{"eu", "gb"}};
    EXPECT_EQ(narrow(europe, {}).regions, (Regions{"eu", "gb"}));
    EXPECT_EQ(narrow({}, europe).regions, (Regions{"eu", "gb"}));
    EXPECT_EQ(narrow(europe, {.regions = Regions{"gb", "us"}}).regions, (Regions{"gb"}));
    EXPECT_EQ(narrow(europe, {.regions = Regions{"us"}}).regions, Regions{});
    EXPECT_EQ(narrow(europe, {.regions = Regions{}}).regions, Regions{});
}

TEST(DataPolicyTest, a_pool_for_all_calls_leaves_nothing_to_ask_for) {
    EXPECT_EQ(narrow({.pool = "a"}, {.pool_on_request = "b"}).pool_on_request, "");
    EXPECT_EQ(narrow({.pool_on_request = "b"}, {.pool = "a"}).pool, "a");
    EXPECT_EQ(narrow({.pool_on_request = "b"}, {}).pool_on_request, "b");
}

TEST(DataPolicyTest, a_project_may_not_widen_its_customers_policy) {
    const DataPolicy outer{.regions = Regions{"eu", "gb"}, .pool = "a"};
    EXPECT_TRUE(check_narrows(outer, {.regions = Regions{"eu"}, .pool = "a"}).ok());
    EXPECT_TRUE(check_narrows(outer, {}).ok());
    EXPECT_NE(check_narrows(outer, {.regions = Regions{"eu", "us"}})
                  .error()
                  .detail.find("'us' is not among those the customer's policy allows (eu, gb)"),
              std::string::npos);
    EXPECT_NE(check_narrows(outer, {.pool = "b"}).error().detail.find("'b'"), std::string::npos);
    EXPECT_FALSE(check_narrows(outer, {.pool_on_request = "a"}).ok());
}

TEST(DataPolicyTest, names_are_checked_and_lists_sorted) {
    DataPolicy policy{.regions = Regions{"us", "eu", "us"}, .pool = "gpu-1"};
    ASSERT_TRUE(normalise(&policy).ok());
    EXPECT_EQ(policy.regions, (Regions{"eu", "us"}));
    for (const char* bad : {"", "EU", "e u", "eu,us", "\xc3\xa9"}) {
        DataPolicy wrong{.regions = Regions{bad}};
        EXPECT_FALSE(normalise(&wrong).ok()) << bad;
    }
    DataPolicy pool{.pool = "a b"};
    EXPECT_FALSE(normalise(&pool).ok());
    DataPolicy both{.pool = "a", .pool_on_request = "b"};
    EXPECT_FALSE(normalise(&both).ok());
    DataPolicy many{.regions = Regions{}};
    for (int i = 0; i < 33; ++i) many.regions->push_back("r" + std::to_string(i));
    EXPECT_FALSE(normalise(&many).ok());
}

TEST(DataPolicyTest, a_list_of_regions_is_read_strictly) {
    EXPECT_EQ(parse_regions(" us ,eu", "x").value(), (Regions{"eu", "us"}));
    for (const char* bad : {"", ",", "eu,", "eu us", "EU"}) {
        const auto parsed = parse_regions(bad, "header x-tollgate-regions");
        ASSERT_FALSE(parsed.ok()) << bad;
        EXPECT_TRUE(parsed.error().detail.starts_with("header x-tollgate-regions: ")) << bad;
    }
}

TEST(DataPolicyTest, a_policy_is_told_in_words_and_as_json) {
    const DataPolicy policy{.is_zero_retention = true,
                            .regions = Regions{"eu"},
                            .pool = "gpu",
                            .allows_web_search = true};
    EXPECT_EQ(describe(policy), "zero retention but web search; regions eu; pool gpu");
    EXPECT_EQ(describe({}), "none");
    EXPECT_EQ(describe({.regions = Regions{}}), "regions nowhere");
    std::string text;
    JsonWriter json(text);
    write_json(json, policy);
    EXPECT_EQ(text, R"({"zero_retention":true,"regions":["eu"],"pool":"gpu","pool_on_request":"",)"
                    R"("allow_web_search":true,"keep_end_user":false})");
}

TEST(DataPolicyTest, only_the_department_form_of_an_end_user_is_known_to_hold_no_content) {
    EXPECT_TRUE(is_department_user("dept:customer_service"));
    for (const std::string& other :
         {std::string("dept:"), std::string("dept:two words"), std::string("alice"),
          std::string("Dept:x"), "dept:" + std::string(65, 'a')}) {
        EXPECT_FALSE(is_department_user(other)) << other;
    }
}

rc::Gen<DataPolicy> any_policy() {
    return rc::gen::map(
        rc::gen::tuple(rc::gen::arbitrary<bool>(), rc::gen::arbitrary<bool>(),
                       rc::gen::arbitrary<bool>(), rc::gen::inRange(0, 16)),
        [](const std::tuple<bool, bool, bool, int>& t) {
            DataPolicy out{.is_zero_retention = std::get<0>(t),
                           .allows_web_search = std::get<1>(t),
                           .keeps_end_user = std::get<2>(t)};
            if (const int bits = std::get<3>(t); bits < 8) {
                out.regions.emplace();
                for (const auto& [bit, name] : {std::pair{1, "eu"}, {2, "gb"}, {4, "us"}}) {
                    if ((bits & bit) != 0) out.regions->emplace_back(name);
                }
            }
            return out;
        });
}

/// What `policy` forbids is forbidden by `narrowed` too.
bool is_narrower(const DataPolicy& narrowed, const DataPolicy& policy) {
    if (policy.is_zero_retention && !narrowed.is_zero_retention) return false;
    if (policy.is_zero_retention && !policy.allows_web_search && narrowed.allows_web_search)
        return false;
    if (policy.is_zero_retention && !policy.keeps_end_user && narrowed.keeps_end_user) return false;
    if (!policy.regions) return true;
    return narrowed.regions && std::ranges::all_of(*narrowed.regions, [&](const std::string& r) {
               return std::ranges::find(*policy.regions, r) != policy.regions->end();
           });
}

RC_GTEST_PROP(DataPolicyProperty, narrowing_never_widens_and_its_order_does_not_matter, ()) {
    const DataPolicy a = *any_policy(), b = *any_policy(), c = *any_policy();
    RC_ASSERT(is_narrower(narrow(a, b), a));
    RC_ASSERT(is_narrower(narrow(a, b), b));
    const DataPolicy left = narrow(narrow(a, b), c), right = narrow(a, narrow(b, c));
    RC_ASSERT(left.is_zero_retention == right.is_zero_retention);
    RC_ASSERT(left.regions == right.regions);
    RC_ASSERT(left.allows_web_search == right.allows_web_search);
    RC_ASSERT(left.keeps_end_user == right.keeps_end_user);
}

}  // namespace
}  // namespace tg
