#include "ledger/internal/verify_parts.h"
#include "ledger/proof_log.h"

namespace tg::ledger_internal {
namespace {

struct StoredHead {
    std::uint64_t size = 0;
    std::string root, note;
};

/// Walks the leaves in order and compares what follows from them.
class ProofWalk {
  public:
    ProofWalk(SqlConnection& connection, const std::string& verifier_key,
              LedgerVerifyReport* report, LedgerProblems* problems)
        : connection_(connection),
          verifier_key_(verifier_key),
          report_(*report),
          problems_(*problems) {}

    Status run();

  private:
    Status read_heads();
    Status read_nodes();
    Status read_leaves();
    void visit(const SqlRow& row);
    void check_heads_of_size(std::uint64_t size);
    void check_head(const StoredHead& head);
    void check_node(int level, std::uint64_t index, const Sha256& hash);
    Status check_batches();
    Status check_end();

    SqlConnection& connection_;
    const std::string& verifier_key_;
    LedgerVerifyReport& report_;
    LedgerProblems& problems_;
    MerkleFrontier tree_;
    std::vector<StoredHead> heads_;
    std::size_t next_head_ = 0;
    std::map<std::pair<int, std::uint64_t>, std::string> nodes_;
    std::vector<ProofLeaf> batches_;
};

Status ProofWalk::read_heads() {
    return connection_.query(
        "SELECT size, root, note FROM proof_heads ORDER BY size", {}, [this](const SqlRow& row) {
            heads_.push_back({static_cast<std::uint64_t>(row.integer(0)), std::string(row.text(1)),
                              std::string(row.text(2))});
            return true;
        });
}

Status ProofWalk::read_nodes() {
    return connection_.query(
        "SELECT level, node_index, hash FROM proof_nodes", {}, [this](const SqlRow& row) {
            nodes_[{static_cast<int>(row.integer(0)), static_cast<std::uint64_t>(row.integer(1))}] =
                row.text(2);
            return true;
        });
}

void ProofWalk::check_head(const StoredHead& head) {
    const std::string name = "signed head of size " + std::to_string(head.size);
    const std::string root = sha256_text(tree_.root());
    if (head.root != root)
        problems_.add("proof", name +
                                   ": its root does not follow from the leaves: a leaf before "
                                   "it was changed, removed or added");
    if (verifier_key_.empty()) return;
    const Result<Checkpoint> checkpoint = open_checkpoint(head.note, verifier_key_);
    if (!checkpoint.ok()) {
        problems_.add("proof", name + ": " + checkpoint.error().detail);
    } else if (checkpoint->size != head.size || checkpoint->root_hex != root) {
        problems_.add("proof", name + ": what is signed is a tree of " +
                                   std::to_string(checkpoint->size) +
                                   " leaves with another root than the leaves have now");
    }
}

void ProofWalk::check_heads_of_size(std::uint64_t size) {
    for (; next_head_ < heads_.size() && heads_[next_head_].size <= size; ++next_head_) {
        ++report_.heads;
        if (heads_[next_head_].size == size) check_head(heads_[next_head_]);
    }
}

void ProofWalk::check_node(int level, std::uint64_t index, const Sha256& hash) {
    const std::string name =
        "subtree " + std::to_string(level) + "/" + std::to_string(index) + " of the proof log";
    const auto found = nodes_.find({level, index});
    if (found == nodes_.end()) {
        problems_.add("proof", name + " is missing");
        return;
    }
    if (found->second != sha256_text(hash))
        problems_.add("proof", name + ": its hash does not follow from the leaves");
    nodes_.erase(found);
}

void ProofWalk::visit(const SqlRow& row) {
    ++report_.leaves;
    ProofLeaf leaf{.index = row.integer(0),
                   .logged_at = {row.integer(1)},
                   .kind = std::string(row.text(2)),
                   .id = std::string(row.text(3)),
                   .payload = {}};
    const std::string name =
        "leaf " + std::to_string(leaf.index) + " (" + leaf.kind + " " + leaf.id + ")";
    if (leaf.index != static_cast<std::int64_t>(tree_.size()))
        problems_.add(
            "proof", name + ": stands where leaf " + std::to_string(tree_.size()) + " is expected");
    const Result<std::string> payload = parse_base64(row.text(4));
    if (payload.ok()) leaf.payload = *payload;
    const Sha256 hash = merkle_leaf_hash(canonical_leaf(leaf));
    if (!payload.ok() || row.text(5) != sha256_text(hash))
        problems_.add("proof", name + ": the document, its time or its hash was changed");
    tree_.add(hash, [this](int level, std::uint64_t index, const Sha256& node) {
        check_node(level, index, node);
    });
    if (leaf.kind == kProofLedgerBatch) batches_.push_back(std::move(leaf));
    check_heads_of_size(tree_.size());
}

Status ProofWalk::read_leaves() {
    check_heads_of_size(0);
    return connection_.query(
        "SELECT leaf_index, logged_at, kind, document_id, payload, hash FROM proof_leaves ORDER BY "
        "leaf_index",
        {}, [this](const SqlRow& row) {
            visit(row);
            return true;
        });
}

/// The ledger's entries are still those that were sealed, all of them, each once.
Status ProofWalk::check_batches() {
    std::int64_t sealed = 0, recorded = 0;
    for (const ProofLeaf& leaf : batches_) {
        const std::string name =
            "leaf " + std::to_string(leaf.index) + " (ledger entries " + leaf.id + ")";
        std::int64_t first = 0, last = 0;
        const std::size_t dash = std::min(leaf.id.find('-'), leaf.id.size() - 1);
        (void)std::from_chars(leaf.id.data(), leaf.id.data() + dash, first);
        (void)std::from_chars(leaf.id.data() + dash + 1, leaf.id.data() + leaf.id.size(), last);
        if (first != sealed + 1 || last < first)
            problems_.add("proof", name +
                                       ": does not follow the entries sealed before, which end "
                                       "with " +
                                       std::to_string(sealed));
        sealed = std::max(sealed, last);
        TG_TRY(const std::string now, ledger_batch_payload(connection_, first, last));
        if (now != leaf.payload)
            problems_.add("proof", name + ": the ledger's entries are not those that were sealed");
    }
    TG_CHECK_OK(
        connection_.query("SELECT sealed_number FROM ledger_head", {}, [&](const SqlRow& row) {
            recorded = row.integer(0);
            return true;
        }));
    if (recorded != sealed)
        problems_.add("proof", "entries up to " + std::to_string(sealed) +
                                   " are sealed, but the head says " + std::to_string(recorded));
    return {};
}

Status ProofWalk::check_end() {
    std::int64_t leaves = 0;
    TG_CHECK_OK(connection_.query("SELECT leaves FROM proof_state", {}, [&](const SqlRow& row) {
        leaves = row.integer(0);
        return true;
    }));
    if (static_cast<std::uint64_t>(leaves) != tree_.size())
        problems_.add("proof", "the proof log has " + std::to_string(tree_.size()) +
                                   " leaves, but " + std::to_string(leaves) +
                                   " were written: its end was cut or added to");
    for (const auto& [place, hash] : nodes_)
        problems_.add("proof", "subtree " + std::to_string(place.first) + "/" +
                                   std::to_string(place.second) +
                                   " of the proof log does not belong to its leaves");
    for (; next_head_ < heads_.size(); ++next_head_)
        problems_.add("proof", "a head of size " + std::to_string(heads_[next_head_].size) +
                                   " was signed, but the proof log has only " +
                                   std::to_string(tree_.size()) + " leaves");
    return {};
}

Status ProofWalk::run() {
    TG_CHECK_OK(read_heads());
    TG_CHECK_OK(read_nodes());
    TG_CHECK_OK(read_leaves());
    TG_CHECK_OK(check_batches());
    return check_end();
}

}  // namespace

Status check_proof_log(SqlConnection& connection, const std::string& verifier_key,
                       LedgerVerifyReport* report, LedgerProblems* problems) {
    return ProofWalk(connection, verifier_key, report, problems).run();
}

}  // namespace tg::ledger_internal
