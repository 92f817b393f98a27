#include "identity/identity_store.h"
#include "identity/internal/rows.h"

namespace tg {

using namespace identity_internal;

namespace {

Status check_expiry(const std::optional<UtcMicros>& expires_at, UtcMicros now) {
    if (!expires_at || *expires_at > now) return {};
    return fail(ErrorCode::invalid_request,
                "expires_at " + format_rfc3339(*expires_at) + " is not in the future");
}

Result<ApiKey> insert_key(SqlConnection& connection, const NewKey& request, std::string_view secret,
                          const SqlValue& rotated_from, UtcMicros at) {
    TG_TRY(const std::uint32_t id,
           insert_returning_id(
               connection,
               "INSERT INTO api_keys (project_id, name, hint, hash, expires_at, is_active, "
               "rotated_from, "
               "created_at, updated_at) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?) RETURNING id",
               {value_of(request.project), request.name, key_hint(secret), hash_text(secret),
                value_of(request.expires_at), rotated_from, at.micros, at.micros}));
    return find_key(connection, KeyId(id));
}

Status write_key(SqlConnection& connection, const ApiKey& key, UtcMicros at) {
    TG_TRY(
        const std::int64_t rows,
        connection.execute("UPDATE api_keys SET project_id = ?, name = ?, expires_at = ?, "
                           "is_active = ?, updated_at = ? "
                           "WHERE id = ?",
                           {value_of(key.project), key.name, value_of(key.expires_at),
                            std::int64_t{key.is_active}, at.micros, std::int64_t{key.id.get()}}));
    TG_ASSERT(rows == 1);
    return {};
}

std::optional<UtcMicros> earlier(std::optional<UtcMicros> a, UtcMicros b) {
    return a && *a < b ? *a : b;
}

}  // namespace

Result<CreatedKey> IdentityStore::create_key(const NewKey& request, const Change& change) {
    TG_CHECK_OK(check_text("name", request.name, false));
    TG_CHECK_OK(check_expiry(request.expires_at, change.at));
    CreatedKey out;
    TG_CHECK_OK(transact(Affects::directory, [&](SqlConnection& connection) -> Status {
        TG_TRY(const auto replay, find_replay(connection, change, "key"));
        if (replay) {
            TG_TRY(out.key, find_key(connection, KeyId(*replay)));
            out.was_replayed = true;
            return {};
        }
        if (request.project) TG_CHECK_OK(find_project(connection, *request.project));
        out.secret = generate_key_text(kApiKeyPrefix, fill_);
        TG_TRY(out.key, insert_key(connection, request, out.secret, std::monostate{}, change.at));
        TG_CHECK_OK(remember(connection, change, "key", out.key.id.get()));
        return record(connection, change, "create", "key", out.key.id.get(), "", to_json(out.key));
    }));
    return out;
}

Result<ApiKey> IdentityStore::update_key(KeyId id, const KeyPatch& patch, const Change& change) {
    if (patch.name) TG_CHECK_OK(check_text("name", *patch.name, false));
    ApiKey key;
    TG_CHECK_OK(transact(Affects::directory, [&](SqlConnection& connection) -> Status {
        TG_TRY(key, find_key(connection, id));
        std::string before = to_json(key);
        if (patch.project && key.project != patch.project) {
            if (key.project) {
                return fail(ErrorCode::conflict,
                            "API key " + key.hint + " is billed to project " +
                                std::to_string(key.project->get()) +
                                " and cannot move to another; create a key in that project");
            }
            TG_CHECK_OK(find_project(connection, *patch.project));
            key.project = patch.project;
        }
        key.name = patch.name.value_or(key.name);
        key.expires_at = patch.expires_at.value_or(key.expires_at);
        key.is_active = patch.is_active.value_or(key.is_active);
        std::string after = to_json(key);
        if (after == before) return {};
        TG_CHECK_OK(write_key(connection, key, change.at));
        return record(connection, change, "update", "key", id.get(), std::move(before),
                      std::move(after));
    }));
    return key;
}

Result<CreatedKey> IdentityStore::rotate_key(KeyId id, const KeyRotation& rotation,
                                             const Change& change) {
    constexpr std::int64_t kOverlapMaxMicros = std::int64_t{366} * 24 * 3600 * 1'000'000;
    if (rotation.overlap_micros < 0 || rotation.overlap_micros > kOverlapMaxMicros) {
        return fail(ErrorCode::invalid_request, "the overlap must be between 0 and 366 days");
    }
    TG_CHECK_OK(check_expiry(rotation.expires_at, change.at));
    CreatedKey out;
    TG_CHECK_OK(transact(Affects::directory, [&](SqlConnection& connection) -> Status {
        TG_TRY(const auto replay, find_replay(connection, change, "key"));
        if (replay) {
            TG_TRY(out.key, find_key(connection, KeyId(*replay)));
            out.was_replayed = true;
            return {};
        }
        TG_TRY(ApiKey old, find_key(connection, id));
        if (!old.is_active)
            return fail(ErrorCode::conflict,
                        "API key " + old.hint + " is disabled; create a new key instead");
        std::string before = to_json(old);
        const NewKey request{
            .project = old.project, .name = old.name, .expires_at = rotation.expires_at};
        out.secret = generate_key_text(kApiKeyPrefix, fill_);
        TG_TRY(out.key,
               insert_key(connection, request, out.secret, std::int64_t{id.get()}, change.at));
        TG_CHECK_OK(remember(connection, change, "key", out.key.id.get()));
        if (rotation.overlap_micros == 0) {
            old.is_active = false;
        } else {
            old.expires_at = earlier(old.expires_at, {change.at.micros + rotation.overlap_micros});
        }
        TG_CHECK_OK(write_key(connection, old, change.at));
        TG_CHECK_OK(
            record(connection, change, "rotate", "key", id.get(), std::move(before), to_json(old)));
        return record(connection, change, "create", "key", out.key.id.get(), "", to_json(out.key));
    }));
    return out;
}

Result<ApiKey> IdentityStore::key(KeyId id) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    return find_key(*connection, id);
}

Result<std::vector<ApiKey>> IdentityStore::keys(PageRequest page, std::optional<ProjectId> project,
                                                std::optional<CustomerId> customer) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    std::string sql = "SELECT " + std::string(kKeyColumns) + " FROM api_keys WHERE id > ?";
    std::vector<SqlValue> values{std::int64_t{page.after_id}};
    if (project) {
        sql += " AND project_id = ?";
        values.emplace_back(std::int64_t{project->get()});
    }
    if (customer) {
        sql += " AND project_id IN (SELECT id FROM projects WHERE customer_id = ?)";
        values.emplace_back(std::int64_t{customer->get()});
    }
    values.emplace_back(std::int64_t{page.limit});
    return read_rows(*connection, sql + " ORDER BY id LIMIT ?", values, key_of);
}

}  // namespace tg
