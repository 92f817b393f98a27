#pragma once
// For tests of the ledger and of what books into it.
#include <gtest/gtest.h>

#include "ledger/balances.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "store/test_store.h"

namespace tg {

inline constexpr CustomerId kAcme{7};
inline constexpr UtcMicros kNoon{1'780'000'000'000'000};  // 2026-05-28T20:26:40Z

/// "12.50" in 10^-15.
inline Femto money(std::string_view text) {
    const Result<int128> value = parse_scaled(text, 15);
    EXPECT_TRUE(value.ok()) << text;
    return {value.ok() ? *value : 0};
}

/// What a flow made, which must have gone well.
inline Entry good(Result<Entry> entry) {
    EXPECT_TRUE(entry.ok()) << entry.error().text();
    return entry.ok() ? *std::move(entry) : Entry{};
}

/// Books in a transaction of its own.
inline Result<Booking> book(SqlConnection& connection, const Entry& entry, UtcMicros now = kNoon) {
    TG_TRY(Transaction transaction, Transaction::begin(connection));
    LedgerWriter writer(&connection);
    TG_TRY(const Booking booking, writer.append(entry, now));
    TG_CHECK_OK(transaction.commit());
    return booking;
}

inline Entry usage_of(std::string_view batch, std::string_view charge,
                      Currency currency = Currency::usd, CustomerId customer = kAcme) {
    return good(usage_accrued({.batch_id = std::string(batch),
                               .customer = customer,
                               .currency = currency,
                               .occurred_at = kNoon,
                               .parts = {{ProjectId{3}, "2026-11", money(charge)}}}));
}

/// The bill of the golden example in facts/billing-and-vat §3c: 12,345.678901234 USD at 7.2 are
/// 88,888.89 CNY, VAT 5,333.33, total 94,222.22.
inline BillFinalised golden_bill() {
    return {.bill_id = "BILL-acme-202611",
            .customer = kAcme,
            .currency = Currency::cny,
            .occurred_at = kNoon,
            .usd_cny_e8 = 720'000'000,
            .usage = {{ProjectId{3}, "2026-11", Currency::usd, money("12345.678901234")}},
            .usage_lines = 1,
            .usage_cents = 88'888'89,
            .items = {},
            .vat_ppm = 60'000,
            .tax_cents = 5'333'33};
}

inline Entry receipt(std::string_view payment, std::int64_t cents) {
    return good(payment_received({.payment_id = std::string(payment),
                                  .bank_account = "ICBC-0001",
                                  .currency = Currency::cny,
                                  .occurred_at = kNoon,
                                  .cents = cents}));
}

inline Entry allocation(std::string_view id, std::string_view payment, std::string_view bill,
                        std::int64_t cents, std::int64_t overpaid_cents = 0) {
    return good(payment_allocated({.allocation_id = std::string(id),
                                   .payment_id = std::string(payment),
                                   .customer = kAcme,
                                   .currency = Currency::cny,
                                   .occurred_at = kNoon,
                                   .parts = {{std::string(bill), cents, Debt::billed}},
                                   .overpaid_cents = overpaid_cents}));
}

inline Femto balance(SqlConnection& connection, AccountCode account, Currency currency,
                     std::string subject = {}, CustomerId customer = kAcme,
                     ProjectId project = {}) {
    const Result<Femto> found =
        read_balance(connection, {account, currency, customer, project, std::move(subject)});
    EXPECT_TRUE(found.ok()) << found.error().text();
    return found.ok() ? *found : Femto{};
}

}  // namespace tg
