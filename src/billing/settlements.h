#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "identity/identity_store.h"
#include "store/sql.h"

namespace tg {

/// What settles a debt or a claim without a bill.
enum class SettlementKind : std::uint8_t {
    write_off,  ///< a debt that will not be paid (坏账): 1203 to 5204; its VAT stays as it was
                ///< billed
    refund,     ///< money that the customer gets back: from wallet or deposit to 2106
    payout,     ///< what is owed back has been paid by the bank: 2106 to 1101
};
inline constexpr int kSettlementKindCount = 3;
enum class RefundSource : std::uint8_t { none, wallet, deposit };
inline constexpr int kRefundSourceCount = 3;
std::string_view name(SettlementKind kind);  ///< "write_off"
std::string_view name(RefundSource source);  ///< "wallet"; "" none
/// Errors: invalid_request naming those there are.
Result<RefundSource> parse_refund_source(std::string_view text);

/// Booked, and never changed. SET-{n}, n from 1 without gaps.
struct Settlement {
    std::string id;
    SettlementKind kind = SettlementKind::write_off;
    CustomerId customer;  ///< 0: of a payout to a payer who is no customer
    std::string customer_code;
    RefundSource source = RefundSource::none;  ///< of a refund
    std::string
        subject;  ///< the bill; of a payout what is paid back: SET-3, PAY-7-1, CN-acme-202611-1
    std::int64_t fen = 0;
    std::string bank_account;  ///< of a payout: our account
    std::string reason, reference;
    UtcMicros created_at;
    std::string created_by;
};
std::string settlement_as_json(const Settlement& settlement);

struct NewWriteOff {
    std::string bill_id{};
    std::optional<std::int64_t> fen{};  ///< none: all that is owed
    std::string reason{};
    std::string reference{};  ///< the same request with it again is the same write-off
};
/// Errors: not_found; conflict (not final, nothing or less owed); invalid_request (no reason).
Result<Settlement> write_off(SqlConnection& store, const NewWriteOff& wanted, const Change& change);

struct NewRefund {
    std::string customer{};  ///< a code
    RefundSource source = RefundSource::wallet;
    std::optional<std::int64_t> fen{};  ///< none: all that is there
    std::string reason{};
    std::string reference{};
};
/// Owed to the customer from now on, until it is paid out. Errors: not_found; conflict (nothing, or
/// less, is there); invalid_request (no reason).
Result<Settlement> approve_refund(SqlConnection& store, const NewRefund& wanted,
                                  const Change& change);

/// What is owed back and not paid out yet: of refunds, of parts of payments that are given back, of
/// credit notes over what had been paid.
struct OpenRefund {
    std::string id;  ///< what it is of: SET-3, PAY-7-1, CN-acme-202611-1
    CustomerId customer;
    std::int64_t fen = 0;
};
Result<std::vector<OpenRefund>> open_refunds(SqlConnection& store);

struct NewPayout {
    std::string refund_id{};            ///< OpenRefund::id
    std::optional<std::int64_t> fen{};  ///< none: all of it
    std::string bank_account{};         ///< ours, from which it was paid
    std::string reference{};            ///< the bank's number of the transfer
};
/// Errors: not_found (nothing is owed for it); conflict (less is); invalid_request (no account, no
/// reference).
Result<Settlement> record_payout(SqlConnection& store, const NewPayout& wanted,
                                 const Change& change);

/// Of a customer (0: of all), in order.
Result<std::vector<Settlement>> list_settlements(SqlConnection& store, CustomerId customer);

}  // namespace tg
