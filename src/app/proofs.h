#pragma once
#include <string>

#include "app/config.h"
#include "ledger/proof_log.h"
#include "ledger/verify.h"

namespace tg {

/// The key that signs the proof log's heads: a file in var_dir, made when it is first needed.
std::string proof_key_file(const Config& config);

/// Puts what is new of the ledger and the audit log into the proof log and signs its head, in one
/// transaction. Errors: those of the store and of the key file.
struct Sealed {
    int ledger_leaves = 0;
    std::int64_t audit_leaves = 0;
    Checkpoint head;
};
Result<Sealed> seal_books(SqlConnection& store, const Config& config, UtcMicros now);

/// verify_ledger() with the key of var_dir, where there is one, and the audit log against its
/// leaves. Errors: those of the store.
Result<LedgerVerifyReport> verify_books_and_proofs(SqlConnection& store, const Config& config);

}  // namespace tg
