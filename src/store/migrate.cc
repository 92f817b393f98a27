#include "base/hash.h"
#include "store/sql.h"

namespace tg {
namespace {

/// Key of the PostgreSQL advisory lock that starters queue on: "tollgate" in ASCII.
constexpr std::int64_t kMigrationLock = 0x746f6c6c67617465;

std::string checksum(const Migration& migration, Dialect dialect) {
    const Sha256 digest =
        sha256(dialect == Dialect::sqlite ? migration.sqlite : migration.postgres);
    return hex(digest.data(), digest.size());
}

/// Holds all other starters until the transaction ends; SQLite's BEGIN IMMEDIATE is that lock
/// already.
Status lock(SqlConnection& connection) {
    if (connection.dialect() == Dialect::sqlite) return {};
    return connection.query("SELECT pg_advisory_xact_lock(?)", {kMigrationLock},
                            [](const SqlRow&) { return true; });
}

Status create_table(SqlConnection& connection) {
    return connection.execute_script(
        "CREATE TABLE IF NOT EXISTS schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name "
        "TEXT NOT NULL, "
        "checksum TEXT NOT NULL)");
}

/// Number -> checksum of what the store has. Errors: conflict when it has something this binary
/// does not know.
Result<std::map<std::int64_t, std::string>> applied(SqlConnection& connection,
                                                    std::span<const Migration> migrations) {
    std::map<std::int64_t, std::string> out;
    std::string unknown;
    TG_CHECK_OK(connection.query(
        "SELECT number, name, checksum FROM schema_migrations ORDER BY number", {},
        [&](const SqlRow& row) {
            const std::int64_t number = row.integer(0);
            const auto is_same = [&](const Migration& m) { return m.number == number; };
            if (std::none_of(migrations.begin(), migrations.end(), is_same)) {
                unknown = std::to_string(number) + " (" + std::string(row.text(1)) + ")";
            }
            out.emplace(number, row.text(2));
            return true;
        }));
    if (!unknown.empty()) {
        return fail(
            ErrorCode::conflict,
            "the store has migration " + unknown +
                ", which this program does not know: it was written by a newer version; start that "
                "version, or restore the backup made before the upgrade");
    }
    return out;
}

/// Applies one migration unless another starter has done so; tells whether it did.
Result<bool> apply(SqlConnection& connection, std::span<const Migration> migrations,
                   const Migration& migration) {
    TG_TRY(Transaction transaction, Transaction::begin(connection));
    TG_CHECK_OK(lock(connection));
    TG_CHECK_OK(create_table(connection));
    TG_TRY(const auto done, applied(connection, migrations));
    const std::string sum = checksum(migration, connection.dialect());
    const auto found = done.find(migration.number);
    if (found != done.end()) {
        if (found->second == sum) return false;
        return fail(
            ErrorCode::conflict,
            "migration " + std::to_string(migration.number) + " (" + std::string(migration.name) +
                ") differs from the one the store was made with; a released migration never "
                "changes: use the version that wrote this store, or start with a new one");
    }
    const Dialect dialect = connection.dialect();
    if (Status status = connection.execute_script(dialect == Dialect::sqlite ? migration.sqlite
                                                                             : migration.postgres);
        !status.ok()) {
        Error error = std::move(status).error();
        error.detail = "migration " + std::to_string(migration.number) + " (" +
                       std::string(migration.name) + "): " + error.detail;
        return fail(std::move(error));
    }
    TG_TRY(const std::int64_t rows,
           connection.execute(
               "INSERT INTO schema_migrations (number, name, checksum) VALUES (?, ?, ?)",
               {std::int64_t{migration.number}, std::string(migration.name), sum}));
    TG_ASSERT(rows == 1);
    TG_CHECK_OK(transaction.commit());
    return true;
}

}  // namespace

Result<int> migrate(SqlConnection& connection, std::span<const Migration> migrations) {
    int count = 0;
    for (const Migration& migration : migrations) {
        TG_TRY(const bool is_applied, apply(connection, migrations, migration));
        count += is_applied ? 1 : 0;
    }
    return count;
}

}  // namespace tg
