#include "admission/limit_store.h"

#include "admission/internal/limit_rows.h"
#include "admission/limit_text.h"
#include "base/log.h"

namespace tg {

using namespace admission_internal;

namespace {

constexpr std::size_t kModelBytesMax = 200;

Result<LimitAssignment> find_assignment(SqlConnection& connection, const LimitSubject& subject) {
    const SqlValue values[] = {std::string(name(subject.scope)), std::int64_t{subject.id},
                               subject.model};
    TG_TRY(std::vector<LimitAssignment> rows,
           read_rows(connection,
                     "SELECT " + std::string(kLimitColumns) +
                         " FROM limits WHERE subject = ? AND subject_id = ? AND model = ?",
                     values, assignment_of));
    if (rows.empty()) return LimitAssignment{.subject = subject};
    return std::move(rows.front());
}

bool is_model(LimitScope scope) {
    return scope == LimitScope::model || scope == LimitScope::customer_model;
}

Status check_model(const LimitSubject& subject) {
    if (!is_model(subject.scope)) return {};
    const std::string& model = subject.model;
    const bool is_plain = std::ranges::none_of(
        model, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (!model.empty() && model.size() <= kModelBytesMax && is_plain) return {};
    return fail(ErrorCode::invalid_request, "the model's name must have 1 to " +
                                                std::to_string(kModelBytesMax) +
                                                " bytes without control characters");
}

/// Errors: not_found, when the row that the subject names is not there.
Status check_exists(SqlConnection& connection, const LimitSubject& subject) {
    std::string_view table;
    switch (subject.scope) {
        case LimitScope::everyone:
        case LimitScope::model:
            return {};
        case LimitScope::customer:
        case LimitScope::customer_model:
            table = "customers";
            break;
        case LimitScope::project:
            table = "projects";
            break;
        case LimitScope::key:
            table = "api_keys";
            break;
    }
    bool exists = false;
    TG_CHECK_OK(connection.query("SELECT 1 FROM " + std::string(table) + " WHERE id = ?",
                                 {std::int64_t{subject.id}}, [&](const SqlRow&) {
                                     exists = true;
                                     return true;
                                 }));
    if (exists) return {};
    return fail(ErrorCode::not_found, "there is nothing in " + std::string(table) +
                                          " with the id " + std::to_string(subject.id));
}

Status check_range(std::string_view field, const std::optional<std::int64_t>& value,
                   std::int64_t low, std::int64_t high) {
    if (!value || (*value >= low && *value <= high)) return {};
    return fail(ErrorCode::invalid_request, std::string(field) + " is " + std::to_string(*value) +
                                                "; it must be within " + std::to_string(low) +
                                                " and " + std::to_string(high));
}

/// Lays the patch over what is set. Errors: invalid_request, not_found (the tier).
Status apply(SqlConnection& connection, const LimitPatch& patch, LimitAssignment* out) {
    if (patch.tier) out->tier = patch.tier->value_or("");
    if (patch.tier && !out->tier.empty()) {
        TG_TRY([[maybe_unused]] const Tier tier, find_tier_row(connection, out->tier));
    }
    for (const LimitKind kind : kLimitKinds) {
        const auto& value = patch.own[static_cast<std::size_t>(kind)];
        if (!value) continue;
        if (*value) TG_CHECK_OK(check_limit(name(kind), **value));
        out->own.of(kind) = *value;
    }
    if (patch.weight) {
        TG_CHECK_OK(check_range("weight", *patch.weight, 1, kWeightMax));
        out->weight.reset();
        if (*patch.weight) out->weight = static_cast<std::uint32_t>(**patch.weight);
    }
    if (patch.max_wait_ms) {
        TG_CHECK_OK(check_range("max_wait_ms", *patch.max_wait_ms, 0, kMaxWaitMsMax));
        out->max_wait_ms = *patch.max_wait_ms;
    }
    if (patch.priority) out->priority = *patch.priority;
    const bool has_more =
        !out->tier.empty() || out->weight || out->priority || out->max_wait_ms.has_value();
    if (is_model(out->subject.scope) && has_more) {
        return fail(ErrorCode::invalid_request,
                    "a model has limits only: give the tier, weight, priority or max_wait_ms to a "
                    "customer, project or key");
    }
    return {};
}

Status write_row(SqlConnection& connection, const LimitAssignment& it, UtcMicros at) {
    const LimitSubject& subject = it.subject;
    if (it.is_empty()) {
        TG_TRY([[maybe_unused]] const std::int64_t deleted,
               connection.execute(
                   "DELETE FROM limits WHERE subject = ? AND subject_id = ? AND model = ?",
                   {std::string(name(subject.scope)), std::int64_t{subject.id}, subject.model}));
        return {};
    }
    const auto text = [](std::string_view value) {
        return value.empty() ? SqlValue(std::monostate{}) : SqlValue(std::string(value));
    };
    std::vector<SqlValue> values{std::string(name(subject.scope)), std::int64_t{subject.id},
                                 subject.model, text(it.tier)};
    for (const LimitKind kind : kLimitKinds) values.push_back(stored(it.own.of(kind)));
    values.push_back(it.weight ? SqlValue(std::int64_t{*it.weight}) : SqlValue(std::monostate{}));
    values.push_back(text(it.priority ? name(*it.priority) : std::string_view()));
    values.push_back(it.max_wait_ms ? SqlValue(*it.max_wait_ms) : SqlValue(std::monostate{}));
    values.emplace_back(at.micros);
    values.emplace_back(at.micros);
    TG_TRY(const std::int64_t rows,
           connection.execute(
               "INSERT INTO limits (subject, subject_id, model, tier, requests, input_tokens, "
               "output_tokens, total_tokens, concurrency, weight, priority, max_wait_ms, "
               "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
               "ON CONFLICT (subject, subject_id, model) DO UPDATE SET tier = excluded.tier, "
               "requests = excluded.requests, input_tokens = excluded.input_tokens, "
               "output_tokens = excluded.output_tokens, total_tokens = excluded.total_tokens, "
               "concurrency = excluded.concurrency, weight = excluded.weight, priority = "
               "excluded.priority, max_wait_ms = excluded.max_wait_ms, updated_at = "
               "excluded.updated_at",
               values));
    TG_ASSERT(rows == 1);
    return {};
}

/// The limits in force need no more of the table than the subject, the default and their tiers.
Result<LimitStore::View> view_of(SqlConnection& connection, LimitAssignment assignment) {
    std::vector<LimitAssignment> known;
    if (!assignment.is_empty()) known.push_back(assignment);
    if (assignment.subject.scope != LimitScope::everyone) {
        TG_TRY(LimitAssignment fallback, find_assignment(connection, {}));
        if (!fallback.is_empty()) known.push_back(std::move(fallback));
    }
    TG_TRY(
        std::vector<Tier> tiers,
        read_rows(connection, "SELECT " + std::string(kTierColumns) + " FROM tiers", {}, tier_of));
    TG_TRY(const auto table, LimitTable::build(std::move(tiers), std::move(known)));
    const Limits in_force = table->limits_of(assignment.subject);
    return LimitStore::View{std::move(assignment), in_force};
}

Result<std::int64_t> limits_version(SqlConnection& connection) {
    std::int64_t version = 0;
    TG_CHECK_OK(connection.query("SELECT version FROM limits_version", {}, [&](const SqlRow& row) {
        version = row.integer(0);
        return true;
    }));
    if (version == 0)
        return fail(ErrorCode::corrupt_data, "the store has no limits version; run the migrations");
    return version;
}

}  // namespace

Status LimitStore::transact(const Work& work) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    TG_TRY(Transaction transaction, Transaction::begin(*connection));
    // The first statement locks a row that every administrative change writes, so that changes
    // run one after the other and what `work` reads stays true until it commits.
    const auto entries = [&]() -> Result<std::int64_t> {
        std::int64_t count = -1;
        TG_CHECK_OK(connection->query("UPDATE audit_head SET entries = entries RETURNING entries",
                                      {}, [&](const SqlRow& row) {
                                          count = row.integer(0);
                                          return true;
                                      }));
        if (count < 0)
            return fail(ErrorCode::corrupt_data, "the store has no audit head; run the migrations");
        return count;
    };
    TG_TRY(const std::int64_t before, entries());
    TG_CHECK_OK(work(*connection));
    TG_TRY(const std::int64_t after, entries());
    const bool has_changed = after != before;
    if (has_changed) {
        TG_TRY(const std::int64_t rows,
               connection->execute("UPDATE limits_version SET version = version + 1"));
        if (rows != 1)
            return fail(ErrorCode::corrupt_data,
                        "the store has no limits version; run the migrations");
    }
    TG_CHECK_OK(transaction.commit());
    if (!has_changed || !on_changed_) return {};
    // The change is made; when only its publication fails, the background refresh brings it.
    if (const Status published = on_changed_(*connection); !published.ok())
        log_warn("limits_refresh_failed", {{"error", published.error().text()}});
    return {};
}

Result<LimitStore::View> LimitStore::limits(const LimitSubject& subject) {
    TG_CHECK_OK(check_model(subject));
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    TG_CHECK_OK(check_exists(*connection, subject));
    TG_TRY(LimitAssignment found, find_assignment(*connection, subject));
    return view_of(*connection, std::move(found));
}

Result<std::vector<LimitAssignment>> LimitStore::assignments(PageRequest page) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    const SqlValue values[] = {std::int64_t{page.after_id}, std::int64_t{page.limit}};
    return read_rows(
        *connection,
        "SELECT " + std::string(kLimitColumns) + " FROM limits WHERE id > ? ORDER BY id LIMIT ?",
        values, assignment_of);
}

