// The JSON form of contract terms: docs/formats.md, "Contract terms".
#include <algorithm>
#include <set>

#include "base/json_tree.h"
#include "base/json_writer.h"
#include "billing/contract_terms.h"
#include "rating/price_text.h"

namespace tg {
namespace {

constexpr int128 kCentsMax = 1'000'000'000'000'00;  // a million million
constexpr std::int64_t kQuantityMax = 1'000'000'000'000'000;
constexpr std::size_t kListMax = 500, kNameMax = 200;

/// One object, each of whose members is asked for once. Only the first mistake is kept.
class Reader {
  public:
    Reader(const JsonNode* node, std::string path, Status* bad)
        : node_(node), path_(std::move(path)), bad_(bad) {
        if (!node_->is(JsonNode::Kind::object)) wrong("", "must be an object");
    }
    ~Reader() {
        std::set<std::string_view> seen;
        for (const JsonField& field : node_->fields) {
            if (!known_.contains(field.key)) wrong(field.key, "is no member of contract terms");
            if (!seen.insert(field.key).second) wrong(field.key, "is there twice");
        }
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    void wrong(std::string_view member, const std::string& why) {
        if (bad_->ok()) *bad_ = fail(ErrorCode::invalid_request, "'" + place(member) + "' " + why);
    }
    bool has(std::string_view member) { return find(member) != nullptr; }
    std::optional<std::string> text(std::string_view member) {
        const JsonNode* found = find(member);
        if (found == nullptr) return std::nullopt;
        if (!found->is(JsonNode::Kind::string) || found->text.size() > kNameMax) {
            wrong(member, "must be a text of at most " + std::to_string(kNameMax) + " bytes");
            return std::nullopt;
        }
        return found->text;
    }
    /// A decimal, as text or as a number.
    std::optional<std::int64_t> decimal(std::string_view member, int scale, int128 min, int128 max,
                                        const std::string& what) {
        const JsonNode* found = find(member);
        if (found == nullptr) return std::nullopt;
        const Result<int128> value = parse_scaled(found->text, scale);
        if (is_decimal(*found) && value.ok() && *value >= min && *value <= max)
            return static_cast<std::int64_t>(*value);
        wrong(member, "must be " + what + "; it is '" + found->text.substr(0, 40) + "'");
        return std::nullopt;
    }
    /// In parts per million.
    std::optional<std::int64_t> percent(std::string_view member) {
        return decimal(member, 4, 0, 1'000'000,
                       "a percentage from 0 to 100 with at most 4 decimals");
    }
    std::optional<std::int64_t> cents(std::string_view member) {
        return decimal(member, 2, 0, kCentsMax, "an amount such as \"12.50\", not below 0");
    }
    std::optional<std::int64_t> count(std::string_view member, std::int64_t min, std::int64_t max) {
        return decimal(member, 0, min, max,
                       "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    }
    std::optional<NanoPerM> price(std::string_view member, Meter meter) {
        const JsonNode* found = find(member);
        if (found == nullptr) return std::nullopt;
        if (is_decimal(*found)) {
            const Result<NanoPerM> value = parse_price(meter, found->text);
            if (value.ok()) return *value;
        }
        wrong(member, "must be the price of " + std::string(price_unit(meter)) + " of " +
                          std::string(name(meter)) + ", such as \"2.50\"");
        return std::nullopt;
    }
    Currency currency(Currency otherwise) {
        const std::optional<std::string> code = text("currency");
        if (!code) return otherwise;
        const Result<Currency> found = parse_currency(*code);
        if (!found.ok()) wrong("currency", "must be USD or CNY");
        return found.ok() ? *found : otherwise;
    }
    /// One of those `name()` has, by number.
    template <typename T>
    T choice(std::string_view member, T otherwise, int count) {
        const std::optional<std::string> found = text(member);
        if (!found) return otherwise;
        std::string all;
        for (int i = 0; i < count; ++i) {
            const std::string_view each = name(static_cast<T>(i));
            if (*found == each) return static_cast<T>(i);
            all.append(all.empty() ? "" : ", ").append(each);
        }
        wrong(member, "must be one of " + all + "; it is '" + *found + "'");
        return otherwise;
    }
    template <typename Read>
    void object(std::string_view member, const Read& read) {
        const JsonNode* found = find(member);
        if (found == nullptr) return;
        Reader reader(found, place(member), bad_);
        read(reader);
    }
    template <typename Read>
    void list(std::string_view member, const Read& read) {
        const JsonNode* found = find(member);
        if (found == nullptr) return;
        if (!found->is(JsonNode::Kind::array) || found->items.size() > kListMax) {
            wrong(member, "must be a list of at most " + std::to_string(kListMax));
            return;
        }
        for (std::size_t i = 0; i < found->items.size(); ++i) {
            Reader reader(&found->items[i], place(member) + "[" + std::to_string(i) + "]", bad_);
            read(reader);
        }
    }
    void require(std::string_view member) {
        if (!has(member)) wrong(member, "is missing");
    }

  private:
    static bool is_decimal(const JsonNode& node) {
        return node.is(JsonNode::Kind::string) || node.is(JsonNode::Kind::number);
    }
    std::string place(std::string_view member) const {
        if (member.empty()) return path_.empty() ? "terms" : path_;
        return path_.empty() ? std::string(member) : path_ + "." + std::string(member);
    }
    const JsonNode* find(std::string_view member) {
        known_.emplace(member);
        const JsonNode* found = node_->find(member);
        return found == nullptr || found->is(JsonNode::Kind::null) ? nullptr : found;
    }

    const JsonNode* node_;
    std::string path_;
    Status* bad_;
    std::set<std::string, std::less<>> known_;
};

std::string models_of(Reader& in) {
    std::string out = in.text("models").value_or("*");
    if (out.empty()) in.wrong("models", "must be a model's name, in which '*' stands for any text");
    return out;
}

void read_prices(Reader& in, RateRule* rule) {
    const std::optional<std::string> meter = in.text("meter");
    if (!meter) return in.wrong("meter", "is missing: a price is for one meter, such as input");
    rule->currency = in.currency(Currency::usd);
    if (!rule->meter) return;
    if (rule->kind == RateRule::Kind::fixed) {
        in.require("price");
        rule->steps.push_back({.price = in.price("price", *rule->meter).value_or(NanoPerM{})});
        return;
    }
    if (rule->kind == RateRule::Kind::package) {
        in.require("package_units");
        in.require("package_price");
        rule->package_units = in.count("package_units", 1, kQuantityMax).value_or(1);
        rule->package_nano = in.decimal("package_price", 9, 0, INT64_MAX,
                                        "an amount such as "
                                        "\"12.50\", not below 0")
                                 .value_or(0);
        return;
    }
    std::int64_t last = 0;
    bool is_open = false;
    in.list("steps", [&](Reader& step) {
        step.require("price");
        const PriceStep read{step.count("up_to", 1, kQuantityMax).value_or(0),
                             step.price("price", *rule->meter).value_or(NanoPerM{})};
        if (is_open || (read.up_to != 0 && read.up_to <= last))
            step.wrong("up_to", "must be above that of the step before; only the last has none");
        is_open = read.up_to == 0;
        last = read.up_to;
        rule->steps.push_back(read);
    });
    if (!is_open) in.wrong("steps", "must end with a step without 'up_to'");
}

RateRule read_rule(Reader& in) {
    RateRule rule;
    in.require("kind");
    rule.kind = in.choice("kind", RateRule::Kind::discount, 5);
    rule.models = models_of(in);
    if (const std::optional<std::string> text = in.text("meter")) {
        const Result<Meter> meter = parse_meter(*text);
        if (meter.ok())
            rule.meter = *meter;
        else
            in.wrong("meter", "'" + *text + "' is none that is metered");
    }
    if (const std::optional<std::string> text = in.text("tier")) {
        bool is_known = false;
        rule.tier = parse_service_tier(*text, &is_known);
        if (!is_known) in.wrong("tier", "'" + *text + "' is no service tier");
    }
    if (rule.kind == RateRule::Kind::discount) {
        in.require("percent");
        rule.ppm = in.percent("percent").value_or(0);
    } else {
        read_prices(in, &rule);
    }
    return rule;
}

VolumeDiscount read_volume(Reader& in) {
    VolumeDiscount out;
    out.basis = in.choice("basis", VolumeDiscount::Basis::month, 2);
    out.currency = in.currency(Currency::usd);
    in.list("steps", [&](Reader& step) {
        step.require("from");
        step.require("percent");
        const VolumeDiscount::Step read{step.cents("from").value_or(0),
                                        step.percent("percent").value_or(0)};
        if (!out.steps.empty() && read.from_cents <= out.steps.back().from_cents)
            step.wrong("from", "must be above that of the step before");
        out.steps.push_back(read);
    });
    return out;
}

MixedDiscount read_mixed(Reader& in) {
    MixedDiscount out;
    out.share_min_ppm = in.percent("share_min_percent").value_or(out.share_min_ppm);
    in.list("steps", [&](Reader& step) {
        step.require("models");
        step.require("percent");
        const MixedDiscount::Step read{step.count("models", 2, 1000).value_or(2),
                                       step.percent("percent").value_or(0)};
        if (!out.steps.empty() && read.models <= out.steps.back().models)
            step.wrong("models", "must be above that of the step before");
        out.steps.push_back(read);
    });
    return out;
}

Promotion read_promotion(Reader& in) {
    Promotion out;
    in.require("percent");
    out.ppm = in.percent("percent").value_or(0);
    if (const std::optional<std::string> text = in.text("through")) {
        const Result<YearMonth> month = parse_year_month(*text);
        if (month.ok())
            out.through = *month;
        else
            in.wrong("through", "must be a month such as 2026-11");
    }
    return out;
}

PaymentTerms read_payment(Reader& in) {
    PaymentTerms out =
        default_payment(in.choice("customer_kind", CustomerKind::medium, kCustomerKindCount));
    out.mode = in.choice("mode", out.mode, 3);
    out.net_days = static_cast<int>(in.count("net_days", 0, 365).value_or(out.net_days));
    if (in.has("deposit_cny") && in.has("deposit_months"))
        in.wrong("deposit_cny", "and 'deposit_months' cannot both be given");
    if (const auto fen = in.cents("deposit_cny")) {
        out.deposit_fen = *fen;
        out.deposit_months = 0;
    }
    out.deposit_months =
        static_cast<int>(in.count("deposit_months", 0, 36).value_or(out.deposit_months));
    out.credit_limit_fen = in.cents("credit_limit_cny");
    out.late_fee_ppm_per_day = in.percent("late_fee_percent_per_day").value_or(0);
    out.suspend_days =
        static_cast<int>(in.count("suspend_after_days", -1, 365).value_or(out.suspend_days));
    return out;
}

Trial read_trial(Reader& in) {
    Trial out;
    in.require("last_day");
    in.require("cap");
    out.currency = in.currency(Currency::usd);
    out.cap_cents = in.cents("cap").value_or(0);
    if (const std::optional<std::string> text = in.text("last_day")) {
        const Result<std::int32_t> day = parse_day(*text);
        if (day.ok())
            out.last_day = *day;
        else
            in.wrong("last_day", "must be a day such as 2026-11-30");
    }
    return out;
}

void read_terms(Reader& in, ContractTerms* out) {
    in.list("rate_card", [&](Reader& rule) { out->rate_card.push_back(read_rule(rule)); });
    in.list("reserved_capacity", [&](Reader& each) {
        each.require("percent");
        std::string models = models_of(each);
        out->reserved.push_back({std::move(models), each.percent("percent").value_or(0)});
    });
    in.object("volume_discount", [&](Reader& each) { out->volume = read_volume(each); });
    in.object("mixed_model_discount", [&](Reader& each) { out->mixed = read_mixed(each); });
    out->transfer_ppm = in.percent("transfer_discount_percent").value_or(0);
    in.object("promotion", [&](Reader& each) { out->promotion = read_promotion(each); });
    in.object("management_fee", [&](Reader& each) {
        ManagementFee fee;
        fee.ppm = each.percent("percent").value_or(0);
        fee.month_cents = each.cents("month").value_or(0);
        fee.currency = each.currency(Currency::cny);
        out->management_fee = fee;
    });
    in.object("commitment", [&](Reader& each) {
        Commitment read;
        each.require("amount");
        read.period = each.choice("period", Commitment::Period::year, 2);
        read.currency = each.currency(Currency::usd);
        read.cents = each.cents("amount").value_or(0);
        out->commitment = read;
    });
    out->termination_ppm = in.percent("termination_percent").value_or(0);
    out->usd_cny_e8 =
        in.decimal("usd_cny_rate", 8, 1'000'000, 100'000'000'000, "RMB for a dollar, 0.01 to 1000");
    in.object("payment", [&](Reader& each) { out->payment = read_payment(each); });
    in.object("trial", [&](Reader& each) { out->trial = read_trial(each); });
    if (out->volume && out->volume->basis == VolumeDiscount::Basis::commitment &&
        (!out->commitment || out->commitment->currency != out->volume->currency)) {
        in.wrong("volume_discount.basis",
                 "is the commitment: it needs one, in the same currency as its steps");
    }
}

// --- writing -------------------------------------------------------------------------------------

std::string percent_text(std::int64_t ppm) {
    return format_scaled(ppm, 4, 0);
}
std::string cents_text(std::int64_t cents) {
    return format_scaled(cents, 2, 2);
}

void write_rule(JsonWriter& w, const RateRule& rule) {
    w.begin_object().field("kind", name(rule.kind)).field("models", rule.models);
    if (rule.meter) w.field("meter", name(*rule.meter));
    if (rule.tier) w.field("tier", name(*rule.tier));
    if (rule.kind == RateRule::Kind::discount) {
        w.field("percent", percent_text(rule.ppm)).end_object();
        return;
    }
    w.field("currency", code(rule.currency));
    if (rule.kind == RateRule::Kind::fixed) {
        w.field("price", format_price(*rule.meter, rule.steps[0].price));
    } else if (rule.kind == RateRule::Kind::package) {
        w.field("package_units", rule.package_units);
        w.field("package_price", format_scaled(rule.package_nano, 9, 2));
    } else {
        w.key("steps").begin_array();
        for (const PriceStep& step : rule.steps) {
            w.begin_object();
            if (step.up_to != 0) w.field("up_to", step.up_to);
            w.field("price", format_price(*rule.meter, step.price)).end_object();
        }
        w.end_array();
    }
    w.end_object();
}

void write_discounts(JsonWriter& w, const ContractTerms& terms) {
    if (terms.volume) {
        w.key("volume_discount").begin_object().field("basis", name(terms.volume->basis));
        w.field("currency", code(terms.volume->currency)).key("steps").begin_array();
        for (const VolumeDiscount::Step& step : terms.volume->steps)
            w.begin_object()
                .field("from", cents_text(step.from_cents))
                .field("percent", percent_text(step.ppm))
                .end_object();
        w.end_array().end_object();
    }
    if (terms.mixed) {
        w.key("mixed_model_discount")
            .begin_object()
            .field("share_min_percent", percent_text(terms.mixed->share_min_ppm));
        w.key("steps").begin_array();
        for (const MixedDiscount::Step& step : terms.mixed->steps)
            w.begin_object()
                .field("models", step.models)
                .field("percent", percent_text(step.ppm))
                .end_object();
        w.end_array().end_object();
    }
    if (terms.transfer_ppm != 0)
        w.field("transfer_discount_percent", percent_text(terms.transfer_ppm));
    if (terms.promotion) {
        w.key("promotion").begin_object().field("percent", percent_text(terms.promotion->ppm));
        if (terms.promotion->through) w.field("through", to_string(*terms.promotion->through));
        w.end_object();
    }
}

void write_payment(JsonWriter& w, const PaymentTerms& payment) {
    w.key("payment").begin_object().field("customer_kind", name(payment.kind));
    w.field("mode", name(payment.mode)).field("net_days", std::int64_t{payment.net_days});
    if (payment.deposit_fen != 0)
        w.field("deposit_cny", cents_text(payment.deposit_fen));
    else
        w.field("deposit_months", std::int64_t{payment.deposit_months});
    if (payment.credit_limit_fen)
        w.field("credit_limit_cny", cents_text(*payment.credit_limit_fen));
    if (payment.late_fee_ppm_per_day != 0)
        w.field("late_fee_percent_per_day", percent_text(payment.late_fee_ppm_per_day));
    w.field("suspend_after_days", payment.suspend_days);
    w.end_object();
}

}  // namespace

Result<ContractTerms> parse_contract_terms(std::string_view json) {
    TG_TRY(const JsonNode root, parse_json_tree(json));
    ContractTerms out;
    Status bad;
    {
        Reader reader(&root, "", &bad);
        read_terms(reader, &out);
    }
    if (!bad.ok()) return fail(std::move(bad).error());
    return out;
}

std::string contract_terms_as_json(const ContractTerms& terms) {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    if (!terms.rate_card.empty()) {
        w.key("rate_card").begin_array();
        for (const RateRule& rule : terms.rate_card) write_rule(w, rule);
        w.end_array();
    }
    if (!terms.reserved.empty()) {
        w.key("reserved_capacity").begin_array();
        for (const ReservedCapacity& each : terms.reserved)
            w.begin_object()
                .field("models", each.models)
                .field("percent", percent_text(each.ppm))
                .end_object();
        w.end_array();
    }
    write_discounts(w, terms);
    if (terms.management_fee) {
        w.key("management_fee")
            .begin_object()
            .field("percent", percent_text(terms.management_fee->ppm))
            .field("month", cents_text(terms.management_fee->month_cents))
            .field("currency", code(terms.management_fee->currency))
            .end_object();
    }
    if (terms.commitment) {
        w.key("commitment")
            .begin_object()
            .field("period", name(terms.commitment->period))
            .field("amount", cents_text(terms.commitment->cents))
            .field("currency", code(terms.commitment->currency))
            .end_object();
    }
    if (terms.termination_ppm != 0)
        w.field("termination_percent", percent_text(terms.termination_ppm));
    if (terms.usd_cny_e8) w.field("usd_cny_rate", format_scaled(*terms.usd_cny_e8, 8, 2));
    write_payment(w, terms.payment);
    if (terms.trial) {
        w.key("trial")
            .begin_object()
            .field("last_day", day_text(terms.trial->last_day))
            .field("cap", cents_text(terms.trial->cap_cents))
            .field("currency", code(terms.trial->currency))
            .end_object();
    }
    w.end_object();
    return out;
}

}  // namespace tg
