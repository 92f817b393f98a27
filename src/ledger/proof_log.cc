#include "ledger/proof_log.h"

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "ledger/internal/head.h"

namespace tg {
namespace {

constexpr std::size_t kPayloadMax = std::size_t{16} << 20;

bool is_plain_word(std::string_view text, std::size_t size_max) {
    return !text.empty() && text.size() <= size_max && std::ranges::all_of(text, [](char c) {
        return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
    });
}

/// Length of the log; no other transaction gets it until this one has ended.
Result<std::int64_t> lock_log(SqlConnection& connection) {
    std::int64_t leaves = -1;
    TG_CHECK_OK(connection.query("UPDATE proof_state SET leaves = leaves RETURNING leaves", {},
                                 [&](const SqlRow& row) {
                                     leaves = row.integer(0);
                                     return true;
                                 }));
    if (leaves < 0) return fail(ErrorCode::corrupt_data, "proof_state has no row");
    return leaves;
}

Result<Sha256> parse_hash(std::string_view text) {
    Sha256 out{};
    for (std::size_t i = 0; i < 4 && text.size() == 64; ++i) {
        std::uint64_t value = 0;
        if (!read_hex(text.substr(i * 16, 16), &value)) break;
        for (std::size_t byte = 0; byte < 8; ++byte)
            out[i * 8 + byte] = static_cast<std::uint8_t>(value >> (56 - 8 * byte));
        if (i == 3) return out;
    }
    return fail(ErrorCode::corrupt_data,
                "a stored hash of the proof log is damaged; run 'tollgate "
                "ledger verify'");
}

/// Index of the leaf of a document, with its hash.
struct FoundLeaf {
    std::int64_t index = 0;
    UtcMicros logged_at;
    std::string hash;
};
/// Of those documents that have one, by id.
Result<std::map<std::string, FoundLeaf>> find_leaves(SqlConnection& connection,
                                                     std::string_view kind,
                                                     std::span<const ProofDocument> documents) {
    std::map<std::string, FoundLeaf> out;
    std::string places;
    std::vector<SqlValue> values{std::string(kind)};
    for (const ProofDocument& document : documents) {
        places.append(places.empty() ? "?" : ", ?");
        values.emplace_back(std::string(document.id));
    }
    TG_CHECK_OK(connection.query(
        "SELECT document_id, leaf_index, logged_at, hash FROM proof_leaves WHERE kind = ? AND "
        "document_id IN (" +
            places + ")",
        std::span(values), [&](const SqlRow& row) {
            out[std::string(row.text(0))] = {
                row.integer(1), {row.integer(2)}, std::string(row.text(3))};
            return true;
        }));
    return out;
}

constexpr std::string_view kSelectLeaf =
    "SELECT leaf_index, logged_at, kind, document_id, payload FROM proof_leaves WHERE kind = ?";

Result<ProofLeaf> leaf_of(const SqlRow& row) {
    Result<std::string> payload = parse_base64(row.text(4));
    if (!payload.ok())
        return fail(ErrorCode::corrupt_data,
                    "leaf " + std::to_string(row.integer(0)) +
                        " of the proof log is damaged; run 'tollgate ledger verify'");
    return ProofLeaf{.index = row.integer(0),
                     .logged_at = {row.integer(1)},
                     .kind = std::string(row.text(2)),
                     .id = std::string(row.text(3)),
                     .payload = *std::move(payload)};
}

/// Of the columns size, root, note.
Checkpoint checkpoint_of(const SqlRow& row) {
    const std::string note(row.text(2));
    return {.origin = note.substr(0, note.find('\n')),
            .size = static_cast<std::uint64_t>(row.integer(0)),
            .root_hex = std::string(row.text(1)),
            .note = note};
}

Status check_document(std::string_view kind, const ProofDocument& document) {
    if (!is_plain_word(kind, 40) || !is_plain_word(document.id, 160))
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(kind) + " " + std::string(document.id) +
                        "' cannot name a document in the proof log: kind and id are printable "
                        "ASCII without spaces, at most 40 and 160 characters");
    if (document.payload.size() > kPayloadMax)
        return fail(ErrorCode::invalid_request,
                    std::string(kind) + " " + std::string(document.id) + " has " +
                        std::to_string(document.payload.size()) +
                        " bytes; the proof log takes 16 MiB: log its SHA-256 instead");
    return {};
}

/// New leaves and the complete subtrees they close, to be written together.
class NewLeaves {
  public:
    NewLeaves(SqlConnection* connection, std::int64_t leaves)
        : connection_(connection), nodes_(stored_nodes(*connection)), next_(leaves) {}

