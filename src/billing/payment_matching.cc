#include "billing/internal/payment_matching.h"

#include <algorithm>

#include "base/utf8.h"

namespace tg::bill_internal {
namespace {

constexpr std::int64_t kFeeMaxFen = 50'00;
/// Bills that may be paid together, and how many of a customer's are tried.
constexpr std::size_t kTogetherMax = 6, kTriedMax = 20;
constexpr std::size_t kSuggestionsMax = 5;

char32_t decode(std::string_view sequence) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
    if (sequence.size() == 1) return byte(0);
    char32_t out = byte(0) & (0xffU >> (sequence.size() + 1));
    for (std::size_t i = 1; i < sequence.size(); ++i) out = out << 6 | (byte(i) & 0x3f);
    return out;
}

bool is_letter_beyond_ascii(char32_t c) {
    const bool is_punctuation = (c >= 0x2000 && c <= 0x206f) || (c >= 0x3000 && c <= 0x303f) ||
                                (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xffef);
    return c >= 0xc0 && !is_punctuation;
}

using Bills = std::vector<const OpenBill*>;

Match match_of(MatchRule rule, const Bills& bills, std::int64_t left) {
    Match out{.rule = rule, .customer = bills.front()->customer, .parts = {}};
    for (const OpenBill* bill : bills) {
        const std::int64_t fen = std::min(bill->open_fen, left);
        if (fen <= 0) break;
        out.parts.push_back({bill->id, fen});
        left -= fen;
    }
    out.wallet_fen = left;
    return out;
}

std::int64_t sum_of(const Bills& bills) {
    std::int64_t sum = 0;
    for (const OpenBill* bill : bills) sum += bill->open_fen;
    return sum;
}

/// Bills that the payer named, of one customer; none where it is ambiguous.
Bills named_bills(const std::string& text, const MatchBasis& basis) {
    Bills out;
    for (const OpenBill& bill : basis.bills) {
        const std::string id = plain_text(bill.id);
        const std::size_t at = text.find(id);
        if (at == std::string::npos) continue;
        // A longer number behind it is another bill's, or no bill's.
        const std::size_t end = at + id.size();
        if (end < text.size() && text[end] >= '0' && text[end] <= '9') continue;
        out.push_back(&bill);
    }
    for (const OpenBill* bill : out)
        if (bill->customer != out.front()->customer) return {};
    return out;
}

/// The bills a payer named, then the customer's others from the oldest on.
Match named_match(const Payment& payment, Bills named, const MatchBasis& basis) {
    if (sum_of(named) == payment.open_fen)
        return match_of(MatchRule::bill_and_amount, named, payment.open_fen);
    for (const OpenBill& bill : basis.bills) {
        if (bill.customer == named.front()->customer &&
            std::ranges::find(named, &bill) == named.end())
            named.push_back(&bill);
    }
    return match_of(MatchRule::bill_named, named, payment.open_fen);
}

Bills bills_of(const std::string& customer, const MatchBasis& basis) {
    Bills out;
    for (const OpenBill& bill : basis.bills)
        if (bill.customer == customer) out.push_back(&bill);
    return out;
}

/// The only bill of a customer that has just this amount; null where there are none or several.
const OpenBill* only_bill_of(const Bills& bills, std::int64_t fen) {
    const OpenBill* out = nullptr;
    for (const OpenBill* bill : bills) {
        if (bill->open_fen != fen) continue;
        if (out != nullptr) return nullptr;
        out = bill;
    }
    return out;
}

/// Some bills, two at least, that add up to the amount; the first found.
bool find_together(const Bills& bills, std::size_t from, std::int64_t left, Bills* chosen) {
    if (left == 0) return chosen->size() > 1;
    if (chosen->size() == kTogetherMax) return false;
    for (std::size_t i = from; i < bills.size(); ++i) {
        if (bills[i]->open_fen > left) continue;
        chosen->push_back(bills[i]);
        if (find_together(bills, i + 1, left - bills[i]->open_fen, chosen)) return true;
        chosen->pop_back();
    }
    return false;
}

void suggest_for(const std::string& customer, const Payment& payment, const MatchBasis& basis,
                 bool is_named, std::vector<Match>* out) {
    Bills bills = bills_of(customer, basis);
    if (const OpenBill* bill = only_bill_of(bills, payment.open_fen); bill != nullptr && is_named)
        out->push_back(match_of(MatchRule::payer_name, {bill}, payment.open_fen));
    if (bills.size() > kTriedMax) bills.resize(kTriedMax);
    Bills together;
    if (find_together(bills, 0, payment.open_fen, &together))
        out->push_back(match_of(MatchRule::amount_of_bills, together, payment.open_fen));
    for (const OpenBill* bill : bills) {
        const std::int64_t fee = bill->open_fen - payment.open_fen;
        if (fee <= 0 || fee > kFeeMaxFen || !is_named) continue;
        Match less = match_of(MatchRule::less_bank_fee, {bill}, bill->open_fen);
        less.fee_fen = fee;
        out->push_back(std::move(less));
    }
}

}  // namespace

std::string plain_text(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) {
            text.remove_prefix(1);
            continue;
        }
        char32_t c = decode(text.substr(0, length));
        if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;  // full-width forms
        if (c < 0x80) {
            if (c >= 'a' && c <= 'z') c -= 32;
            if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')) out += static_cast<char>(c);
        } else if (is_letter_beyond_ascii(c)) {
            out.append(text, 0, length);
        }
        text.remove_prefix(length);
    }
    return out;
}

std::string plain_name(std::string_view text) {
    std::string out = plain_text(text);
    constexpr std::string_view kForms[] = {"股份有限公司", "有限责任公司", "有限公司", "公司",
                                           "COLTD",        "LIMITED",      "LTD",      "INC",
                                           "GMBH",         "LLC"};
    for (const std::string_view form : kForms) {
        if (!out.ends_with(form) || out.size() == form.size()) continue;
        out.resize(out.size() - form.size());
        break;
    }
    return out;
}

std::vector<Match> find_matches(const Payment& payment, const MatchBasis& basis) {
    const std::string text = plain_text(payment.remittance + " " + payment.reference);
    if (Bills named = named_bills(text, basis); !named.empty())
        return {named_match(payment, std::move(named), basis)};
    std::set<std::string> known;
    const auto payer = basis.payers.find(payment.payer_account);
    if (!payment.payer_account.empty() && payer != basis.payers.end()) known = payer->second;
    if (known.size() == 1) {
        const OpenBill* bill = only_bill_of(bills_of(*known.begin(), basis), payment.open_fen);
        if (bill != nullptr) return {match_of(MatchRule::known_payer, {bill}, payment.open_fen)};
    }
    const auto by_name = basis.customer_names.find(plain_name(payment.payer_name));
    if (by_name != basis.customer_names.end() && !by_name->second.empty())
        known.insert(by_name->second);
    std::vector<Match> out;
    for (const std::string& customer : known) suggest_for(customer, payment, basis, true, &out);
    if (out.empty() && known.empty()) {
        std::set<std::string> customers;
        for (const OpenBill& bill : basis.bills) customers.insert(bill.customer);
        for (const std::string& customer : customers) {
            suggest_for(customer, payment, basis, false, &out);
            if (out.size() >= kSuggestionsMax) break;
        }
    }
    if (out.size() > kSuggestionsMax) out.resize(kSuggestionsMax);
    return out;
}

}  // namespace tg::bill_internal
