#include "billing/bill_register.h"

#include <thread>

#include "billing/payments.h"
#include "billing/test_billing.h"
#include "billing/test_fuse.h"
#include "billing/verify.h"
#include "identity/audit_log.h"
#include "ledger/balances.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "ledger/proof_log.h"
#include "ledger/verify.h"

namespace tg {
namespace {

constexpr YearMonth kMarch{2026, 3}, kApril{2026, 4};

Change at(std::string_view time, std::string actor = "token:3 finance") {
    return {.actor = std::move(actor), .at = parse_rfc3339(time).value()};
}

class BillRegisterTest : public DialectTest {
  protected:
    static void expect_sound(TestBooks& t) {
        VerifyOptions options;
        options.journal_directories = {t.directory.path()};
        options.store_url = t.identity.store.url();
        options.catalogue_of = t.catalogue_of();
        const Result<VerifyReport> report = verify_books(t.connection(), options);
        ASSERT_TRUE(report.ok()) << report.error().text();
        for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
        const auto ledger = verify_ledger(t.connection(), {});
        ASSERT_TRUE(ledger.ok()) << ledger.error().text();
        for (const std::string& problem : ledger->problems) ADD_FAILURE() << problem;
    }
    static std::string problems(TestBooks& t) {
        VerifyOptions options;
        options.journal_directories = {t.directory.path()};
        options.catalogue_of = t.catalogue_of();
        const Result<VerifyReport> report = verify_books(t.connection(), options);
        EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
        std::string out;
        if (report.ok())
            for (const std::string& problem : report->problems) out += problem + "\n";
        return out;
    }
    /// Calls of 'acme' in March, in two projects and two currencies: settled.
    static void use(TestBooks& t, std::string_view when = "2026-03-05T10:00:00Z") {
        for (const char* project : {"chat", "search"}) {
            for (const char* model : {"gpt-4o", "qwen-max", "gpt-4o-mini"}) {
                UsageEvent event = t.event(when, model);
                event.payer = t.payer("acme", project);
                event.usage[Meter::input] = 123'457;
                t.append(event);
            }
        }
        ASSERT_EQ(t.settle(), 6);
    }
    static BillHead must(const Result<BillHead>& head) {
        EXPECT_TRUE(head.ok()) << (head.ok() ? "" : head.error().text());
        return head.ok() ? *head : BillHead{};
    }
    static BillHead finalise(TestBooks& t, YearMonth month, std::string_view when) {
        const BillHead draft =
            must(draft_into_register(t.connection(), "acme", month, BillTerms{}, at(when)));
        must(review_bill(t.connection(), draft.id, at(when)));
        return must(finalise_bill(t.connection(), draft.id, at(when)));
    }
    static Femto unbilled(TestBooks& t) {
        const auto balances =
            read_balances(t.connection(), {.account = AccountCode::unbilled_receivable});
        EXPECT_TRUE(balances.ok());
        Femto out;
        for (const AccountBalance& balance : *balances) out += balance.amount;
        return out;
    }
    static std::string error(const Result<BillHead>& head) {
        return head.ok() ? "" : head.error().text();
    }
};
TG_INSTANTIATE_DIALECTS(BillRegisterTest);

TEST_P(BillRegisterTest, a_month_goes_from_draft_to_paid) {
    TestBooks t(GetParam());
    use(t);
    const Result<BillHead> early = draft_into_register(t.connection(), "acme", kMarch, BillTerms{},
                                                       at("2026-03-31T15:59:59Z"));
    ASSERT_FALSE(early.ok());
    EXPECT_EQ(early.error().detail,
              "2026-03 is not over for customer 'acme': it ends at 2026-03-31T16:00:00Z "
              "(Asia/Shanghai)");

    const BillHead draft = must(draft_into_register(t.connection(), "acme", kMarch, BillTerms{},
                                                    at("2026-03-31T16:00:00Z")));
    EXPECT_EQ(draft.id, "BILL-acme-202603");
    EXPECT_EQ(draft.status, BillStatus::draft);
    EXPECT_NE(error(finalise_bill(t.connection(), draft.id, at("2026-04-01T00:00:00Z")))
                  .find("was not reviewed"),
              std::string::npos);
    const BillHead reviewed =
        must(review_bill(t.connection(), draft.id, at("2026-04-05T00:00:00Z", "token:4 lead")));
    EXPECT_EQ(reviewed.status, BillStatus::reviewed);
    EXPECT_EQ(reviewed.reviewed_by, "token:4 lead");

    const BillHead final =
        must(finalise_bill(t.connection(), draft.id, at("2026-04-06T00:00:00Z")));
    EXPECT_EQ(final.status, BillStatus::finalised);
    EXPECT_EQ(final.total_fen, final.net_fen + final.tax_fen);
    EXPECT_EQ(final.open_fen, final.total_fen);
    EXPECT_EQ(format_rfc3339(final.due_at), "2026-04-07T16:00:00Z") << "7 days after the month";
    EXPECT_EQ(unbilled(t).value, 0);
    const Result<Femto> debt = read_balance(
        t.connection(),
        {AccountCode::billed_receivable, Currency::cny, final.customer, ProjectId{}, final.id});
    EXPECT_EQ(debt.value().value, final.total_fen * kFemtoPerCent);
    expect_sound(t);

    EXPECT_EQ(must(mark_bill_sent(t.connection(), draft.id, at("2026-04-06T01:00:00Z"))).status,
              BillStatus::sent);
    EXPECT_EQ(find_bill(t.connection(), draft.id, at("2026-04-08T00:00:00Z").at)->status,
              BillStatus::overdue);
    const Change then = at("2026-04-08T00:00:00Z");
    const Payment payment =
        record_payment(
            t.connection(),
            {.bank_account = "CN-1", .fen = final.total_fen, .value_day = 20'550, .reference = "R"},
            then)
            .value();
    ASSERT_TRUE(allocate_payment(
                    t.connection(),
                    {.payment_id = payment.id, .kind = AllocationKind::bill, .bill_id = final.id},
                    then)
                    .ok());
    const BillHead paid =
        find_bill(t.connection(), draft.id, at("2026-05-08T00:00:00Z").at).value();
    EXPECT_EQ(paid.status, BillStatus::paid);
    EXPECT_EQ(paid.open_fen, 0);
    expect_sound(t);

    std::string acts;
    ASSERT_TRUE(read_audit(t.connection(), {.subject_kind = "bill"}, [&](const AuditEntry& entry) {
                    acts += entry.action + " by " + entry.actor + "\n";
                    return true;
                }).ok());
    EXPECT_EQ(acts,
              "send by token:3 finance\nfinalise by token:3 finance\nreview by token:4 lead\n"
              "create by token:3 finance\n");
}

TEST_P(BillRegisterTest, the_document_says_what_the_bill_says) {
    TestBooks t(GetParam());
    append_mixed_calls(t);
    ASSERT_EQ(t.settle(), 100);
    for (const YearMonth month : {kMarch, kApril}) {
        const Bill bill = current_bill(t.connection(), "acme", month, BillTerms{}).value();
        const std::string json = bill_as_json(bill);
        const Result<Bill> read = parse_bill_json(json);
        ASSERT_TRUE(read.ok()) << read.error().text();
        EXPECT_EQ(bill_as_json(*read), json);
        EXPECT_EQ(bill_as_table(*read), bill_as_table(bill));
        EXPECT_EQ(bill_as_csv(*read), bill_as_csv(bill));
    }
    EXPECT_NE(parse_bill_json("{}").error().detail.find("has no valid 'id'"), std::string::npos);
    EXPECT_EQ(parse_bill_json("{").error().code, ErrorCode::corrupt_data);
}

/// given: usage of March that is settled after March's bill is final
/// then:  that bill stays as it is, and April's has the usage as a line of its own
TEST_P(BillRegisterTest, late_usage_is_a_line_on_the_next_bill) {
    TestBooks t(GetParam());
    use(t);
    const BillHead march = finalise(t, kMarch, "2026-04-02T00:00:00Z");
    const std::string before =
        bill_as_json(current_bill(t.connection(), "acme", kMarch, BillTerms{}).value());
    use(t, "2026-03-31T15:00:00Z");
    use(t, "2026-04-03T00:00:00Z");
    EXPECT_EQ(bill_as_json(current_bill(t.connection(), "acme", kMarch, BillTerms{}).value()),
              before);

    const BillHead april = finalise(t, kApril, "2026-05-01T00:00:00Z");
    const Bill bill = current_bill(t.connection(), "acme", kApril, BillTerms{}).value();
    ASSERT_EQ(bill.late.size(), 12U) << "two projects, three models, two meters";
    EXPECT_EQ(bill.late[0].project, "chat");
    EXPECT_EQ(bill.late[0].late_from, kMarch);
    EXPECT_NE(bill_as_table(bill).find("input, late from 2026-03"), std::string::npos);
    EXPECT_NE(bill_as_csv(bill).find("2026-03,late_usage,chat"), std::string::npos);
    std::int64_t late = 0;
    for (const BillLine& line : bill.late) late += line.cny_fen;
    EXPECT_EQ(late, march.net_fen) << "the same calls once more";
    EXPECT_EQ(april.net_fen, 2 * late);
    EXPECT_EQ(unbilled(t).value, 0);
    expect_sound(t);

    // And what is late for April as well comes with May, under its own month.
    use(t, "2026-03-30T00:00:00Z");
    const Bill may = current_bill(t.connection(), "acme", {2026, 5}, BillTerms{}).value();
    EXPECT_TRUE(may.lines.empty());
    ASSERT_EQ(may.late.size(), 12U);
    EXPECT_EQ(may.late[3].late_from, kMarch);
    finalise(t, {2026, 5}, "2026-06-01T00:00:00Z");
    EXPECT_EQ(unbilled(t).value, 0);
    expect_sound(t);
}

TEST_P(BillRegisterTest, usage_of_a_month_without_a_final_bill_is_not_late) {
    TestBooks t(GetParam());
    use(t);
    use(t, "2026-04-03T00:00:00Z");
    EXPECT_TRUE(current_bill(t.connection(), "acme", kApril, BillTerms{})->late.empty());
    finalise(t, kApril, "2026-05-01T00:00:00Z");
    EXPECT_NE(unbilled(t).value, 0);
    finalise(t, kMarch, "2026-05-02T00:00:00Z");
    EXPECT_EQ(unbilled(t).value, 0);
    expect_sound(t);
}

TEST_P(BillRegisterTest, what_was_reviewed_is_what_becomes_final) {
    TestBooks t(GetParam());
    use(t);
    const Change change = at("2026-04-02T00:00:00Z");
    const BillHead draft =
        must(draft_into_register(t.connection(), "acme", kMarch, BillTerms{}, change));
    must(review_bill(t.connection(), draft.id, change));
    use(t, "2026-03-31T15:00:00Z");
    const std::string refused = error(finalise_bill(t.connection(), draft.id, change));
    EXPECT_NE(refused.find("it is a draft again; review it anew"), std::string::npos) << refused;
    const BillHead again = find_bill(t.connection(), draft.id, change.at).value();
    EXPECT_EQ(again.status, BillStatus::draft);
    EXPECT_GT(again.total_fen, draft.total_fen);
    must(review_bill(t.connection(), draft.id, change));
    EXPECT_EQ(must(finalise_bill(t.connection(), draft.id, change)).total_fen, again.total_fen);
    // A rate that is set later is that of later bills.
    EXPECT_EQ(must(draft_into_register(t.connection(), "acme", kMarch, {.usd_cny_e8 = 800'000'000},
                                       change))
                  .terms.usd_cny_e8,
              720'000'000);
    expect_sound(t);
}

TEST_P(BillRegisterTest, a_bill_with_unpriced_calls_does_not_become_final) {
    TestBooks t(GetParam());
    use(t);
    UsageEvent unpriced = t.event("2026-03-06T00:00:00Z", "gpt-9");
    t.append(unpriced);
    ASSERT_EQ(t.settle(), 1);
    const Change change = at("2026-04-02T00:00:00Z");
    const BillHead draft =
        must(draft_into_register(t.connection(), "acme", kMarch, BillTerms{}, change));
    EXPECT_NE(error(review_bill(t.connection(), draft.id, change))
                  .find("1 calls on bill BILL-acme-202603 have no price"),
              std::string::npos);
    const auto report =
        run_bills(t.connection(), {.month = kMarch, .terms = BillTerms{}, .change = change});
    ASSERT_TRUE(report.ok()) << report.error().text();
    ASSERT_EQ(report->problems.size(), 1U);
    EXPECT_EQ(report->problems[0].customer, "acme");
}

TEST_P(BillRegisterTest, a_run_drafts_everybodys_month_and_may_be_repeated) {
    TestBooks t(GetParam());
    append_mixed_calls(t);
    ASSERT_EQ(t.settle(), 100);
    (void)t.payer("idle", "chat");
    const auto run = [&](std::string_view when) {
        const auto report =
            run_bills(t.connection(), {.month = kMarch, .terms = BillTerms{}, .change = at(when)});
        EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
        return report.ok() ? *report : BillRunReport{};
    };
    const BillRunReport early = run("2026-03-31T18:00:00Z");
    EXPECT_EQ(early.customers, 3) << "whoever used nothing has no bill";
    EXPECT_EQ(early.drafted, 1) << "the month is over in Shanghai, not in Berlin and Los Angeles";
    EXPECT_EQ(early.not_over, 2);
    const BillRunReport rest = run("2026-04-01T12:00:00Z");
    EXPECT_EQ(rest.drafted, 2);
    EXPECT_EQ(rest.unchanged, 1);
    EXPECT_EQ(run("2026-04-01T13:00:00Z").unchanged, 3);
    const auto bills = list_bills(t.connection(), {.month = kMarch}, at("2026-04-01T13:00:00Z").at);
    ASSERT_TRUE(bills.ok()) << bills.error().text();
    EXPECT_EQ(bills->size(), 3U);
    EXPECT_TRUE(list_bills(t.connection(), {.status = BillStatus::paid}, {})->empty());
}

TEST_P(BillRegisterTest, a_whole_month_is_reviewed_and_made_final) {
    TestBooks t(GetParam());
    constexpr int kCustomers = 120;
    for (int i = 0; i < kCustomers; ++i) {
        UsageEvent event = t.event("2026-03-06T00:00:00Z", i == 77 ? "gpt-9" : "gpt-4o");
        event.payer = t.payer("c" + std::to_string(i), "chat");
        t.append(event);
    }
    ASSERT_EQ(t.settle(), kCustomers);
    const Change change = at("2026-04-02T00:00:00Z");
    std::vector<std::int64_t> progress;
    const auto drafted =
        run_bills(t.connection(), {.month = kMarch, .terms = BillTerms{}, .change = change},
                  [&progress](std::int64_t done, std::int64_t) { progress.push_back(done); });
    ASSERT_TRUE(drafted.ok()) << drafted.error().text();
    EXPECT_EQ(drafted->drafted, kCustomers);
    ASSERT_EQ(drafted->problems.size(), 1U) << "drafted, but without a price";
    EXPECT_EQ(drafted->problems[0].customer, "c77");
    EXPECT_EQ(progress, (std::vector<std::int64_t>{0, 50, 100, kCustomers + 1}))
        << "with one who used nothing";
    // One more call of one customer, after its bill was reviewed.
    const auto reviewed = review_bills(t.connection(), kMarch, change);
    ASSERT_TRUE(reviewed.ok()) << reviewed.error().text();
    EXPECT_EQ(reviewed->done, kCustomers - 1);
    UsageEvent late = t.event("2026-03-06T00:00:00Z");
    late.payer = t.payer("c5", "chat");
    t.append(late);
    ASSERT_EQ(t.settle(), 1);
    const auto final = finalise_bills(t.connection(), kMarch, change);
    ASSERT_TRUE(final.ok()) << final.error().text();
    EXPECT_EQ(final->done, kCustomers - 2);
    ASSERT_EQ(final->problems.size(), 1U);
    EXPECT_EQ(final->problems[0].customer, "c5");
    EXPECT_EQ(find_bill(t.connection(), "BILL-c5-202603", change.at)->status, BillStatus::draft);
    EXPECT_EQ(finalise_bills(t.connection(), kMarch, change)->customers, 0);
    expect_sound(t);
}

TEST_P(BillRegisterTest, a_bill_becomes_final_by_a_second_person_where_one_is_asked_for) {
    TestBooks t(GetParam());
    for (const char* customer : {"acme", "beta"}) {
        UsageEvent event = t.event("2026-03-06T00:00:00Z");
        event.payer = t.payer(customer, "chat");
        t.append(event);
    }
    ASSERT_EQ(t.settle(), 2);
    Change maker = at("2026-04-02T00:00:00Z"), checker = maker;
    maker.actor = "cli:li";
    checker.actor = "cli:wang";
    ASSERT_TRUE(
        run_bills(t.connection(), {.month = kMarch, .terms = BillTerms{}, .change = maker}).ok());
    ASSERT_EQ(review_bills(t.connection(), kMarch, maker)->done, 2);
    const auto refused =
        finalise_bill(t.connection(), "BILL-acme-202603", maker, FinalBy::second_person);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_NE(refused.error().detail.find("was reviewed by cli:li"), std::string::npos)
        << refused.error().detail;
    EXPECT_EQ(find_bill(t.connection(), "BILL-acme-202603", maker.at)->status,
              BillStatus::reviewed);
    const auto none =
        finalise_bills(t.connection(), kMarch, maker, nullptr, FinalBy::second_person);
    EXPECT_EQ(none->done, 0);
    EXPECT_EQ(none->problems.size(), 2U);
    const auto final =
        finalise_bill(t.connection(), "BILL-acme-202603", checker, FinalBy::second_person);
    ASSERT_TRUE(final.ok()) << final.error().text();
    EXPECT_EQ(final->reviewed_by, "cli:li");
    EXPECT_EQ(final->finalised_by, "cli:wang");
    EXPECT_EQ(finalise_bills(t.connection(), kMarch, maker)->done, 1) << "anyone, unless asked";
    expect_sound(t);
}

TEST_P(BillRegisterTest, a_debt_after_its_due_date_is_overdue_in_the_ledger) {
    TestBooks t(GetParam());
    use(t);
    const BillHead final = finalise(t, kMarch, "2026-04-02T00:00:00Z");
    const auto debt = [&](AccountCode account) {
        return read_balance(t.connection(),
                            {account, Currency::cny, final.customer, ProjectId{}, final.id})
                   .value()
                   .value /
               kFemtoPerCent;
    };
    EXPECT_EQ(book_overdue(t.connection(), at("2026-04-07T15:59:59Z").at).value(), 0);
    EXPECT_EQ(book_overdue(t.connection(), at("2026-04-07T16:00:00Z").at).value(), 1);
    EXPECT_EQ(book_overdue(t.connection(), at("2026-04-07T17:00:00Z").at).value(), 0) << "once";
    EXPECT_EQ(debt(AccountCode::billed_receivable), 0);
    EXPECT_EQ(debt(AccountCode::overdue_receivable), final.total_fen);
    EXPECT_EQ(find_bill(t.connection(), final.id, at("2026-04-08T00:00:00Z").at)->open_fen,
              final.total_fen);
    expect_sound(t);
}

TEST_P(BillRegisterTest, two_that_finalise_at_once_make_one_bill) {
    TestBooks t(GetParam());
    use(t);
    const Change change = at("2026-04-02T00:00:00Z");
    const BillHead draft =
        must(draft_into_register(t.connection(), "acme", kMarch, BillTerms{}, change));
    must(review_bill(t.connection(), draft.id, change));
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                const auto own = t.store().connect();
                EXPECT_EQ(error(finalise_bill(*own, draft.id, change)), "");
            });
        }
    }
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM ledger_entries WHERE cause_id = "
                                "'BILL-acme-202603'"),
              1);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM proof_leaves WHERE kind = 'bill'"), 1);
    expect_sound(t);
}

