#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <unordered_set>

#include "billing/internal/verify_parts.h"

namespace tg {
namespace {

constexpr std::string_view kKeyColumns =
    "customer_id, local_day, project_id, key_id, dimension_id, tier, currency";
constexpr int kKeyCount = 7;
constexpr std::string_view kSumColumns =
    "requests, errors, estimated, unconfirmed, unpriced, fallback, input_tokens, cached_tokens, "
    "output_tokens, reasoning_tokens, charge_nano, charge_femto";

/// A key as its columns have it: whatever number somebody wrote there, none is taken for another.
using StoredKey = std::array<std::int64_t, kKeyCount>;

StoredKey read_key(const SqlRow& row) {
    StoredKey out;
    for (int i = 0; i < kKeyCount; ++i) out[static_cast<std::size_t>(i)] = row.integer(i);
    return out;
}

StoredKey stored_key(const DailyKey& key) {
    return {key.customer,
            key.day,
            key.project,
            key.key,
            key.dimension,
            static_cast<std::int64_t>(key.tier),
            static_cast<std::int64_t>(key.currency)};
}

/// The journal's bucket of a row; null when there is none.
const JournalSums::Buckets::value_type* find_bucket(const JournalSums& sums, const StoredKey& row) {
    const auto number = [&](std::size_t i) { return static_cast<std::uint32_t>(row[i]); };
    const DailyKey key{number(0),
                       static_cast<std::int32_t>(row[1]),
                       number(2),
                       number(3),
                       number(4),
                       static_cast<ServiceTier>(row[5]),
                       static_cast<Currency>(row[6])};
    const auto found = sums.buckets().find(key);
    return found == sums.buckets().end() || stored_key(key) != row ? nullptr : &*found;
}

Totals read_totals(const SqlRow& row, int column) {
    Totals out;
    for (std::int64_t& count : out.counts) count = row.integer(column++);
    out.charge = join({row.integer(column), row.integer(column + 1)});
    return out;
}

/// "2026-03-05", or the number where it is no day.
std::string day_title(std::int64_t day) {
    const auto fits = static_cast<std::int32_t>(day);
    return fits == day ? day_text(fits) : "day " + std::to_string(day);
}

std::string title(std::string_view table, const StoredKey& key) {
    const bool has_currency = key[6] >= 0 && key[6] < kCurrencyCount;
    const auto number = [&](std::size_t i) { return std::to_string(key[i]); };
    return std::string(table) + " of customer " + number(0) + ", " + day_title(key[1]) +
           ", project " + number(2) + ", key " + number(3) + ", dimension " + number(4) +
           ", tier " + number(5) + ", " +
           (has_currency ? std::string(code(static_cast<Currency>(key[6])))
                         : "currency " + number(6));
}

/// Says which columns differ.
void compare(const std::string& row, const Totals& stored, const Totals& computed,
             Problems* problems) {
    for (std::size_t i = 0; i < stored.counts.size(); ++i) {
        if (stored.counts[i] == computed.counts[i]) continue;
        problems->add("roll-ups", row + ": " + std::string(Totals::kNames[i]) + " is " +
                                      both(stored.counts[i], computed.counts[i]));
    }
    if (stored.charge != computed.charge)
        problems->add("roll-ups", row + ": charge is " + both(stored.charge, computed.charge));
}

void report_extra(const std::string& row, Problems* problems) {
    problems->add("roll-ups", row + ": is in the store, but no event of the journal belongs to it");
}
void report_gone(const std::string& row, Problems* problems) {
    problems->add("roll-ups", row + ": is not in the store, but the journal has events of it");
}

Status check_daily(SqlConnection& store, const JournalSums& sums, Problems* problems) {
    std::unordered_set<DailyKey, DailyKeyHash> seen;
    const std::string sql = "SELECT " + std::string(kKeyColumns) + ", " + std::string(kSumColumns) +
                            " FROM usage_daily";
    TG_CHECK_OK(store.query(sql, {}, [&](const SqlRow& row) {
        const StoredKey key = read_key(row);
        const auto* bucket = find_bucket(sums, key);
        if (bucket == nullptr) {
            report_extra(title("usage_daily", key), problems);
            return true;
        }
        seen.insert(bucket->first);
        const Totals totals = read_totals(row, kKeyCount);
        if (totals != bucket->second.all)
            compare(title("usage_daily", key), totals, bucket->second.all, problems);
        return true;
    }));
    for (const auto& [key, bucket] : sums.buckets())
        if (!seen.contains(key)) report_gone(title("usage_daily", stored_key(key)), problems);
    return {};
}

/// A meter and a price, as numbers.
using StoredLine = std::pair<std::int64_t, std::int64_t>;

Status check_lines(SqlConnection& store, const JournalSums& sums, Problems* problems) {
    std::unordered_map<DailyKey, std::set<StoredLine>, DailyKeyHash> seen;
    const auto name_of = [](const StoredKey& key, const StoredLine& line) {
        return title("usage_daily_lines", key) + ", meter " + std::to_string(line.first) +
               ", price " + std::to_string(line.second);
    };
    const auto line_of = [](const auto& computed) {
        return StoredLine{static_cast<std::int64_t>(computed.first.first), computed.first.second};
    };
    const std::string sql = "SELECT " + std::string(kKeyColumns) +
                            ", meter, price_nano, quantity FROM usage_daily_lines";
    TG_CHECK_OK(store.query(sql, {}, [&](const SqlRow& row) {
        const StoredKey key = read_key(row);
        const StoredLine line{row.integer(kKeyCount), row.integer(kKeyCount + 1)};
        const auto* bucket = find_bucket(sums, key);
        std::optional<std::int64_t> computed;
        if (bucket != nullptr) {
            for (const auto& each : bucket->second.lines)
                if (line_of(each) == line) computed = each.second;
        }
        if (!computed) {
            report_extra(name_of(key, line), problems);
            return true;
        }
        seen[bucket->first].insert(line);
        const std::int64_t quantity = row.integer(kKeyCount + 2);
        if (quantity != *computed) {
            problems->add("roll-ups",
                          name_of(key, line) + ": quantity is " + both(quantity, *computed));
        }
        return true;
    }));
    for (const auto& [key, bucket] : sums.buckets()) {
        for (const auto& each : bucket.lines) {
            if (!seen[key].contains(line_of(each)))
                report_gone(name_of(stored_key(key), line_of(each)), problems);
        }
    }
    return {};
}

/// The calls of a bucket that named no end user: what is left of all.
Totals nameless(const JournalSums::Bucket& bucket) {
    Totals out = bucket.all;
    for (const auto& [user, totals] : bucket.end_users) out -= totals;
    return out;
}

Status check_end_users(SqlConnection& store, const JournalSums& sums, Problems* problems) {
    std::unordered_map<DailyKey, std::unordered_set<std::string>, DailyKeyHash> seen;
    const auto name_of = [](const StoredKey& key, std::string_view user) {
        return title("usage_daily_end_users", key) + ", end user '" + std::string(user) + "'";
    };
    const std::string sql = "SELECT " + std::string(kKeyColumns) + ", " + std::string(kSumColumns) +
                            ", end_user FROM usage_daily_end_users";
    TG_CHECK_OK(store.query(sql, {}, [&](const SqlRow& row) {
        const StoredKey key = read_key(row);
        const std::string user(row.text(kKeyCount + 12));
        const auto* bucket = find_bucket(sums, key);
        Totals computed;
        if (bucket != nullptr) {
            const auto named = bucket->second.end_users.find(user);
            if (user.empty())
                computed = nameless(bucket->second);
            else if (named != bucket->second.end_users.end())
                computed = named->second;
        }
        if (computed.counts[Totals::requests] == 0) {
            report_extra(name_of(key, user), problems);
            return true;
        }
        seen[bucket->first].insert(user);
        const Totals totals = read_totals(row, kKeyCount);
        if (totals != computed) compare(name_of(key, user), totals, computed, problems);
        return true;
    }));
    for (const auto& [key, bucket] : sums.buckets()) {
        const std::unordered_set<std::string>& users = seen[key];
        for (const auto& [user, totals] : bucket.end_users)
            if (!users.contains(user)) report_gone(name_of(stored_key(key), user), problems);
        if (nameless(bucket).counts[Totals::requests] > 0 && !users.contains(""))
            report_gone(name_of(stored_key(key), ""), problems);
    }
    return {};
}

Status check_versions(SqlConnection& store, const JournalSums& sums, Problems* problems) {
    using Version = std::array<std::int64_t, 3>;
    std::set<Version> computed;
    for (const auto& [key, bucket] : sums.buckets())
        for (const std::uint32_t version : bucket.versions)
            computed.insert({key.customer, key.day, version});
    const auto name_of = [](const Version& version) {
        return "usage_daily_versions of customer " + std::to_string(version[0]) + ", " +
               day_title(version[1]) + ", price version " + std::to_string(version[2]);
    };
    TG_CHECK_OK(
        store.query("SELECT customer_id, local_day, price_version FROM usage_daily_versions", {},
                    [&](const SqlRow& row) {
                        const Version version{row.integer(0), row.integer(1), row.integer(2)};
                        if (computed.erase(version) == 0) report_extra(name_of(version), problems);
                        return true;
                    }));
    for (const Version& version : computed) report_gone(name_of(version), problems);
    return {};
}

Status check_recent(SqlConnection& store, const JournalSums& sums, Problems* problems) {
    std::map<std::uint32_t, std::vector<std::int64_t>> stored;
    TG_CHECK_OK(store.query(
        "SELECT customer_id, sequence FROM recent_calls ORDER BY customer_id, sequence", {},
        [&](const SqlRow& row) {
            stored[static_cast<std::uint32_t>(row.integer(0))].push_back(row.integer(1));
            return true;
        }));
    const auto computed = sums.recent();
    for (const auto& [customer, sequences] : computed) {
        if (stored[customer] == sequences) continue;
        problems->add("roll-ups", "recent_calls of customer " + std::to_string(customer) +
                                      ": are not the newest " + std::to_string(sequences.size()) +
                                      " calls, which end with event " +
                                      std::to_string(sequences.back()));
    }
    for (const auto& [customer, sequences] : stored) {
        if (computed.contains(customer)) continue;
        problems->add("roll-ups", "recent_calls of customer " + std::to_string(customer) +
                                      ": the journal has no call of this customer");
    }
    return {};
}

}  // namespace

Status check_rollups(SqlConnection& store, const JournalSums& sums, Problems* problems) {
    TG_CHECK_OK(check_daily(store, sums, problems));
    TG_CHECK_OK(check_lines(store, sums, problems));
    TG_CHECK_OK(check_end_users(store, sums, problems));
    TG_CHECK_OK(check_versions(store, sums, problems));
    return check_recent(store, sums, problems);
}

}  // namespace tg
