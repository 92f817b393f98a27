// FOCUS 1.2, the columns that are mandatory and those that have something to say here.
// Source: FinOps Foundation, FOCUS specification 1.2 (facts/billing-and-vat §6.5).
#include <array>
#include <map>

#include "base/csv.h"
#include "base/json_writer.h"
#include "base/time_zone.h"
#include "documents/documents.h"
#include "documents/internal/words.h"
#include "rating/price_text.h"

namespace tg {

using namespace documents_internal;

namespace {

constexpr std::array kColumns = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
};

/// What is not named is null.
using Row = std::map<std::string_view, std::string>;

void append(const Row& row, std::string* out) {
    bool is_first = true;
    for (const char* column : kColumns) {
        const auto cell = row.find(column);
        out->append(is_first ? "" : ",");
        is_first = false;
        if (cell != row.end()) out->append(csv_cell(cell->second));
    }
    out->append("\r\n");
}

/// What a meter counts, and how many decimals a unit of its price has beyond that count.
struct MeterUnit {
    std::string_view consumed, priced;
    int scale = 0;  ///< 10^scale of what is consumed are a unit of price
};

MeterUnit unit_of(Meter meter) {
    const bool is_tokens = meter <= Meter::training;
    switch (meter) {
        case Meter::request:
            return {"Requests", "Requests"};
        case Meter::image:
        case Meter::image_in:
            return {"Images", "Images"};
        case Meter::audio_ms:
        case Meter::video_ms:
            return {"Milliseconds", "Seconds", 3};
        case Meter::character:
            return {"Characters", "1000000 Characters", 6};
        case Meter::pixel:
            return {"Pixels", "1000000 Pixels", 6};
        case Meter::page:
            return {"Pages", "Pages"};
        case Meter::code_interpreter:
            return {"Sessions", "Sessions"};
        default:
            return is_tokens ? MeterUnit{"Tokens", "1000000 Tokens", 6}
                             : MeterUnit{"Requests", "Requests"};
    }
}

class FocusRows {
  public:
    FocusRows(const Bill& bill, const DocumentOptions& options)
        : bill_(&bill), options_(&options) {}
    Result<std::string> write();

  private:
    Row common(const std::string& project) const;
    Status add_line(const BillLine& line, const TimeZone& zone);
    void add_item(const BillItem& item);
    void add_tax(const BillTotal& project);

