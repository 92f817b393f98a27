// One stored value is changed behind the ledger's back; verify must find it and say where it is.
#include "ledger/verify.h"

#include "ledger/proof_log.h"
#include "ledger/test_ledger.h"

namespace tg {
namespace {

/// A small business: usage, a bill, a payment in two parts, a reversal; sealed and signed.
class LedgerVerify : public DialectTest {
  protected:
    void SetUp() override {
        store_ = fresh_store();
        SqlConnection& connection = store_->connection();
        const auto booked = [&](const Entry& entry, std::int64_t at) {
            const auto booking = book(connection, entry, {at});
            ASSERT_TRUE(booking.ok()) << booking.error().text();
        };
        booked(usage_of("b1", "12345.678901234"), 1'000);                                  // 1
        booked(good(bill_finalised(golden_bill())), 2'000);                                // 2
        booked(receipt("PAY-1", 95'000'00), 3'000);                                        // 3
        booked(allocation("A-1", "PAY-1", "BILL-acme-202611", 94'222'22, 777'78), 4'000);  // 4
        booked(receipt("PAY-2", 5'00), 5'000);                                             // 5
        Result<Transaction> transaction = Transaction::begin(connection);
        ASSERT_TRUE(transaction.ok());
        ASSERT_TRUE(
            LedgerWriter(&connection).reverse(5, kNoon, "wrong account", {6'000}).ok());  // 6
        ASSERT_TRUE(append_proof(connection, "bill", "BILL-acme-202611", "{}", {6'500}).ok());
        ASSERT_TRUE(seal_ledger(connection, {7'000}).ok());
        ASSERT_TRUE(sign_head(connection, key_, {7'000}).ok());
        ASSERT_TRUE(transaction->commit().ok());
        expect_problems({});
    }

    std::vector<std::string> problems() {
        const auto report =
            verify_ledger(store_->connection(), {.verifier_key = key_.verifier_text()});
        EXPECT_TRUE(report.ok()) << report.error().text();
        return report.ok() ? report->problems : std::vector<std::string>{};
    }

    /// Exactly these, each as the beginning of a problem.
    void expect_problems(const std::vector<std::string>& expected) {
        const std::vector<std::string> found = problems();
        bool is_same = found.size() == expected.size();
        for (std::size_t i = 0; is_same && i < found.size(); ++i)
            is_same = found[i].starts_with(expected[i]);
        EXPECT_TRUE(is_same) << [&] {
            std::string out = "found:\n";
            for (const std::string& each : found) out += "  " + each + "\n";
            return out;
        }();
    }
    /// At least one problem begins so.
    void expect_named(const std::string& expected) {
        const std::vector<std::string> found = problems();
        EXPECT_TRUE(std::ranges::any_of(
            found, [&](const std::string& each) { return each.starts_with(expected); }))
            << expected << " is not in:\n"
            << [&] {
                   std::string out;
                   for (const std::string& each : found) out += "  " + each + "\n";
                   return out;
               }();
    }

    /// What an intruder with the store's password does: takes the guards away first.
    void tamper(const std::string& sql) {
        SqlConnection& connection = store_->connection();
        const bool is_sqlite = GetParam() == Dialect::sqlite;
        for (const std::string table :
             {"ledger_accounts", "ledger_entries", "ledger_postings", "ledger_snapshots",
              "proof_leaves", "proof_nodes", "proof_heads"}) {
            if (is_sqlite) {
                ASSERT_TRUE(connection
                                .execute_script("DROP TRIGGER IF EXISTS " + table +
                                                "_is_never_changed; DROP TRIGGER IF EXISTS " +
                                                table + "_is_never_deleted;")
                                .ok());
            } else {
                ASSERT_TRUE(
                    connection.execute_script("ALTER TABLE " + table + " DISABLE TRIGGER ALL")
                        .ok());
            }
        }
        ASSERT_TRUE(
            connection
                .execute_script("DROP INDEX IF EXISTS ledger_entries_by_cause; DROP INDEX IF "
                                "EXISTS ledger_accounts_by_key")
                .ok());
        const Status status = connection.execute_script(sql);
        ASSERT_TRUE(status.ok()) << status.error().text();
    }

    std::unique_ptr<TestStore> store_;
    const ProofKey key_ = ProofKey::of_seed({1, 2, 3});
};
TG_INSTANTIATE_DIALECTS(LedgerVerify);

constexpr const char* kContent =
    "its cause, time, details or postings were changed: they do not fit its content hash";
const std::string kChain2 = "chain: entry 2 (bill BILL-acme-202611): its hash does not follow";

TEST_P(LedgerVerify, CountsWhatItChecked) {
    const auto report = verify_ledger(store_->connection(), {.verifier_key = key_.verifier_text()});
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(report->entries, 6U);
    EXPECT_EQ(report->postings, 2U + 6U + 2U + 3U + 2U + 2U);
    EXPECT_EQ(report->accounts, 11U);
    EXPECT_EQ(report->leaves, 2U);
    EXPECT_EQ(report->heads, 1U);
}

TEST_P(LedgerVerify, AmountOfAPosting) {
    tamper("UPDATE ledger_postings SET amount_low = amount_low + 1 WHERE number = 1 AND line = 2");
    expect_named(
        "balance: entry 1 (usage_batch b1): debits and credits differ: USD by "
        "0.000000000000001");
    expect_named(std::string("content: entry 1 (usage_batch b1): ") + kContent);
    expect_named("chain: entry 1 (usage_batch b1): its hash does not follow");
    expect_named("balance: all accounts in USD add up to 0.000000000000001 instead of zero");
}

TEST_P(LedgerVerify, BothSidesOfAnEntryChangedAlike) {
    tamper("UPDATE ledger_postings SET amount_high = amount_high * 2 WHERE number = 3");
    expect_named(std::string("content: entry 3 (payment PAY-1): ") + kContent);
    expect_named("chain: entry 3 (payment PAY-1)");
}

TEST_P(LedgerVerify, AmountOutOfItsRange) {
    tamper(
        "UPDATE ledger_postings SET amount_low = amount_low + 1000000000, amount_high = "
        "amount_high - 1 WHERE number = 3 AND line = 1");
    expect_problems(
        {"posting: entry 3 (payment PAY-1), line 1: amount_low is 1000000000, out of "
         "its range"});
}

TEST_P(LedgerVerify, PostingMovedToAnotherAccount) {
    tamper(
        "UPDATE ledger_postings SET account_id = (SELECT min(account_id) FROM ledger_postings "
        "WHERE number = 1) WHERE number = 1 AND line = 2");
    expect_named(std::string("content: entry 1 (usage_batch b1): ") + kContent);
}

TEST_P(LedgerVerify, AccountOfAnotherCustomer) {
    tamper("UPDATE ledger_accounts SET customer_id = 8 WHERE code = 2101");
    expect_problems({"chain: entry 4 (allocation A-1)", "content: entry 4 (allocation A-1)"});
}

TEST_P(LedgerVerify, AccountThatTheChartDoesNotHave) {
    tamper("UPDATE ledger_accounts SET code = 2199 WHERE code = 2101");
    expect_named(
        "posting: entry 4 (allocation A-1), line 3: account 2199, customer 7, CNY is not "
        "in the chart of accounts");
}

TEST_P(LedgerVerify, AccountRowGone) {
    tamper("DELETE FROM ledger_accounts WHERE code = 2101");
    expect_named("posting: entry 4 (allocation A-1), line 3: its account row ");
    expect_named("content: entry 4 (allocation A-1)");
}

TEST_P(LedgerVerify, AccountRowTwiceAndWithoutPosting) {
    tamper(
        "INSERT INTO ledger_accounts (id, code, currency, customer_id, project_id, subject) "
        "SELECT 77, code, currency, customer_id, project_id, subject FROM ledger_accounts WHERE "
        "code = 2101");
    expect_named("duplicate: account rows ");
    expect_named("posting: account row 77 has no posting");
}

TEST_P(LedgerVerify, PostingGone) {
    tamper("DELETE FROM ledger_postings WHERE number = 3 AND line = 1");
    expect_named(
        "posting: entry 3 (payment PAY-1): has 1 postings; a transaction has at least "
        "two");
    expect_named("posting: entry 3 (payment PAY-1), line 2: stands where line 1 is expected");
    expect_named("balance: entry 3 (payment PAY-1): debits and credits differ: CNY by -95000.00");
}

TEST_P(LedgerVerify, PostingWithoutEntry) {
    tamper(
        "INSERT INTO ledger_postings (number, line, account_id, amount_high, amount_low) VALUES "
        "(99, 1, 1, 1, 0)");
    expect_named("posting: there are postings of entry 99, but no such entry");
}

TEST_P(LedgerVerify, CauseOfAnEntry) {
    tamper("UPDATE ledger_entries SET cause_id = 'BILL-acme-202610' WHERE number = 2");
    expect_named("content: entry 2 (bill BILL-acme-202610)");
    expect_named("chain: entry 2 (bill BILL-acme-202610)");
}

TEST_P(LedgerVerify, KindThatIsNone) {
    tamper("UPDATE ledger_entries SET cause_kind = 99 WHERE number = 2");
    expect_named("content: entry 2 (cause 99): its cause is of no known kind");
}

TEST_P(LedgerVerify, TimeOfAnEntry) {
    tamper("UPDATE ledger_entries SET occurred_at = occurred_at + 1 WHERE number = 2");
    expect_problems({kChain2, "content: entry 2 (bill BILL-acme-202611)"});
    tamper("UPDATE ledger_entries SET occurred_at = occurred_at - 1 WHERE number = 2");
    expect_problems({});
    tamper("UPDATE ledger_entries SET booked_at = 1 WHERE number = 4");
    expect_problems({"chain: entry 4 (allocation A-1)",
                     "time: entry 4 (allocation A-1): was booked at 1970-01-01T00:00:00.000001Z, "
                     "before the entry in front of it"});
}

TEST_P(LedgerVerify, RateOfABill) {
    tamper(
        "UPDATE ledger_entries SET details = replace(details, 'usd_cny_e8=720000000', "
        "'usd_cny_e8=730000000') WHERE number = 2");
    expect_problems(
        {"bill: entry 2 (bill BILL-acme-202611): converts 12345.678901234 USD into "
         "88888.8880888848 instead of 90123.4559790082 CNY",
         kChain2, "content: entry 2 (bill BILL-acme-202611)"});
}

TEST_P(LedgerVerify, TaxOfABill) {
    tamper(
        "UPDATE ledger_entries SET details = replace(details, 'vat_ppm=60000', 'vat_ppm=30000') "
        "WHERE number = 2");
    expect_named(
        "bill: entry 2 (bill BILL-acme-202611): books VAT of 5333.33; 30000 ppm of "
        "88888.89 are 2666.67");
}

TEST_P(LedgerVerify, HashOfAnEntry) {
    tamper(
        "UPDATE ledger_entries SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE number = "
        "2");
    expect_named(kChain2);
    expect_named("chain: entry 3 (payment PAY-1)");
    expect_named(
        "proof: leaf 1 (ledger entries 1-6): the ledger's entries are not those that were "
        "sealed");
}

TEST_P(LedgerVerify, ContentHashOfAnEntry) {
    tamper("UPDATE ledger_entries SET content_hash = hash WHERE number = 2");
    expect_problems({"content: entry 2 (bill BILL-acme-202611)"});
}

TEST_P(LedgerVerify, EntryGoneInTheMiddle) {
    tamper(
        "DELETE FROM ledger_entries WHERE number = 3; DELETE FROM ledger_postings WHERE number "
        "= 3");
    expect_named("number: entry 3 is missing");
    expect_named("chain: entry 4 (allocation A-1)");
    expect_named(
        "side: entry 4 (allocation A-1): leaves account 1102 receipts_in_suspense, PAY-1, "
        "CNY at 95000.00, a debit balance that the chart forbids");
}

TEST_P(LedgerVerify, EndCut) {
    tamper(
        "DELETE FROM ledger_entries WHERE number >= 5; DELETE FROM ledger_postings WHERE number "
        ">= 5");
    expect_named(
        "number: the ledger ends with entry 4, but 6 were booked: its end was cut or "
        "added to");
    expect_named("chain: the head's hash is not that of entry 4");
}

TEST_P(LedgerVerify, CauseBookedTwice) {
    const Entry copy = receipt("PAY-2", 5'00);
    ASSERT_TRUE(book(store_->connection(), receipt("PAY-3", 5'00), {8'000}).ok());
    tamper("UPDATE ledger_entries SET cause_id = 'PAY-2' WHERE number = 7");
    expect_named("duplicate: payment PAY-2 is booked more than once: entries 5 and 7");
}

TEST_P(LedgerVerify, ReversalThatIsNotTheOpposite) {
    tamper("UPDATE ledger_entries SET reverses = 3, cause_id = '3' WHERE number = 6");
    expect_named("reversal: entry 6 (reversal 3): is not the exact opposite of entry 3");
    tamper("UPDATE ledger_entries SET reverses = 6, cause_id = '6' WHERE number = 6");
    expect_named("reversal: entry 6 (reversal 6): reverses entry 6, which is not an earlier entry");
}

TEST_P(LedgerVerify, HeadRow) {
    tamper("UPDATE ledger_head SET booked_at = 1");
    expect_named("time: the head's booking time is 1970-01-01T00:00:00.000001Z");
    tamper("UPDATE ledger_head SET booked_at = 6000, sealed_number = 5");
    expect_problems({"proof: entries up to 6 are sealed, but the head says 5"});
    tamper("UPDATE ledger_head SET sealed_number = 6, snapshot_number = 3");
    expect_problems({"snapshot: the last snapshot is that after entry 0, but the head says 3"});
}

TEST_P(LedgerVerify, Snapshots) {
    std::vector<Entry> many;
    for (int i = 0; i < kSnapshotEvery; ++i) many.push_back(usage_of("m" + std::to_string(i), "1"));
    Result<Transaction> transaction = Transaction::begin(store_->connection());
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(LedgerWriter(&store_->connection()).append(many, {9'000}).ok());
    ASSERT_TRUE(transaction->commit().ok());
    expect_problems({});
    const std::string suffix = " account_id = (SELECT id FROM ledger_accounts WHERE code = 4101)";
    const std::string name = "snapshot: snapshot after entry 4102: ";
    tamper("UPDATE ledger_snapshots SET amount_low = amount_low + 1 WHERE" + suffix);
    expect_problems(
        {"report: account 4101 usage_revenue, customer 7, project 3, USD is reported "
         "as -16441.678901233999999, its postings add up to -16441.678901234",
         name + "account 4101 usage_revenue, customer 7, project 3, USD is "
                "-16441.678901233999999, its postings add up to -16441.678901234"});
    tamper("DELETE FROM ledger_snapshots WHERE" + suffix);
    expect_problems({name + "account 4101 usage_revenue, customer 7, project 3, USD is missing"});
    tamper(
        "INSERT INTO ledger_snapshots (account_id, number, amount_high, amount_low) VALUES "
        "(55, 4102, 1, 1)");
    expect_named(name + "has account row 55, which had no posting since the one before");
    tamper("UPDATE ledger_snapshots SET number = 5000");
    expect_named("snapshot: there is a snapshot after entry 5000, but no such entry");
}

// --- the proof log -------------------------------------------------------------------------------

TEST_P(LedgerVerify, DocumentOfALeaf) {
    tamper("UPDATE proof_leaves SET payload = 'e30K' WHERE leaf_index = 0");
    expect_named(
        "proof: leaf 0 (bill BILL-acme-202611): the document, its time or its hash was "
        "changed");
    expect_named("proof: signed head of size 2: its root does not follow from the leaves");
    expect_named("proof: subtree 1/0 of the proof log: its hash does not follow");
}

TEST_P(LedgerVerify, NameAndTimeOfALeaf) {
    tamper("UPDATE proof_leaves SET document_id = 'BILL-acme-202612' WHERE leaf_index = 0");
    expect_named("proof: leaf 0 (bill BILL-acme-202612): the document, its time or its hash");
    tamper(
        "UPDATE proof_leaves SET document_id = 'BILL-acme-202611', logged_at = 1 WHERE "
        "leaf_index = 0");
    expect_named("proof: leaf 0 (bill BILL-acme-202611): the document, its time or its hash");
}

TEST_P(LedgerVerify, LeafGoneOrSubtreeGone) {
    tamper("DELETE FROM proof_nodes WHERE level = 1");
    expect_problems({"proof: subtree 1/0 of the proof log is missing"});
    tamper("DELETE FROM proof_leaves WHERE leaf_index = 1");
    expect_named("proof: the proof log has 1 leaves, but 2 were written");
    expect_named("proof: a head of size 2 was signed, but the proof log has only 1 leaves");
}

TEST_P(LedgerVerify, SubtreeTooMany) {
    tamper("INSERT INTO proof_nodes (level, node_index, hash) VALUES (3, 9, 'x')");
    expect_problems({"proof: subtree 3/9 of the proof log does not belong to its leaves"});
}

TEST_P(LedgerVerify, SignedHead) {
    tamper("UPDATE proof_heads SET note = replace(note, '2', '3')");
    expect_named("proof: signed head of size 2: the checkpoint is not signed by tollgate-");
    // Signed by another key, and all of the log made to fit.
    const ProofKey other = ProofKey::of_seed({9});
    const auto root = merkle_root(2, stored_nodes(store_->connection()));
    ASSERT_TRUE(root.ok());
    tamper("UPDATE proof_heads SET note = '" + other.sign(2, sha256_text(*root)).note + "'");
    expect_problems({"proof: signed head of size 2: the checkpoint is not signed by tollgate-"});
}

// The strongest intruder: rewrites an entry and every hash after it, ledger and tree alike. Only
// the signature, whose key is not in the store, cannot be made to fit.
TEST_P(LedgerVerify, EverythingRewrittenButTheSignature) {
    tamper(
        "UPDATE ledger_postings SET amount_high = amount_high * 2 WHERE number = 5; UPDATE "
        "ledger_postings SET amount_high = amount_high * 2 WHERE number = 6");
    SqlConnection& connection = store_->connection();
    std::string previous;
    for (std::int64_t number = 1; number <= 6; ++number) {
        const auto entry = read_entry(connection, number);
        ASSERT_TRUE(entry.ok());
        const std::string hash =
            sha256_hex(canonical_record(entry->entry, number, previous, entry->booked_at));
        ASSERT_TRUE(connection
                        .execute("UPDATE ledger_entries SET content_hash = ?, hash = ? WHERE "
                                 "number = ?",
                                 {sha256_hex(canonical_content(entry->entry)), hash, number})
                        .ok());
        previous = hash;
    }
    ASSERT_TRUE(connection.execute("UPDATE ledger_head SET hash = ?", {previous}).ok());
    auto leaf = read_proof_leaf(connection, kProofLedgerBatch, "1-6");
    ASSERT_TRUE(leaf.ok());
    leaf->payload = *ledger_batch_payload(connection, 1, 6);
    const Sha256 hash = merkle_leaf_hash(canonical_leaf(*leaf));
    ASSERT_TRUE(connection
                    .execute("UPDATE proof_leaves SET payload = ?, hash = ? WHERE leaf_index = 1",
                             {base64(leaf->payload), sha256_text(hash)})
                    .ok());
    const Sha256 root = merkle_node_hash(*stored_nodes(connection)(0, 0), hash);
    ASSERT_TRUE(connection.execute("UPDATE proof_nodes SET hash = ?", {sha256_text(root)}).ok());
    ASSERT_TRUE(connection.execute("UPDATE proof_heads SET root = ?", {sha256_text(root)}).ok());
    expect_problems(
        {"proof: signed head of size 2: what is signed is a tree of 2 leaves with "
         "another root than the leaves have now"});
}

}  // namespace
}  // namespace tg
