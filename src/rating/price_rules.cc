#include "rating/price_rules.h"

#include "base/json_tree.h"

namespace tg {
namespace {

using Kind = JsonNode::Kind;

Result<std::int64_t> scaled(const JsonNode& node, int scale) {
    if (!node.is(Kind::string) && !node.is(Kind::number))
        return fail(ErrorCode::invalid_request, "not a number");
    TG_TRY(const int128 value, parse_scaled(node.text, scale));
    if (value <= 0 || value > INT64_MAX)
        return fail(ErrorCode::invalid_request, "'" + node.text + "' is out of range");
    return static_cast<std::int64_t>(value);
}

Status read_text(const JsonNode& node, std::string& out) {
    if (!node.is(Kind::string) || node.text.empty())
        return fail(ErrorCode::invalid_request, "not a text");
    out = node.text;
    return {};
}

Status read_multipliers(const JsonNode& node, PriceRule& rule) {
    if (!node.is(Kind::object)) return fail(ErrorCode::invalid_request, "not an object of tiers");
    for (const auto& [tier_name, multiplier] : node.fields) {
        bool was_known = false;
        const ServiceTier tier = parse_service_tier(tier_name, &was_known);
        if (!was_known || tier == ServiceTier::standard) {
            return fail(ErrorCode::invalid_request,
                        "'" + tier_name + "' is not a tier beside standard");
        }
        TG_TRY(rule.tier_multiplier_ppm[static_cast<int>(tier)], scaled(multiplier, 6));
    }
    return {};
}

Status read_field(std::string_view key, const JsonNode& node, PriceRule& rule) {
    if (key == "provider") return read_text(node, rule.provider);
    if (key == "model") return read_text(node, rule.model);
    if (key == "mode") return read_text(node, rule.mode);
    if (key == "source") return read_text(node, rule.source);
    if (key == "tier_multiplier") return read_multipliers(node, rule);
    if (key == "band_operator") {
        if (node.text != ">" && node.text != ">=")
            return fail(ErrorCode::invalid_request, "neither \">\" nor \">=\"");
        rule.band_operator =
            node.text == ">" ? BandOperator::greater : BandOperator::greater_or_equal;
        return {};
    }
    if (key == "is_free") {
        if (!node.is(Kind::boolean))
            return fail(ErrorCode::invalid_request, "neither true nor false");
        rule.is_free = node.flag;
        return {};
    }
    if (key == "max_price_per_mtok") {
        TG_TRY(rule.max_nano_per_m, scaled(node, 9));
        return {};
    }
    return fail(ErrorCode::invalid_request, "not a field of a price rule");
}

}  // namespace

bool PriceRule::matches(const ModelPrice& price) const {
    return (provider.empty() || provider == price.provider) &&
           (model.empty() || model == price.model) && (mode.empty() || mode == price.mode);
}

Result<PriceRules> parse_price_rules(std::string_view json) {
    TG_TRY(const JsonNode root, parse_json_tree(json));
    const JsonNode* list = root.find("rules");
    if (list == nullptr || !list->is(Kind::array)) {
        return fail(ErrorCode::invalid_request,
                    "price rules: an object with an array 'rules' is expected");
    }
    PriceRules out;
    for (const JsonNode& node : list->items) {
        PriceRule rule;
        const std::string which = "price rule " + std::to_string(out.rules.size() + 1);
        if (!node.is(Kind::object))
            return fail(ErrorCode::invalid_request, which + " is not an object");
        for (const auto& [key, value] : node.fields) {
            const Status status = read_field(key, value, rule);
            if (!status.ok())
                return fail(ErrorCode::invalid_request,
                            which + ", '" + key + "': " + status.error().detail);
        }
        if (rule.source.empty())
            return fail(ErrorCode::invalid_request, which + " states no source");
        out.rules.push_back(std::move(rule));
    }
    return out;
}

}  // namespace tg
