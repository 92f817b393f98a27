#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "ledger/merkle.h"
#include "ledger/proof_key.h"
#include "store/sql.h"

namespace tg {

/// Kinds of documents in use. Any short plain word may be one.
inline constexpr std::string_view kProofBill = "bill", kProofNote = "note",
                                  kProofInvoice = "invoice", kProofLedgerBatch = "ledger_batch",
                                  kProofAudit = "audit", kProofContract = "contract";

/// One document in the log. The leaf that is hashed binds all of it (docs/formats.md).
struct ProofLeaf {
    std::int64_t index = 0;  ///< from 0, without gaps
    UtcMicros logged_at;
    std::string kind, id;
    std::string payload;  ///< the document's bytes
};
std::string canonical_leaf(const ProofLeaf& leaf);
std::string sha256_text(const Sha256& hash);  ///< hexadecimal

/// Appends a document inside the caller's SQL transaction (one must be open). The same document
/// again is the same leaf. Writers queue until their transactions end. Returns the leaf's index.
/// Errors: invalid_request (kind or id is no plain word, payload above 16 MiB), conflict (the
/// document is in the log with other bytes), those of the store.
Result<std::int64_t> append_proof(SqlConnection& connection, std::string_view kind,
                                  std::string_view id, std::string_view payload, UtcMicros now);

/// The same for several documents of one kind with different ids, in order, with a few statements
/// for all of them.
struct ProofDocument {
    std::string_view id, payload;
};
Result<std::vector<std::int64_t>> append_proofs(SqlConnection& connection, std::string_view kind,
                                                std::span<const ProofDocument> documents,
                                                UtcMicros now);

/// Every signed head, smallest first; `each` returns false to stop.
Status read_checkpoints(SqlConnection& connection,
                        const std::function<bool(const Checkpoint&, UtcMicros signed_at)>& each);

/// Signs the tree as it is, inside the caller's transaction; what is signed already is not signed
/// again. Errors: those of the store.
Result<Checkpoint> sign_head(SqlConnection& connection, const ProofKey& key, UtcMicros now);

/// The newest signed head; nullopt when there is none. With `size`: the head of exactly that size.
Result<std::optional<Checkpoint>> read_checkpoint(SqlConnection& connection,
                                                  std::optional<std::uint64_t> size = {});

/// Errors: not_found, corrupt_data, those of the store.
Result<ProofLeaf> read_proof_leaf(SqlConnection& connection, std::string_view kind,
                                  std::string_view id);

/// Leaves of one kind, in order; `each` returns false to stop. Errors as read_proof_leaf().
Status read_proof_leaves(SqlConnection& connection, std::string_view kind,
                         const std::function<bool(const ProofLeaf&)>& each);
Result<std::int64_t> count_proof_leaves(SqlConnection& connection, std::string_view kind);

/// Nodes of the stored tree, for merkle_*_proof().
MerkleNodes stored_nodes(SqlConnection& connection);

/// Puts the ledger's entries that are in no leaf yet into the log, at most `entries_max` a leaf,
/// under the id "first-last"; the payload is the list of their hashes. Inside the caller's
/// transaction. Returns how many leaves.
inline constexpr std::int64_t kSealedEntriesMax = 1000;
Result<int> seal_ledger(SqlConnection& connection, UtcMicros now);
/// The payload of the leaf for entries [first, last], from the ledger as it is now.
Result<std::string> ledger_batch_payload(SqlConnection& connection, std::int64_t first,
                                         std::int64_t last);
/// The leaf's id that holds ledger entry `number`. Errors: not_found when it is not sealed yet.
Result<std::string> ledger_batch_of(SqlConnection& connection, std::int64_t number);

/// A proof as JSON (docs/formats.md): the document, its place in the tree, the signed head that
/// covers it, and, with `since`, that the head of that size has only grown. `entry`: the canonical
/// record of one ledger entry of a ledger_batch. Errors: not_found (document; no signed head that
/// covers it; no head of size `since`), those of the store.
struct ProofRequest {
    std::string kind, id;
    std::optional<std::uint64_t> since{};
    std::optional<std::int64_t> entry{};
};
Result<std::string> proof_as_json(SqlConnection& connection, const ProofRequest& request);

/// The request for a document; of kind "entry", whose id is a number, for the batch that the ledger
/// entry was sealed in. Errors: invalid_request (no number), not_found (not sealed yet), those of
/// the store.
inline constexpr std::string_view kProofEntry = "entry";
Result<ProofRequest> make_proof_request(SqlConnection& connection, std::string_view kind,
                                        std::string_view id, std::optional<std::uint64_t> since);

}  // namespace tg