    const Bill* bill_;
    const DocumentOptions* options_;
    std::string out_;
};

std::string fen_text(std::int64_t fen) {
    return format_scaled(fen, 2, 2);
}

Row FocusRows::common(const std::string& project) const {
    const std::string start = format_rfc3339(bill_->period_start);
    const std::string end = format_rfc3339(bill_->period_end);
    const std::string& issuer = options_->issuer.name_in(options_->language);
    return {{"BillingAccountId", bill_->customer},
            {"BillingAccountName", bill_->customer_name},
            {"BillingCurrency", "CNY"},
            {"BillingPeriodStart", start},
            {"BillingPeriodEnd", end},
            {"ChargePeriodStart", start},
            {"ChargePeriodEnd", end},
            {"InvoiceId", bill_->id},
            {"InvoiceIssuerName", issuer},
            {"ProviderName", issuer},
            {"PublisherName", issuer},
            {"ServiceCategory", "AI and Machine Learning"},
            {"ServiceSubcategory", "Generative AI"},
            {"SubAccountId", project},
            {"SubAccountName", project},
            {"SubAccountType", "Project"}};
}

Status FocusRows::add_line(const BillLine& line, const TimeZone& zone) {
    // Exact in RMB: 10^-15 of a dollar times a rate in 10^-8.
    constexpr int kRateScale = 8;
    const bool is_usd = line.currency == Currency::usd;
    const int128 rate = is_usd ? bill_->terms.usd_cny_e8 : 100'000'000;
    int128 cost = 0, price = 0;
    if (__builtin_mul_overflow(line.exact.value, rate, &cost) ||
        __builtin_mul_overflow(int128{line.price.nano}, rate, &price)) {
        return fail(ErrorCode::corrupt_data, "bill " + bill_->id + ": a line over " +
                                                 format_amount(line.exact) +
                                                 " is larger than any real one; run: tollgate "
                                                 "verify");
    }
    const MeterUnit unit = unit_of(line.meter);
    // A price is in 10^-9 for 10^6 of what is consumed.
    const int price_scale = 15 - unit.scale;
    const std::string list_cost = format_scaled(cost, 15 + kRateScale, 2);
    const std::string list_price = format_scaled(price, price_scale + kRateScale, 2);
    const std::string own_price = format_scaled(line.price.nano, price_scale, 2);
    const std::string meter(name(line.meter));
    Row row = common(line.project);
    row["BilledCost"] = row["EffectiveCost"] = fen_text(line.cny_fen);
    row["ListCost"] = row["ContractedCost"] = list_cost;
    row["ListUnitPrice"] = row["ContractedUnitPrice"] = list_price;
    row["PricingCurrency"] = code(line.currency);
    row["PricingCurrencyListUnitPrice"] = row["PricingCurrencyContractedUnitPrice"] = own_price;
    row["PricingCurrencyEffectiveCost"] = fen_text(is_usd ? line.usd_cents : line.cny_fen);
    row["PricingCategory"] = "Standard";
    row["PricingQuantity"] = format_scaled(line.quantity, unit.scale, 0);
    row["PricingUnit"] = unit.priced;
    row["ConsumedQuantity"] = std::to_string(line.quantity);
    row["ConsumedUnit"] = unit.consumed;
    row["ChargeCategory"] = "Usage";
    row["ChargeFrequency"] = "Usage-Based";
    row["ChargeDescription"] = line.model + ", " + line_label(line, options_->language);
    row["PublisherName"] = line.provider;
    row["ServiceName"] = line.model;
    row["SkuId"] = line.provider + "/" + line.model;
    row["SkuMeter"] = meter_label(line.meter, Language::en);
    row["SkuPriceId"] =
        line.provider + "/" + line.model + "/" + meter + "/" + std::string(name(line.tier));
    if (line.late_from) {
        row["ChargeClass"] = "Correction";
        row["ChargePeriodStart"] = format_rfc3339(zone.start_of_month(*line.late_from));
        row["ChargePeriodEnd"] = format_rfc3339(zone.end_of_month(*line.late_from));
    }
    JsonWriter tags(row["Tags"]);
    tags.begin_object()
        .field("department", line.department)
        .field("environment", line.environment)
        .end_object();
    append(row, &out_);
    return {};
}

void FocusRows::add_item(const BillItem& item) {
    Row row = common(item.project);
    const std::string fen = fen_text(item.cny_fen);
    row["BilledCost"] = row["EffectiveCost"] = row["ContractedCost"] = fen;
    row["ListCost"] = "0.00";
    row["ChargeCategory"] = "Adjustment";
    row["ChargeFrequency"] = "Recurring";
    row["ChargeDescription"] = item_label(item, bill_->month, options_->language);
    row["ServiceName"] = name(item.kind);
    switch (item.kind) {
        case BillItemKind::management_fee:
        case BillItemKind::early_end:
            row["ChargeCategory"] = "Purchase";
            row["ListCost"] = fen;
            break;
        case BillItemKind::true_up:
            row["ChargeCategory"] = "Usage";
            row["ListCost"] = fen;
            row["CommitmentDiscountCategory"] = "Spend";
            row["CommitmentDiscountId"] = item.contract;
            row["CommitmentDiscountStatus"] = "Unused";
            break;
        case BillItemKind::sla_credit:
            row["ChargeCategory"] = "Credit";
            break;
        default:
            break;
    }
    if (item.kind >= BillItemKind::true_up) row["ChargeFrequency"] = "One-Time";
    append(row, &out_);
}

void FocusRows::add_tax(const BillTotal& project) {
    if (project.vat_fen == 0) return;
    Row row = common(project.project);
    row["BilledCost"] = row["EffectiveCost"] = row["ContractedCost"] = row["ListCost"] =
        fen_text(project.vat_fen);
    row["ChargeCategory"] = "Tax";
    row["ChargeFrequency"] = "Recurring";
    row["ChargeDescription"] = std::string(words(options_->language).vat) + " " +
                               format_scaled(bill_->terms.vat_ppm, 4, 0) + "%";
    row["ServiceName"] = "VAT";
    append(row, &out_);
}

Result<std::string> FocusRows::write() {
    TG_TRY(const TimeZone zone, TimeZone::load(bill_->time_zone));
    bool is_first = true;
    for (const char* column : kColumns) {
        out_.append(is_first ? "" : ",").append(column);
        is_first = false;
    }
    out_.append("\r\n");
    for (const auto* lines : {&bill_->lines, &bill_->late})
        for (const BillLine& line : *lines) TG_CHECK_OK(add_line(line, zone));
    for (const BillItem& item : bill_->items) add_item(item);
    for (const BillTotal& project : bill_->projects) add_tax(project);
    return std::move(out_);
}

}  // namespace

Result<std::string> bill_as_focus(const Bill& bill, const DocumentOptions& options) {
    return FocusRows(bill, options).write();
}

}  // namespace tg
