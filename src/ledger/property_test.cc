// Random business: whatever customers, bills, payments and mistakes come in whatever order, the
// books stay sound, and equal a simple model kept beside them.
#include <rapidcheck.h>

#include "ledger/test_ledger.h"
#include "ledger/verify.h"

namespace tg {
namespace {

/// What a simple bookkeeper knows.
struct Model {
    std::map<std::uint32_t, int128> unbilled_usd;                        ///< by customer
    std::map<std::pair<std::uint32_t, std::string>, std::int64_t> owed;  ///< bill -> fen
    std::map<std::string, std::int64_t> suspense;                        ///< payment -> fen
    std::map<std::uint32_t, std::int64_t> wallet, deposit;
    int next_id = 0;
};

class Business {
  public:
    /// Businesses share a ledger: each has customers and ids of its own. `booked` counts all.
    Business(SqlConnection& connection, std::uint32_t number, std::int64_t* booked)
        : connection_(connection), number_(number), booked_(*booked) {}

    void step() {
        switch (*rc::gen::inRange(0, 9)) {
            case 0:
            case 1:
                return use();
            case 2:
                return bill();
            case 3:
                return pay_in();
            case 4:
            case 5:
                return allocate();
            case 6:
                return move_to(wallet_topped_up, &Model::wallet);
            case 7:
                return move_to(deposit_received, &Model::deposit);
            default:
                return refund();
        }
    }

    void check() {
        const auto report = verify_ledger(connection_, {});
        RC_ASSERT(report.ok());
        if (!report->ok()) RC_FAIL(report->problems.front());
        RC_ASSERT(std::cmp_equal(report->entries, booked_));
        const auto expect = [&](AccountCode account, Currency currency, std::string subject,
                                CustomerId customer, int128 femto, ProjectId project = {}) {
            const auto found = read_balance(
                connection_, {account, currency, customer, project, std::move(subject)});
            RC_ASSERT(found.ok());
            RC_ASSERT(found->value == femto);
        };
        for (const auto& [customer, femto] : model_.unbilled_usd)
            expect(AccountCode::unbilled_receivable, Currency::usd, "2026-11", CustomerId{customer},
                   femto, ProjectId{3});
        for (const auto& [bill, fen] : model_.owed)
            expect(AccountCode::billed_receivable, Currency::cny, bill.second,
                   CustomerId{bill.first}, fen * kFemtoPerCent);
        for (const auto& [payment, fen] : model_.suspense)
            expect(AccountCode::receipts_in_suspense, Currency::cny, payment, CustomerId{},
                   -fen * kFemtoPerCent);
        for (const auto& [customer, fen] : model_.wallet)
            expect(AccountCode::wallet_paid, Currency::cny, "", CustomerId{customer},
                   -fen * kFemtoPerCent);
        for (const auto& [customer, fen] : model_.deposit)
            expect(AccountCode::deposit, Currency::cny, "", CustomerId{customer},
                   -fen * kFemtoPerCent);
    }

  private:
    /// Books; half of the time once more, as a client that got no answer would.
    bool try_book(const Result<Entry>& entry) {
        RC_ASSERT(entry.ok());
        const auto booking = book(connection_, *entry);
        if (!booking.ok()) {
            RC_ASSERT(booking.error().code == ErrorCode::conflict);
            return false;
        }
        RC_ASSERT(booking->is_new);
        RC_ASSERT(booking->number == ++booked_);
        if (*rc::gen::arbitrary<bool>()) {
            const auto again = book(connection_, *entry);
            RC_ASSERT(again.ok());
            RC_ASSERT(!again->is_new);
            RC_ASSERT(again->number == booking->number);
        }
        return true;
    }
    std::string id(std::string_view kind) {
        return std::string(kind) + "-" + std::to_string(number_) + "-" +
               std::to_string(++model_.next_id);
    }
    std::uint32_t customer() const { return number_ * 3 + *rc::gen::inRange<std::uint32_t>(1, 4); }

    void use() {
        const std::uint32_t who = customer();
        const int128 femto = *rc::gen::inRange<std::int64_t>(1, 1'000'000'000'000'000'000);
        RC_ASSERT(try_book(usage_accrued({.batch_id = id("b"),
                                          .customer = CustomerId{who},
                                          .currency = Currency::usd,
                                          .occurred_at = kNoon,
                                          .parts = {{ProjectId{3}, "2026-11", {femto}}}})));
        model_.unbilled_usd[who] += femto;
    }

