// The roll-ups' part of settle_writer.h. A batch's sums are collected in temporary tables and added
// to the roll-ups by one statement each: with PostgreSQL a statement for each row would cost a
// round trip for each row.
#include <array>
#include <span>

#include "billing/internal/settle_writer.h"

namespace tg {
namespace {

constexpr std::string_view kDailyKeys[] = {"customer_id:i4", "local_day:i4",    "project_id:i4",
                                           "key_id:i4",      "dimension_id:i4", "tier:i2",
                                           "currency:i2"};
constexpr std::string_view kDailySums[] = {
    "requests:i",      "errors:i",           "estimated:i",    "unconfirmed:i",
    "unpriced:i",      "fallback:i",         "input_tokens:i", "cached_tokens:i",
    "output_tokens:i", "reasoning_tokens:i", "charge_nano:i",  "charge_femto:i"};
constexpr std::string_view kLineKeys[] = {"customer_id:i4", "local_day:i4",    "project_id:i4",
                                          "key_id:i4",      "dimension_id:i4", "tier:i2",
                                          "currency:i2",    "meter:i2",        "price_nano:i"};
constexpr std::string_view kLineSums[] = {"quantity:i"};
constexpr std::string_view kUserKeys[] = {"customer_id:i4", "local_day:i4",    "project_id:i4",
                                          "key_id:i4",      "dimension_id:i4", "tier:i2",
                                          "currency:i2",    "end_user:t"};
constexpr std::string_view kVersionKeys[] = {"customer_id:i4", "local_day:i4", "price_version:i4"};

/// A roll-up: rows of the same key are one row with the sums of both.
struct Rollup {
    std::string_view table, stage;
    std::span<const std::string_view> keys, sums;
};
constexpr Rollup kDaily{"usage_daily", "settling_daily", kDailyKeys, kDailySums};
constexpr Rollup kLines{"usage_daily_lines", "settling_lines", kLineKeys, kLineSums};
constexpr Rollup kUsers{"usage_daily_end_users", "settling_end_users", kUserKeys, kDailySums};
constexpr Rollup kVersions{"usage_daily_versions", "settling_versions", kVersionKeys, {}};
constexpr std::array kRollups = {kDaily, kLines, kUsers, kVersions};

std::string_view column(std::string_view with_type) {
    return with_type.substr(0, with_type.find(':'));
}

std::string_view sql_type(std::string_view with_type) {
    const std::string_view type = with_type.substr(with_type.find(':') + 1);
    if (type == "t") return "TEXT";
    return type == "i4" ? "INTEGER" : type == "i2" ? "SMALLINT" : "BIGINT";
}

std::string list(std::span<const std::string_view> columns) {
    std::string out;
    for (const std::string_view each : columns)
        out.append(out.empty() ? "" : ", ").append(column(each));
    return out;
}

std::vector<std::string_view> columns_of(const Rollup& rollup) {
    std::vector<std::string_view> out(rollup.keys.begin(), rollup.keys.end());
    out.insert(out.end(), rollup.sums.begin(), rollup.sums.end());
    return out;
}

std::string merge_statement(const Rollup& rollup) {
    const std::string columns = list(columns_of(rollup));
    std::string out = "INSERT INTO ";
    // "WHERE true" keeps SQLite from reading ON CONFLICT as a join's ON.
    out.append(rollup.table).append(" AS t (").append(columns).append(") SELECT ").append(columns);
    out.append(" FROM ").append(rollup.stage).append(" WHERE true ON CONFLICT (");
    out.append(list(rollup.keys)).append(") DO ");
    if (rollup.sums.empty()) return out.append("NOTHING");
    out.append("UPDATE SET ");
    for (const std::string_view& each : rollup.sums) {
        const std::string_view name = column(each);
        out.append(&each == rollup.sums.data() ? "" : ", ").append(name);
        out.append(" = t.").append(name).append(" + excluded.").append(name);
    }
    return out;
}

/// Collects rows of one roll-up; add() then merges them into it.
class Stage {
  public:
    Stage(SqlConnection& store, const Rollup& rollup) : store_(&store), rollup_(&rollup) {}
    Status open() {
        if (store_->dialect() == Dialect::sqlite) {
            const auto emptied = store_->execute("DELETE FROM " + std::string(rollup_->stage));
            if (!emptied.ok()) return fail(emptied.error());
        }
        TG_TRY(insert_, store_->bulk_insert(rollup_->stage, columns_of(*rollup_)));
        return {};
    }
    void key(const DailyKey& key) {
        for (const std::int64_t v :
             {std::int64_t{key.customer}, std::int64_t{key.day}, std::int64_t{key.project},
              std::int64_t{key.key}, std::int64_t{key.dimension},
              static_cast<std::int64_t>(key.tier), static_cast<std::int64_t>(key.currency)}) {
            insert_->integer(v);
        }
    }
    void integer(std::int64_t value) { insert_->integer(value); }
    void text(std::string_view value) { insert_->text(value); }
    Status sums(const DailySums& sums) {
        const SplitFemto charge = split(sums.charge);
        for (const std::int64_t v :
             {sums.requests, sums.errors, sums.estimated, sums.unconfirmed, sums.unpriced,
              sums.fallback, sums.input_tokens, sums.cached_tokens, sums.output_tokens,
              sums.reasoning_tokens, charge.nano, charge.femto}) {
            insert_->integer(v);
        }
        return insert_->end_row();
    }
    Status end_row() { return insert_->end_row(); }
    Status add() {
        TG_CHECK_OK(insert_->finish());
        insert_.reset();
        const auto merged = store_->execute(merge_statement(*rollup_));
        if (!merged.ok()) return fail(merged.error());
        return {};
    }

