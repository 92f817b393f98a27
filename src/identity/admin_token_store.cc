#include "identity/identity_store.h"
#include "identity/internal/rows.h"

namespace tg {

using namespace identity_internal;

namespace {

struct NamedScope {
    AdminScope scope;
    std::string_view name;
};
constexpr std::array<NamedScope, 5> kScopes = {{{AdminScope::read, "read"},
                                                {AdminScope::write, "write"},
                                                {AdminScope::finance, "finance"},
                                                {AdminScope::account_manager, "account_manager"},
                                                {AdminScope::platform, "platform"}}};

std::string scope_names() {
    std::string out;
    for (const NamedScope& each : kScopes) out.append(out.empty() ? "" : ", ").append(each.name);
    return out;
}

}  // namespace

std::string_view name(AdminScope scope) {
    return std::ranges::find(kScopes, scope, &NamedScope::scope)->name;
}

Result<AdminScopes> parse_admin_scope(std::string_view text) {
    const auto* found = std::ranges::find(kScopes, text, &NamedScope::name);
    if (found == kScopes.end())
        return fail(ErrorCode::invalid_request, "scope '" + std::string(text.substr(0, 40)) +
                                                    "' is not one of " + scope_names());
    return AdminScopes{}.with(AdminScope::read).with(found->scope);
}

Result<AdminScopes> parse_admin_scopes(std::string_view text) {
    AdminScopes scopes;
    for (;;) {
        const std::size_t comma = text.find(',');
        TG_TRY(const AdminScopes scope, parse_admin_scope(text.substr(0, comma)));
        scopes = scopes.with(scope);
        if (comma == std::string_view::npos) return scopes;
        text.remove_prefix(comma + 1);
    }
}

std::vector<AdminScope> scopes_in(AdminScopes scopes) {
    std::vector<AdminScope> out;
    for (const NamedScope& each : kScopes)
        if (scopes.has(each.scope)) out.push_back(each.scope);
    return out;
}

std::string to_string(AdminScopes scopes) {
    std::string out;
    for (const AdminScope scope : scopes_in(scopes))
        out.append(out.empty() ? "" : ",").append(name(scope));
    return out;
}

Result<CreatedAdminToken> IdentityStore::create_admin_token(const NewAdminToken& request,
                                                            const Change& change) {
    TG_CHECK_OK(check_text("name", request.name, false));
    if (request.scopes.bits == 0)
        return fail(ErrorCode::invalid_request,
                    "at least one scope must be given, of " + scope_names());
    if (request.expires_at && *request.expires_at <= change.at) {
        return fail(ErrorCode::invalid_request,
                    "expires_at " + format_rfc3339(*request.expires_at) + " is not in the future");
    }
    CreatedAdminToken out;
    TG_CHECK_OK(transact(Affects::tokens_only, [&](SqlConnection& connection) -> Status {
        TG_TRY(const auto replay, find_replay(connection, change, "admin_token"));
        if (replay) {
            TG_TRY(out.token, find_token(connection, *replay));
            out.was_replayed = true;
            return {};
        }
        out.secret = generate_key_text(kAdminTokenPrefix, fill_);
        TG_TRY(const std::uint32_t id,
               insert_returning_id(connection,
                                   "INSERT INTO admin_tokens (name, hint, hash, scopes, "
                                   "expires_at, is_active, created_at, "
                                   "updated_at) VALUES (?, ?, ?, ?, ?, 1, ?, ?) RETURNING id",
                                   {request.name, key_hint(out.secret), hash_text(out.secret),
                                    to_string(request.scopes), value_of(request.expires_at),
                                    change.at.micros, change.at.micros}));
        TG_TRY(out.token, find_token(connection, id));
        TG_CHECK_OK(remember(connection, change, "admin_token", id));
        return record(connection, change, "create", "admin_token", id, "", to_json(out.token));
    }));
    return out;
}

Result<AdminToken> IdentityStore::update_admin_token(std::uint32_t id, const AdminTokenPatch& patch,
                                                     const Change& change) {
    if (patch.name) TG_CHECK_OK(check_text("name", *patch.name, false));
    AdminToken token;
    TG_CHECK_OK(transact(Affects::tokens_only, [&](SqlConnection& connection) -> Status {
        TG_TRY(token, find_token(connection, id));
        std::string before = to_json(token);
        token.name = patch.name.value_or(token.name);
        token.is_active = patch.is_active.value_or(token.is_active);
        std::string after = to_json(token);
        if (after == before) return {};
        TG_TRY(
            const std::int64_t rows,
            connection.execute(
                "UPDATE admin_tokens SET name = ?, is_active = ?, updated_at = ? WHERE id = ?",
                {token.name, std::int64_t{token.is_active}, change.at.micros, std::int64_t{id}}));
        TG_ASSERT(rows == 1);
        return record(connection, change, "update", "admin_token", id, std::move(before),
                      std::move(after));
    }));
    return token;
}

Result<AdminToken> IdentityStore::admin_token(std::uint32_t id) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    return find_token(*connection, id);
}

Result<std::vector<AdminToken>> IdentityStore::admin_tokens(PageRequest page) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    const SqlValue values[] = {std::int64_t{page.after_id}, std::int64_t{page.limit}};
    return read_rows(*connection,
                     "SELECT " + std::string(kTokenColumns) +
                         " FROM admin_tokens WHERE id > ? ORDER BY id LIMIT ?",
                     values, token_of);
}

Result<AdminToken> IdentityStore::authenticate_admin(std::string_view presented, UtcMicros now) {
    const KeyTextCheck form = check_key_text(presented, kAdminTokenPrefix);
    if (form == KeyTextCheck::foreign) {
        return fail(ErrorCode::unauthenticated,
                    "this is no admin token; send one (tg-admin-...) as a bearer token");
    }
    if (form == KeyTextCheck::mistyped) {
        return fail(ErrorCode::unauthenticated,
                    "the admin token is mistyped: its last characters do not fit the others; copy "
                    "it again");
    }
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    // Looked up by the hash of 220 random bits: what the time of a comparison may tell is of no use
    // to anyone.
    const SqlValue values[] = {hash_text(presented)};
    TG_TRY(std::vector<AdminToken> found,
           read_rows(*connection,
                     "SELECT " + std::string(kTokenColumns) + " FROM admin_tokens WHERE hash = ?",
                     values, token_of));
    if (found.empty()) return fail(ErrorCode::unauthenticated, "the admin token is not known here");
    AdminToken& token = found.front();
    if (!token.is_active)
        return fail(ErrorCode::unauthenticated, "admin token " + token.hint + " is disabled");
    if (token.expires_at && now >= *token.expires_at) {
        return fail(ErrorCode::unauthenticated, "admin token " + token.hint + " expired at " +
                                                    format_rfc3339(*token.expires_at));
    }
    return std::move(token);
}

}  // namespace tg
