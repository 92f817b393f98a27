#pragma once
// What a payment may be for: pure, over the open bills as they are.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "billing/payments.h"

namespace tg::bill_internal {

struct OpenBill {
    std::string id, customer;
    CustomerId customer_id;
    std::int64_t open_fen = 0;
};

struct MatchBasis {
    std::vector<OpenBill> bills;                        ///< oldest first
    std::map<std::string, std::string> customer_names;  ///< code by plain name; "" when ambiguous
    /// Customers that a payer's account has paid for.
    std::map<std::string, std::set<std::string>> payers;
};

/// Upper-case letters and digits of any script, without spaces and punctuation; full-width forms as
/// their plain ones. What banks leave of a reference.
std::string plain_text(std::string_view text);
/// plain_text() of a company's name without its legal form.
std::string plain_name(std::string_view text);

/// Best first; a safe one is alone.
std::vector<Match> find_matches(const Payment& payment, const MatchBasis& basis);

}  // namespace tg::bill_internal
