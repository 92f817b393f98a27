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

std::string place_text(Lsn lsn) {
    return "segment " + std::to_string(lsn.segment()) + " offset " + std::to_string(lsn.offset());
}

std::int64_t as_integer(Lsn lsn) {
    return static_cast<std::int64_t>(lsn.value);
}

Status as_status(Result<std::int64_t> result) {
    if (!result.ok()) return fail(std::move(result).error());
    return {};
}

}  // namespace

Result<std::int64_t> lock_books(SqlConnection& store) {
    std::int64_t next_sequence = 1;
    // SQLite's write transactions follow each other anyway.
    const std::string_view lock = store.dialect() == Dialect::postgres ? " FOR UPDATE" : "";
    TG_CHECK_OK(
        store.query("SELECT next_sequence FROM settle_position WHERE id = 1" + std::string(lock),
                    {}, [&next_sequence](const SqlRow& row) {
                        next_sequence = row.integer(0);
                        return true;
                    }));
    return next_sequence;
}

Result<SettlePosition> read_position(SqlConnection& store, const std::string& journal_name) {
    SettlePosition out;
    TG_TRY(out.next_sequence, lock_books(store));
    TG_CHECK_OK(store.query("SELECT id, lsn FROM settle_journals WHERE name = ?", {journal_name},
                            [&out](const SqlRow& row) {
                                out.journal = row.integer(0);
                                out.lsn = {static_cast<std::uint64_t>(row.integer(1))};
                                return true;
                            }));
    return out;
}

Result<SettlePosition> claim_position(SqlConnection& store, const std::string& journal_name,
                                      const SettlePosition& expected) {
    TG_TRY(const SettlePosition found, read_position(store, journal_name));
    if (found.journal == expected.journal && found.lsn == expected.lsn) return found;
    return fail(ErrorCode::conflict,
                "another process has settled journal " + journal_name +
                    " into this store: it is at " + place_text(found.lsn) + ", this one at " +
                    place_text(expected.lsn) +
                    "; stop one of them, or give each a journal directory of its own");
}

Result<std::int64_t> add_journal(SqlConnection& store, const std::string& journal_name) {
    std::int64_t id = 1;
    TG_CHECK_OK(store.query("SELECT max(id) FROM settle_journals", {}, [&id](const SqlRow& row) {
        if (!row.is_null(0)) id = row.integer(0) + 1;
        return true;
    }));
    TG_CHECK_OK(as_status(store.execute(
        "INSERT INTO settle_journals (id, name, lsn) VALUES (?, ?, 0)", {id, journal_name})));
    return id;
}

Status name_journal(SqlConnection& store, std::int64_t journal, const std::string& name) {
    return as_status(store.execute("UPDATE settle_journals SET name = ? WHERE id = ? AND name = ''",
                                   {name, journal}));
}

Result<bool> is_in_journal(SqlConnection& store, const std::string& directory, const Chunk& chunk) {
    RequestId stored;
    bool has_row = false;
    TG_CHECK_OK(store.query("SELECT id_high, id_low FROM usage_events WHERE sequence = ?",
                            {chunk.last_sequence}, [&](const SqlRow& row) {
                                stored = {static_cast<std::uint64_t>(row.integer(0)),
                                          static_cast<std::uint64_t>(row.integer(1))};
                                has_row = true;
                                return true;
                            }));
    if (!has_row) return true;
    TG_TRY(const auto reader, JournalReader::open(directory, chunk.from));
    JournalRecord record;
    RequestId last;
    for (;;) {
        TG_TRY(const bool has_record, reader->next(&record, kNoLimit));
        if (!has_record || record.end > chunk.to) break;
        if (record.kind == RecordKind::settled) last = record.event.id;
    }
    return last == stored;
}

Status write_position(SqlConnection& store, const SettlePosition& position) {
    TG_CHECK_OK(as_status(store.execute("UPDATE settle_journals SET lsn = ? WHERE id = ?",
                                        {as_integer(position.lsn), position.journal})));
    return as_status(store.execute("UPDATE settle_position SET next_sequence = ? WHERE id = 1",
                                   {position.next_sequence}));
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

namespace {

constexpr std::string_view kChunkColumns =
    "journal_id, first_sequence, last_sequence, from_lsn, to_lsn, first_started_ms, "
    "last_started_ms";

Result<Chunk> read_chunk(SqlConnection& store, const std::string& rest,
                         std::initializer_list<SqlValue> values) {
    Chunk out;
    TG_CHECK_OK(store.query("SELECT " + std::string(kChunkColumns) + " FROM usage_chunks " + rest +
                                " ORDER BY first_sequence DESC LIMIT 1",
                            values, [&out](const SqlRow& row) {
                                out = {row.integer(0),
                                       row.integer(1),
                                       row.integer(2),
                                       Lsn{static_cast<std::uint64_t>(row.integer(3))},
                                       Lsn{static_cast<std::uint64_t>(row.integer(4))},
                                       row.integer(5),
                                       row.integer(6)};
                                return true;
                            }));
    return out;
}

}  // namespace

Result<Chunk> last_chunk(SqlConnection& store) {
    return read_chunk(store, "", {});
}

Result<Chunk> last_chunk_of(SqlConnection& store, std::int64_t journal) {
    return read_chunk(store, "WHERE journal_id = ?", {journal});
}

Result<Chunk> write_chunk(SqlConnection& store, const Chunk& last, const Chunk& batch) {
    Chunk chunk = batch;
    // Without events a full one grows, too: that takes no row.
    const bool is_joined =
        is_joinable(last, batch.journal) || (last.journal == batch.journal && batch.events() == 0);
    if (!is_joined && batch.events() == 0) return last;
    if (is_joined) {
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
        "INSERT INTO usage_chunks (" + std::string(kChunkColumns) +
            ") VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (first_sequence) DO UPDATE SET "
            "journal_id = excluded.journal_id, last_sequence = excluded.last_sequence, from_lsn = "
            "excluded.from_lsn, to_lsn = excluded.to_lsn, first_started_ms = "
            "excluded.first_started_ms, last_started_ms = excluded.last_started_ms",
        {chunk.journal, chunk.first_sequence, chunk.last_sequence, as_integer(chunk.from),
         as_integer(chunk.to), chunk.first_started_ms, chunk.last_started_ms})));
    return chunk;
}

}  // namespace tg
