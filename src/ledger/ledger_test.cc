#include "ledger/ledger.h"

#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "ledger/test_ledger.h"
#include "ledger/verify.h"

namespace tg {
namespace {

class Ledger : public DialectTest {};
TG_INSTANTIATE_DIALECTS(Ledger);

void expect_sound(SqlConnection& connection) {
    const Result<LedgerVerifyReport> report = verify_ledger(connection, {});
    ASSERT_TRUE(report.ok()) << report.error().text();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
}

TEST_P(Ledger, EntriesAreNumberedChainedAndReadBackAsTheyWere) {
    const auto store = fresh_store();
    const Entry usage = usage_of("1-10/7/USD", "12345.678901234");
    const Entry bill = good(bill_finalised(golden_bill()));
    const Result<Booking> first = book(store->connection(), usage),
                          second = book(store->connection(), bill);
    ASSERT_TRUE(first.ok()) << first.error().text();
    ASSERT_TRUE(second.ok()) << second.error().text();
    EXPECT_EQ(first->number, 1);
    EXPECT_EQ(second->number, 2);
    const Result<BookedEntry> one = read_entry(store->connection(), 1),
                              two = read_entry(store->connection(), 2);
    ASSERT_TRUE(one.ok() && two.ok());
    EXPECT_EQ(one->entry, usage);
    EXPECT_EQ(two->entry, bill);
    EXPECT_EQ(one->hash, sha256_hex(canonical_record(usage, 1, "", kNoon)));
    EXPECT_EQ(two->hash, sha256_hex(canonical_record(bill, 2, one->hash, kNoon)));
    EXPECT_EQ(read_entry(store->connection(), 3).error().text(),
              "not_found: there is no ledger entry 3");
    expect_sound(store->connection());
}

// The bytes that hashes are made of are a format: a change of them breaks every stored chain.
TEST(LedgerFormat, CanonicalRecordIsWhatTheDocumentationSays) {
    const Entry entry = good(adjusted(
        {.id = "ADJ-1",
         .reason = "尾差 \"a\"",
         .occurred_at = {1'764'000'000'000'001},
         .postings = {{{AccountCode::fx_gain_loss, Currency::usd}, money("0.000000000000001")},
                      {{AccountCode::deposit, Currency::cny, kAcme}, money("-12.5")},
                      {{AccountCode::fx_position_usd, Currency::usd}, money("-0.000000000000001")},
                      {{AccountCode::bank, Currency::cny, CustomerId{}, ProjectId{}, "ICBC-1"},
                       money("12.5")}}}));
    EXPECT_EQ(
        canonical_record(entry, 17, std::string(64, 'a'), {1'764'000'000'500'000}),
        R"({"format":"tollgate-ledger-entry-1","number":17,"previous":")" + std::string(64, 'a') +
            R"(","booked_at":1764000000500000,"content":{"cause":"adjustment","id":"ADJ-1",)"
            R"("occurred_at":1764000000000001,"reverses":0,"details":{"reason":"尾差 \"a\""},)"
            R"("postings":[{"account":5202,"currency":"USD","customer":0,"project":0,)"
            R"("subject":"","amount":"1"},{"account":2103,"currency":"CNY","customer":7,)"
            R"("project":0,"subject":"","amount":"-12500000000000000"},{"account":1301,)"
            R"("currency":"USD","customer":0,"project":0,"subject":"","amount":"-1"},)"
            R"({"account":1101,"currency":"CNY","customer":0,"project":0,"subject":"ICBC-1",)"
            R"("amount":"12500000000000000"}]}})");
}

TEST_P(Ledger, SameCauseIsBookedOnceAndWithOtherContentRefused) {
    const auto store = fresh_store();
    ASSERT_TRUE(book(store->connection(), usage_of("b1", "1.5")).ok());
    const Result<Booking> again =
        book(store->connection(), usage_of("b1", "1.5"), {kNoon.micros + 5});
    ASSERT_TRUE(again.ok()) << again.error().text();
    EXPECT_EQ(again->number, 1);
    EXPECT_FALSE(again->is_new);
    const Result<Booking> other = book(store->connection(), usage_of("b1", "1.6"));
    EXPECT_EQ(other.error().code, ErrorCode::conflict);
    EXPECT_TRUE(
        other.error().detail.starts_with("usage_batch b1 is ledger entry 1 already, with "
                                         "other content"))
        << other.error().detail;
    EXPECT_EQ(store->integer("SELECT entries FROM ledger_head"), 1);
    expect_sound(store->connection());
}

TEST_P(Ledger, ManyEntriesAtOnceWithRepeatsAmongThemAndOfEarlierOnes) {
    const auto store = fresh_store();
    ASSERT_TRUE(book(store->connection(), usage_of("b0", "1")).ok());
    std::vector<Entry> entries;
    for (int i = 0; i < 300; ++i) entries.push_back(usage_of("b" + std::to_string(i), "1"));
    entries.push_back(entries[5]);
    Result<Transaction> transaction = Transaction::begin(store->connection());
    ASSERT_TRUE(transaction.ok());
    LedgerWriter writer(&store->connection());
    const auto bookings = writer.append(entries, kNoon);
    ASSERT_TRUE(bookings.ok()) << bookings.error().text();
    ASSERT_TRUE(transaction->commit().ok());
    EXPECT_EQ(bookings->front().number, 1);
    EXPECT_FALSE(bookings->front().is_new);
    EXPECT_EQ((*bookings)[299].number, 300);
    EXPECT_EQ(bookings->back().number, (*bookings)[5].number);
    EXPECT_FALSE(bookings->back().is_new);
    EXPECT_EQ(balance(store->connection(), AccountCode::unbilled_receivable, Currency::usd,
                      "2026-11", kAcme, ProjectId{3}),
              money("300"));
    expect_sound(store->connection());
}

TEST_P(Ledger, InvalidEntryOfMayChangesNothing) {
    const auto store = fresh_store();
    std::vector<Entry> entries{usage_of("b1", "1"), usage_of("b2", "2")};
    entries[1].postings[0].amount.value += 1;
    Result<Transaction> transaction = Transaction::begin(store->connection());
    ASSERT_TRUE(transaction.ok());
    const auto bookings = LedgerWriter(&store->connection()).append(entries, kNoon);
    EXPECT_EQ(bookings.error().text(),
              "invalid_request: ledger entry of usage_batch b2: debits and credits differ: USD by "
              "0.000000000000001");
    ASSERT_TRUE(transaction->commit().ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM ledger_entries"), 0);
}

TEST_P(Ledger, BalanceNeverComesToStandOnTheForbiddenSide) {
    const auto store = fresh_store();
    SqlConnection& connection = store->connection();
    ASSERT_TRUE(book(connection, usage_of("b1", "12345.678901234")).ok());
    ASSERT_TRUE(book(connection, good(bill_finalised(golden_bill()))).ok());
    ASSERT_TRUE(book(connection, receipt("PAY-1", 95'000'00)).ok());
    // More than the bill: only the debt can be paid.
    const auto over = book(connection, allocation("A-1", "PAY-1", "BILL-acme-202611", 94'222'23));
    EXPECT_EQ(over.error().text(),
              "conflict: ledger entry of allocation A-1: account 1202 billed_receivable, customer "
              "7, BILL-acme-202611, CNY would stand at 0.01 credit, but 'Billed receivable' never "
              "stands in credit");
    ASSERT_TRUE(
        book(connection, allocation("A-1", "PAY-1", "BILL-acme-202611", 94'222'22, 777'78)).ok());
    // The payment is used up.
    EXPECT_EQ(book(connection, good(deposit_received({.id = "D-1",
                                                      .payment_id = "PAY-1",
                                                      .customer = kAcme,
                                                      .occurred_at = kNoon,
                                                      .cents = 1})))
                  .error()
                  .code,
              ErrorCode::conflict);
    // The wallet holds 777.78.
    const auto refund = [&](std::string_view id, std::int64_t cents) {
        return book(connection, good(refund_approved({.refund_id = std::string(id),
                                                      .from = RefundApproved::From::wallet,
                                                      .customer = kAcme,
                                                      .occurred_at = kNoon,
                                                      .cents = cents})));
    };
    EXPECT_EQ(refund("R-1", 777'79).error().code, ErrorCode::conflict);
    EXPECT_TRUE(refund("R-1", 777'78).ok());
    EXPECT_EQ(refund("R-2", 1).error().code, ErrorCode::conflict);
    EXPECT_EQ(
        balance(connection, AccountCode::billed_receivable, Currency::cny, "BILL-acme-202611"),
        Femto{});
    EXPECT_EQ(balance(connection, AccountCode::unbilled_receivable, Currency::usd, "2026-11", kAcme,
                      ProjectId{3}),
              Femto{});
    expect_sound(connection);
}

TEST_P(Ledger, ReversalTakesAnEntryBackExactlyOnce) {
    const auto store = fresh_store();
    SqlConnection& connection = store->connection();
    ASSERT_TRUE(book(connection, receipt("PAY-1", 100'00)).ok());
    const auto reverse = [&](std::int64_t number, std::string_view reason) -> Result<Booking> {
        TG_TRY(Transaction transaction, Transaction::begin(connection));
        LedgerWriter writer(&connection);
        TG_TRY(const Booking booking, writer.reverse(number, kNoon, reason, kNoon));
        TG_CHECK_OK(transaction.commit());
        return booking;
    };
    const auto reversed = reverse(1, "wrong account");
    ASSERT_TRUE(reversed.ok()) << reversed.error().text();
    EXPECT_EQ(reversed->number, 2);
    EXPECT_EQ(balance(connection, AccountCode::bank, Currency::cny, "ICBC-0001", CustomerId{}),
              Femto{});
    EXPECT_FALSE(reverse(1, "wrong account")->is_new) << "the same reversal again";
    EXPECT_EQ(reverse(1, "another reason").error().code, ErrorCode::conflict);
    EXPECT_EQ(reverse(9, "x").error().code, ErrorCode::not_found);
    EXPECT_TRUE(reverse(2, "it was right").ok()) << "a reversal can be reversed";
    EXPECT_EQ(balance(connection, AccountCode::bank, Currency::cny, "ICBC-0001", CustomerId{}),
              money("100"));
    Entry crooked = reversal_of(receipt("PAY-1", 100'00), 3, kNoon, "x");
    crooked.postings[0].amount = {crooked.postings[0].amount.value * 2};
    crooked.postings[1].amount = {crooked.postings[1].amount.value * 2};
    EXPECT_EQ(book(connection, crooked).error().code, ErrorCode::invalid_request);
    expect_sound(connection);
}

TEST_P(Ledger, BookingTimeNeverGoesBack) {
    const auto store = fresh_store();
    ASSERT_TRUE(book(store->connection(), usage_of("b1", "1"), {2'000}).ok());
    ASSERT_TRUE(book(store->connection(), usage_of("b2", "1"), {1'000}).ok());
    ASSERT_TRUE(book(store->connection(), usage_of("b3", "1"), {3'000}).ok());
    EXPECT_EQ(read_entry(store->connection(), 2)->booked_at.micros, 2'000);
    EXPECT_EQ(*number_as_of(store->connection(), {1'999}), 0);
    EXPECT_EQ(*number_as_of(store->connection(), {2'000}), 2);
    EXPECT_EQ(*number_as_of(store->connection(), {2'999}), 2);
    EXPECT_EQ(*number_as_of(store->connection(), {9'999}), 3);
    expect_sound(store->connection());
}

TEST_P(Ledger, RowsAreNeverChangedOrDeleted) {
    const auto store = fresh_store();
    ASSERT_TRUE(book(store->connection(), usage_of("b1", "1")).ok());
    for (const std::string table :
         {"ledger_accounts", "ledger_entries", "ledger_postings", "ledger_snapshots",
          "proof_leaves", "proof_nodes", "proof_heads"}) {
        if (store->integer("SELECT count(*) FROM " + table) == 0 && GetParam() == Dialect::sqlite)
            continue;
        const auto refused = store->connection().execute("DELETE FROM " + table);
        ASSERT_FALSE(refused.ok()) << table;
        EXPECT_NE(refused.error().detail.find("append-only"), std::string::npos);
    }
    EXPECT_FALSE(store->connection().execute("UPDATE ledger_postings SET amount_low = 1").ok());
    EXPECT_FALSE(store->connection().execute("UPDATE ledger_entries SET booked_at = 1").ok());
}

TEST_P(Ledger, BalancesOfAnyMomentComeFromSnapshotsAndTail) {
    const auto store = fresh_store();
    SqlConnection& connection = store->connection();
    constexpr int kEntries = 10'000;
    int made = 0;
    LedgerWriter writer(&connection);
    while (made < kEntries) {
        std::vector<Entry> entries;
        for (int i = 0; i < 2'500; ++i, ++made)
            entries.push_back(usage_of("b" + std::to_string(made), "0.000000001", Currency::usd,
                                       CustomerId{static_cast<std::uint32_t>(1 + made % 3)}));
        Result<Transaction> transaction = Transaction::begin(connection);
        ASSERT_TRUE(transaction.ok());
        const auto bookings = writer.append(entries, {made});
        ASSERT_TRUE(bookings.ok()) << bookings.error().text();
        ASSERT_TRUE(transaction->commit().ok());
    }
    EXPECT_EQ(store->integer("SELECT count(DISTINCT number) FROM ledger_snapshots"), 2);
    for (const std::int64_t up_to : {1, 2, 3, 2'500, 4'999, 5'000, 5'001, 9'999, 10'000}) {
        // Customer 1 has every third entry, from the first on.
        const auto found = read_balance(
            connection,
            {AccountCode::usage_revenue, Currency::usd, CustomerId{1}, ProjectId{3}, {}}, up_to);
        ASSERT_TRUE(found.ok()) << found.error().text();
        EXPECT_EQ(found->value, -((up_to + 2) / 3) * int128{1'000'000}) << up_to;
    }
    const auto all = read_balances(connection, {.currency = Currency::usd, .up_to = 2});
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(all->size(), 4U) << "two customers with two accounts; the third came later";
    expect_sound(connection);
}

TEST_P(Ledger, FilterFindsEntriesByCustomerAccountSubjectCauseAndTime) {
    const auto store = fresh_store();
    SqlConnection& connection = store->connection();
    ASSERT_TRUE(book(connection, usage_of("b1", "12345.678901234"), {1'000}).ok());
    ASSERT_TRUE(book(connection, usage_of("b2", "1", Currency::cny, CustomerId{8}), {2'000}).ok());
    ASSERT_TRUE(book(connection, good(bill_finalised(golden_bill())), {3'000}).ok());
    ASSERT_TRUE(book(connection, receipt("PAY-1", 1), {4'000}).ok());
    const auto numbers = [&](const EntryFilter& filter) {
        std::vector<std::int64_t> out;
        EXPECT_TRUE(read_entries(connection, filter, [&](const BookedEntry& entry) {
                        out.push_back(entry.number);
                        return true;
                    }).ok());
        return out;
    };
    using Numbers = std::vector<std::int64_t>;
    EXPECT_EQ(numbers({}), (Numbers{1, 2, 3, 4}));
    EXPECT_EQ(numbers({.customer = kAcme}), (Numbers{1, 3}));
    EXPECT_EQ(numbers({.account = AccountCode::usage_revenue}), (Numbers{1, 2}));
    EXPECT_EQ(numbers({.subject = "BILL-acme-202611"}), Numbers{3});
    EXPECT_EQ(numbers({.cause = Cause{CauseKind::payment, "PAY-1"}}), Numbers{4});
    EXPECT_EQ(numbers({.booked_from = {2'000}, .booked_until = {4'000}}), (Numbers{2, 3}));
    EXPECT_EQ(numbers({.first = 2, .limit = 2}), (Numbers{2, 3}));
}

// Writers of one store at once, some of which give up: numbers without a gap, one chain, and each
// cause once although three threads try to book it.
TEST_P(Ledger, ManyWritersLeaveOneGaplessChain) {
    const auto store = fresh_store();
    constexpr int kThreads = 6, kEach = 25;
    std::atomic<int> booked = 0, repeated = 0, failed = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            const auto connection = store->connect();
            for (int i = 0; i < kEach; ++i) {
                // Threads 0-2 share their causes, threads 3-5 have their own.
                const std::string batch =
                    std::to_string(thread < 3 ? 0 : thread) + "-" + std::to_string(i);
                Result<Transaction> transaction = Transaction::begin(*connection);
                if (!transaction.ok()) {
                    ++failed;
                    continue;
                }
                LedgerWriter writer(connection.get());
                const auto booking = writer.append(usage_of(batch, "0.5"), kNoon);
                if (!booking.ok()) {
                    ++failed;
                    continue;
                }
                if (i % 5 == 4 && thread >= 3) continue;  // dropped: rolled back
                if (!transaction->commit().ok())
                    ++failed;
                else
                    ++(booking->is_new ? booked : repeated);
            }
        });
    }
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(booked, kEach + 3 * (kEach - kEach / 5));
    EXPECT_EQ(repeated, 2 * kEach);
    EXPECT_EQ(store->integer("SELECT entries FROM ledger_head"), booked);
    EXPECT_EQ(store->integer("SELECT max(number) FROM ledger_entries"), booked);
    EXPECT_EQ(balance(store->connection(), AccountCode::unbilled_receivable, Currency::usd,
                      "2026-11", kAcme, ProjectId{3}),
              Femto{booked * money("0.5").value});
    expect_sound(store->connection());
}

// Killed at the worst moment: after the entry was written, before the commit.
TEST_P(Ledger, ProcessKilledInATransactionLeavesNothingOfIt) {
    const auto store = fresh_store();
    ASSERT_TRUE(book(store->connection(), usage_of("before", "1")).ok());
    for (int round = 0; round < 5; ++round) {
        std::array<int, 2> ends{};
        ASSERT_EQ(pipe(ends.data()), 0);
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            const auto connection = store->connect();
            Result<Transaction> transaction = Transaction::begin(*connection);
            LedgerWriter writer(connection.get());
            const bool is_written =
                transaction.ok() &&
                writer.append(usage_of("committed-" + std::to_string(round), "2"), kNoon).ok() &&
                transaction->commit().ok();
            Result<Transaction> open = Transaction::begin(*connection);
            const bool is_open =
                is_written && open.ok() &&
                writer.append(usage_of("lost-" + std::to_string(round), "4"), kNoon).ok();
            const char said = is_open ? 'y' : 'n';
            (void)!write(ends[1], &said, 1);
            for (;;) pause();
        }
        char said = 0;
        ASSERT_EQ(read(ends[0], &said, 1), 1);
        EXPECT_EQ(said, 'y');
        ASSERT_EQ(kill(child, SIGKILL), 0);
        ASSERT_EQ(waitpid(child, nullptr, 0), child);
        close(ends[0]);
        close(ends[1]);
        // The next writer is not held up, and goes on where the chain ended.
        const auto next =
            book(store->connection(), usage_of("after-" + std::to_string(round), "8"));
        ASSERT_TRUE(next.ok()) << next.error().text();
        EXPECT_EQ(next->number, 1 + 2 * (round + 1));
    }
    EXPECT_EQ(balance(store->connection(), AccountCode::unbilled_receivable, Currency::usd,
                      "2026-11", kAcme, ProjectId{3}),
              money("51"));
    expect_sound(store->connection());
}

}  // namespace
}  // namespace tg
