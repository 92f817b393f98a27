#include "identity/internal/rows.h"

#include "base/json_writer.h"
#include "base/time_zone.h"

namespace tg::identity_internal {
namespace {

constexpr std::int64_t kIdempotencyMicros = std::int64_t{24} * 3600 * 1'000'000;

Result<std::uint32_t> id_of(const SqlRow& row, int column, std::string_view what) {
    const std::int64_t id = row.integer(column);
    if (id <= 0 || id > std::numeric_limits<std::uint32_t>::max()) {
        return fail(ErrorCode::corrupt_data,
                    std::string(what) + " id " + std::to_string(id) + " is out of range");
    }
    return static_cast<std::uint32_t>(id);
}

std::optional<UtcMicros> time_of(const SqlRow& row, int column) {
    if (row.is_null(column)) return std::nullopt;
    return UtcMicros{row.integer(column)};
}

void field_time(JsonWriter& json, std::string_view name, const std::optional<UtcMicros>& time) {
    json.key(name);
    if (time) {
        json.value(format_rfc3339(*time));
    } else {
        json.null();
    }
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

std::string hash_text(std::string_view secret) {
    const Sha256 digest = sha256(secret);
    return hex(digest.data(), digest.size());
}

bool parse_hash(std::string_view digits, Sha256* out) {
    if (digits.size() != 2 * out->size()) return false;
    for (std::size_t i = 0; i < out->size(); ++i) {
        const int high = digit_of(digits[2 * i]), low = digit_of(digits[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        (*out)[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return true;
}

DataPolicy policy_of(const SqlRow& row, int first) {
    DataPolicy out{.is_zero_retention = row.integer(first) != 0,
                   .pool = std::string(row.text(first + 4)),
                   .pool_on_request = std::string(row.text(first + 5)),
                   .allows_web_search = row.integer(first + 1) != 0,
                   .keeps_end_user = row.integer(first + 2) != 0};
    if (row.is_null(first + 3)) return out;
    out.regions.emplace();
    for (std::string_view rest = row.text(first + 3); !rest.empty();) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        out.regions->emplace_back(rest.substr(0, comma));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return out;
}

SqlValue value_of(const std::optional<std::vector<std::string>>& regions) {
    if (!regions) return std::monostate{};
    std::string out;
    for (const std::string& region : *regions) {
        if (!out.empty()) out.push_back(',');
        out.append(region);
    }
    return out;
}

Result<Customer> customer_of(const SqlRow& row) {
    TG_TRY(const std::uint32_t id, id_of(row, 0, "customer"));
    return Customer{.id = CustomerId(id),
                    .code = std::string(row.text(1)),
                    .name = std::string(row.text(2)),
                    .time_zone = std::string(row.text(3)),
                    .is_active = row.integer(4) != 0,
                    .data_policy = policy_of(row, 6),
                    .created_at = {row.integer(5)}};
}

Result<Project> project_of(const SqlRow& row) {
    TG_TRY(const std::uint32_t id, id_of(row, 0, "project"));
    TG_TRY(const std::uint32_t customer, id_of(row, 1, "customer"));
    return Project{.id = ProjectId(id),
                   .customer = CustomerId(customer),
                   .code = std::string(row.text(2)),
                   .name = std::string(row.text(3)),
                   .department = std::string(row.text(4)),
                   .environment = std::string(row.text(5)),
                   .is_active = row.integer(6) != 0,
                   .own_policy = policy_of(row, 8),
                   .data_policy = narrow(policy_of(row, 14), policy_of(row, 8)),
                   .created_at = {row.integer(7)}};
}

Result<ApiKey> key_of(const SqlRow& row) {
    TG_TRY(const std::uint32_t id, id_of(row, 0, "API key"));
    ApiKey key{.id = KeyId(id),
               .name = std::string(row.text(2)),
               .hint = std::string(row.text(3)),
               .expires_at = time_of(row, 5),
               .is_active = row.integer(6) != 0,
               .created_at = {row.integer(7)}};
    if (!row.is_null(1)) {
        TG_TRY(const std::uint32_t project, id_of(row, 1, "project"));
        key.project = ProjectId(project);
    }
    if (!parse_hash(row.text(4), &key.hash)) {
        return fail(ErrorCode::corrupt_data,
                    "the hash of API key " + std::to_string(id) + " is no SHA-256 in hexadecimal");
    }
    return key;
}

Result<AdminToken> token_of(const SqlRow& row) {
    TG_TRY(const std::uint32_t id, id_of(row, 0, "admin token"));
    TG_TRY(const AdminScopes scopes, parse_admin_scopes(row.text(3)));
    return AdminToken{.id = id,
                      .name = std::string(row.text(1)),
                      .hint = std::string(row.text(2)),
                      .scopes = scopes,
                      .expires_at = time_of(row, 4),
                      .is_active = row.integer(5) != 0,
                      .created_at = {row.integer(6)}};
}

std::string to_json(const Customer& customer) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("code", customer.code)
        .field("name", customer.name)
        .field("time_zone", customer.time_zone)
        .field("is_active", customer.is_active)
        .key("data_policy");
    write_json(json, customer.data_policy);
    json.end_object();
    return out;
}

std::string to_json(const Project& project) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("customer_id", project.customer.get())
        .field("code", project.code)
        .field("name", project.name)
        .field("department", project.department)
        .field("environment", project.environment)
        .field("is_active", project.is_active)
        .key("data_policy");
    write_json(json, project.own_policy);
    json.end_object();
    return out;
}

std::string to_json(const ApiKey& key) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("project_id");
    if (key.project) {
        json.value(key.project->get());
    } else {
        json.null();
    }
    json.field("name", key.name).field("hint", key.hint);
    field_time(json, "expires_at", key.expires_at);
    json.field("is_active", key.is_active).end_object();
    return out;
}

std::string to_json(const AdminToken& token) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("name", token.name)
        .field("hint", token.hint)
        .field("scopes", to_string(token.scopes));
    field_time(json, "expires_at", token.expires_at);
    json.field("is_active", token.is_active).end_object();
    return out;
}

Status check_code(std::string_view field, std::string_view code) {
    constexpr std::size_t kCodeMax = 32;
    const auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    if (!code.empty() && code.size() <= kCodeMax &&
        std::all_of(code.begin(), code.end(), is_allowed))
        return {};
    return fail(ErrorCode::invalid_request, std::string(field) + " '" +
                                                std::string(code.substr(0, 2 * kCodeMax)) +
                                                "' must be 1 to 32 characters of a-z, 0-9 and -");
}

Status check_text(std::string_view field, std::string_view text, bool may_be_empty) {
    constexpr std::size_t kBytesMax = 200;
    if (text.empty() && !may_be_empty)
        return fail(ErrorCode::invalid_request, std::string(field) + " must not be empty");
    if (text.size() > kBytesMax) {
        return fail(ErrorCode::invalid_request,
                    std::string(field) + " has " + std::to_string(text.size()) +
                        " bytes; at most " + std::to_string(kBytesMax) + " are allowed");
    }
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return fail(ErrorCode::invalid_request,
                        std::string(field) + " must not hold control characters");
        }
    }
    return {};
}

Status check_time_zone(std::string_view name) {
    TG_TRY(const TimeZone zone, TimeZone::load(name));
    TG_ASSERT(zone.name() == name);
    return {};
}

Result<Customer> find_customer(SqlConnection& connection, CustomerId id) {
    const SqlValue values[] = {std::int64_t{id.get()}};
    return read_one(connection,
                    "SELECT " + std::string(kCustomerColumns) + " FROM customers WHERE id = ?",
                    values, customer_of, "customer " + std::to_string(id.get()));
}

Result<Project> find_project(SqlConnection& connection, ProjectId id) {
    const SqlValue values[] = {std::int64_t{id.get()}};
    return read_one(connection, std::string(kProjectSelect) + " WHERE p.id = ?", values, project_of,
                    "project " + std::to_string(id.get()));
}

Result<ApiKey> find_key(SqlConnection& connection, KeyId id) {
    const SqlValue values[] = {std::int64_t{id.get()}};
    return read_one(connection,
                    "SELECT " + std::string(kKeyColumns) + " FROM api_keys WHERE id = ?", values,
                    key_of, "API key " + std::to_string(id.get()));
}

Result<AdminToken> find_token(SqlConnection& connection, std::uint32_t id) {
    const SqlValue values[] = {std::int64_t{id}};
    return read_one(connection,
                    "SELECT " + std::string(kTokenColumns) + " FROM admin_tokens WHERE id = ?",
                    values, token_of, "admin token " + std::to_string(id));
}

Status record(SqlConnection& connection, const Change& change, std::string_view action,
              std::string_view kind, std::uint32_t id, std::string before, std::string after) {
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = std::string(action),
                     .subject_kind = std::string(kind),
                     .subject_id = std::to_string(id),
                     .before = std::move(before),
                     .after = std::move(after)};
    return append_audit(connection, entry);
}

