#include "ledger/proof_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <thread>

#include "ledger/test_ledger.h"
#include "ledger/verify.h"

namespace tg {
namespace {

class ProofLog : public DialectTest {
  protected:
    void SetUp() override { store_ = fresh_store(); }

    Result<std::int64_t> append(std::string_view kind, std::string_view id,
                                std::string_view payload) {
        TG_TRY(Transaction transaction, Transaction::begin(connection()));
        TG_TRY(const std::int64_t index,
               append_proof(connection(), kind, id, payload, {1'764'000'000'000'000}));
        TG_CHECK_OK(transaction.commit());
        return index;
    }
    Checkpoint sign() {
        Result<Transaction> transaction = Transaction::begin(connection());
        const auto head = sign_head(connection(), key_, {5});
        EXPECT_TRUE(head.ok()) << head.error().text();
        EXPECT_TRUE(transaction.ok() && transaction->commit().ok());
        return head.ok() ? *head : Checkpoint{};
    }
    std::string proof(const ProofRequest& request) {
        const auto json = proof_as_json(connection(), request);
        EXPECT_TRUE(json.ok()) << json.error().text();
        return json.ok() ? *json : "";
    }
    void expect_sound() {
        const auto report = verify_ledger(connection(), {.verifier_key = key_.verifier_text()});
        ASSERT_TRUE(report.ok());
        for (const std::string& each : report->problems) ADD_FAILURE() << each;
    }
    SqlConnection& connection() { return store_->connection(); }

    std::unique_ptr<TestStore> store_;
    const ProofKey key_ = ProofKey::of_seed({1, 2, 3});
};
TG_INSTANTIATE_DIALECTS(ProofLog);

/// Runs the independent verifier; returns its exit status and what it printed.
class Verifier {
  public:
    Verifier() {
        std::string folder = (std::filesystem::temp_directory_path() / "tg_proof_XXXXXX").string();
        if (mkdtemp(folder.data()) != nullptr) folder_ = folder;
    }
    ~Verifier() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    std::string file(const std::string& name, std::string_view bytes) const {
        const std::string path = (folder_ / name).string();
        std::ofstream(path, std::ios::binary) << bytes;
        return path;
    }
    std::pair<int, std::string> run(std::string_view proof, const std::string& key,
                                    std::vector<std::string> more = {}) const {
        std::vector<std::string> arguments{"python3",
                                           std::string(TG_SOURCE_DIR) + "/tools/verify_proof.py",
                                           file("proof.json", proof), "--key", key};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const std::string out = (folder_ / "out.txt").string();
        const pid_t child = fork();
        if (child == 0) {
            std::vector<char*> argv;
            for (std::string& each : arguments) argv.push_back(each.data());
            argv.push_back(nullptr);
            const int fd = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
            dup2(fd, 1);
            dup2(fd, 2);
            execvp(argv[0], argv.data());
            _exit(127);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        std::ifstream in(out);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                std::string(std::istreambuf_iterator<char>(in), {})};
    }

  private:
    std::filesystem::path folder_;
};

TEST_P(ProofLog, DocumentsAreLeavesInOrderAndTheSameOneOnce) {
    for (int i = 0; i < 9; ++i) {
        const auto index = append("bill", "BILL-" + std::to_string(i), "bytes");
        ASSERT_TRUE(index.ok()) << index.error().text();
        EXPECT_EQ(*index, i);
    }
    EXPECT_EQ(*append("bill", "BILL-3", "bytes"), 3);
    const auto other = append("bill", "BILL-3", "bytez");
    EXPECT_EQ(other.error().code, ErrorCode::conflict);
    EXPECT_TRUE(
        other.error().detail.starts_with("bill BILL-3 is leaf 3 of the proof log with "
                                         "other bytes"));
    EXPECT_EQ(*append("invoice", "BILL-3", "bytes"), 9) << "kinds have ids of their own";
    EXPECT_EQ(append("bill", "two words", "x").error().code, ErrorCode::invalid_request);
    EXPECT_EQ(append("bill", "a\"b", "x").error().code, ErrorCode::invalid_request);
    EXPECT_EQ(append("", "x", "x").error().code, ErrorCode::invalid_request);
    sign();
    expect_sound();
}

TEST_P(ProofLog, AnyBytesAreKept) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
    ASSERT_TRUE(append("pdf", "X", bytes).ok());
    ASSERT_TRUE(append("pdf", "EMPTY", "").ok());
    EXPECT_EQ(read_proof_leaf(connection(), "pdf", "X")->payload, bytes);
    EXPECT_EQ(read_proof_leaf(connection(), "pdf", "EMPTY")->payload, "");
    EXPECT_EQ(read_proof_leaf(connection(), "pdf", "Y").error().text(),
              "not_found: pdf 'Y' is not in the proof log");
}

TEST_P(ProofLog, HeadIsSignedOncePerSizeAndOpensWithItsKeyOnly) {
    ASSERT_TRUE(append("bill", "A", "a").ok());
    const Checkpoint head = sign();
    EXPECT_EQ(sign().note, head.note);
    EXPECT_EQ(head.size, 1U);
    const auto opened = open_checkpoint(head.note, key_.verifier_text());
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    EXPECT_EQ(opened->root_hex, head.root_hex);
    EXPECT_EQ(opened->size, 1U);
    EXPECT_EQ(open_checkpoint(head.note, ProofKey::of_seed({4}).verifier_text()).error().code,
              ErrorCode::corrupt_data);
    for (std::size_t i = 0; i < head.note.size(); ++i) {
        std::string changed = head.note;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_FALSE(open_checkpoint(changed, key_.verifier_text()).ok()) << i;
    }
}

TEST_P(ProofLog, ManyWritersLeaveOneTree) {
    std::vector<std::thread> threads;
    std::atomic<int> failed = 0;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            const auto own = store_->connect();
            for (int i = 0; i < 20; ++i) {
                Result<Transaction> transaction = Transaction::begin(*own);
                const std::string id = std::to_string(thread) + "-" + std::to_string(i);
                if (!transaction.ok() || !append_proof(*own, "bill", id, "x", {1}).ok()) {
                    ++failed;
                    continue;
                }
                if (i % 4 != 3 && !transaction->commit().ok()) ++failed;
            }
        });
    }
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(store_->integer("SELECT leaves FROM proof_state"), 60);
    sign();
    expect_sound();
}

// The verifier in Python shares no code with us; it accepts what we prove.
TEST_P(ProofLog, IndependentVerifierAcceptsEveryRightProof) {
    const Verifier verifier;
    const std::string key = key_.verifier_text();
    Checkpoint early;
    for (int i = 0; i < 7; ++i) {
        ASSERT_TRUE(
            append("bill", "BILL-" + std::to_string(i), "bill\xff\n" + std::to_string(i)).ok());
        if (i == 2) early = sign();
    }
    sign();
    for (int i = 0; i < 7; ++i) {
        const std::string id = "BILL-" + std::to_string(i);
        const auto [status, text] =
            verifier.run(proof({.kind = "bill", .id = id, .since = early.size}), key,
                         {"--document", verifier.file("bill", "bill\xff\n" + std::to_string(i)),
                          "--old", verifier.file("old", early.note)});
        EXPECT_EQ(status, 0) << text;
        EXPECT_TRUE(text.starts_with("PROVEN: bill " + id + "\n")) << text;
        EXPECT_NE(text.find("as leaf " + std::to_string(i) + " of 7"), std::string::npos) << text;
        EXPECT_NE(text.find("has only grown since it had 3 leaves"), std::string::npos) << text;
    }
}

TEST_P(ProofLog, IndependentVerifierProvesALedgerEntry) {
    ASSERT_TRUE(book(connection(), usage_of("b1", "12345.678901234")).ok());
    ASSERT_TRUE(book(connection(), good(bill_finalised(golden_bill()))).ok());
    EXPECT_EQ(ledger_batch_of(connection(), 2).error().code, ErrorCode::not_found);
    Result<Transaction> transaction = Transaction::begin(connection());
    ASSERT_TRUE(transaction.ok());
    EXPECT_EQ(*seal_ledger(connection(), {5}), 1);
    EXPECT_EQ(*seal_ledger(connection(), {6}), 0);
    ASSERT_TRUE(sign_head(connection(), key_, {5}).ok());
    ASSERT_TRUE(transaction->commit().ok());
    const auto batch = ledger_batch_of(connection(), 2);
    ASSERT_TRUE(batch.ok()) << batch.error().text();
    EXPECT_EQ(*batch, "1-2");
    const std::string json =
        proof({.kind = std::string(kProofLedgerBatch), .id = *batch, .entry = 2});
    const Verifier verifier;
    const auto [status, text] = verifier.run(json, key_.verifier_text());
    EXPECT_EQ(status, 0) << text;
    EXPECT_NE(text.find("ledger entry 2: bill BILL-acme-202611"), std::string::npos) << text;
    std::string changed = json;
    const std::size_t at = changed.find("94222220000000000000");
    ASSERT_NE(at, std::string::npos);
    changed[at] = '1';
    const auto [refused, why] = verifier.run(changed, key_.verifier_text());
    EXPECT_EQ(refused, 1);
    EXPECT_TRUE(why.starts_with("NOT PROVEN: ledger entry 2 was changed")) << why;
    expect_sound();
}

TEST_P(ProofLog, IndependentVerifierRefusesWhatWasTamperedWith) {
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(append("bill", "BILL-" + std::to_string(i), "amount: 100.00").ok());
    const Checkpoint old = sign();
    ASSERT_TRUE(append("bill", "BILL-5", "amount: 100.00").ok());
    sign();
    const std::string right = proof({.kind = "bill", .id = "BILL-3", .since = old.size});
    const std::string key = key_.verifier_text();
    const Verifier verifier;
    ASSERT_EQ(verifier.run(right, key).first, 0);
    const auto refused = [&](std::string_view what, std::string_view with,
                             const std::string& reason) {
        std::string changed = right;
        const std::size_t at = changed.find(what);
        ASSERT_NE(at, std::string::npos) << what;
        changed.replace(at, what.size(), with);
        const auto [status, text] = verifier.run(changed, key);
        EXPECT_EQ(status, 1) << what;
        EXPECT_TRUE(text.starts_with("NOT PROVEN: " + reason)) << text;
    };
    refused(base64("amount: 100.00"), base64("amount: 900.00"), "the document is not the one");
    refused(sha256_text(sha256("amount: 100.00")), sha256_text(sha256("amount: 900.00")),
            "the document is not the one");
    refused("\"index\":3", "\"index\":2", "the document is not in the signed tree");
    refused("\"id\":\"BILL-3\"", "\"id\":\"BILL-2\"", "the document is not in the signed tree");
    refused("\"logged_at\":17", "\"logged_at\":18", "the document is not in the signed tree");
    refused("\"kind\":\"bill\"", "\"kind\":\"invoice\"", "the document is not in the signed tree");
    refused("\\n6\\n", "\\n7\\n", "the checkpoint is not signed");
    refused("\"inclusion\":[\"", "\"inclusion\":[\"" + std::string(64, '0') + "\",\"",
            "the document is not in the signed tree");
    refused("\"hashes\":[\"", "\"hashes\":[\"" + std::string(64, '0') + "\",\"",
            "the tree of 6 leaves is no continuation of the one of 5");
    refused("tollgate-proof-1", "tollgate-proof-2", "the proof is of an unknown format");
    refused("{\"format\"", "{\"index\":1,\"format\"", "the proof has other fields");
    // Somebody else's key, somebody else's document, a log that was started anew.
    EXPECT_EQ(verifier.run(right, ProofKey::of_seed({4}).verifier_text()).first, 1);
    EXPECT_EQ(verifier.run(right, key, {"--document", verifier.file("d", "amount: 900.00")}).first,
              1);
    const Checkpoint fork_of = key_.sign(5, std::string(64, '1'));
    const auto [status, text] =
        verifier.run(right, key, {"--old", verifier.file("old", fork_of.note)});
    EXPECT_EQ(status, 1);
    EXPECT_TRUE(text.starts_with("NOT PROVEN: the consistency proof starts from another tree"))
        << text;
}

TEST_P(ProofLog, ProofNeedsASignedHeadThatCoversIt) {
    ASSERT_TRUE(append("bill", "A", "a").ok());
    EXPECT_EQ(proof_as_json(connection(), {.kind = "bill", .id = "A"}).error().code,
              ErrorCode::not_found);
    sign();
    EXPECT_TRUE(proof_as_json(connection(), {.kind = "bill", .id = "A"}).ok());
    EXPECT_EQ(proof_as_json(connection(), {.kind = "bill", .id = "A", .since = 7}).error().code,
              ErrorCode::not_found);
}

class ProofKeyFile : public testing::Test {
  protected:
    void SetUp() override {
        std::string folder = (std::filesystem::temp_directory_path() / "tg_key_XXXXXX").string();
        ASSERT_NE(mkdtemp(folder.data()), nullptr);
        folder_ = folder;
        file_ = (folder_ / "proof.key").string();
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::filesystem::path folder_;
    std::string file_;
};

TEST_F(ProofKeyFile, IsMadeOnceForItsOwnerAlone) {
    const auto made = ProofKey::open_or_create(file_);
    ASSERT_TRUE(made.ok()) << made.error().text();
    struct stat status{};
    ASSERT_EQ(stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    EXPECT_EQ(ProofKey::open_or_create(file_)->verifier_text(), made->verifier_text());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1)
        << "no draft is left";
    ASSERT_EQ(chmod(file_.c_str(), 0640), 0);
    const auto open = ProofKey::open_or_create(file_);
    EXPECT_EQ(open.error().code, ErrorCode::invalid_config);
    EXPECT_NE(open.error().detail.find("can be read by others"), std::string::npos);
}

TEST_F(ProofKeyFile, DamagedOneIsRefusedNotReplaced) {
    ASSERT_TRUE(ProofKey::open_or_create(file_).ok());
    ASSERT_EQ(truncate(file_.c_str(), 30), 0);
    EXPECT_EQ(ProofKey::open_or_create(file_).error().code, ErrorCode::invalid_config);
    EXPECT_EQ(std::filesystem::file_size(file_), 30U);
}

TEST_F(ProofKeyFile, ProcessesThatStartTogetherGetOneKey) {
    std::vector<std::thread> threads;
    std::array<std::string, 8> keys;
    for (std::string& each : keys) {
        threads.emplace_back([&] {
            const auto key = ProofKey::open_or_create(file_);
            each = key.ok() ? key->verifier_text() : key.error().text();
        });
    }
    for (std::thread& each : threads) each.join();
    for (const std::string& each : keys) EXPECT_EQ(each, keys[0]);
    EXPECT_TRUE(keys[0].starts_with("tollgate-")) << keys[0];
}

}  // namespace
}  // namespace tg
