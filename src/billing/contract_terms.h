#pragma once
// What a contract says about money, and its JSON form (docs/formats.md, "Contract terms").
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "base/result.h"
#include "base/usage.h"

namespace tg {

/// A price up to and including a quantity of the month; 0: without end.
struct PriceStep {
    std::int64_t up_to = 0;
    NanoPerM price;
    friend bool operator==(const PriceStep&, const PriceStep&) = default;
};

/// Another price than the list's for the lines it matches. Of several rules the first that matches
/// a line is the one. Steps and packages count the customer's quantity of all lines of the month
/// that the rule matches, in whichever project and on whichever day.
struct RateRule {
    enum class Kind : std::uint8_t {
        discount,   ///< list price less `ppm`
        fixed,      ///< steps[0].price
        graduated,  ///< each part of the quantity at the price of its step
        volume,     ///< all of the quantity at the price of the step it reaches
        package,    ///< whole packages of `package_units`, each at `package_nano`
    };
    Kind kind = Kind::discount;
    std::string models = "*";  ///< a name in which '*' stands for any text
    /// All kinds but discount name one.
    std::optional<Meter> meter{};
    /// None: every tier for a discount, the standard one for prices.
    std::optional<ServiceTier> tier{};
    /// Of the prices; a line in another currency does not match.
    Currency currency = Currency::usd;
    std::int64_t ppm = 0;
    std::vector<PriceStep> steps{};
    std::int64_t package_units = 0;
    std::int64_t package_nano = 0;  ///< in 10^-9 of the currency
    friend bool operator==(const RateRule&, const RateRule&) = default;
};
std::string_view name(RateRule::Kind kind);
bool matches(const RateRule& rule, std::string_view model, Meter meter, ServiceTier tier,
             Currency currency);
/// `pattern` with '*' for any text.
bool matches_name(std::string_view pattern, std::string_view name);

/// Capacity bought ahead for 1 to 3 years: less on the models it covers.
struct ReservedCapacity {
    std::string models = "*";
    std::int64_t ppm = 0;
    friend bool operator==(const ReservedCapacity&, const ReservedCapacity&) = default;
};

/// The step that the basis reaches holds for everything.
struct VolumeDiscount {
    enum class Basis : std::uint8_t {
        month,       ///< what the month's usage costs after rate card and reserved capacity
        commitment,  ///< what is committed for a year
    };
    struct Step {
        std::int64_t from_cents = 0;
        std::int64_t ppm = 0;
        friend bool operator==(const Step&, const Step&) = default;
    };
    Basis basis = Basis::month;
    Currency currency = Currency::usd;
    std::vector<Step> steps{};  ///< ascending
    friend bool operator==(const VolumeDiscount&, const VolumeDiscount&) = default;
};
std::string_view name(VolumeDiscount::Basis basis);

/// For spreading use over several models. A model counts when its share of the month's list price
/// is at least `share_min_ppm`.
struct MixedDiscount {
    struct Step {
        std::int64_t models = 0;
        std::int64_t ppm = 0;
        friend bool operator==(const Step&, const Step&) = default;
    };
    std::int64_t share_min_ppm = 50'000;
    std::vector<Step> steps{};  ///< ascending
    friend bool operator==(const MixedDiscount&, const MixedDiscount&) = default;
};

struct Promotion {
    std::int64_t ppm = 0;
    std::optional<YearMonth> through{};  ///< the last month it holds for
    friend bool operator==(const Promotion&, const Promotion&) = default;
};

/// A share of what usage costs after all discounts, an amount each month (shared out by days in a
/// month the contract does not cover whole), or both.
struct ManagementFee {
    std::int64_t ppm = 0;
    std::int64_t month_cents = 0;
    Currency currency = Currency::cny;
    friend bool operator==(const ManagementFee&, const ManagementFee&) = default;
};

/// What the customer will spend at least, on usage after all discounts. What is missing at the end
/// of a period is on the bill of its last month. A period the contract does not cover whole, or in
/// which the amount changes, commits by days.
struct Commitment {
    enum class Period : std::uint8_t {
        month,  ///< of the calendar
        year,   ///< from the contract's first day
    };
    Period period = Period::year;
    Currency currency = Currency::usd;
    std::int64_t cents = 0;  ///< of a whole period
    friend bool operator==(const Commitment&, const Commitment&) = default;
};
std::string_view name(Commitment::Period period);

/// Kinds of customer by credit standing, and what they get unless the contract says otherwise.
enum class CustomerKind : std::uint8_t { listed_or_large, medium, start_up, high_risk };
inline constexpr int kCustomerKindCount = 4;
std::string_view name(CustomerKind kind);

enum class PaymentMode : std::uint8_t {
    postpaid,
    prepaid,                ///< from the wallet alone
    prepaid_then_postpaid,  ///< from the wallet while it has something, then on credit
};
std::string_view name(PaymentMode mode);

struct PaymentTerms {
    CustomerKind kind = CustomerKind::medium;
    PaymentMode mode = PaymentMode::postpaid;
    int net_days = 15;             ///< from the month's end until a bill has to be paid
    int deposit_months = 0;        ///< deposit, in months of usage
    std::int64_t deposit_fen = 0;  ///< deposit, as an amount; both may not be given
    /// What may be owed at most, billed or not, less deposit and wallet; none: no limit.
    std::optional<std::int64_t> credit_limit_fen{};
    std::int64_t late_fee_ppm_per_day = 0;
    int suspend_days = 15;  ///< after a bill's due date, until calls are refused; -1: never
    friend bool operator==(const PaymentTerms&, const PaymentTerms&) = default;
};
/// Source: requirements C5.
PaymentTerms default_payment(CustomerKind kind);

/// A trial ends with its last day, or when usage at list price reaches the cap.
struct Trial {
    std::int32_t last_day = 0;  ///< since 1970-01-01, in the customer's zone
    std::int64_t cap_cents = 0;
    Currency currency = Currency::usd;
    friend bool operator==(const Trial&, const Trial&) = default;
};

/// Applied to usage at list price in this order, each to what the ones before have left: rate
/// card, reserved capacity, volume, mixed models, transfer, promotion; then management fee and
/// what is missing of the commitment.
struct ContractTerms {
    std::vector<RateRule> rate_card{};
    std::vector<ReservedCapacity> reserved{};  ///< the first that covers a model is the one
    std::optional<VolumeDiscount> volume{};
    std::optional<MixedDiscount> mixed{};
    std::int64_t transfer_ppm = 0;
    std::optional<Promotion> promotion{};
    std::optional<ManagementFee> management_fee{};
    std::optional<Commitment> commitment{};
    std::int64_t termination_ppm = 0;  ///< of what is committed beyond an early end
    /// RMB for a dollar on every bill; none: the rate of the month.
    std::optional<std::int64_t> usd_cny_e8{};
    PaymentTerms payment{};
    std::optional<Trial> trial{};
    friend bool operator==(const ContractTerms&, const ContractTerms&) = default;
};

/// Errors: invalid_request naming the member, e.g. "rate_card[2].price", and what it must be.
Result<ContractTerms> parse_contract_terms(std::string_view json);
/// In one form only: the same terms are the same bytes.
std::string contract_terms_as_json(const ContractTerms& terms);

}  // namespace tg