/// given: a store connection that breaks at one call while a bill becomes final, any call
/// then:  nothing half done is left, and the same step done again makes one bill
TEST_P(BillRegisterTest, a_bill_becomes_final_once_wherever_the_store_fails) {
    TestBooks t(GetParam());
    const Change change = at("2026-04-02T00:00:00Z");
    std::vector<std::string> ids;
    const auto add_customer = [&] {
        const std::string code = "c" + std::to_string(ids.size());
        UsageEvent event = t.event();
        event.payer = t.payer(code, "chat");
        t.append(event);
        ASSERT_EQ(t.settle(), 1);
        ids.push_back(
            must(draft_into_register(t.connection(), code, kMarch, BillTerms{}, change)).id);
        must(review_bill(t.connection(), ids.back(), change));
    };
    const auto finalise_over = [&](Fuse* fuse) {
        FragileConnection fragile(t.store().connect(), fuse);
        return finalise_bill(fragile, ids.back(), change);
    };
    Fuse whole;
    add_customer();
    must(finalise_over(&whole));
    ASSERT_GT(whole.calls, 15) << "the fuse counts calls";
    const int stride = GetParam() == Dialect::sqlite ? 1 : 2;
    for (int call = 0; call < whole.calls; call += stride) {
        for (const bool is_after : {false, true}) {
            add_customer();
            Fuse fuse{.calls_left = call, .is_after = is_after};
            const Result<BillHead> broken = finalise_over(&fuse);
            const BillHead now = find_bill(t.connection(), ids.back(), change.at).value();
            const std::string what =
                "call " + std::to_string(call) + (is_after ? " after" : " before");
            ASSERT_TRUE(now.status == BillStatus::reviewed || now.is_final()) << what;
            if (now.status == BillStatus::reviewed) ASSERT_FALSE(broken.ok()) << what;
            EXPECT_EQ(must(finalise_bill(t.connection(), ids.back(), change)).status,
                      BillStatus::finalised)
                << what;
        }
    }
    const auto bills = static_cast<std::int64_t>(ids.size());
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM proof_leaves WHERE kind = 'bill'"), bills);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM bill_shares"), bills);
    EXPECT_EQ(unbilled(t).value, 0);
    expect_sound(t);
}

