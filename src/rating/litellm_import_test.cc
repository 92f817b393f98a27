#include "rating/litellm_import.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "rating/compiled_price.h"
#include "rating/rating_test_util.h"

namespace tg {
namespace {

using test::usage;

ImportOptions options() {
    ImportOptions out;
    out.valid_from = {1000};
    out.source = "test";
    out.rules = *parse_price_rules(test::read_price_file("rules.json"));
    return out;
}

const ImportReport& shipped() {
    static const auto kReport =
        import_litellm(test::read_price_file("litellm_model_prices_2026-07-24.json"), options());
    return kReport.value();
}

std::string skip_reason(const ImportReport& report, std::string_view model) {
    const auto at = std::ranges::find(report.skipped, model, &ImportReport::Skipped::model);
    return at == report.skipped.end() ? "" : at->reason;
}

const ModelPrice* imported(const ImportReport& report, std::string_view model) {
    const auto at = std::ranges::find(report.prices, model, &ModelPrice::model);
    return at == report.prices.end() ? nullptr : &*at;
}

bool has_note(const ImportReport& report, std::string_view model, std::string_view key) {
    return std::ranges::any_of(
        report.notes, [&](const auto& note) { return note.model == model && note.key == key; });
}

/// "input/standard 2.5, output/batch above 200000 7", in order.
std::string components(const ModelPrice& price) {
    std::string out;
    for (const PriceComponent& c : price.components) {
        if (!out.empty()) out += ", ";
        out += std::string(name(c.meter)) + "/" + std::string(name(c.tier));
        if (c.band)
            out += (c.band->op == BandOperator::greater ? " > " : " >= ") +
                   std::to_string(c.band->threshold_tokens);
        out += " " + format_scaled(c.price.nano, 9, 0);
    }
    return out;
}

/// Imports one entry of that text.
ImportReport import_entry(std::string_view fields, std::string_view mode = "chat") {
    const std::string json = R"({"m":{"litellm_provider":"openai","mode":")" + std::string(mode) +
                             "\"," + std::string(fields) + "}}";
    auto report = import_litellm(json, options());
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
    return std::move(report).value();
}

TEST(LitellmImport, TheShippedListIsAccountedForToTheLastEntry) {
    const ImportReport& report = shipped();
    EXPECT_EQ(report.entry_count, 2983);
    EXPECT_EQ(report.prices.size(), 2752u);
    EXPECT_EQ(report.skipped.size(), 231u);
    EXPECT_EQ(report.unknown_price_keys.size(), 0u) << report.unknown_price_keys.begin()->first;
    EXPECT_EQ(report.unmetered_price_keys.at("annotation_cost_per_page"), 4);
    EXPECT_EQ(report.unmetered_price_keys.at("input_dbu_cost_per_token"), 28);
    EXPECT_EQ(hex(report.source_sha256.data(), 32).size(), 64u);
    auto prices = report.prices;
    const auto built = Catalogue::build(PriceVersionId{1}, std::move(prices), {});
    ASSERT_TRUE(built.ok()) << built.error().text();
    EXPECT_TRUE((*built)->roundings().empty());
}

TEST(LitellmImport, AbsurdEntriesAreRejectedAndListed) {
    int wandb = 0;
    for (const auto& skipped : shipped().skipped)
        wandb += skipped.model.starts_with("wandb/") ? 1 : 0;
    EXPECT_EQ(wandb, 13);
    EXPECT_NE(skip_reason(shipped(), "wandb/deepseek-ai/DeepSeek-R1-0528")
                  .find("135000.00 USD per 1M units: above the bound of 1000"),
              std::string::npos)
        << skip_reason(shipped(), "wandb/deepseek-ai/DeepSeek-R1-0528");
    EXPECT_NE(imported(shipped(), "wandb/moonshotai/Kimi-K2.5"), nullptr)
        << "plausible entries of the same provider stay";
    EXPECT_NE(skip_reason(shipped(), "azure_ai/jais-30b-chat"), "");
    for (const ModelPrice& price : shipped().prices) {
        for (const PriceComponent& c : price.components) {
            if (is_input(c.meter) || is_output_token(c.meter)) {
                ASSERT_LE(c.price.nano, 1'000'000'000'000) << price.model;
            }
        }
    }
}

TEST(LitellmImport, SpotChecksOfTheShippedList) {
    const ModelPrice* mini = imported(shipped(), "gpt-4o-mini");
    ASSERT_NE(mini, nullptr);
    EXPECT_EQ(components(*mini),
              "input/standard 0.15, cache_read/standard 0.075, output/standard 0.6, input/batch "
              "0.075, output/batch 0.3, "
              "input/priority 0.25, cache_read/priority 0.125, output/priority 1");
    EXPECT_EQ(mini->provider, "openai");
    EXPECT_EQ(mini->mode, "chat");
    EXPECT_EQ(mini->max_input_tokens, 128'000);
    EXPECT_EQ(mini->max_output_tokens, 16'384);
    EXPECT_EQ(mini->valid_from, UtcMicros{1000});
    EXPECT_EQ(mini->tier_multiplier_ppm[static_cast<int>(ServiceTier::batch)], 500'000);
    EXPECT_FALSE(mini->tier_multiplier_ppm[static_cast<int>(ServiceTier::priority)])
        << "1.666.. is no exact multiplier";

    const ModelPrice* gpt = imported(shipped(), "gpt-5.6");
    ASSERT_NE(gpt, nullptr);
    EXPECT_EQ(gpt->region_multiplier_ppm, (std::vector<std::pair<std::string, std::int64_t>>{
                                              {"eu", 1'100'000}, {"us", 1'100'000}}));
    const ModelPrice* opus = imported(shipped(), "claude-opus-4-6");
    ASSERT_NE(opus, nullptr);
    EXPECT_EQ(opus->tier_multiplier_ppm[static_cast<int>(ServiceTier::fast)], 6'000'000);
    EXPECT_EQ(opus->tier_multiplier_ppm[static_cast<int>(ServiceTier::batch)], 500'000);
    EXPECT_NE(components(*opus).find("web_search_medium/standard 10000"), std::string::npos);
    EXPECT_EQ(imported(shipped(), "gpt-3.5-turbo-instruct")->provider, "openai");
    EXPECT_EQ(imported(shipped(), "gemini-2.5-pro")->provider, "vertex_ai");
    EXPECT_EQ(components(*imported(shipped(), "whisper-1")), "audio_ms/standard 0.1");
    EXPECT_EQ(components(*imported(shipped(), "tts-1")), "character/standard 15");
    EXPECT_EQ(components(*imported(shipped(), "dall-e-3")), "image/standard 40000");
    EXPECT_EQ(components(*imported(shipped(), "1024-x-1024/dall-e-2")), "pixel/standard 0.019");
    EXPECT_EQ(components(*imported(shipped(), "openai/sora-2")), "video_ms/standard 100");
    EXPECT_EQ(components(*imported(shipped(), "azure/container")),
              "code_interpreter/standard 30000");
    EXPECT_NE(components(*imported(shipped(), "perplexity/sonar-deep-research"))
                  .find("citation/standard 2"),
              std::string::npos);
    EXPECT_EQ(components(*imported(shipped(), "amazon.rerank-v1:0")), "search_unit/standard 1000");
}

TEST(LitellmImport, FloatNoiseIsRoundedWithANote) {
    const ModelPrice* claude = imported(shipped(), "databricks/databricks-claude-3-7-sonnet");
    ASSERT_NE(claude, nullptr);
    EXPECT_EQ(components(*claude), "input/standard 2.99999, output/standard 15.00002");
    EXPECT_TRUE(has_note(shipped(), claude->model, "input_cost_per_token"));
    const auto exact = import_entry(
        R"("input_cost_per_token":1.0000000000000000000000e-06,"output_cost_per_token":0.000002)");
    EXPECT_TRUE(exact.notes.empty()) << "trailing zeros are no noise";
    const auto tiny =
        import_entry(R"("input_cost_per_token":1.5555e-13,"output_cost_per_token":1e-6)");
    EXPECT_NE(skip_reason(tiny, "m").find("more digits"), std::string::npos);
}

TEST(LitellmImport, EveryKindOfKey) {
    const struct {
        const char* fields;
        const char* mode;
        const char* expected;
    } kCases[] = {
        {R"("input_cost_per_token":1e-6,"cache_creation_input_token_cost":2e-6,"cache_creation_input_token_cost_above_1hr":3e-6)",
         "chat", "input/standard 1, cache_write/standard 2, cache_write_long/standard 3"},
        {R"("input_cost_per_token":1e-6,"input_cost_per_token_above_272k_tokens_priority":4e-6,"input_cost_per_token_above_272k_tokens":2e-6,"input_cost_per_token_flex":5e-7)",
         "responses",
         "input/standard 1, input/standard > 272000 2, input/flex 0.5, input/priority > 272000 4"},
        {R"("cache_creation_input_token_cost_above_1hr_above_200k_tokens":6e-6,"input_cost_per_token":1e-6)",
         "chat", "input/standard 1, cache_write_long/standard > 200000 6"},
        {R"("input_cost_per_audio_token":4e-5,"output_cost_per_audio_token":8e-5,"cache_read_input_audio_token_cost":2.5e-6)",
         "realtime",
         "input_audio/standard 40, input_audio_cached/standard 2.5, output_audio/standard 80"},
        {R"("cache_creation_input_audio_token_cost":4e-7,"input_cost_per_audio_token":3e-5)",
         "realtime", "input_audio/standard 30, input_audio_cached/standard 0.4"},
        {R"("input_cost_per_image_token":1e-5,"output_cost_per_image_token":4e-5,"output_cost_per_image":0.2)",
         "image_generation", "input_image/standard 10, output_image/standard 40"},
        {R"("input_cost_per_token":1e-6,"input_cost_per_token_cache_hit":2e-7,"cache_read_input_token_cost":1e-7)",
         "chat", "input/standard 1, cache_read/standard 0.1"},
        {R"("input_cost_per_token":1e-6,"input_cost_per_token_cache_hit":2e-7)", "chat",
         "input/standard 1, cache_read/standard 0.2"},
        {R"("input_cost_per_image":6e-5,"input_cost_per_token":1e-7)", "embedding",
         "input/standard 0.1, image_in/standard 60"},
        {R"("input_cost_per_image":0.001,"input_cost_per_token":1e-7)", "chat",
         "input/standard 0.1"},
        {R"("output_cost_per_second":0.0001)", "audio_transcription", "audio_ms/standard 0.1"},
        {R"("output_cost_per_second":0.1)", "video_generation", "video_ms/standard 100"},
        {R"("input_cost_per_video_per_second":0.0007,"input_cost_per_audio_per_second":0.00014)",
         "embedding", "audio_ms/standard 0.14, video_ms/standard 0.7"},
        {R"("file_search_cost_per_1k_calls":2.5,"code_interpreter_cost_per_session":0.03)", "chat",
         "file_search/standard 2500, code_interpreter/standard 30000"},
        {R"("search_context_cost_per_query":{"search_context_size_low":0.01,"search_context_size_medium":0.02,"search_context_size_high":0.03})",
         "chat",
         "web_search_low/standard 10000, web_search_medium/standard 20000, "
         "web_search_high/standard 30000"},
        {R"("ocr_cost_per_page":0.003)", "ocr", "page/standard 3000"},
        {R"("input_cost_per_request":0.005,"input_cost_per_token":0.0,"output_cost_per_token":1e-6)",
         "chat", "input/standard 0, output/standard 1, request/standard 5000"},
        {R"("tiered_pricing":[{"range":[0,32000.0],"input_cost_per_token":1e-6},{"range":[32000.0,1e6],"input_cost_per_token":2e-6}])",
         "chat", "input/standard 1, input/standard > 32000 2"},
        {R"("input_cost_per_token":1e-6,"cache_read_input_token_cost":1e-7,"supports_audio_input":true)",
         "chat",
         "input/standard 1, cache_read/standard 0.1, input_audio/standard 1, "
         "input_audio_cached/standard 0.1"},
        {R"("input_cost_per_token":1e-7,"output_cost_per_token":0.0)", "embedding",
         "input/standard 0.1"},
    };
    for (const auto& c : kCases) {
        SCOPED_TRACE(c.fields);
        const ImportReport report = import_entry(c.fields, c.mode);
        ASSERT_EQ(report.prices.size(), 1u) << skip_reason(report, "m");
        EXPECT_EQ(components(report.prices[0]), c.expected);
    }
}

TEST(LitellmImport, EntriesThatCannotBePricedRightAreSkippedWithTheReason) {
    const struct {
        const char* fields;
        const char* mode;
        const char* expected;
    } kCases[] = {
        {R"("max_tokens":5)", "chat", "has no price"},
        {R"("input_cost_per_token":0,"output_cost_per_token":0.0)", "chat", "every price is 0"},
        {R"("input_cost_per_token":1e-6,"output_cost_per_token":0)", "chat",
         "output_cost_per_token is 0"},
        {R"("input_cost_per_token":-1e-6)", "chat", "never negative"},
        {R"("input_cost_per_token":"1e-6")", "chat", "is no number"},
        {R"("input_cost_per_token":true)", "chat", "is no number"},
        {R"("input_cost_per_token":1e400)", "chat", "too large"},
        {R"("input_cost_per_token":1e10)", "chat", "absurdly high"},
        {R"("input_cost_per_token":99999999999999999999999999999999999999999999999999)", "chat",
         "too large"},
        {R"("input_cost_per_token":0.0011)", "chat", "above the bound"},
        {R"("input_cost_per_token":1e-6,"input_cost_per_token":2e-6)", "chat", "two prices"},
        {R"("input_cost_per_second":0.01)", "chat", "condition"},
        {R"("output_cost_per_second":0.05,"output_cost_per_second_1080p":0.08)", "video_generation",
         "condition"},
        {R"("input_cost_per_video_per_second":0.05,"input_cost_per_video_per_second_above_8s_interval":0.08)",
         "embedding", "condition"},
        {R"("input_cost_per_character":1e-6,"output_cost_per_character":2e-6)", "chat",
         "two prices"},
        {R"("tiered_pricing":[{"max_results_range":[0,25],"input_cost_per_query":0.005}])",
         "search", "condition"},
        {R"("tiered_pricing":[{"range":[0,10],"input_cost_per_token":1e-6},{"range":[20,30],"input_cost_per_token":1e-6}])",
         "chat", "gap"},
        {R"("tiered_pricing":[{"range":[0,"x"],"input_cost_per_token":1e-6}])", "chat",
         "no token count"},
        {R"("input_cost_per_token":1e-6,"regional_processing_uplift_multiplier_eu":0)", "chat",
         "no multiplier"},
        {R"("input_cost_per_token":1e-6,"provider_specific_entry":{"fast":1e9})", "chat",
         "at most 100 times"},
    };
    for (const auto& c : kCases) {
        SCOPED_TRACE(c.fields);
        const ImportReport report = import_entry(c.fields, c.mode);
        EXPECT_TRUE(report.prices.empty());
        EXPECT_NE(skip_reason(report, "m").find(c.expected), std::string::npos)
            << skip_reason(report, "m");
        EXPECT_TRUE(report.notes.empty()) << "a skipped entry leaves no notes";
    }
}

TEST(LitellmImport, UnknownPriceKeysAreListed) {
    const ImportReport report = import_entry(
        R"("input_cost_per_token":1e-6,"moon_phase_cost":2e-6,"supports_vision":true)");
    EXPECT_EQ(report.unknown_price_keys, (std::map<std::string, int>{{"moon_phase_cost", 1}}));
    EXPECT_EQ(report.prices.size(), 1u);
}

TEST(LitellmImport, AModelListedTwiceIsNotTaken) {
    const auto report = import_litellm(
        R"({"m":{"litellm_provider":"p","input_cost_per_token":1e-6},"m":{"litellm_provider":"p","input_cost_per_token":2e-6}})",
        options());
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report->prices.empty());
    EXPECT_EQ(skip_reason(*report, "m"), "listed more than once");
}

TEST(LitellmImport, ARuleSaysWhatTheListDoesNot) {
    const auto xai = import_litellm(
        R"({"xai/g":{"litellm_provider":"xai","mode":"chat","input_cost_per_token":2e-6,"input_cost_per_token_above_200k_tokens":4e-6}})",
        options());
    EXPECT_EQ(components(xai->prices.at(0)), "input/standard 2, input/standard >= 200000 4");
    const auto moderation = import_litellm(
        R"({"omni":{"litellm_provider":"openai","mode":"moderation","input_cost_per_token":0.0,"output_cost_per_token":0.0}})",
        options());
    ASSERT_EQ(moderation->prices.size(), 1u);
    EXPECT_TRUE(moderation->prices[0].components.at(0).is_free);
}

TEST(LitellmImport, CombinationsLeftWithoutAPriceAreNoted) {
    const ImportReport report = import_entry(
        R"("input_cost_per_token":1e-6,"cache_read_input_token_cost":1e-7,"output_cost_per_token":2e-6,)"
        R"("input_cost_per_token_above_200k_tokens":2e-6,"output_cost_per_token_above_200k_tokens":4e-6)");
    EXPECT_TRUE(has_note(report, "m", "standard above 200000"));
}

TEST(LitellmImport, MalformedTextIsRefusedWhole) {
    for (const std::string_view bad :
         {"", " ", "null", "3", "[1]", "{", R"({"m":{"input_cost_per_token":1e-6})",
          R"({"m":{}} x)", R"({"m":{},})", R"({"m":{"input_cost_per_token":01}})",
          R"({"m":{"input_cost_per_token":1.}})", R"({"m":{"input_cost_per_token":+1}})",
          R"({"m":{"input_cost_per_token":NaN}})", R"({"m":{"x":nul}})", "{\"m\xff\":{}}",
          "{'m':{}}"}) {
        const auto report = import_litellm(bad, options());
        ASSERT_FALSE(report.ok()) << bad;
        EXPECT_EQ(report.error().code, ErrorCode::invalid_request);
    }
    EXPECT_FALSE(import_litellm(std::string(2000, '[') + std::string(2000, ']'), options()).ok());
    std::string deep = R"({"m":{"source":)";
    for (int i = 0; i < 100; ++i) deep += "[";
    for (int i = 0; i < 100; ++i) deep += "]";
    EXPECT_FALSE(import_litellm(deep + "}}", options()).ok());
}

TEST(PriceRules, MalformedRulesAreRefusedWithTheirPlace) {
    const struct {
        const char* json;
        const char* expected;
    } kCases[] = {
        {"[]", "array 'rules'"},
        {R"({"rules":[3]})", "price rule 1 is not an object"},
        {R"({"rules":[{"provider":"x"}]})", "states no source"},
        {R"({"rules":[{"source":"s"},{"source":"s","band_operator":"<"}]})",
         "price rule 2, 'band_operator'"},
        {R"({"rules":[{"source":"s","colour":"red"}]})", "'colour': not a field"},
        {R"({"rules":[{"source":"s","tier_multiplier":{"standard":"1"}}]})",
         "not a tier beside standard"},
        {R"({"rules":[{"source":"s","tier_multiplier":{"batch":"0"}}]})", "out of range"},
        {R"({"rules":[{"source":"s","is_free":1}]})", "'is_free'"},
        {R"({"rules":[{"source":"s","max_price_per_mtok":"5000","provider":7}]})", "'provider'"},
    };
    for (const auto& c : kCases) {
        const auto rules = parse_price_rules(c.json);
        ASSERT_FALSE(rules.ok()) << c.json;
        EXPECT_NE(rules.error().detail.find(c.expected), std::string::npos) << rules.error().detail;
    }
}

}  // namespace
}  // namespace tg