    Result<std::int64_t> add(ProofLeaf leaf) {
        leaf.index = next_++;
        Sha256 hash = merkle_leaf_hash(canonical_leaf(leaf));
        hashes_[{0, leaf.index}] = hash;
        leaves_.push_back(std::move(leaf));
        for (int level = 1; next_ % (std::int64_t{1} << level) == 0; ++level) {
            const std::int64_t node = (next_ >> level) - 1;
            TG_TRY(const Sha256 left, at(level - 1, node * 2));
            hash = merkle_node_hash(left, hash);
            hashes_[{level, node}] = hash;
        }
        return next_ - 1;
    }
    bool is_empty() const { return leaves_.empty(); }
    Status write() {
        TG_CHECK_OK(write_leaves());
        TG_CHECK_OK(write_nodes());
        return ledger_internal::expect_one(
            connection_->execute("UPDATE proof_state SET leaves = ?", {next_}), "proof_state");
    }

  private:
    Result<Sha256> at(int level, std::int64_t index) {
        const auto found = hashes_.find({level, index});
        if (found != hashes_.end()) return found->second;
        return nodes_(level, static_cast<std::uint64_t>(index));
    }
    Status write_leaves() {
        constexpr std::string_view kColumns[] = {"leaf_index:i",  "logged_at:i", "kind:t",
                                                 "document_id:t", "payload:t",   "hash:t"};
        TG_TRY(const auto insert, connection_->bulk_insert("proof_leaves", kColumns));
        for (const ProofLeaf& leaf : leaves_) {
            // Views of texts must last until the row is ended.
            const std::string payload = base64(leaf.payload);
            const std::string hash = sha256_text(hashes_.at({0, leaf.index}));
            insert->integer(leaf.index);
            insert->integer(leaf.logged_at.micros);
            for (const std::string* text : {&leaf.kind, &leaf.id, &payload, &hash})
                insert->text(*text);
            TG_CHECK_OK(insert->end_row());
        }
        return insert->finish();
    }
    Status write_nodes() {
        constexpr std::string_view kColumns[] = {"level:i2", "node_index:i", "hash:t"};
        TG_TRY(const auto insert, connection_->bulk_insert("proof_nodes", kColumns));
        for (const auto& [place, hash] : hashes_) {
            if (place.first == 0) continue;
            const std::string text = sha256_text(hash);
            insert->integer(place.first);
            insert->integer(place.second);
            insert->text(text);
            TG_CHECK_OK(insert->end_row());
        }
        return insert->finish();
    }

    SqlConnection* connection_;
    MerkleNodes nodes_;
    std::int64_t next_;
    std::vector<ProofLeaf> leaves_;
    std::map<std::pair<int, std::int64_t>, Sha256> hashes_;  ///< by level and index
};

/// The leaf that a document is. Errors: conflict when that has other bytes.
Result<std::int64_t> same_leaf(std::string_view kind, const ProofDocument& document,
                               const FoundLeaf& found) {
    const ProofLeaf leaf{.index = found.index,
                         .logged_at = found.logged_at,
                         .kind = std::string(kind),
                         .id = std::string(document.id),
                         .payload = std::string(document.payload)};
    if (found.hash == sha256_text(merkle_leaf_hash(canonical_leaf(leaf)))) return found.index;
    return fail(ErrorCode::conflict, std::string(kind) + " " + leaf.id + " is leaf " +
                                         std::to_string(found.index) +
                                         " of the proof log with other bytes; a document never "
                                         "changes: make a new one that corrects it");
}

}  // namespace

std::string sha256_text(const Sha256& hash) {
    return hex(hash.data(), hash.size());
}

std::string canonical_leaf(const ProofLeaf& leaf) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("format", "tollgate-proof-leaf-1").field("index", leaf.index);
    w.field("logged_at", leaf.logged_at.micros).field("kind", leaf.kind).field("id", leaf.id);
    w.field("payload_sha256", sha256_text(sha256(leaf.payload)));
    w.field("payload_bytes", std::uint64_t{leaf.payload.size()}).end_object();
    return out;
}

MerkleNodes stored_nodes(SqlConnection& connection) {
    return [&connection](int level, std::uint64_t index) -> Result<Sha256> {
        std::string found;
        const auto number = static_cast<std::int64_t>(index);
        const auto read = [&](const SqlRow& row) {
            found = row.text(0);
            return true;
        };
        if (level == 0) {
            TG_CHECK_OK(connection.query("SELECT hash FROM proof_leaves WHERE leaf_index = ?",
                                         {number}, read));
        } else {
            TG_CHECK_OK(
                connection.query("SELECT hash FROM proof_nodes WHERE level = ? AND node_index = ?",
                                 {std::int64_t{level}, number}, read));
        }
        return parse_hash(found);
    };
}

