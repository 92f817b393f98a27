#include "billing/internal/settle_writer.h"

#include <algorithm>

#include "billing/internal/usage_text.h"

namespace tg {
namespace {

constexpr std::string_view kEventColumns[] = {
    "sequence:i",       "id_high:i",      "id_low:i",
    "customer_id:i4",   "project_id:i4",  "key_id:i4",
    "dimension_id:i4",  "started_at:i",   "ended_at:i",
    "local_day:i4",     "endpoint:i2",    "tier:i2",
    "source:i2",        "outcome:i2",     "http_status:i4",
    "flags:i4",         "attempts:i4",    "first_byte_ms:i",
    "price_version:i4", "currency:i2",    "charge_nano:i",
    "charge_femto:i",   "input_tokens:i", "output_tokens:i",
    "usage:t",          "end_user:t",     "upstream_request_id:t",
    "asked_model:t"};

std::int64_t as_integer(Lsn lsn) {
    return static_cast<std::int64_t>(lsn.value);
}

Status as_status(Result<std::int64_t> result) {
    if (!result.ok()) return fail(std::move(result).error());
    return {};
}

}  // namespace

Result<SettlePosition> read_position(SqlConnection& store) {
    SettlePosition out;
    // SQLite's write transactions follow each other anyway.
    TG_CHECK_OK(
        store.query(store.dialect() == Dialect::postgres
                        ? "SELECT lsn, next_sequence FROM settle_position WHERE id = 1 FOR UPDATE"
                        : "SELECT lsn, next_sequence FROM settle_position WHERE id = 1",
                    {}, [&out](const SqlRow& row) {
                        out = {Lsn{static_cast<std::uint64_t>(row.integer(0))}, row.integer(1)};
                        return true;
                    }));
    return out;
}

Status claim_position(SqlConnection& store, const SettlePosition& expected) {
    TG_TRY(const SettlePosition found, read_position(store));
    if (found == expected) return {};
    return fail(ErrorCode::conflict,
                "another process has settled the same journal into this store: it is at event " +
                    std::to_string(found.next_sequence) + ", this one at event " +
                    std::to_string(expected.next_sequence) + "; stop one of them");
}

Status write_position(SqlConnection& store, const SettlePosition& position) {
    return as_status(
        store.execute("UPDATE settle_position SET lsn = ?, next_sequence = ? WHERE id = 1",
                      {as_integer(position.lsn), position.next_sequence}));
}

Status EventWriter::open(SqlConnection& store) {
    TG_TRY(insert_, store.bulk_insert("usage_events", kEventColumns));
    return {};
}

Status EventWriter::finish() {
    const std::unique_ptr<SqlConnection::BulkInsert> insert = std::move(insert_);
    return insert ? insert->finish() : Status{};
}

Status EventWriter::write(const EventRow& row, const UsageEvent& event, const Rated& rated) {
    const SplitFemto charge = split(rated.event.total);
    for (const std::int64_t v : {row.sequence,
                                 static_cast<std::int64_t>(event.id.high),
                                 static_cast<std::int64_t>(event.id.low),
                                 std::int64_t{event.payer.customer.get()},
                                 std::int64_t{event.payer.project.get()},
                                 std::int64_t{event.payer.key.get()},
                                 std::int64_t{row.dimension},
                                 event.started_at.micros,
                                 event.ended_at.micros,
                                 std::int64_t{row.day},
                                 static_cast<std::int64_t>(event.endpoint),
                                 static_cast<std::int64_t>(event.tier),
                                 static_cast<std::int64_t>(event.source),
                                 static_cast<std::int64_t>(event.outcome),
                                 std::int64_t{event.http_status},
                                 std::int64_t{rated.flags},
                                 std::int64_t{event.attempts},
                                 std::int64_t{event.first_byte_ms},
                                 std::int64_t{event.price_version.get()},
                                 static_cast<std::int64_t>(rated.event.currency),
                                 charge.nano,
                                 charge.femto,
                                 rated.input_tokens,
                                 rated.output_tokens}) {
        insert_->integer(v);
    }
    write_usage_text(event.usage, &usage_);
    insert_->text(usage_);
    insert_->text(storable(event.end_user, &end_user_));
    insert_->text(storable(event.upstream_request_id, &request_id_));
    insert_->text(storable(event.asked_model, &asked_model_));
    return insert_->end_row();
}

Result<Chunk> last_chunk(SqlConnection& store) {
    Chunk out;
    TG_CHECK_OK(store.query(
        "SELECT first_sequence, last_sequence, from_lsn, to_lsn, first_started_ms, last_started_ms "
        "FROM usage_chunks ORDER BY first_sequence DESC LIMIT 1",
        {}, [&out](const SqlRow& row) {
            out = {row.integer(0),
                   row.integer(1),
                   Lsn{static_cast<std::uint64_t>(row.integer(2))},
                   Lsn{static_cast<std::uint64_t>(row.integer(3))},
                   row.integer(4),
                   row.integer(5)};
            return true;
        }));
    return out;
}

Result<Chunk> write_chunk(SqlConnection& store, const Chunk& last, const Chunk& batch) {
    Chunk chunk = batch;
    const bool is_first = last.to == Lsn{};
    const bool is_next = !is_first && last.events() >= kChunkEvents && batch.events() > 0;
    if (!is_first && !is_next) {
        chunk.first_sequence = last.first_sequence;
        chunk.from = last.from;
        if (batch.events() == 0) {
            chunk.first_started_ms = last.first_started_ms;
            chunk.last_started_ms = last.last_started_ms;
        } else if (last.events() > 0) {
            chunk.first_started_ms = std::min(last.first_started_ms, batch.first_started_ms);
            chunk.last_started_ms = std::max(last.last_started_ms, batch.last_started_ms);
        }
    }
    TG_CHECK_OK(as_status(store.execute(
        "INSERT INTO usage_chunks (first_sequence, last_sequence, from_lsn, to_lsn, "
        "first_started_ms, last_started_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (first_sequence) "
        "DO UPDATE SET last_sequence = excluded.last_sequence, to_lsn = excluded.to_lsn, "
        "first_started_ms = excluded.first_started_ms, last_started_ms = excluded.last_started_ms",
        {chunk.first_sequence, chunk.last_sequence, as_integer(chunk.from), as_integer(chunk.to),
         chunk.first_started_ms, chunk.last_started_ms})));
    return chunk;
}

}  // namespace tg