TEST_P(BillRegisterTest, parts_of_projects_add_up) {
    TestBooks t(GetParam());
    use(t);
    const BillHead final = finalise(t, kMarch, "2026-04-02T00:00:00Z");
    std::int64_t total = 0, tax = 0;
    for (const std::string project : {"chat", "search"}) {
        const Bill part =
            current_bill(t.connection(), "acme", kMarch, BillTerms{}, project).value();
        EXPECT_EQ(part.lines.size(), 6U);
        total += part.total.total_fen;
        tax += part.total.vat_fen;
    }
    EXPECT_EQ(total, final.total_fen);
    EXPECT_EQ(tax, final.tax_fen);
    EXPECT_EQ(t.store().integer("SELECT sum(total_fen) FROM bill_shares"), final.total_fen);
    EXPECT_EQ(current_bill(t.connection(), "acme", kMarch, BillTerms{}, "nope").error().code,
              ErrorCode::not_found);
}

TEST_P(BillRegisterTest, a_final_bill_cannot_be_changed_and_a_forged_one_is_found) {
    TestBooks t(GetParam());
    use(t);
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    for (const char* sql : {"UPDATE bills SET net_fen = 1", "UPDATE bills SET status = 0",
                            "DELETE FROM bills", "UPDATE bills SET document = '{}'",
                            "UPDATE bill_shares SET net_fen = 1", "DELETE FROM bill_shares"}) {
        const auto changed = t.connection().execute(sql);
        ASSERT_FALSE(changed.ok()) << sql;
        EXPECT_NE(changed.error().detail.find("a final bill never changes"), std::string::npos)
            << changed.error().detail;
    }
    EXPECT_EQ(problems(t), "");
    ASSERT_TRUE(
        t.connection()
            .execute_script(
                GetParam() == Dialect::sqlite
                    ? "DROP TRIGGER bills_are_never_changed; DROP TRIGGER "
                      "bills_are_never_deleted; DROP TRIGGER bill_shares_are_never_changed; "
                      "DROP TRIGGER bill_shares_are_never_deleted"
                    : "ALTER TABLE bills DISABLE TRIGGER USER; ALTER TABLE bill_shares "
                      "DISABLE TRIGGER USER")
            .ok());
    const auto expect_found = [&](const std::string& sql, const std::string& undo,
                                  const std::string& says) {
        ASSERT_TRUE(t.connection().execute(sql).ok()) << sql;
        const std::string found = problems(t);
        EXPECT_NE(found.find(says), std::string::npos) << sql << "\nfound:\n" << found;
        if (!undo.empty()) ASSERT_TRUE(t.connection().execute(undo).ok()) << undo;
    };
    expect_found("UPDATE bills SET net_fen = net_fen + 1", "UPDATE bills SET net_fen = net_fen - 1",
                 "net_fen of its row in bills is ");
    expect_found("UPDATE bills SET usd_cny_e8 = 1", "UPDATE bills SET usd_cny_e8 = 720000000",
                 "another id, month, rate");
    expect_found("UPDATE bill_shares SET tax_fen = tax_fen + 1 WHERE project_code = 'chat'",
                 "UPDATE bill_shares SET tax_fen = tax_fen - 1 WHERE project_code = 'chat'",
                 "in bill_shares, project chat: tax_fen is ");
    EXPECT_EQ(problems(t), "");
    // The price of every call a tenth of what it was, and everything in the document that adds up.
    expect_found("UPDATE bills SET document = replace(document, '123457', '123456')",
                 "UPDATE bills SET document = replace(document, '123456', '123457')",
                 "its document is not the one in the proof log");
    expect_found("UPDATE bills SET document = replace(document, '123457', '123456')",
                 "UPDATE bills SET document = replace(document, '123456', '123457')",
                 ": exact amount is ");
    expect_found("UPDATE bills SET document = 'x'", "", "the document of a bill is no JSON");
    expect_found("DELETE FROM bills", "", "is in the ledger, but no final bill in the register");
}

}  // namespace
}  // namespace tg
