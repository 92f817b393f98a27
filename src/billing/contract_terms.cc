#include "billing/contract_terms.h"

#include <array>

namespace tg {
namespace {

constexpr std::array<std::string_view, 5> kRuleKinds = {"discount", "fixed", "graduated", "volume",
                                                        "package"};
constexpr std::array<std::string_view, kCustomerKindCount> kCustomerKinds = {
    "listed_or_large", "medium", "start_up", "high_risk"};
constexpr std::array<std::string_view, 3> kPaymentModes = {"postpaid", "prepaid",
                                                           "prepaid_then_postpaid"};

}  // namespace

std::string_view name(RateRule::Kind kind) {
    return kRuleKinds[static_cast<std::size_t>(kind)];
}
std::string_view name(VolumeDiscount::Basis basis) {
    return basis == VolumeDiscount::Basis::month ? "month" : "commitment";
}
std::string_view name(Commitment::Period period) {
    return period == Commitment::Period::month ? "month" : "year";
}
std::string_view name(CustomerKind kind) {
    return kCustomerKinds[static_cast<std::size_t>(kind)];
}
std::string_view name(PaymentMode mode) {
    return kPaymentModes[static_cast<std::size_t>(mode)];
}

bool matches_name(std::string_view pattern, std::string_view name) {
    // The text after the last '*' that was passed may begin at any later place.
    std::size_t p = 0, n = 0, after_star = std::string_view::npos, resume = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            after_star = ++p;
            resume = n;
        } else if (p < pattern.size() && pattern[p] == name[n]) {
            ++p;
            ++n;
        } else if (after_star != std::string_view::npos) {
            p = after_star;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

bool matches(const RateRule& rule, std::string_view model, Meter meter, ServiceTier tier,
             Currency currency) {
    if (rule.meter && *rule.meter != meter) return false;
    if (rule.tier && *rule.tier != tier) return false;
    if (rule.kind != RateRule::Kind::discount) {
        if (rule.currency != currency) return false;
        if (!rule.tier && tier != ServiceTier::standard) return false;
    }
    return matches_name(rule.models, model);
}

PaymentTerms default_payment(CustomerKind kind) {
    PaymentTerms out{.kind = kind};
    switch (kind) {
        case CustomerKind::listed_or_large:
            out.net_days = 30;
            out.suspend_days = 30;
            break;
        case CustomerKind::medium:
            break;
        case CustomerKind::start_up:
            out.mode = PaymentMode::prepaid_then_postpaid;
            out.deposit_months = 2;
            break;
        case CustomerKind::high_risk:
            out.mode = PaymentMode::prepaid;
            out.deposit_months = 3;
            out.suspend_days = 3;
            break;
    }
    return out;
}

}  // namespace tg
