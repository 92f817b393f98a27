#include "identity/identity_store.h"

#include "base/log.h"
#include "identity/internal/rows.h"

namespace tg {

Status IdentityStore::transact(Affects affects, const Work& work) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    TG_TRY(Transaction transaction, Transaction::begin(*connection));
    // The first statement locks a row that every change writes, so that changes run one after the
    // other in PostgreSQL too and what `work` reads stays true until it commits.
    TG_TRY(const std::int64_t heads,
           connection->execute("UPDATE audit_head SET entries = entries"));
    if (heads != 1)
        return fail(ErrorCode::corrupt_data, "the store has no audit head; run the migrations");
    const auto entries = [&]() -> Result<std::int64_t> {
        std::int64_t count = 0;
        TG_CHECK_OK(connection->query("SELECT entries FROM audit_head", {}, [&](const SqlRow& row) {
            count = row.integer(0);
            return true;
        }));
        return count;
    };
    TG_TRY(const std::int64_t before, entries());
    TG_CHECK_OK(work(*connection));
    TG_TRY(const std::int64_t after, entries());
    // Every change is recorded; what recorded nothing (a replay, an empty patch) changed nothing.
    const bool has_changed = after != before;
    if (has_changed && affects == Affects::directory) {
        TG_TRY(const std::int64_t rows,
               connection->execute("UPDATE directory_version SET version = version + 1"));
        if (rows != 1)
            return fail(ErrorCode::corrupt_data,
                        "the store has no directory version; run the migrations");
    }
    TG_CHECK_OK(transaction.commit());
    if (has_changed && affects == Affects::directory && on_changed_) {
        // The change is made; when only its publication fails, the background refresh brings it.
        if (const Status published = on_changed_(*connection); !published.ok()) {
            log_warn("directory_refresh_failed", {{"error", published.error().text()}});
        }
    }
    return {};
}

Result<std::vector<AuditEntry>> IdentityStore::audit(const AuditFilter& filter) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    std::vector<AuditEntry> out;
    TG_CHECK_OK(read_audit(*connection, filter, [&](const AuditEntry& entry) {
        out.push_back(entry);
        return true;
    }));
    return out;
}

Result<std::int64_t> IdentityStore::verify_audit_log() {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    return verify_audit(*connection);
}

}  // namespace tg
