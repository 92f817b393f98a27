#include "app/proofs.h"

#include <algorithm>
#include <filesystem>

#include "base/json_writer.h"
#include "identity/audit_log.h"

namespace tg {
namespace {

/// The bytes of an audit record in the proof log (docs/formats.md).
std::string canonical_audit(const AuditEntry& entry) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("format", "tollgate-audit-1").field("id", entry.id);
    w.field("at", entry.at.micros).field("actor", entry.actor).field("action", entry.action);
    w.field("subject_kind", entry.subject_kind).field("subject_id", entry.subject_id);
    w.field("before", entry.before).field("after", entry.after).field("hash", entry.hash);
    w.end_object();
    return out;
}

/// Audit records after number `id`, oldest first.
Result<std::vector<AuditEntry>> audit_after(SqlConnection& store, std::int64_t id) {
    std::vector<AuditEntry> out;
    TG_CHECK_OK(
        read_audit(store, {.limit = std::numeric_limits<int>::max()}, [&](const AuditEntry& entry) {
            if (entry.id <= id) return false;
            out.push_back(entry);
            return true;
        }));
    std::ranges::reverse(out);
    return out;
}

Status check_audit(SqlConnection& store, std::vector<std::string>* problems) {
    const Result<std::int64_t> chain = verify_audit(store);
    if (!chain.ok() && chain.error().code != ErrorCode::corrupt_data) return fail(chain.error());
    if (!chain.ok()) problems->push_back("audit: " + chain.error().detail);
    std::map<std::string, std::string> records;
    TG_TRY(const std::vector<AuditEntry> entries, audit_after(store, 0));
    for (const AuditEntry& each : entries) records[std::to_string(each.id)] = canonical_audit(each);
    return read_proof_leaves(store, kProofAudit, [&](const ProofLeaf& leaf) {
        const auto found = records.find(leaf.id);
        if (found == records.end() || found->second != leaf.payload)
            problems->push_back("audit: record " + leaf.id +
                                " is not the one in the proof log (leaf " +
                                std::to_string(leaf.index) + ")");
        return true;
    });
}

}  // namespace

std::string proof_key_file(const Config& config) {
    return config.var_dir + "/proof.key";
}

Result<Sealed> seal_books(SqlConnection& store, const Config& config, UtcMicros now) {
    std::error_code error;
    std::filesystem::create_directories(config.var_dir, error);
    if (error)
        return fail(ErrorCode::io_error,
                    "cannot create var_dir '" + config.var_dir + "': " + error.message());
    TG_TRY(const ProofKey key, ProofKey::open_or_create(proof_key_file(config)));
    Sealed out;
    // What is signed goes out of the house: a power failure must not take it back.
    if (store.dialect() == Dialect::sqlite)
        TG_CHECK_OK(store.execute_script("PRAGMA synchronous=FULL"));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(out.ledger_leaves, seal_ledger(store, now));
    TG_TRY(const std::int64_t sealed, count_proof_leaves(store, kProofAudit));
    TG_TRY(const std::vector<AuditEntry> entries, audit_after(store, sealed));
    for (const AuditEntry& each : entries) {
        TG_TRY(const std::int64_t index, append_proof(store, kProofAudit, std::to_string(each.id),
                                                      canonical_audit(each), now));
        (void)index;
        ++out.audit_leaves;
    }
    TG_TRY(out.head, sign_head(store, key, now));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<LedgerVerifyReport> verify_books_and_proofs(SqlConnection& store, const Config& config) {
    LedgerVerifyOptions options;
    std::vector<std::string> problems;
    const std::string file = proof_key_file(config);
    if (std::filesystem::exists(file)) {
        const Result<ProofKey> key = ProofKey::open_or_create(file);
        if (key.ok())
            options.verifier_key = key->verifier_text();
        else
            problems.push_back("proof: " + key.error().detail);
    }
    TG_TRY(LedgerVerifyReport report, verify_ledger(store, options));
    if (report.heads > 0 && options.verifier_key.empty() && problems.empty())
        problems.push_back("proof: heads are signed, but their key '" + file +
                           "' is not there; restore it from a backup");
    TG_CHECK_OK(check_audit(store, &problems));
    report.problems.insert(report.problems.end(), problems.begin(), problems.end());
    return report;
}

}  // namespace tg
