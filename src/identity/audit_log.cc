#include "identity/audit_log.h"

#include "base/hash.h"
#include "store/sql.h"

namespace tg {
namespace {

constexpr std::string_view kColumns =
    "id, at, actor, action, subject_kind, subject_id, before_json, after_json, hash";

/// Each field with its length before it, so that no text can pass for another split of the same
/// bytes.
std::string chain_hash(std::string_view previous, const AuditEntry& entry) {
    std::string row;
    const auto add = [&](std::string_view field) {
        row.append(std::to_string(field.size())).append(":").append(field);
    };
    add(previous);
    add(std::to_string(entry.id));
    add(std::to_string(entry.at.micros));
    for (const std::string* field : {&entry.actor, &entry.action, &entry.subject_kind,
                                     &entry.subject_id, &entry.before, &entry.after}) {
        add(*field);
    }
    const Sha256 digest = sha256(row);
    return hex(digest.data(), digest.size());
}

AuditEntry entry_of(const SqlRow& row) {
    return {.id = row.integer(0),
            .at = {row.integer(1)},
            .actor = std::string(row.text(2)),
            .action = std::string(row.text(3)),
            .subject_kind = std::string(row.text(4)),
            .subject_id = std::string(row.text(5)),
            .before = std::string(row.text(6)),
            .after = std::string(row.text(7)),
            .hash = std::string(row.text(8))};
}

/// One by an INSERT, which costs less; several in bulk. `previous` is the hash before the first.
Status write_entries(SqlConnection& connection, std::span<const AuditEntry> entries,
                     std::string previous) {
    if (entries.size() == 1) {
        const AuditEntry& entry = entries.front();
        const Result<std::int64_t> rows = connection.execute(
            "INSERT INTO audit_log (id, at, actor, action, subject_kind, subject_id, before_json, "
            "after_json, previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            {entry.id, entry.at.micros, entry.actor, entry.action, entry.subject_kind,
             entry.subject_id, entry.before, entry.after, previous, entry.hash});
        return rows.ok() ? Status() : Status(fail(rows.error()));
    }
    constexpr std::string_view kBulkColumns[] = {
        "id:i",         "at:i",          "actor:t",      "action:t",        "subject_kind:t",
        "subject_id:t", "before_json:t", "after_json:t", "previous_hash:t", "hash:t"};
    TG_TRY(const auto insert, connection.bulk_insert("audit_log", kBulkColumns));
    for (const AuditEntry& entry : entries) {
        insert->integer(entry.id);
        insert->integer(entry.at.micros);
        for (const std::string* text :
             {&entry.actor, &entry.action, &entry.subject_kind, &entry.subject_id, &entry.before,
              &entry.after, &std::as_const(previous), &entry.hash})
            insert->text(*text);
        TG_CHECK_OK(insert->end_row());
        previous = entry.hash;
    }
    return insert->finish();
}

}  // namespace

Status append_audit(SqlConnection& connection, AuditEntry& entry) {
    return append_audits(connection, std::span(&entry, 1));
}

Status append_audits(SqlConnection& connection, std::span<AuditEntry> entries) {
    if (entries.empty()) return {};
    std::string previous;
    std::int64_t id = 0;
    TG_CHECK_OK(
        connection.query("UPDATE audit_head SET entries = entries + ? RETURNING entries, hash",
                         {std::ssize(entries)}, [&](const SqlRow& row) {
                             id = row.integer(0) - std::ssize(entries);
                             previous = row.text(1);
                             return true;
                         }));
    const std::string first_previous = previous;
    for (AuditEntry& entry : entries) {
        entry.id = ++id;
        entry.hash = chain_hash(previous, entry);
        previous = entry.hash;
    }
    TG_CHECK_OK(write_entries(connection, entries, first_previous));
    TG_TRY(const std::int64_t rows,
           connection.execute("UPDATE audit_head SET hash = ?", {previous}));
    TG_ASSERT(rows == 1);
    return {};
}

Status read_audit(SqlConnection& connection, const AuditFilter& filter,
                  const std::function<bool(const AuditEntry&)>& each) {
    std::string sql = "SELECT " + std::string(kColumns) + " FROM audit_log WHERE id < ?";
    std::vector<SqlValue> values{filter.before_id > 0 ? filter.before_id
                                                      : std::numeric_limits<std::int64_t>::max()};
    if (!filter.subject_kind.empty()) {
        sql += " AND subject_kind = ?";
        values.emplace_back(filter.subject_kind);
    }
    if (!filter.subject_id.empty()) {
        sql += " AND subject_id = ?";
        values.emplace_back(filter.subject_id);
    }
    sql += " ORDER BY id DESC LIMIT ?";
    values.emplace_back(std::int64_t{filter.limit});
    return connection.query(sql, values, [&](const SqlRow& row) { return each(entry_of(row)); });
}

Result<std::int64_t> verify_audit(SqlConnection& connection) {
    std::int64_t count = 0, entries = 0;
    std::string previous, head, broken;
    // One statement, so that head and log are of one moment while others append. An empty log
    // yields one row of NULLs.
    TG_CHECK_OK(connection.query(
        "SELECT l.id, at, actor, action, subject_kind, subject_id, before_json, after_json, "
        "l.hash, h.entries, h.hash "
        "FROM audit_head h LEFT JOIN audit_log l ON 1 = 1 ORDER BY l.id",
        {}, [&](const SqlRow& row) {
            entries = row.integer(9);
            head = row.text(10);
            if (row.is_null(0)) return true;
            const AuditEntry entry = entry_of(row);
            if (entry.id != ++count) {
                broken = "audit entry " + std::to_string(count) + " is missing";
            } else if (chain_hash(previous, entry) != entry.hash) {
                broken =
                    "audit entry " + std::to_string(count) + " was changed: its hash does not fit";
            }
            previous = entry.hash;
            return broken.empty();
        }));
    if (broken.empty() && (count != entries || head != previous)) {
        broken = "the audit log has " + std::to_string(count) + " entries, but " +
                 std::to_string(entries) + " were written: its end was cut or added to";
    }
    if (!broken.empty()) return fail(ErrorCode::corrupt_data, std::move(broken));
    return count;
}

}  // namespace tg