Result<LimitStore::View> LimitStore::change_limits(const LimitSubject& subject,
                                                   const LimitPatch& patch, const Change& change) {
    TG_CHECK_OK(check_model(subject));
    View view;
    TG_CHECK_OK(transact([&](SqlConnection& connection) -> Status {
        TG_CHECK_OK(check_exists(connection, subject));
        TG_TRY(LimitAssignment assignment, find_assignment(connection, subject));
        std::string before = to_json(assignment);
        TG_CHECK_OK(apply(connection, patch, &assignment));
        std::string after = to_json(assignment);
        const bool has_changed = before != after;
        if (has_changed) TG_CHECK_OK(write_row(connection, assignment, change.at));
        TG_TRY(view, view_of(connection, std::move(assignment)));
        if (!has_changed) return {};
        const std::string_view action = before.empty()  ? "create"
                                        : after.empty() ? "delete"
                                                        : "update";
        return record(connection, change, action, "limits", subject.text(), std::move(before),
                      std::move(after));
    }));
    return view;
}

Result<LimitStore::View> LimitStore::clear_limits(const LimitSubject& subject,
                                                  const Change& change) {
    LimitPatch nothing{.tier = std::optional<std::string>(),
                       .weight = std::optional<std::int64_t>(),
                       .priority = std::optional<PriorityClass>(),
                       .max_wait_ms = std::optional<std::int64_t>()};
    for (auto& own : nothing.own) own = std::optional<std::int64_t>();
    return change_limits(subject, nothing, change);
}