  private:
    SqlConnection* store_;
    const Rollup* rollup_;
    std::unique_ptr<SqlConnection::BulkInsert> insert_;
};

using SortedSums = std::vector<std::pair<DailyKey, const DailyBucket*>>;

Status write_daily(SqlConnection& store, const SortedSums& sums) {
    Stage stage(store, kDaily);
    TG_CHECK_OK(stage.open());
    for (const auto& [key, bucket] : sums) {
        stage.key(key);
        TG_CHECK_OK(stage.sums(bucket->all));
    }
    return stage.add();
}

Status write_lines(SqlConnection& store, const SortedSums& sums) {
    Stage stage(store, kLines);
    TG_CHECK_OK(stage.open());
    for (const auto& [key, bucket] : sums) {
        for (const LineSum& line : bucket->lines) {
            stage.key(key);
            stage.integer(static_cast<std::int64_t>(line.meter));
            stage.integer(line.price_nano);
            stage.integer(line.quantity);
            TG_CHECK_OK(stage.end_row());
        }
    }
    return stage.add();
}

Status write_end_users(SqlConnection& store, const SortedSums& sums) {
    Stage stage(store, kUsers);
    TG_CHECK_OK(stage.open());
    for (const auto& [key, bucket] : sums) {
        if (bucket->nameless.requests > 0) {
            stage.key(key);
            stage.text("");
            TG_CHECK_OK(stage.sums(bucket->nameless));
        }
        for (const auto& [user, user_sums] : bucket->end_users) {
            stage.key(key);
            stage.text(user);
            TG_CHECK_OK(stage.sums(user_sums));
        }
    }
    return stage.add();
}

Status write_versions(SqlConnection& store, const std::set<UsageSums::Version>& versions) {
    Stage stage(store, kVersions);
    TG_CHECK_OK(stage.open());
    for (const auto& [customer, day, version] : versions) {
        stage.integer(customer);
        stage.integer(day);
        stage.integer(version);
        TG_CHECK_OK(stage.end_row());
    }
    return stage.add();
}

}  // namespace

Status prepare_settling(SqlConnection& store) {
    // The journal is the truth, and the position is committed with what it stands for: when a crash
    // of the server's machine loses the last commits, it loses whole batches from the end, and they
    // are settled again. What is committed after them, such as a bill, is durable only with them
    // (one log, written in order). docs/decisions/0007-settling-speed.md.
    if (store.dialect() == Dialect::postgres)
        TG_CHECK_OK(store.execute_script("SET synchronous_commit = off"));
    const std::string_view empties =
        store.dialect() == Dialect::postgres ? ") ON COMMIT DELETE ROWS" : ")";
    for (const Rollup& rollup : kRollups) {
        std::string sql = "CREATE TEMP TABLE IF NOT EXISTS ";
        sql.append(rollup.stage).append(" (");
        for (std::size_t i = 0; const std::string_view each : columns_of(rollup)) {
            sql.append(i++ == 0 ? "" : ", ").append(column(each)).append(" ");
            sql.append(sql_type(each));
        }
        TG_CHECK_OK(store.execute_script(sql.append(empties)));
    }
    return {};
}

Status write_sums(SqlConnection& store, const UsageSums& sums) {
    const SortedSums sorted = sums.sorted();
    TG_CHECK_OK(write_daily(store, sorted));
    TG_CHECK_OK(write_lines(store, sorted));
    TG_CHECK_OK(write_end_users(store, sorted));
    return write_versions(store, sums.versions());
}

}  // namespace tg