Result<std::optional<std::uint32_t>> find_replay(SqlConnection& connection, const Change& change,
                                                 std::string_view kind) {
    if (!change.idempotency) return std::optional<std::uint32_t>{};
    TG_CHECK_OK(check_text("Idempotency-Key", change.idempotency->token, false));
    TG_TRY([[maybe_unused]] const std::int64_t expired,
           connection.execute("DELETE FROM idempotency WHERE created_at < ?",
                              {change.at.micros - kIdempotencyMicros}));
    std::optional<std::uint32_t> id;
    bool is_other = false;
    TG_CHECK_OK(connection.query(
        "SELECT request_hash, subject_kind, subject_id FROM idempotency WHERE actor = ? AND token "
        "= ?",
        {change.actor, change.idempotency->token}, [&](const SqlRow& row) {
            is_other = row.text(0) != change.idempotency->request_hash || row.text(1) != kind;
            id = static_cast<std::uint32_t>(row.integer(2));
            return true;
        }));
    if (is_other) {
        return fail(ErrorCode::conflict, "Idempotency-Key '" + change.idempotency->token +
                                             "' was used for a different request; use a new one");
    }
    return id;
}

Status remember(SqlConnection& connection, const Change& change, std::string_view kind,
                std::uint32_t id) {
    if (!change.idempotency) return {};
    TG_TRY(const std::int64_t rows,
           connection.execute(
               "INSERT INTO idempotency (actor, token, request_hash, subject_kind, subject_id, "
               "created_at) "
               "VALUES (?, ?, ?, ?, ?, ?)",
               {change.actor, change.idempotency->token, change.idempotency->request_hash,
                std::string(kind), std::int64_t{id}, change.at.micros}));
    TG_ASSERT(rows == 1);
    return {};
}

Result<std::uint32_t> insert_returning_id(SqlConnection& connection, std::string_view sql,
                                          std::initializer_list<SqlValue> values) {
    Result<std::uint32_t> id = fail(ErrorCode::internal, "the insert returned no id");
    TG_CHECK_OK(connection.query(sql, values, [&](const SqlRow& row) {
        id = id_of(row, 0, "new");
        return true;
    }));
    return id;
}

}  // namespace tg::identity_internal
