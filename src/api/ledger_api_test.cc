#include "api/test_api.h"
#include "ledger/proof_log.h"
#include "ledger/test_ledger.h"

namespace tg {
namespace {

class LedgerApiTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(LedgerApiTest);

/// The admin API over books with three entries: usage of customer acme, its bill, and a receipt.
struct LedgerApi {
    explicit LedgerApi(Dialect dialect)
        : key(ProofKey::of_seed({1, 2, 3})), api(dialect, [this](AdminApi::Options& options) {
              options.seal_books = [this](SqlConnection& store, UtcMicros now) {
                  return seal(store, now);
              };
              options.verify_books = [this](SqlConnection& store) {
                  return verify_ledger(store, {.verifier_key = key.verifier_text()});
              };
              options.verifier_key = [this]() -> Result<std::string> {
                  return key.verifier_text();
              };
          }) {
        api.ok(201, "POST", "/customers", R"({"code":"acme","name":"Acme"})");
        api.ok(201, "POST", "/projects", R"({"customer":"acme","code":"search","name":"Search"})");
        const CustomerId acme{1};
        SqlConnection& store = api.t.store.connection();
        const ProjectId search{1};
        book_good(store,
                  good(usage_accrued({.batch_id = "b1",
                                      .customer = acme,
                                      .currency = Currency::usd,
                                      .occurred_at = kNoon,
                                      .parts = {{search, "2026-11", money("12345.678901234")}}})));
        BillFinalised bill = golden_bill();
        bill.customer = acme;
        bill.usage[0].project = search;
        book_good(store, good(bill_finalised(bill)));
        book_good(store, receipt("PAY-1", 94'222'22));
    }
    static void book_good(SqlConnection& store, const Entry& entry) {
        const auto booked = book(store, entry);
        ASSERT_TRUE(booked.ok()) << booked.error().text();
    }
    Result<Checkpoint> seal(SqlConnection& store, UtcMicros now) const {
        TG_TRY(Transaction transaction, Transaction::begin(store));
        TG_TRY(const int leaves, seal_ledger(store, now));
        (void)leaves;
        TG_TRY(Checkpoint head, sign_head(store, key, now));
        TG_CHECK_OK(transaction.commit());
        return head;
    }
    ProofKey key;
    TestApi api;
};

TEST_P(LedgerApiTest, the_chart_and_balances_are_read_now_and_as_of_then) {
    LedgerApi it(GetParam());
    TestApi& a = it.api;
    EXPECT_EQ(at(a.ok(200, "GET", "/ledger/accounts"), "data").items.size(),
              chart_of_accounts().size());
    const auto billed =
        at(a.ok(200, "GET", "/ledger/balances?customer=acme&account=billed_receivable"), "data");
    ASSERT_EQ(billed.items.size(), 1U);
    EXPECT_EQ(text_at(billed.items[0], "balance"), "94222.22");
    EXPECT_EQ(text_at(billed.items[0], "customer"), "acme");
    EXPECT_EQ(text_at(billed.items[0], "subject"), "BILL-acme-202611");
    EXPECT_EQ(
        at(a.ok(200, "GET", "/ledger/balances?as_of=2026-01-01T00:00:00Z"), "data").items.size(),
        0U);
    const auto open = at(a.ok(200, "GET", "/ledger/balances?account=1201"), "data");
    EXPECT_EQ(open.items.size(), 0U) << "what was unbilled is zero now";
    EXPECT_EQ(at(a.ok(200, "GET", "/ledger/balances?account=1201&zero=true"), "data").items.size(),
              1U);
    EXPECT_EQ(a.error("GET", "/ledger/balances?account=9999", "", "'9999' is no account"),
              "invalid_request");
    EXPECT_EQ(a.error("GET", "/ledger/balances?customer=nobody", "", "nobody"), "not_found");
}

TEST_P(LedgerApiTest, entries_are_paged_filtered_and_reversed_once) {
    LedgerApi it(GetParam());
    TestApi& a = it.api;
    const auto page = a.ok(200, "GET", "/ledger/entries?limit=2");
    ASSERT_EQ(at(page, "data").items.size(), 2U);
    EXPECT_EQ(integer_at(page, "next_after"), 2);
    const auto rest = a.ok(200, "GET", "/ledger/entries?limit=2&after=2");
    ASSERT_EQ(at(rest, "data").items.size(), 1U);
    EXPECT_EQ(text_at(at(rest, "data").items[0], "cause"), "payment");
    const auto bill =
        at(a.ok(200, "GET", "/ledger/entries?cause=bill&cause_id=BILL-acme-202611"), "data");
    ASSERT_EQ(bill.items.size(), 1U);
    EXPECT_EQ(integer_at(bill.items[0], "number"), 2);
    EXPECT_EQ(a.error("GET", "/ledger/entries?cause=bill", "", "belong together"),
              "invalid_request");
    EXPECT_EQ(a.error("GET", "/ledger/entries/4", "", "4"), "not_found");
    EXPECT_EQ(a.error("GET", "/ledger/entries/four", "", "'four' is no number"), "not_found");

    EXPECT_EQ(a.error("POST", "/ledger/entries/3/reverse", "{}", "'reason' is missing"),
              "invalid_request");
    const auto opposite =
        a.ok(201, "POST", "/ledger/entries/3/reverse", R"({"reason":"recorded twice"})");
    EXPECT_EQ(integer_at(opposite, "number"), 4);
    EXPECT_EQ(integer_at(opposite, "reverses"), 3);
    EXPECT_EQ(text_at(at(opposite, "postings").items[0], "subject"),
              text_at(at(at(rest, "data").items[0], "postings").items[0], "subject"));
    EXPECT_EQ(at(a.ok(200, "GET", "/ledger/balances?account=bank"), "data").items.size(), 0U);
    EXPECT_EQ(a.error("POST", "/ledger/entries/3/reverse", R"({"reason":"again, otherwise"})", "3"),
              "conflict");
    const auto audit = a.t.identity.audit({.subject_kind = "ledger_entry"}).value();
    ASSERT_EQ(audit.size(), 1U);
    EXPECT_EQ(audit[0].actor, "bootstrap");
    EXPECT_EQ(audit[0].after, R"({"reason":"recorded twice"})");
    EXPECT_TRUE(at(a.ok(200, "GET", "/ledger/verification"), "ok").flag);
}

TEST_P(LedgerApiTest, an_entry_is_proven_by_a_head_that_the_auditors_key_opens) {
    LedgerApi it(GetParam());
    TestApi& a = it.api;
    EXPECT_EQ(a.error("GET", "/proofs/entry/2", "", "POST /admin/v1/proof-heads"), "not_found");
    const auto head = a.ok(200, "POST", "/proof-heads");
    EXPECT_EQ(integer_at(head, "size"), 1);
    EXPECT_EQ(a.ok(200, "POST", "/proof-heads").members.size(), head.members.size());
    const auto heads = at(a.ok(200, "GET", "/proof-heads"), "data");
    ASSERT_EQ(heads.items.size(), 1U) << "what is signed is not signed again";
    EXPECT_EQ(text_at(heads.items[0], "note"), text_at(head, "note"));
    const std::string key = text_at(a.ok(200, "GET", "/proof-key"), "verifier_key");
    const auto opened = open_checkpoint(text_at(head, "note"), key);
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    EXPECT_EQ(opened->root_hex, text_at(head, "root"));

    const auto proof = a.ok(200, "GET", "/proofs/entry/2?since=1");
    EXPECT_EQ(text_at(proof, "format"), "tollgate-proof-1");
    EXPECT_EQ(text_at(proof, "checkpoint"), text_at(head, "note"));
    EXPECT_EQ(a.error("GET", "/proofs/entry/two", "", "'two' is no number"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/proofs/bill/BILL-x", "", "BILL-x"), "not_found");
    EXPECT_EQ(a.error("GET", "/proofs/entry/2?since=7", "", "7"), "not_found");
}

TEST_P(LedgerApiTest, a_server_without_a_key_says_so) {
    TestApi a(GetParam());
    for (const char* path : {"/ledger/verification", "/proof-key"})
        EXPECT_EQ(a.error("GET", path, "", "keeps no key"), "not_found");
    EXPECT_EQ(a.error("POST", "/proof-heads", "", "keeps no key"), "not_found");
}

}  // namespace
}  // namespace tg