    void bill() {
        const std::uint32_t who = customer();
        const int128 femto = model_.unbilled_usd[who];
        if (femto == 0) return;
        const std::int64_t rate = *rc::gen::inRange<std::int64_t>(600'000'000, 800'000'000);
        const auto fen = static_cast<std::int64_t>(
            divide(femto * rate, kFemtoPerCent * 100'000'000, Rounding::half_up));
        const auto tax =
            static_cast<std::int64_t>(divide(int128{fen} * 60'000, 1'000'000, Rounding::half_up));
        const std::string bill_id = id("BILL");
        RC_ASSERT(
            try_book(bill_finalised({.bill_id = bill_id,
                                     .customer = CustomerId{who},
                                     .currency = Currency::cny,
                                     .occurred_at = kNoon,
                                     .usd_cny_e8 = rate,
                                     .usage = {{ProjectId{3}, "2026-11", Currency::usd, {femto}}},
                                     .usage_lines = 1,
                                     .usage_cents = fen,
                                     .items = {},
                                     .vat_ppm = 60'000,
                                     .tax_cents = tax})));
        model_.unbilled_usd[who] = 0;
        model_.owed[{who, bill_id}] = fen + tax;
    }

    void pay_in() {
        const std::string payment = id("PAY");
        const auto fen = *rc::gen::inRange<std::int64_t>(1, 1'000'000);
        RC_ASSERT(try_book(payment_received({.payment_id = payment,
                                             .bank_account = "ICBC-0001",
                                             .occurred_at = kNoon,
                                             .cents = fen})));
        model_.suspense[payment] = fen;
    }

    /// Any part of any payment to any bill: right amounts are booked, wrong ones refused.
    void allocate() {
        if (model_.owed.empty() || model_.suspense.empty()) return;
        const auto [bill, owed] = *rc::gen::elementOf(model_.owed);
        const auto [payment, left] = *rc::gen::elementOf(model_.suspense);
        const auto fen = *rc::gen::inRange<std::int64_t>(1, left + 2);
        const auto overpaid = *rc::gen::element<std::int64_t>(0, 0, 1);
        const bool is_booked =
            try_book(payment_allocated({.allocation_id = id("A"),
                                        .payment_id = payment,
                                        .customer = CustomerId{bill.first},
                                        .occurred_at = kNoon,
                                        .parts = {{bill.second, fen, Debt::billed}},
                                        .overpaid_cents = overpaid}));
        RC_ASSERT(is_booked == (fen <= owed && fen + overpaid <= left));
        if (!is_booked) return;
        model_.owed[bill] -= fen;
        model_.suspense[payment] -= fen + overpaid;
        model_.wallet[bill.first] += overpaid;
    }

    void move_to(Result<Entry> (*flow)(const Advance&),
                 std::map<std::uint32_t, std::int64_t> Model::* target) {
        if (model_.suspense.empty()) return;
        const auto [payment, left] = *rc::gen::elementOf(model_.suspense);
        const auto fen = *rc::gen::inRange<std::int64_t>(1, left + 2);
        const std::uint32_t who = customer();
        const bool is_booked = try_book(flow({.id = id("ADV"),
                                              .payment_id = payment,
                                              .customer = CustomerId{who},
                                              .occurred_at = kNoon,
                                              .cents = fen}));
        RC_ASSERT(is_booked == (fen <= left));
        if (!is_booked) return;
        model_.suspense[payment] -= fen;
        (model_.*target)[who] += fen;
    }

    void refund() {
        const std::uint32_t who = customer();
        const std::int64_t held = model_.wallet[who];
        const auto fen = *rc::gen::inRange<std::int64_t>(1, held + 2);
        const bool is_booked = try_book(refund_approved({.refund_id = id("REF"),
                                                         .from = RefundApproved::From::wallet,
                                                         .customer = CustomerId{who},
                                                         .occurred_at = kNoon,
                                                         .cents = fen}));
        RC_ASSERT(is_booked == (fen <= held));
        if (is_booked) model_.wallet[who] -= fen;
    }

    SqlConnection& connection_;
    const std::uint32_t number_;
    std::int64_t& booked_;
    Model model_;
};

class LedgerProperties : public DialectTest {};
TG_INSTANTIATE_DIALECTS(LedgerProperties);

TEST_P(LedgerProperties, RandomBusinessLeavesSoundBooks) {
    const auto store = fresh_store();
    std::uint32_t number = 0;
    std::int64_t booked = 0;
    EXPECT_TRUE(rc::check("invariants hold after any flows", [&] {
        Business business(store->connection(), number++, &booked);
        const int steps = *rc::gen::inRange(1, 60);
        for (int i = 0; i < steps; ++i) business.step();
        business.check();
    }));
}

// Reversing every entry, newest first, brings every balance back to zero.
TEST_P(LedgerProperties, ReversingEverythingLeavesNothing) {
    const auto store = fresh_store();
    SqlConnection& connection = store->connection();
    ASSERT_TRUE(book(connection, usage_of("b1", "12345.678901234")).ok());
    ASSERT_TRUE(book(connection, good(bill_finalised(golden_bill()))).ok());
    ASSERT_TRUE(book(connection, receipt("PAY-1", 95'000'00)).ok());
    ASSERT_TRUE(
        book(connection, allocation("A-1", "PAY-1", "BILL-acme-202611", 94'222'22, 777'78)).ok());
    for (std::int64_t number = 4; number >= 1; --number) {
        Result<Transaction> transaction = Transaction::begin(connection);
        ASSERT_TRUE(transaction.ok());
        const auto reversed = LedgerWriter(&connection).reverse(number, kNoon, "all of it", kNoon);
        ASSERT_TRUE(reversed.ok()) << reversed.error().text();
        ASSERT_TRUE(transaction->commit().ok());
    }
    const auto balances = read_balances(connection, {});
    ASSERT_TRUE(balances.ok());
    EXPECT_EQ(balances->size(), 10U);
    for (const AccountBalance& each : *balances)
        EXPECT_EQ(each.amount, Femto{}) << text(each.account);
}

}  // namespace
}  // namespace tg
