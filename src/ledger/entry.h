#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/money.h"
#include "base/result.h"
#include "base/strong.h"
#include "ledger/chart.h"

namespace tg {

/// One account: a line of the chart, in a currency, of a customer (0: our own books), of a project
/// (0: none), for a subject (see SubjectKind).
struct AccountKey {
    AccountCode code{};
    Currency currency{};
    CustomerId customer{};
    ProjectId project{};
    std::string subject{};
    friend auto operator<=>(const AccountKey&, const AccountKey&) = default;
};
/// "1202 billed_receivable, customer 7, BILL-acme-202611, CNY".
std::string text(const AccountKey& key);

/// Debit is positive, credit negative; in 10^-15 of the account's currency.
struct Posting {
    AccountKey account;
    Femto amount;
    friend bool operator==(const Posting&, const Posting&) = default;
};

/// What an entry was booked for. Numbers are in the store and names in hashes; neither changes.
enum class CauseKind : std::uint8_t {
    usage_batch = 1,
    provider_batch = 2,
    bill = 3,
    credit_note = 4,
    debit_note = 5,
    invoice = 6,
    payment = 7,
    allocation = 8,
    refund = 9,
    refund_payment = 10,
    deposit = 11,
    wallet = 12,
    commit = 13,
    late_fee = 14,
    overdue = 15,
    provision = 16,
    write_off = 17,
    sla_credit = 18,
    provider_payment = 19,
    adjustment = 20,
    reversal = 21,
};
std::string_view name(CauseKind kind);
/// Errors: invalid_request naming the kinds there are.
Result<CauseKind> parse_cause_kind(std::string_view name);
/// False for a number that the store cannot have had from us.
bool is_known_cause(std::int64_t number);

/// An entry's cause names it: a second entry of the same cause is the same entry, or refused.
struct Cause {
    CauseKind kind{};
    std::string id{};
    friend auto operator<=>(const Cause&, const Cause&) = default;
};
std::string text(const Cause& cause);  ///< "bill BILL-acme-202611"

/// What an auditor needs to recompute an entry: "usd_cny_e8" = "720000000".
struct Detail {
    std::string key, value;
    friend bool operator==(const Detail&, const Detail&) = default;
};

/// One balanced transaction (分录): postings that sum to zero in each currency, tied to their
/// cause.
struct Entry {
    Cause cause;
    UtcMicros occurred_at;      ///< when what is booked happened; booked_at is the ledger's
    std::int64_t reverses = 0;  ///< number of the entry this one takes back; 0: none
    std::vector<Detail> details{};
    std::vector<Posting> postings{};

    std::string_view detail(std::string_view key) const;  ///< "" when there is none
    friend bool operator==(const Entry&, const Entry&) = default;
};

/// An amount of one posting is smaller than this: a million million of a currency.
inline constexpr int128 kPostingMax = kFemtoPerUnit * 1'000'000'000'000;
inline constexpr std::size_t kPostingsMax = 20'000;

/// Everything an entry must fulfil that can be seen from itself: known accounts with the owner,
/// subject and grain of the chart, amounts that are not zero, a sum of zero in each currency,
/// texts that can be stored. Errors: invalid_request naming the entry, the posting and the value.
Status validate(const Entry& entry);
/// The faults of one posting; "" when there is none.
std::string fault_of(const Posting& posting);
/// The currencies that do not sum to zero, with their sums; "" when all do.
std::string imbalance_of(const Entry& entry);

/// The same entry with every amount negated, to take back entry `number`.
Entry reversal_of(const Entry& original, std::int64_t number, UtcMicros occurred_at,
                  std::string_view reason);

/// The canonical bytes of an entry's content, and those that its hash covers (docs/formats.md).
std::string canonical_content(const Entry& entry);
std::string canonical_record(const Entry& entry, std::int64_t number,
                             std::string_view previous_hash, UtcMicros booked_at);
std::string sha256_hex(std::string_view bytes);

/// For people: a line of cause and details, then debits and credits in columns.
std::string entry_as_text(const Entry& entry);

}  // namespace tg
