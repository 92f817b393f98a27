#include "billing/internal/zone_table.h"

namespace tg {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

}  // namespace

Result<std::shared_ptr<const TimeZone>> ZoneTable::zone(std::string_view name) {
    std::shared_ptr<const TimeZone>& known = zones_[std::string(name)];
    if (!known) {
        TG_TRY(TimeZone loaded, TimeZone::load(name));
        known = std::make_shared<const TimeZone>(std::move(loaded));
    }
    return known;
}

Status ZoneTable::load(SqlConnection& store) {
    entries_.clear();
    recorded_.clear();
    changes_.clear();
    directory_version_ = -1;
    TG_TRY(const auto fallback, zone(default_zone_));
    (void)fallback;
    TG_CHECK_OK(store.query(
        "SELECT customer_id, time_zone FROM usage_zones ORDER BY customer_id, first_sequence", {},
        [this](const SqlRow& row) {
            recorded_[static_cast<std::uint32_t>(row.integer(0))] = row.text(1);
            return true;
        }));
    return refresh(store);
}

Status ZoneTable::refresh(SqlConnection& store) {
    std::int64_t version = 0;
    TG_CHECK_OK(
        store.query("SELECT version FROM directory_version", {}, [&version](const SqlRow& row) {
            version = row.integer(0);
            return true;
        }));
    if (version == directory_version_) return {};
    TG_CHECK_OK(read_customers(store));
    directory_version_ = version;
    return {};
}

Status ZoneTable::read_customers(SqlConnection& store) {
    Status bad;
    TG_CHECK_OK(store.query("SELECT id, time_zone FROM customers", {}, [&](const SqlRow& row) {
        const auto id = static_cast<std::uint32_t>(row.integer(0));
        Entry& entry = entries_[id];
        if (entry.zone && entry.zone->name() == row.text(1)) return true;
        auto loaded = zone(row.text(1));
        if (!loaded.ok()) {
            bad = fail(loaded.error());
            return false;
        }
        entry = Entry{.zone = std::move(*loaded), .recorded = recorded_[id]};
        return true;
    }));
    return bad;
}

void ZoneTable::add_unknown(CustomerId customer) {
    entries_[customer.get()] =
        Entry{.zone = zones_.at(default_zone_), .recorded = recorded_[customer.get()]};
}

std::int32_t ZoneTable::local_day(CustomerId customer, std::int64_t sequence, UtcMicros at) {
    Entry& entry = entries_.at(customer.get());
    if (entry.recorded != entry.zone->name()) {
        entry.recorded = recorded_[customer.get()] = entry.zone->name();
        changes_.push_back({customer.get(), sequence, entry.recorded});
    }
    if (at.micros >= entry.day_start && at.micros < entry.day_end) return entry.day;
    const TimeZone& zone = *entry.zone;
    entry.day = zone.local_day(at);
    // On a day with a change of the clocks nothing is kept: what follows from 24 hours is wrong.
    const std::int64_t offset = zone.offset_seconds_at(at);
    entry.day_start = (entry.day * kDaySeconds - offset) * 1'000'000;
    entry.day_end = entry.day_start + kDaySeconds * 1'000'000;
    if (zone.offset_seconds_at({entry.day_start}) != offset ||
        zone.offset_seconds_at({entry.day_end - 1}) != offset) {
        entry.day_end = entry.day_start;
    }
    return entry.day;
}

Status ZoneTable::record(SqlConnection& store) {
    for (const Change& change : changes_) {
        const Result<std::int64_t> inserted = store.execute(
            "INSERT INTO usage_zones (customer_id, first_sequence, time_zone) VALUES (?, ?, ?)",
            {std::int64_t{change.customer}, change.first_sequence, change.zone});
        if (!inserted.ok()) return fail(inserted.error());
    }
    changes_.clear();
    return {};
}

}  // namespace tg