Result<std::shared_ptr<const LimitTable>> load_limits(SqlConnection& connection) {
    // Two statements may see two states: what was read belongs to one version when the version is
    // the same before and after.
    constexpr int kTriesMax = 10;
    for (int i = 0; i < kTriesMax; ++i) {
        TG_TRY(const std::int64_t version, limits_version(connection));
        TG_TRY(std::vector<LimitAssignment> assignments,
               read_rows(connection, "SELECT " + std::string(kLimitColumns) + " FROM limits", {},
                         assignment_of));
        TG_TRY(std::vector<Tier> tiers,
               read_rows(connection,
                         "SELECT " + std::string(kTierColumns) + " FROM tiers ORDER BY code", {},
                         tier_of));
        TG_TRY(const std::int64_t version_after, limits_version(connection));
        if (version == version_after)
            return LimitTable::build(std::move(tiers), std::move(assignments), version);
    }
    return fail(ErrorCode::store_unavailable,
                "the limits change faster than they can be read; try again");
}

Result<bool> LimitHolder::refresh(SqlConnection& connection) {
    const std::lock_guard lock(refresh_mutex_);
    TG_TRY(const std::int64_t version, limits_version(connection));
    if (version == current_.get()->version()) return false;
    TG_TRY(auto loaded, load_limits(connection));
    current_.publish(std::move(loaded));
    return true;
}

}  // namespace tg
