#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/strong.h"
#include "billing/bank_statement.h"
#include "identity/identity_store.h"
#include "store/sql.h"

namespace tg {

enum class PaymentMethod : std::uint8_t { bank_transfer, card, partner };
inline constexpr int kPaymentMethodCount = 3;
std::string_view name(PaymentMethod method);
/// Errors: invalid_request naming those there are.
Result<PaymentMethod> parse_payment_method(std::string_view text);

/// Money that came in: PAY-{n}, n from 1 without gaps. In the ledger it is in suspense (1102) until
/// it is known what it is for. Amounts are fen of RMB.
struct Payment {
    std::string id;
    std::string bank_account;
    PaymentMethod method = PaymentMethod::bank_transfer;
    std::int64_t fen = 0;
    std::int64_t open_fen = 0;   ///< still in suspense
    std::int32_t value_day = 0;  ///< since 1970-01-01
    std::string reference;       ///< the bank's
    std::string payer_name, payer_account;
    std::string remittance;    ///< what the payer wrote
    std::string statement_id;  ///< of the file it came with; "" by hand
    UtcMicros recorded_at;
    std::string recorded_by;
};

struct NewPayment {
    std::string bank_account;
    PaymentMethod method = PaymentMethod::bank_transfer;
    std::int64_t fen = 0;
    std::int32_t value_day = 0;
    std::string reference{};  ///< the same again, for the same account, is the same payment
    std::string payer_name{}, payer_account{}, remittance{};
};
/// Books it into suspense. Errors: invalid_request (no amount, account or reference); conflict (the
/// reference was used for another payment).
Result<Payment> record_payment(SqlConnection& store, const NewPayment& payment,
                               const Change& change);

struct StatementImport {
    std::string statement_id;
    std::int64_t recorded = 0, known = 0;  ///< rows that came in: new, and recorded before
    std::int64_t outgoing = 0;             ///< rows that went out, which are not booked from here
    bool was_imported = false;             ///< the same file before: nothing was done
};
/// Records what a statement says came in. Rows are recognised by account and the bank's reference,
/// or where there is none by all they say and how often they say it, so that overlapping files and
/// two equal transfers of a day are both right. `bytes` is the file. Errors: invalid_request (no
/// account), conflict (a row is known with another amount).
Result<StatementImport> import_statement(SqlConnection& store, const BankStatement& statement,
                                         std::string_view format, std::string_view bytes,
                                         const Change& change);

struct PaymentFilter {
    bool open_only = false;
    std::optional<std::int32_t> first_day{}, last_day{};
    int limit = 1000;
};
/// Newest first. Errors: those of the store.
Result<std::vector<Payment>> list_payments(SqlConnection& store, const PaymentFilter& filter);
/// Errors: not_found.
Result<Payment> find_payment(SqlConnection& store, std::string_view id);

/// Why a part of a payment was used for something.
enum class MatchRule : std::uint8_t {
    by_hand,
    bill_and_amount,  ///< the payer named bills whose debts are the amount
    bill_named,       ///< named bills, with another amount: they first, then the oldest
    known_payer,      ///< paid for this customer before, and one open bill has the amount
    payer_name,       ///< suggested: the customer's name, and one open bill has the amount
    amount_of_bills,  ///< suggested: some open bills of one customer have the amount
    less_bank_fee,    ///< suggested: an open bill less a bank's fee
};
inline constexpr int kMatchRuleCount = 7;
std::string_view name(MatchRule rule);

enum class AllocationKind : std::uint8_t { bill, wallet, deposit, refund };
inline constexpr int kAllocationKindCount = 4;
std::string_view name(AllocationKind kind);
/// Errors: invalid_request naming those there are.
Result<AllocationKind> parse_allocation_kind(std::string_view text);

/// A part of a payment and what it was used for.
struct Allocation {
    std::string id, payment_id;  ///< PAY-7-1
    AllocationKind kind = AllocationKind::bill;
    CustomerId customer;  ///< 0: a refund to a payer who is no customer
    std::string bill_id;
    std::int64_t fen = 0;      ///< by which debt falls, wallet or deposit rises
    std::int64_t fee_fen = 0;  ///< of that, kept by a bank on the way; we bear it
    MatchRule rule = MatchRule::by_hand;
    UtcMicros allocated_at;
    std::string allocated_by;
};
/// Of one payment in order; of all where `payment_id` is "".
Result<std::vector<Allocation>> list_allocations(SqlConnection& store, std::string_view payment_id);

struct AllocationRequest {
    std::string payment_id;
    AllocationKind kind = AllocationKind::bill;
    std::string bill_id{};   ///< of a bill
    std::string customer{};  ///< code; of wallet and deposit
    /// None: all that is open of the payment, of a bill no more than is owed.
    std::optional<std::int64_t> fen{};
    std::int64_t fee_fen = 0;
};
/// Books a part of a payment. Errors: not_found; invalid_request (nothing to allocate, a fee above
/// 50 CNY); conflict (more than is open of the payment or owed of the bill).
Result<Allocation> allocate_payment(SqlConnection& store, const AllocationRequest& request,
                                    const Change& change);

/// What a payment may be for. Only rules by reference and known payer are booked without anybody.
struct Match {
    MatchRule rule = MatchRule::by_hand;
    std::string customer;
    struct Part {
        std::string bill_id;
        std::int64_t fen = 0;
    };
    std::vector<Part> parts;
    std::int64_t wallet_fen = 0;  ///< what is over
    std::int64_t fee_fen = 0;
    bool is_safe() const {
        return rule >= MatchRule::bill_and_amount && rule <= MatchRule::known_payer;
    }
};
struct MatchReport {
    std::int64_t looked_at = 0, matched = 0;
    std::int64_t from_wallets = 0;  ///< bills paid by pay_from_wallets() afterwards
    struct Open {
        Payment payment;
        std::vector<Match> suggestions;
    };
    std::vector<Open> open;  ///< for somebody to look at
};
/// Books what is safe of all open payments, oldest first, each in a transaction of its own; the
/// rest with suggestions. `dry_run`: books nothing. Rules: facts/billing-and-vat §5.2.
Result<MatchReport> match_payments(SqlConnection& store, const Change& change, bool dry_run);

/// Pays final bills from the wallets of their customers, oldest first. Returns how many bills were
/// paid, or a part of them. Errors: those of the store.
Result<std::int64_t> pay_from_wallets(SqlConnection& store, const Change& change);

}  // namespace tg