Result<std::int64_t> append_proof(SqlConnection& connection, std::string_view kind,
                                  std::string_view id, std::string_view payload, UtcMicros now) {
    const ProofDocument document{id, payload};
    TG_TRY(const std::vector<std::int64_t> leaves,
           append_proofs(connection, kind, std::span(&document, 1), now));
    return leaves.front();
}

Result<std::vector<std::int64_t>> append_proofs(SqlConnection& connection, std::string_view kind,
                                                std::span<const ProofDocument> documents,
                                                UtcMicros now) {
    std::vector<std::int64_t> out;
    if (documents.empty()) return out;
    for (const ProofDocument& document : documents) TG_CHECK_OK(check_document(kind, document));
    TG_TRY(const std::int64_t leaves, lock_log(connection));
    TG_TRY(const auto known, find_leaves(connection, kind, documents));
    NewLeaves added(&connection, leaves);
    for (const ProofDocument& document : documents) {
        const auto found = known.find(std::string(document.id));
        TG_TRY(const std::int64_t index,
               found != known.end() ? same_leaf(kind, document, found->second)
                                    : added.add({.logged_at = now,
                                                 .kind = std::string(kind),
                                                 .id = std::string(document.id),
                                                 .payload = std::string(document.payload)}));
        out.push_back(index);
    }
    if (!added.is_empty()) TG_CHECK_OK(added.write());
    return out;
}

Result<Checkpoint> sign_head(SqlConnection& connection, const ProofKey& key, UtcMicros now) {
    TG_TRY(const std::int64_t leaves, lock_log(connection));
    const auto size = static_cast<std::uint64_t>(leaves);
    TG_TRY(const std::optional<Checkpoint> signed_before, read_checkpoint(connection, size));
    if (signed_before) return *signed_before;
    TG_TRY(const Sha256 root, merkle_root(size, stored_nodes(connection)));
    Checkpoint out = key.sign(size, sha256_text(root));
    TG_CHECK_OK(ledger_internal::expect_one(
        connection.execute(
            "INSERT INTO proof_heads (size, signed_at, root, note) VALUES (?, ?, ?, ?)",
            {leaves, now.micros, out.root_hex, out.note}),
        "proof_heads"));
    return out;
}

Result<std::optional<Checkpoint>> read_checkpoint(SqlConnection& connection,
                                                  std::optional<std::uint64_t> size) {
    std::optional<Checkpoint> out;
    const auto read = [&](const SqlRow& row) {
        out = checkpoint_of(row);
        return true;
    };
    if (size) {
        TG_CHECK_OK(connection.query("SELECT size, root, note FROM proof_heads WHERE size = ?",
                                     {static_cast<std::int64_t>(*size)}, read));
    } else {
        TG_CHECK_OK(connection.query(
            "SELECT size, root, note FROM proof_heads ORDER BY size DESC LIMIT 1", {}, read));
    }
    return out;
}

Result<ProofLeaf> read_proof_leaf(SqlConnection& connection, std::string_view kind,
                                  std::string_view id) {
    std::optional<Result<ProofLeaf>> out;
    TG_CHECK_OK(connection.query(std::string(kSelectLeaf) + " AND document_id = ?",
                                 {std::string(kind), std::string(id)}, [&](const SqlRow& row) {
                                     out = leaf_of(row);
                                     return true;
                                 }));
    if (out) return *std::move(out);
    return fail(ErrorCode::not_found,
                std::string(kind) + " '" + std::string(id) + "' is not in the proof log");
}

Status read_proof_leaves(SqlConnection& connection, std::string_view kind,
                         const std::function<bool(const ProofLeaf&)>& each) {
    Status bad;
    TG_CHECK_OK(connection.query(std::string(kSelectLeaf) + " ORDER BY leaf_index",
                                 {std::string(kind)}, [&](const SqlRow& row) {
                                     const Result<ProofLeaf> leaf = leaf_of(row);
                                     if (leaf.ok()) return each(*leaf);
                                     bad = fail(leaf.error());
                                     return false;
                                 }));
    return bad;
}

Result<std::int64_t> count_proof_leaves(SqlConnection& connection, std::string_view kind) {
    std::int64_t count = 0;
    TG_CHECK_OK(connection.query("SELECT count(*) FROM proof_leaves WHERE kind = ?",
                                 {std::string(kind)}, [&](const SqlRow& row) {
                                     count = row.integer(0);
                                     return true;
                                 }));
    return count;
}

Status read_checkpoints(SqlConnection& connection,
                        const std::function<bool(const Checkpoint&, UtcMicros)>& each) {
    return connection.query(
        "SELECT size, root, note, signed_at FROM proof_heads ORDER BY size", {},
        [&](const SqlRow& row) { return each(checkpoint_of(row), {row.integer(3)}); });
}

}  // namespace tg
