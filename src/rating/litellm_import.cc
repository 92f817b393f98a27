#include "rating/litellm_import.h"

#include <algorithm>
#include <set>

#include "base/json_tree.h"
#include "rating/compiled_price.h"
#include "rating/internal/litellm_keys.h"

namespace tg {
namespace {

using Kind = JsonNode::Kind;

constexpr std::int64_t kMinRoundedNano =
    1000;  // below, rounding would change a price by more than 0.05 %
constexpr std::string_view kRegionKey = "regional_processing_uplift_multiplier_";

/// LiteLLM splits some providers by API flavour; the price belongs to the provider.
std::string_view provider_family(std::string_view provider) {
    if (provider.starts_with("vertex_ai-")) return "vertex_ai";
    if (provider.starts_with("text-completion-"))
        return provider.substr(std::string_view("text-completion-").size());
    if (provider == "bedrock_converse" || provider == "bedrock_mantle") return "bedrock";
    if (provider == "cohere_chat") return "cohere";
    if (provider == "azure_text") return "azure";
    if (provider == "fireworks_ai-embedding-models") return "fireworks_ai";
    return provider;
}

bool has_control_character(std::string_view text) {
    return std::ranges::any_of(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_text_mode(std::string_view mode) {
    return mode == "chat" || mode == "completion" || mode == "responses";
}

/// Turns one entry of the list into a ModelPrice.
class EntryReader {
  public:
    EntryReader(std::string_view model, const JsonNode& entry, const ImportOptions& options,
                ImportReport& report)
        : model_(model), entry_(entry), options_(options), report_(report) {}

    /// Errors: the reason why the entry is skipped.
    Result<ModelPrice> read() {
        price_.model = model_;
        price_.provider = provider_family(entry_.string_field("litellm_provider"));
        price_.mode = entry_.string_field("mode");
        price_.valid_from = options_.valid_from;
        price_.source = options_.source;
        if (price_.provider.empty()) return skip("it names no provider");
        for (const std::string_view text :
             {model_, std::string_view(price_.provider), std::string_view(price_.mode)}) {
            if (has_control_character(text)) return skip("a name holds a control character");
        }
        apply_rules();
        for (const auto& [key, value] : entry_.fields) TG_CHECK_OK(read_field(key, value));
        if (found_.empty() && zeros_.empty()) return skip("it has no price");
        TG_CHECK_OK(settle_zeros());
        drop_double_counting();
        for (const Found& found : found_) price_.components.push_back(found.component);
        std::ranges::sort(price_.components, {}, [](const PriceComponent& c) {
            return std::tuple(c.tier, c.band ? c.band->threshold_tokens : 0, c.meter);
        });
        price_audio_as_text();
        derive_multipliers();
        std::vector<PriceRounding> roundings;
        TG_TRY(const CompiledPrice compiled, CompiledPrice::compile(price_, {}, roundings));
        note_gaps(compiled);
        return std::move(price_);
    }

  private:
    struct Found {
        PriceComponent component;
        std::string key;
        bool is_secondary = false;
    };

    static std::unexpected<Error> skip(std::string reason) {
        return fail(ErrorCode::invalid_request, std::move(reason));
    }
    void note(std::string_view key, std::string text) {
        report_.notes.push_back({price_.model, std::string(key), std::move(text)});
    }

    void apply_rules() {
        for (const PriceRule& rule : options_.rules.rules) {
            if (!rule.matches(price_)) continue;
            if (rule.band_operator) band_operator_ = *rule.band_operator;
            if (rule.is_free) is_free_ = *rule.is_free;
            if (rule.max_nano_per_m) price_.max_nano_per_m = *rule.max_nano_per_m;
            for (int t = 0; t < kServiceTierCount; ++t) {
                if (rule.tier_multiplier_ppm[t])
                    price_.tier_multiplier_ppm[t] = rule.tier_multiplier_ppm[t];
            }
        }
    }

    Status read_field(std::string_view key, const JsonNode& value) {
        if (value.is(Kind::null)) return {};
        if (key == "max_input_tokens") return read_limit(value, price_.max_input_tokens);
        if (key == "max_output_tokens") return read_limit(value, price_.max_output_tokens);
        if (key == "search_context_cost_per_query") return read_web_search(value);
        if (key == "provider_specific_entry") return read_provider_entry(value);
        if (key == "tiered_pricing") return read_tiered(value);
        if (key == "source" && value.is(Kind::string) && !has_control_character(value.text)) {
            price_.source = value.text;
            return {};
        }
        if (key.starts_with(kRegionKey))
            return read_region(key.substr(kRegionKey.size()), key, value);
        const LitellmKey parsed = parse_litellm_key(key, price_.mode);
        switch (parsed.use) {
            case LitellmKey::Use::none:
                return {};
            case LitellmKey::Use::unknown:
                ++report_.unknown_price_keys[std::string(key)];
                return {};
            case LitellmKey::Use::unmetered:
                ++report_.unmetered_price_keys[std::string(key)];
                return {};
            case LitellmKey::Use::conditional:
                return skip(std::string(key) +
                            ": a price under a condition that the price book cannot express");
            case LitellmKey::Use::price:
                break;
        }
        std::optional<PriceBand> band;
        if (parsed.above_tokens) band = PriceBand{*parsed.above_tokens, band_operator_};
        return add(parsed, band, key, value);
    }

    Status read_limit(const JsonNode& value, std::int64_t& limit) {
        if (!value.is(Kind::number)) return {};  // an explanation, or a number as text: not stated
        const auto parsed = parse_scaled(value.text, 0);
        if (parsed.ok() && *parsed > 0 && *parsed <= 1'000'000'000'000)
            limit = static_cast<std::int64_t>(*parsed);
        return {};
    }

    Result<std::int64_t> read_nano(std::string_view key, const JsonNode& value, int scale) {
        const std::string label = std::string(key) + " = " + value.text.substr(0, 40);
        if (!value.is(Kind::number)) return skip(std::string(key) + " is no number");
        bool was_rounded = false;
        const auto parsed = parse_scaled_rounded(value.text, scale, &was_rounded);
        if (!parsed.ok()) return skip(label + ": " + parsed.error().detail);
        if (*parsed < 0) return skip(label + ": a price is never negative");
        if (*parsed > INT64_MAX) return skip(label + ": absurdly high");
        if (was_rounded && *parsed < kMinRoundedNano)
            return skip(label + ": more digits than the price book keeps");
        const auto nano = static_cast<std::int64_t>(*parsed);
        if (was_rounded) {
            note(key,
                 value.text + " rounded half-up to " + format_scaled(nano, 9, 2) + " USD per 1M");
        }
        return nano;
    }

    Status add(const LitellmKey& parsed, std::optional<PriceBand> band, std::string_view key,
               const JsonNode& value) {
        TG_TRY(const std::int64_t nano, read_nano(key, value, parsed.scale));
        Found next{{parsed.meter, {nano}, parsed.tier, band, false},
                   std::string(key),
                   parsed.is_secondary};
        if (nano == 0) {
            zeros_.push_back(std::move(next));
            return {};
        }
        const auto same = std::ranges::find_if(found_, [&](const Found& f) {
            return f.component.meter == parsed.meter && f.component.tier == parsed.tier &&
                   f.component.band == band;
        });
        if (same == found_.end()) {
            found_.push_back(std::move(next));
            return {};
        }
        if (same->component.price == next.component.price && same->key != next.key) return {};
        if (same->is_secondary == next.is_secondary || same->key == next.key) {
            return skip(same->key + " and " + next.key + " give two prices for " +
                        std::string(name(parsed.meter)));
        }
        if (same->is_secondary) std::swap(*same, next);
        note(next.key, "left out: " + same->key + " gives another price for " +
                           std::string(name(parsed.meter)));
        return {};
    }

    Status read_web_search(const JsonNode& value) {
        if (!value.is(Kind::object)) return skip("search_context_cost_per_query is no object");
        for (const auto& [size, cost] : value.fields) {
            LitellmKey parsed;
            parsed.use = LitellmKey::Use::price;
            if (size == "search_context_size_low") {
                parsed.meter = Meter::web_search_low;
            } else if (size == "search_context_size_medium") {
                parsed.meter = Meter::web_search_medium;
            } else if (size == "search_context_size_high") {
                parsed.meter = Meter::web_search_high;
            } else {
                ++report_.unknown_price_keys["search_context_cost_per_query." + size];
                continue;
            }
            TG_CHECK_OK(add(parsed, std::nullopt, size, cost));
        }
        return {};
    }

    Result<std::int64_t> read_ppm(std::string_view key, const JsonNode& value) {
        const auto ppm =
            value.is(Kind::number) ? parse_scaled(value.text, 6) : Result<int128>(int128{0});
        if (!ppm.ok() || *ppm <= 0 || *ppm > INT64_MAX) {
            return skip(std::string(key) + " = '" + value.text.substr(0, 40) +
                        "' is no multiplier");
        }
        return static_cast<std::int64_t>(*ppm);
    }

    Status read_region(std::string_view region, std::string_view key, const JsonNode& value) {
        TG_TRY(const std::int64_t ppm, read_ppm(key, value));
        price_.region_multiplier_ppm.emplace_back(region, ppm);
        return {};
    }

    /// {"us": 1.1, "fast": 6.0}: a tier by its name, else a region. Texts in it are no prices.
    Status read_provider_entry(const JsonNode& value) {
        for (const auto& [key, multiplier] : value.fields) {
            if (!multiplier.is(Kind::number) || has_control_character(key)) continue;
            bool is_tier = false;
            const ServiceTier tier = parse_service_tier(key, &is_tier);
            if (!is_tier || tier == ServiceTier::standard) {
                TG_CHECK_OK(read_region(key, key, multiplier));
                continue;
            }
            TG_TRY(price_.tier_multiplier_ppm[static_cast<int>(tier)], read_ppm(key, multiplier));
        }
        return {};
    }

    Status read_tiered(const JsonNode& value) {
        std::int64_t previous_end = 0;
        for (const JsonNode& step : value.items) {
            const JsonNode* range = step.find("range");
            if (range == nullptr || range->items.size() != 2) {
                return skip(
                    "tiered_pricing: a price under a condition that the price book cannot express");
            }
            std::int64_t limits[2] = {};
            for (int i = 0; i < 2; ++i) {
                const JsonNode& limit = range->items[static_cast<std::size_t>(i)];
                const auto parsed = limit.is(Kind::number) ? parse_scaled(limit.text, 0)
                                                           : Result<int128>(int128{-1});
                if (!parsed.ok() || *parsed < 0 || *parsed > 1'000'000'000'000)
                    return skip("tiered_pricing: range is no token count");
                limits[i] = static_cast<std::int64_t>(*parsed);
            }
            if (limits[0] != previous_end || limits[1] <= limits[0]) {
                return skip("tiered_pricing: ranges leave a gap or overlap at " +
                            std::to_string(limits[0]));
            }
            previous_end = limits[1];
            std::optional<PriceBand> band;
            if (limits[0] > 0) band = PriceBand{limits[0], band_operator_};
            for (const auto& [key, cost] : step.fields) {
                if (key == "range") continue;
                const LitellmKey parsed = parse_litellm_key(key, price_.mode);
                if (parsed.use != LitellmKey::Use::price || parsed.above_tokens) {
                    return skip("tiered_pricing: '" + key + "' is not understood");
                }
                TG_CHECK_OK(add(parsed, band, key, cost));
            }
        }
        return {};
    }

    bool has_price(Meter meter) const {
        return std::ranges::any_of(found_,
                                   [&](const Found& f) { return f.component.meter == meter; });
    }

    /// Zero is more often "unknown" than "free", so it is only taken where it is credible.
    Status settle_zeros() {
        if (is_free_) {
            for (Found& zero : zeros_) {
                zero.component.is_free = true;
                found_.push_back(std::move(zero));
            }
            return {};
        }
        if (found_.empty())
            return skip(
                "every price is 0, which may mean free or unknown; a price rule must say it is "
                "free");
        for (Found& zero : zeros_) {
            const Meter meter = zero.component.meter;
            if (is_text_mode(price_.mode) && (meter == Meter::output || meter == Meter::input)) {
                if (meter == Meter::input && has_price(Meter::request)) {
                    zero.component.is_free = true;  // the call is priced instead
                    found_.push_back(std::move(zero));
                    continue;
                }
                return skip(zero.key +
                            " is 0 beside other prices; a price rule must say it is free");
            }
            note(zero.key,
                 "0 left out: the price book has no price for " + std::string(name(meter)));
        }
        return {};
    }

    /// The list sometimes prices the same images twice, by piece and by token or by pixel.
    void drop_double_counting() {
        const auto drop = [&](Meter meter, std::string_view why) {
            std::erase_if(found_, [&](const Found& found) {
                if (found.component.meter != meter) return false;
                note(found.key, "left out: " + std::string(why));
                return true;
            });
        };
        if (has_price(Meter::output_image))
            drop(Meter::image, "the same images are priced by token");
        if (has_price(Meter::image)) drop(Meter::pixel, "the same images are priced by piece");
        if (has_price(Meter::image_in) && has_price(Meter::input) && price_.mode != "embedding") {
            drop(Meter::image_in, "images given are counted as input tokens");
        }
    }

    /// A model that hears and lists no audio price counts audio as plain input tokens.
    void price_audio_as_text() {
        const JsonNode* hears = entry_.find("supports_audio_input");
        const bool lists_audio = std::ranges::any_of(entry_.fields, [](const JsonField& field) {
            return field.key.find("cost_per_audio") != std::string::npos ||
                   field.key.find("audio_token_cost") != std::string::npos;
        });
        if (hears == nullptr || !hears->flag || lists_audio || !is_text_mode(price_.mode)) return;
        std::vector<PriceComponent> audio;
        for (PriceComponent component : price_.components) {
            if (component.meter != Meter::input && component.meter != Meter::cache_read) continue;
            component.meter =
                component.meter == Meter::input ? Meter::input_audio : Meter::input_audio_cached;
            audio.push_back(component);
        }
        if (!audio.empty())
            note("supports_audio_input",
                 "audio input priced as text: the list names no audio price");
        price_.components.insert(price_.components.end(), audio.begin(), audio.end());
    }

    const PriceComponent* component(ServiceTier tier, const std::optional<PriceBand>& band,
                                    Meter meter) const {
        const auto at = std::ranges::find_if(price_.components, [&](const PriceComponent& c) {
            return c.tier == tier && c.band == band && c.meter == meter;
        });
        return at == price_.components.end() ? nullptr : &*at;
    }

    void derive_multipliers() {
        for (int t = 1; t < kServiceTierCount; ++t) {
            const auto tier = static_cast<ServiceTier>(t);
            auto& multiplier = price_.tier_multiplier_ppm[t];
            if (multiplier) continue;
            std::set<Meter> meters;
            std::optional<int128> ratio;
            bool is_uniform = true;
            for (const PriceComponent& own : price_.components) {
                if (own.tier != tier || kind(own.meter) != MeterKind::token) continue;
                const PriceComponent* standard =
                    component(ServiceTier::standard, own.band, own.meter);
                if (standard == nullptr || standard->price.nano == 0) {
                    is_uniform = false;
                    break;
                }
                const int128 scaled = int128{own.price.nano} * 1'000'000;
                if (scaled % standard->price.nano != 0 ||
                    (ratio && *ratio != scaled / standard->price.nano))
                    is_uniform = false;
                ratio = scaled / standard->price.nano;
                meters.insert(own.meter);
            }
            if (!is_uniform || meters.size() < 2) continue;
            multiplier = static_cast<std::int64_t>(*ratio);
            note(name(tier),
                 "rule: " + format_scaled(*ratio, 6, 0) +
                     " times the standard price where the list names none, as for its " +
                     std::to_string(meters.size()) + " listed meters");
        }
    }

    void note_gaps(const CompiledPrice& compiled) {
        const CompiledPrice::Row& base = compiled.row(ServiceTier::standard, 0, {});
        for (int t = 0; t < kServiceTierCount; ++t) {
            const auto tier = static_cast<ServiceTier>(t);
            const bool is_offered = std::ranges::any_of(
                price_.components, [&](const PriceComponent& c) { return c.tier == tier; });
            for (int b = 0; is_offered && b < compiled.band_count(); ++b) {
                const CompiledPrice::Row& row = compiled.row(tier, b, {});
                for (std::size_t m = 0; m < kMeterCount; ++m) {
                    if (base[m] == CompiledPrice::kUnpriced || row[m] != CompiledPrice::kUnpriced)
                        continue;
                    std::string where = std::string(name(tier));
                    if (b > 0)
                        where += " above " + std::to_string(compiled.band(b).threshold_tokens);
                    note(where, "no price for " + std::string(name(static_cast<Meter>(m))) +
                                    ": such usage is refused as unpriced");
                }
            }
        }
    }

    std::string_view model_;
    const JsonNode& entry_;
    const ImportOptions& options_;
    ImportReport& report_;
    ModelPrice price_;
    std::vector<Found> found_, zeros_;
    BandOperator band_operator_ = BandOperator::greater;
    bool is_free_ = false;
};

}  // namespace

Result<ImportReport> import_litellm(std::string_view json, const ImportOptions& options) {
    TG_TRY(const JsonNode root, parse_json_tree(json));
    if (!root.is(Kind::object)) {
        return fail(ErrorCode::invalid_request,
                    "a price list is a JSON object of models; this is an array");
    }
    ImportReport report;
    report.source = options.source;
    report.source_sha256 = sha256(json);
    std::map<std::string_view, int> times;
    for (const auto& [model, entry] : root.fields) ++times[model];
    for (const auto& [model, entry] : root.fields) {
        if (!entry.is(Kind::object) || model == "sample_spec") continue;
        ++report.entry_count;
        if (model.empty() || model.size() > 200 || times[model] > 1) {
            report.skipped.push_back({model.substr(0, 200), times[model] > 1
                                                                ? "listed more than once"
                                                                : "its name is empty or too long"});
            continue;
        }
        const std::size_t notes_before = report.notes.size();
        auto price = EntryReader(model, entry, options, report).read();
        if (price.ok()) {
            report.prices.push_back(std::move(price).value());
            continue;
        }
        report.notes.resize(notes_before);
        report.skipped.push_back({model, price.error().detail});
    }
    return report;
}

}  // namespace tg
