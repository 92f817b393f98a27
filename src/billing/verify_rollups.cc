#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "billing/internal/verify_parts.h"

namespace tg {
namespace {

/// Key columns, then sums or what else the table has.
constexpr std::size_t kKeyCount = 7;
constexpr std::array<std::string_view, 19> kDailyColumns = {
    "customer_id:i4",  "local_day:i4",       "project_id:i4", "key_id:i4",      "dimension_id:i4",
    "tier:i2",         "currency:i2",        "requests:i",    "errors:i",       "estimated:i",
    "unconfirmed:i",   "unpriced:i",         "fallback:i",    "input_tokens:i", "cached_tokens:i",
    "output_tokens:i", "reasoning_tokens:i", "charge_nano:i", "charge_femto:i"};
constexpr std::array<std::string_view, 20> kUserColumns = [] {
    std::array<std::string_view, 20> out;
    std::ranges::copy(kDailyColumns, out.begin());
    out.back() = "end_user:t";
    return out;
}();
constexpr std::array<std::string_view, 10> kLineColumns = {
    "customer_id:i4", "local_day:i4", "project_id:i4", "key_id:i4",    "dimension_id:i4",
    "tier:i2",        "currency:i2",  "meter:i2",      "price_nano:i", "quantity:i"};

/// Every row of a roll-up; the first key column is the customer.
Status read_all(SqlConnection& store, std::string_view table,
                std::span<const std::string_view> columns,
                const std::function<void(const BulkRow&)>& row) {
    return store.bulk_read(table, columns, INT64_MIN, INT64_MAX, [&row](const BulkRow& each) {
        row(each);
        return true;
    });
}

/// A key as its columns have it: whatever number somebody wrote there, none is taken for another.
using StoredKey = std::array<std::int64_t, kKeyCount>;

StoredKey read_key(const BulkRow& row) {
    StoredKey out;
    std::ranges::copy(row.integers.first<kKeyCount>(), out.begin());
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
JournalSums::Bucket* find_bucket(JournalSums* sums, const StoredKey& row) {
    const auto number = [&](std::size_t i) { return static_cast<std::uint32_t>(row[i]); };
    const DailyKey key{number(0),
                       static_cast<std::int32_t>(row[1]),
                       number(2),
                       number(3),
                       number(4),
                       static_cast<ServiceTier>(row[5]),
                       static_cast<Currency>(row[6])};
    const auto found = sums->buckets().find(key);
    return found == sums->buckets().end() || stored_key(key) != row ? nullptr : &found->second;
}

Totals read_totals(const BulkRow& row) {
    Totals out;
    std::size_t column = kKeyCount;
    for (std::int64_t& count : out.counts) count = row.integers[column++];
    out.charge = join({row.integers[column], row.integers[column + 1]});
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
void report_twice(const std::string& row, Problems* problems) {
    problems->add("roll-ups", row + ": is in the store more than once");
}

Status check_daily(SqlConnection& store, JournalSums* sums, Problems* problems) {
    TG_CHECK_OK(read_all(store, "usage_daily", kDailyColumns, [&](const BulkRow& row) {
        const StoredKey key = read_key(row);
        JournalSums::Bucket* const bucket = find_bucket(sums, key);
        if (bucket == nullptr) return report_extra(title("usage_daily", key), problems);
        if (std::exchange(bucket->has_row, true)) report_twice(title("usage_daily", key), problems);
        const Totals totals = read_totals(row);
        if (totals != bucket->all)
            compare(title("usage_daily", key), totals, bucket->all, problems);
    }));
    for (const auto& [key, bucket] : sums->buckets())
        if (!bucket.has_row) report_gone(title("usage_daily", stored_key(key)), problems);
    return {};
}

std::string line_title(const StoredKey& key, std::int64_t meter, std::int64_t price) {
    return title("usage_daily_lines", key) + ", meter " + std::to_string(meter) + ", price " +
           std::to_string(price);
}

JournalSums::Line* find_line(JournalSums::Bucket* bucket, std::int64_t meter, std::int64_t price) {
    if (bucket == nullptr) return nullptr;
    const auto found = std::ranges::find_if(bucket->lines, [&](const JournalSums::Line& line) {
        return static_cast<std::int64_t>(line.meter) == meter && line.price_nano == price;
    });
    return found == bucket->lines.end() ? nullptr : &*found;
}

Status check_lines(SqlConnection& store, JournalSums* sums, Problems* problems) {
    TG_CHECK_OK(read_all(store, "usage_daily_lines", kLineColumns, [&](const BulkRow& row) {
        const StoredKey key = read_key(row);
        const std::int64_t meter = row.integers[kKeyCount], price = row.integers[kKeyCount + 1];
        JournalSums::Line* const line = find_line(find_bucket(sums, key), meter, price);
        if (line == nullptr) return report_extra(line_title(key, meter, price), problems);
        if (std::exchange(line->has_row, true))
            report_twice(line_title(key, meter, price), problems);
        const std::int64_t quantity = row.integers[kKeyCount + 2];
        if (quantity != line->quantity) {
            problems->add("roll-ups", line_title(key, meter, price) + ": quantity is " +
                                          both(quantity, line->quantity));
        }
    }));
    for (const auto& [key, bucket] : sums->buckets()) {
        for (const JournalSums::Line& line : bucket.lines) {
            if (line.has_row) continue;
            report_gone(
                line_title(stored_key(key), static_cast<std::int64_t>(line.meter), line.price_nano),
                problems);
        }
    }
    return {};
}

/// The calls of a bucket that named no end user: what is left of all.
Totals nameless(const JournalSums::Bucket& bucket) {
    Totals out = bucket.all;
    for (const auto& [user, sums] : bucket.end_users) out -= sums.totals;
    return out;
}

std::string user_title(const StoredKey& key, std::string_view user) {
    return title("usage_daily_end_users", key) + ", end user '" + std::string(user) + "'";
}

/// What the row of `user` has to be, and where it is marked as found; null when there are no such
/// calls.
struct ExpectedUser {
    Totals totals;
    bool* has_row = nullptr;
};
ExpectedUser expected_user(JournalSums::Bucket* bucket, const std::string& user) {
    if (bucket == nullptr) return {};
    if (user.empty()) {
        const Totals totals = nameless(*bucket);
        if (totals.counts[Totals::requests] == 0) return {};
        return {totals, &bucket->has_nameless_row};
    }
    const auto named = bucket->end_users.find(user);
    if (named == bucket->end_users.end()) return {};
    return {named->second.totals, &named->second.has_row};
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

Status check_end_users(SqlConnection& store, JournalSums* sums, Problems* problems) {
    std::string user;
    TG_CHECK_OK(read_all(store, "usage_daily_end_users", kUserColumns, [&](const BulkRow& row) {
        const StoredKey key = read_key(row);
        user = row.texts[0];
        const ExpectedUser expected = expected_user(find_bucket(sums, key), user);
        if (expected.has_row == nullptr) return report_extra(user_title(key, user), problems);
        if (std::exchange(*expected.has_row, true)) report_twice(user_title(key, user), problems);
        const Totals totals = read_totals(row);
        if (totals != expected.totals)
            compare(user_title(key, user), totals, expected.totals, problems);
    }));
    for (const auto& [key, bucket] : sums->buckets()) {
        for (const auto& [named, entry] : bucket.end_users)
            if (!entry.has_row) report_gone(user_title(stored_key(key), named), problems);
        if (!bucket.has_nameless_row && nameless(bucket).counts[Totals::requests] > 0)
            report_gone(user_title(stored_key(key), ""), problems);
    }
    return {};
}

Status check_rollups(SqlConnection& store, JournalSums* sums, Problems* problems) {
    TG_CHECK_OK(check_daily(store, sums, problems));
    TG_CHECK_OK(check_lines(store, sums, problems));
    TG_CHECK_OK(check_versions(store, *sums, problems));
    return check_recent(store, *sums, problems);
}

}  // namespace tg
