// The ledger's entries as documents of the proof log.
#include "base/json_writer.h"
#include "ledger/internal/head.h"
#include "ledger/ledger.h"
#include "ledger/proof_log.h"

namespace tg {
namespace {

std::string batch_id(std::int64_t first, std::int64_t last) {
    return std::to_string(first) + "-" + std::to_string(last);
}

void write_hashes(JsonWriter& w, std::string_view name, const std::vector<Sha256>& hashes) {
    w.key(name).begin_array();
    for (const Sha256& each : hashes) w.value(std::string_view(sha256_text(each)));
    w.end_array();
}

Status write_entry(SqlConnection& connection, JsonWriter& w, std::int64_t number) {
    TG_TRY(const BookedEntry booked, read_entry(connection, number));
    std::string previous;
    if (number > 1) {
        TG_TRY(const BookedEntry before, read_entry(connection, number - 1));
        previous = before.hash;
    }
    w.field("entry",
            std::string_view(canonical_record(booked.entry, number, previous, booked.booked_at)));
    return {};
}

Status write_consistency(SqlConnection& connection, JsonWriter& w, std::uint64_t since,
                         std::uint64_t size) {
    TG_TRY(const std::optional<Checkpoint> old, read_checkpoint(connection, since));
    if (!old || since > size)
        return fail(ErrorCode::not_found, "no head of size " + std::to_string(since) +
                                              " was signed up to size " + std::to_string(size) +
                                              "; 'tollgate proof heads' lists those there are");
    TG_TRY(const std::vector<Sha256> hashes,
           merkle_consistency_proof(since, size, stored_nodes(connection)));
    w.key("consistency").begin_object().field("checkpoint", old->note);
    write_hashes(w, "hashes", hashes);
    w.end_object();
    return {};
}

}  // namespace

Result<std::string> ledger_batch_payload(SqlConnection& connection, std::int64_t first,
                                         std::int64_t last) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("format", "tollgate-ledger-batch-1").field("first", first);
    w.field("last", last).key("hashes").begin_array();
    TG_CHECK_OK(connection.query(
        "SELECT hash FROM ledger_entries WHERE number >= ? AND number <= ? ORDER BY number",
        {first, last}, [&](const SqlRow& row) {
            w.value(row.text(0));
            return true;
        }));
    w.end_array().end_object();
    return out;
}

Result<int> seal_ledger(SqlConnection& connection, UtcMicros now) {
    TG_TRY(ledger_internal::Head head, ledger_internal::lock_head(connection));
    int leaves = 0;
    while (head.sealed_number < head.entries) {
        const std::int64_t first = head.sealed_number + 1;
        const std::int64_t last = std::min(head.entries, first + kSealedEntriesMax - 1);
        TG_TRY(const std::string payload, ledger_batch_payload(connection, first, last));
        TG_TRY(const std::int64_t index,
               append_proof(connection, kProofLedgerBatch, batch_id(first, last), payload, now));
        (void)index;
        head.sealed_number = last;
        ++leaves;
    }
    if (leaves > 0) TG_CHECK_OK(ledger_internal::write_head(connection, head));
    return leaves;
}

Result<std::string> ledger_batch_of(SqlConnection& connection, std::int64_t number) {
    TG_TRY(const ledger_internal::Head head, ledger_internal::read_head(connection));
    if (number < 1 || number > head.entries)
        return fail(ErrorCode::not_found, "there is no ledger entry " + std::to_string(number));
    std::string out;
    TG_CHECK_OK(
        connection.query("SELECT document_id FROM proof_leaves WHERE kind = ? ORDER BY leaf_index",
                         {std::string(kProofLedgerBatch)}, [&](const SqlRow& row) {
                             const std::string_view id = row.text(0);
                             std::int64_t first = 0, last = 0;
                             const std::size_t dash = id.find('-');
                             if (dash == std::string_view::npos) return true;
                             const char* const begin = std::to_address(id.begin());
                             const char* const end = std::to_address(id.end());
                             (void)std::from_chars(begin, begin + dash, first);
                             (void)std::from_chars(begin + dash + 1, end, last);
                             if (first > number || number > last) return true;
                             out = id;
                             return false;
                         }));
    if (out.empty())
        return fail(ErrorCode::not_found, "ledger entry " + std::to_string(number) +
                                              " is not in the proof log yet; 'tollgate ledger "
                                              "seal' or POST /admin/v1/proof-heads puts it there");
    return out;
}

Result<std::string> proof_as_json(SqlConnection& connection, const ProofRequest& request) {
    TG_TRY(const ProofLeaf leaf, read_proof_leaf(connection, request.kind, request.id));
    TG_TRY(const std::optional<Checkpoint> head, read_checkpoint(connection));
    const auto index = static_cast<std::uint64_t>(leaf.index);
    if (!head || head->size <= index)
        return fail(ErrorCode::not_found,
                    request.kind + " '" + request.id +
                        "' is in the proof log, but no signed head covers it yet; 'tollgate "
                        "ledger seal' or POST /admin/v1/proof-heads signs one");
    TG_TRY(const std::vector<Sha256> path,
           merkle_inclusion_proof(index, head->size, stored_nodes(connection)));
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("format", "tollgate-proof-1").field("checkpoint", head->note);
    w.key("leaf")
        .raw(canonical_leaf(leaf))
        .field("payload", std::string_view(base64(leaf.payload)));
    write_hashes(w, "inclusion", path);
    if (request.since) TG_CHECK_OK(write_consistency(connection, w, *request.since, head->size));
    if (request.entry) TG_CHECK_OK(write_entry(connection, w, *request.entry));
    w.end_object();
    return out;
}

Result<ProofRequest> make_proof_request(SqlConnection& connection, std::string_view kind,
                                        std::string_view id, std::optional<std::uint64_t> since) {
    ProofRequest out{.kind = std::string(kind), .id = std::string(id), .since = since};
    if (kind != kProofEntry) return out;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
    if (error != std::errc{} || end != id.data() + id.size())
        return fail(ErrorCode::invalid_request, "'" + std::string(id.substr(0, 64)) +
                                                    "' is no number of a ledger entry; give it as "
                                                    "'tollgate ledger entries' shows it");
    out.kind = kProofLedgerBatch;
    out.entry = number;
    TG_TRY(out.id, ledger_batch_of(connection, number));
    return out;
}

}  // namespace tg
