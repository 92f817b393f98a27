#pragma once
// What documents say, in each language.
#include <string>
#include <string_view>

#include "documents/documents.h"

namespace tg::documents_internal {

struct Words {
    std::string_view language;  ///< for type: "en", "zh-CN"
    std::string_view bill, draft, page_of;
    std::string_view bill_to, customer_code, bill_number, period, time_zone, issued, due, rate,
        status;
    std::string_view amount_due, in_words, tax_id, address, phone, email;
    std::string_view summary, usage, late_usage, contract_items, adjustments, commitments, payment;
    std::string_view project, department, environment, requests, model, provider, item, quantity,
        unit_price, usd, cny, net, vat, total, subtotal, tier, text, base, number, month, currency,
        list_price_of;
    std::string_view commitment_period, committed, spent_before, spent, missing;
    std::string_view pay_to, bank, account, reference, pay_by;
    std::string_view unpriced, estimated, unconfirmed, fallback;  ///< behind a count
    std::string_view rounding_head, rounding, proof;
    std::string_view nothing;  ///< on a bill without lines
};
const Words& words(Language language);

std::string_view meter_label(Meter meter, Language language);
/// "1M tokens": what a unit price is for.
std::string_view unit_label(Meter meter, Language language);
std::string_view status_label(std::string_view status, Language language);
/// What an item is for.
std::string item_label(const BillItem& item, YearMonth month, Language language);
/// "Input, tier batch"
std::string line_label(const BillLine& line, Language language);

}  // namespace tg::documents_internal
