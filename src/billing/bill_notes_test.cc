#include "billing/bill_notes.h"

#include "billing/payments.h"
#include "billing/test_billing.h"
#include "billing/test_fuse.h"
#include "billing/verify.h"
#include "ledger/balances.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "ledger/verify.h"

namespace tg {
namespace {

Change now() {
    return {.actor = "token:3 finance", .at = parse_rfc3339("2026-04-10T00:00:00Z").value()};
}

/// Books with a final bill of March: 'acme', projects chat (9 times as much) and search.
class FinalBill {
  public:
    explicit FinalBill(Dialect dialect) : t(dialect) {
        for (const auto& [project, tokens] :
             {std::pair{"chat", 9'000'000}, {"search", 1'000'000}}) {
            UsageEvent event = t.event();
            event.payer = t.payer("acme", project);
            event.usage = {};
            event.usage[Meter::input] = tokens;
            t.append(event);
        }
        EXPECT_EQ(t.settle(), 2);
        const BillHead draft =
            draft_into_register(t.connection(), "acme", {2026, 3}, BillTerms{}, now()).value();
        EXPECT_TRUE(review_bill(t.connection(), draft.id, now()).ok());
        head = finalise_bill(t.connection(), draft.id, now()).value();
    }
    Result<BillNote> issue(NoteKind kind, std::int64_t net_fen, std::string project = "chat",
                           std::string reference = "") {
        return issue_note(t.connection(),
                          {.bill_id = head.id,
                           .kind = kind,
                           .project = std::move(project),
                           .net_fen = net_fen,
                           .reason = "prices of 3 March were wrong",
                           .reference = std::move(reference)},
                          now());
    }
    BillHead found() { return find_bill(t.connection(), head.id, now().at).value(); }
    void pay(std::int64_t fen) {
        const Result<Payment> payment = record_payment(
            t.connection(),
            {.bank_account = "CN-1", .fen = fen, .value_day = 20'550, .reference = "R"}, now());
        ASSERT_TRUE(payment.ok()) << payment.error().text();
        const Result<Allocation> used = allocate_payment(
            t.connection(),
            {.payment_id = payment->id, .kind = AllocationKind::bill, .bill_id = head.id}, now());
        ASSERT_TRUE(used.ok()) << used.error().text();
    }
    std::string problems() {
        VerifyOptions options;
        options.journal_directories = {t.directory.path()};
        options.catalogue_of = t.catalogue_of();
        std::string out;
        for (const std::string& problem : verify_books(t.connection(), options)->problems)
            out += problem + "\n";
        for (const std::string& problem : verify_ledger(t.connection(), {})->problems)
            out += problem + "\n";
        return out;
    }

    TestBooks t;
    BillHead head;
};

class BillNotesTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(BillNotesTest);

TEST_P(BillNotesTest, a_credit_note_takes_back_a_part_of_a_bill) {
    FinalBill b(GetParam());
    ASSERT_EQ(b.head.net_fen, 180'00) << "25 dollars at 7.2";
    const Result<BillNote> note = b.issue(NoteKind::credit, 50'00);
    ASSERT_TRUE(note.ok()) << note.error().text();
    EXPECT_EQ(note->id, "CN-acme-202603-1");
    EXPECT_EQ(note->tax_fen, 3'00);
    EXPECT_EQ(note->refund_fen, 0);
    EXPECT_EQ(b.found().open_fen, b.head.total_fen - 53'00);
    EXPECT_EQ(b.found().credited_fen, 53'00);
    const Result<BillNote> debit = b.issue(NoteKind::debit, 10'00, "search");
    ASSERT_TRUE(debit.ok()) << debit.error().text();
    EXPECT_EQ(debit->id, "DN-acme-202603-1");
    EXPECT_EQ(b.found().open_fen, b.head.total_fen - 53'00 + 10'60);
    EXPECT_EQ(b.issue(NoteKind::credit, 1'00)->id, "CN-acme-202603-2");
    EXPECT_EQ(list_notes(b.t.connection(), b.head.id)->size(), 3U);
    EXPECT_EQ(b.problems(), "");
}

/// Each of many small notes rounds its tax, and all of them together are the bill's.
TEST_P(BillNotesTest, tax_of_notes_over_the_whole_bill_is_the_bills) {
    FinalBill b(GetParam());
    std::int64_t tax = 0, left = 162'00;
    for (const std::int64_t net : {7, 8, 9, 41'43, 33'33}) {
        tax += b.issue(NoteKind::credit, net)->tax_fen;
        left -= net;
    }
    tax += b.issue(NoteKind::credit, left)->tax_fen;
    tax += b.issue(NoteKind::credit, 18'00, "search")->tax_fen;
    EXPECT_EQ(tax, b.head.tax_fen);
    EXPECT_EQ(b.found().open_fen, 0);
    EXPECT_EQ(b.found().status, BillStatus::voided);
    EXPECT_EQ(b.problems(), "");
}

TEST_P(BillNotesTest, what_cannot_be_a_note_is_refused_and_changes_nothing) {
    FinalBill b(GetParam());
    const auto expect_refused = [&](const Result<BillNote>& note, ErrorCode code,
                                    const std::string& says) {
        ASSERT_FALSE(note.ok()) << says;
        EXPECT_EQ(note.error().code, code);
        EXPECT_NE(note.error().detail.find(says), std::string::npos) << note.error().detail;
    };
    expect_refused(b.issue(NoteKind::credit, 18'01, "search"), ErrorCode::conflict,
                   "project 'search' has 18.00 CNY left on bill BILL-acme-202603, net; a credit "
                   "note over 18.01 is more than that");
    expect_refused(b.issue(NoteKind::credit, 0), ErrorCode::invalid_request, "above 0");
    expect_refused(b.issue(NoteKind::debit, -1), ErrorCode::invalid_request, "above 0");
    expect_refused(b.issue(NoteKind::credit, 1, ""), ErrorCode::invalid_request,
                   "several projects: say which one of chat, search");
    expect_refused(b.issue(NoteKind::credit, 1, "shop"), ErrorCode::not_found,
                   "those are chat, search");
    expect_refused(
        issue_note(b.t.connection(),
                   {.bill_id = b.head.id, .project = "chat", .net_fen = 1, .reason = ""}, now()),
        ErrorCode::invalid_request, "needs a reason");
    expect_refused(issue_note(b.t.connection(),
                              {.bill_id = "BILL-x-202603", .net_fen = 1, .reason = "r"}, now()),
                   ErrorCode::not_found, "there is no bill 'BILL-x-202603'");
    ASSERT_TRUE(draft_into_register(b.t.connection(), "acme", {2026, 3}, BillTerms{}, now()).ok());
    EXPECT_EQ(b.t.store().integer("SELECT count(*) FROM bill_notes"), 0);
    EXPECT_EQ(b.problems(), "");
}

TEST_P(BillNotesTest, asking_again_with_the_same_reference_makes_no_second_note) {
    FinalBill b(GetParam());
    const BillNote first = b.issue(NoteKind::credit, 5'00, "chat", "ticket-17").value();
    EXPECT_EQ(b.issue(NoteKind::credit, 5'00, "chat", "ticket-17")->id, first.id);
    const auto other = b.issue(NoteKind::credit, 6'00, "chat", "ticket-17");
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().detail,
              "reference 'ticket-17' was used for CN-acme-202603-1, which is another note");
    EXPECT_EQ(list_notes(b.t.connection(), b.head.id)->size(), 1U);
}

TEST_P(BillNotesTest, what_had_been_paid_is_owed_back) {
    FinalBill b(GetParam());
    b.pay(b.head.total_fen - 10'00);
    const BillNote note = b.issue(NoteKind::credit, 50'00).value();
    EXPECT_EQ(note.refund_fen, 43'00) << "53.00 less the 10.00 that were still owed";
    EXPECT_EQ(b.found().open_fen, 0);
    EXPECT_EQ(b.found().status, BillStatus::paid);
    const Result<Femto> payable = read_balance(
        b.t.connection(),
        {AccountCode::refund_payable, Currency::cny, b.head.customer, ProjectId{}, note.id});
    EXPECT_EQ(payable.value().value, -43'00 * kFemtoPerCent);
    EXPECT_EQ(b.problems(), "");
}

TEST_P(BillNotesTest, a_bill_is_voided_by_notes_over_all_that_is_left) {
    FinalBill b(GetParam());
    ASSERT_TRUE(b.issue(NoteKind::credit, 50'00).ok());
    const auto notes = void_bill(b.t.connection(), b.head.id, "wrong customer", now());
    ASSERT_TRUE(notes.ok()) << notes.error().text();
    EXPECT_EQ(notes->size(), 2U) << "one for each project";
    EXPECT_EQ(b.found().status, BillStatus::voided);
    EXPECT_EQ(b.found().open_fen, 0);
    EXPECT_EQ(b.found().credited_fen, b.head.total_fen);
    EXPECT_TRUE(void_bill(b.t.connection(), b.head.id, "again", now())->empty());
    EXPECT_EQ(b.problems(), "");
}

TEST_P(BillNotesTest, a_note_is_issued_once_wherever_the_store_fails) {
    FinalBill b(GetParam());
    Fuse whole;
    const auto issue_over = [&](Fuse* fuse, const std::string& reference) {
        FragileConnection fragile(b.t.store().connect(), fuse);
        return issue_note(fragile,
                          {.bill_id = b.head.id,
                           .project = "chat",
                           .net_fen = 100,
                           .reason = "r",
                           .reference = reference},
                          now());
    };
    ASSERT_TRUE(issue_over(&whole, "first").ok());
    ASSERT_GT(whole.calls, 12) << "the fuse counts calls";
    int notes = 1;
    for (int call = 0; call < whole.calls; ++call) {
        for (const bool is_after : {false, true}) {
            Fuse fuse{.calls_left = call, .is_after = is_after};
            const std::string reference = "try-" + std::to_string(++notes);
            (void)issue_over(&fuse, reference).ok();
            Fuse none;
            const auto again = issue_over(&none, reference);
            ASSERT_TRUE(again.ok()) << again.error().text();
            EXPECT_EQ(again->id, "CN-acme-202603-" + std::to_string(notes));
        }
    }
    EXPECT_EQ(b.t.store().integer("SELECT count(*) FROM bill_notes"), notes);
    EXPECT_EQ(b.problems(), "");
}

TEST_P(BillNotesTest, a_note_cannot_be_changed_and_a_forged_one_is_found) {
    FinalBill b(GetParam());
    ASSERT_TRUE(b.issue(NoteKind::credit, 50'00).ok());
    ASSERT_TRUE(b.issue(NoteKind::credit, 10'00).ok());
    SqlConnection& store = b.t.connection();
    EXPECT_FALSE(store.execute("UPDATE bill_notes SET net_fen = 1").ok());
    EXPECT_FALSE(store.execute("DELETE FROM bill_notes").ok());
    ASSERT_TRUE(store
                    .execute_script(GetParam() == Dialect::sqlite
                                        ? "DROP TRIGGER bill_notes_are_never_changed; DROP TRIGGER "
                                          "bill_notes_are_never_deleted"
                                        : "ALTER TABLE bill_notes DISABLE TRIGGER USER")
                    .ok());
    const auto expect_found = [&](const std::string& sql, const std::string& undo,
                                  const std::string& says) {
        ASSERT_TRUE(store.execute(sql).ok()) << sql;
        const std::string found = b.problems();
        EXPECT_NE(found.find(says), std::string::npos) << sql << "\nfound:\n" << found;
        if (!undo.empty()) ASSERT_TRUE(store.execute(undo).ok()) << undo;
    };
    expect_found("UPDATE bill_notes SET tax_fen = 299 WHERE number = 1",
                 "UPDATE bill_notes SET tax_fen = 300 WHERE number = 1", "its tax is 299");
    expect_found("UPDATE bill_notes SET reason = 'x' WHERE number = 1",
                 "UPDATE bill_notes SET reason = 'prices of 3 March were wrong'",
                 "something else than its document");
    expect_found("UPDATE bill_notes SET number = 3 WHERE number = 2",
                 "UPDATE bill_notes SET number = 2 WHERE number = 3", "is number 3");
    EXPECT_EQ(b.problems(), "");
    expect_found("DELETE FROM bill_notes WHERE number = 2", "",
                 "CN-acme-202603-2: is in the ledger, but no note in the register");
}

}  // namespace
}  // namespace tg
