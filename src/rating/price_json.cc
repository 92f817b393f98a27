#include "rating/price_json.h"

#include "base/json_tree.h"
#include "base/json_writer.h"
#include "rating/price_text.h"

namespace tg {
namespace {

using Kind = JsonNode::Kind;

constexpr std::string_view kFormat = "tollgate-prices-1";

// --- writing
// -----------------------------------------------------------------------------------------------------------

void write_component(JsonWriter& json, const PriceComponent& c) {
    json.begin_object().field("meter", name(c.meter));
    if (c.tier != ServiceTier::standard) json.field("tier", name(c.tier));
    if (c.band) {
        json.field(c.band->op == BandOperator::greater ? "above_tokens" : "from_tokens",
                   c.band->threshold_tokens);
    }
    json.field("price", format_price(c.meter, c.price)).field("per", price_unit(c.meter));
    if (c.is_free) json.field("is_free", true);
    json.end_object();
}

void write_multipliers(JsonWriter& json, const ModelPrice& price) {
    bool has_tier = false;
    for (const auto& ppm : price.tier_multiplier_ppm) has_tier = has_tier || ppm.has_value();
    if (has_tier) {
        json.key("tier_multipliers").begin_object();
        for (int t = 0; t < kServiceTierCount; ++t) {
            const auto& ppm = price.tier_multiplier_ppm[t];
            if (ppm) json.field(name(static_cast<ServiceTier>(t)), format_scaled(*ppm, 6, 0));
        }
        json.end_object();
    }
    if (!price.region_multiplier_ppm.empty()) {
        json.key("region_multipliers").begin_object();
        for (const auto& [region, ppm] : price.region_multiplier_ppm)
            json.field(region, format_scaled(ppm, 6, 0));
        json.end_object();
    }
}

}  // namespace

void write_model_price(JsonWriter& json, const ModelPrice& price) {
    json.begin_object().field("model", price.model).field("provider", price.provider);
    json.field("currency", code(price.currency))
        .field("valid_from", format_rfc3339(price.valid_from));
    if (price.valid_to) json.field("valid_to", format_rfc3339(*price.valid_to));
    if (!price.mode.empty()) json.field("mode", price.mode);
    if (price.max_input_tokens != 0) json.field("max_input_tokens", price.max_input_tokens);
    if (price.max_output_tokens != 0) json.field("max_output_tokens", price.max_output_tokens);
    if (price.max_nano_per_m != 0)
        json.field("max_price_per_mtok", format_scaled(price.max_nano_per_m, 9, 2));
    if (!price.source.empty()) json.field("source", price.source);
    if (price.is_manual) json.field("is_manual", true);
    json.key("prices").begin_array();
    for (const PriceComponent& component : price.components) write_component(json, component);
    json.end_array();
    write_multipliers(json, price);
    json.end_object();
}

namespace {

// --- reading
// -----------------------------------------------------------------------------------------------------------

std::unexpected<Error> bad(std::string_view field, std::string_view why) {
    return fail(ErrorCode::invalid_request, "'" + std::string(field) + "' " + std::string(why));
}

Status read_text(const JsonField& field, std::string& out) {
    if (!field.value.is(Kind::string)) return bad(field.key, "is no text");
    out = field.value.text;
    return {};
}

Status read_flag(const JsonField& field, bool& out) {
    if (!field.value.is(Kind::boolean)) return bad(field.key, "is neither true nor false");
    out = field.value.flag;
    return {};
}

Status read_count(const JsonField& field, std::int64_t& out) {
    if (!field.value.is(Kind::number)) return bad(field.key, "is no number");
    const auto value = parse_scaled(field.value.text, 0);
    if (!value.ok() || *value < 0 || *value > 1'000'000'000'000)
        return bad(field.key, "is no count of tokens");
    out = static_cast<std::int64_t>(*value);
    return {};
}

Status read_time(const JsonField& field, UtcMicros& out) {
    if (!field.value.is(Kind::string)) return bad(field.key, "is no time");
    auto time = parse_rfc3339(field.value.text);
    if (!time.ok()) return bad(field.key, ": " + time.error().detail);
    out = *time;
    return {};
}

/// A decimal as text or number; never through floating point.
Result<std::int64_t> read_decimal(const JsonField& field, int scale) {
    if (!field.value.is(Kind::string) && !field.value.is(Kind::number))
        return bad(field.key, "is no number");
    const auto value = parse_scaled(field.value.text, scale);
    if (!value.ok()) return bad(field.key, ": " + value.error().detail);
    if (*value < 0 || *value > INT64_MAX) return bad(field.key, "is out of range");
    return static_cast<std::int64_t>(*value);
}

Status read_component_field(const JsonField& field, PriceComponent& out, std::string& price,
                            std::string& unit) {
    if (field.key == "meter") {
        TG_TRY(out.meter, parse_meter(field.value.text));
        return {};
    }
    if (field.key == "tier") {
        bool was_known = false;
        out.tier = parse_service_tier(field.value.text, &was_known);
        return was_known ? Status()
                         : Status(bad("tier", "'" + field.value.text + "' is not known"));
    }
    if (field.key == "above_tokens" || field.key == "from_tokens") {
        if (out.band) return bad(field.key, "is a second band");
        out.band = PriceBand{0, field.key == "above_tokens" ? BandOperator::greater
                                                            : BandOperator::greater_or_equal};
        return read_count(field, out.band->threshold_tokens);
    }
    if (field.key == "price") {
        if (!field.value.is(Kind::string) && !field.value.is(Kind::number))
            return bad(field.key, "is no number");
        price = field.value.text;
        return {};
    }
    if (field.key == "per") return read_text(field, unit);
    if (field.key == "is_free") return read_flag(field, out.is_free);
    return bad(field.key, "is not a field of a price");
}

Status read_components(const JsonField& list, ModelPrice& out) {
    if (!list.value.is(Kind::array)) return bad(list.key, "is no list");
    for (const JsonNode& node : list.value.items) {
        PriceComponent component;
        std::string price, unit;
        if (node.find("meter") == nullptr || node.find("price") == nullptr)
            return bad(list.key, "has an entry without meter or price");
        for (const JsonField& field : node.fields)
            TG_CHECK_OK(read_component_field(field, component, price, unit));
        if (!unit.empty() && unit != price_unit(component.meter)) {
            return bad("per", "'" + unit + "': " + std::string(name(component.meter)) +
                                  " is priced per " + std::string(price_unit(component.meter)));
        }
        TG_TRY(component.price, parse_price(component.meter, price));
        out.components.push_back(component);
    }
    return {};
}

Status read_tier_multipliers(const JsonField& map, ModelPrice& out) {
    for (const JsonField& field : map.value.fields) {
        bool was_known = false;
        const ServiceTier tier = parse_service_tier(field.key, &was_known);
        if (!was_known) return bad(map.key, "names the unknown tier '" + field.key + "'");
        TG_TRY(out.tier_multiplier_ppm[static_cast<int>(tier)], read_decimal(field, 6));
    }
    return {};
}

Status read_region_multipliers(const JsonField& map, ModelPrice& out) {
    for (const JsonField& field : map.value.fields) {
        TG_TRY(const std::int64_t ppm, read_decimal(field, 6));
        out.region_multiplier_ppm.emplace_back(field.key, ppm);
    }
    return {};
}

Status read_field(const JsonField& field, ModelPrice& out) {
    if (field.key == "model") return read_text(field, out.model);
    if (field.key == "provider") return read_text(field, out.provider);
    if (field.key == "mode") return read_text(field, out.mode);
    if (field.key == "source") return read_text(field, out.source);
    if (field.key == "is_manual") return read_flag(field, out.is_manual);
    if (field.key == "max_input_tokens") return read_count(field, out.max_input_tokens);
    if (field.key == "max_output_tokens") return read_count(field, out.max_output_tokens);
    if (field.key == "valid_from") return read_time(field, out.valid_from);
    if (field.key == "valid_to")
        return field.value.is(Kind::null) ? Status() : read_time(field, out.valid_to.emplace());
    if (field.key == "prices") return read_components(field, out);
    if (field.key == "tier_multipliers") return read_tier_multipliers(field, out);
    if (field.key == "region_multipliers") return read_region_multipliers(field, out);
    if (field.key == "currency") {
        TG_TRY(out.currency, parse_currency(field.value.text));
        return {};
    }
    if (field.key == "max_price_per_mtok") {
        TG_TRY(out.max_nano_per_m, read_decimal(field, 9));
        return {};
    }
    return bad(field.key, "is not a field of a model's price");
}

}  // namespace

std::string export_prices(std::span<const ModelPrice> prices) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("format", kFormat).key("prices").begin_array();
    for (const ModelPrice& price : prices) {
        out += prices.data() == &price ? "\n" : "";
        write_model_price(json, price);
        out += "\n";
    }
    json.end_array().end_object();
    return out;
}

Result<std::vector<ModelPrice>> parse_prices(std::string_view json, UtcMicros valid_from) {
    TG_TRY(const JsonNode root, parse_json_tree(json));
    if (root.string_field("format") != kFormat) {
        return fail(ErrorCode::invalid_request,
                    "this is no price book: 'format' is not '" + std::string(kFormat) + "'");
    }
    const JsonNode* list = root.find("prices");
    if (list == nullptr || !list->is(Kind::array))
        return fail(ErrorCode::invalid_request, "price book: 'prices' is no list");
    std::vector<ModelPrice> out;
    for (const JsonNode& node : list->items) {
        ModelPrice& price = out.emplace_back();
        price.valid_from = valid_from;
        const std::string which = "price " + std::to_string(out.size()) + " ('" +
                                  std::string(node.string_field("model")) + "'): ";
        if (!node.is(Kind::object)) return fail(ErrorCode::invalid_request, which + "no object");
        for (const JsonField& field : node.fields) {
            const Status status = read_field(field, price);
            if (!status.ok())
                return fail(ErrorCode::invalid_request, which + status.error().detail);
        }
        if (price.model.empty()) return fail(ErrorCode::invalid_request, which + "names no model");
    }
    return out;
}

}  // namespace tg
