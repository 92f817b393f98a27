#include "billing/internal/journal_sums.h"

#include <algorithm>
#include <functional>

#include "billing/internal/settle_writer.h"
#include "billing/internal/usage_text.h"

namespace tg {
namespace {

constexpr std::size_t kCacheLineBytes = 64;

/// Keeps the highest kRecentCalls of `sequences` when there are many more.
void trim(std::vector<std::int64_t>& sequences) {
    if (sequences.size() <= kRecentCalls) return;
    std::ranges::nth_element(sequences, sequences.begin() + kRecentCalls - 1, std::greater<>{});
    sequences.resize(kRecentCalls);
}

Totals totals_of(const UsageEvent& event, const Rated& rated) {
    Totals out;
    out.counts[Totals::requests] = 1;
    const bool is_client_side =
        event.outcome == Outcome::ok || event.outcome == Outcome::client_gone;
    if (!is_client_side) out.counts[Totals::errors] = 1;
    if (event.source == UsageSource::estimated) out.counts[Totals::estimated] = 1;
    if (event.source == UsageSource::unconfirmed) out.counts[Totals::unconfirmed] = 1;
    if (!rated.is_priced) out.counts[Totals::unpriced] = 1;
    if ((rated.flags & kEventFallbackPrice) != 0) out.counts[Totals::fallback] = 1;
    const auto& quantity = event.usage.quantity;
    // An event with a quantity that cannot be enters no sum.
    bool is_impossible = false;
    for (const std::int64_t each : quantity)
        is_impossible = is_impossible | (each < 0) | (each > EventRater::kQuantityMax);
    if (is_impossible) return out;
    const auto of = [&](Meter meter) { return quantity[static_cast<std::size_t>(meter)]; };
    for (std::size_t i = 0; is_input(static_cast<Meter>(i)); ++i)
        out.counts[Totals::input] += quantity[i];
    out.counts[Totals::cached] =
        of(Meter::cache_read) + of(Meter::input_audio_cached) + of(Meter::input_image_cached);
    out.counts[Totals::output] = of(Meter::output) + of(Meter::reasoning) +
                                 of(Meter::output_audio) + of(Meter::output_image);
    out.counts[Totals::reasoning] = of(Meter::reasoning);
    for (int i = 0; rated.is_priced && i < rated.event.line_count; ++i) {
        const RatedLine& line = rated.event.lines[static_cast<std::size_t>(i)];
        out.charge += line.quantity * line.price;
    }
    return out;
}

}  // namespace

Totals& Totals::operator+=(const Totals& other) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    charge += other.charge;
    return *this;
}

Totals& Totals::operator-=(const Totals& other) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] -= other.counts[i];
    charge = charge - other.charge;
    return *this;
}

void JournalSums::add_line(Bucket& bucket, Meter meter, std::int64_t price, std::int64_t quantity) {
    for (Line& line : bucket.lines) {
        if (line.meter == meter && line.price_nano == price) {
            line.quantity += quantity;
            return;
        }
    }
    bucket.lines.push_back({.meter = meter, .price_nano = price, .quantity = quantity});
}

void JournalSums::add_version(Bucket& bucket, std::uint32_t version) {
    if (std::ranges::find(bucket.versions, version) == bucket.versions.end())
        bucket.versions.push_back(version);
}

const JournalSums::Place& JournalSums::locate(const DailyKey& key) {
    Place& out = places_[place_number(key.key, key.dimension, key.day)];
    if (out.bucket == nullptr || out.key != key)
        out = {key, &buckets_[key], &recent_[key.customer]};
    const auto* bytes = reinterpret_cast<const char*>(out.bucket);
    for (std::size_t at = 0; at < sizeof(Bucket); at += kCacheLineBytes)
        __builtin_prefetch(bytes + at, 1);
    return out;
}

void JournalSums::add(const Place& place, const UsageEvent& event, const Rated& rated,
                      std::int64_t sequence) {
    Bucket& bucket = *place.bucket;
    __builtin_prefetch(bucket.lines.data(), 1);
    const Totals totals = totals_of(event, rated);
    bucket.all += totals;
    if (!event.end_user.empty()) {
        user_ = storable(event.end_user, &scratch_);
        bucket.end_users[user_].totals += totals;
    }
    for (int i = 0; i < rated.event.line_count; ++i) {
        const RatedLine& line = rated.event.lines[static_cast<std::size_t>(i)];
        add_line(bucket, line.meter, line.price.nano, line.quantity);
    }
    add_version(bucket, event.price_version.get());
    std::vector<std::int64_t>& recent = *place.recent;
    recent.push_back(sequence);
    if (recent.size() >= 16 * kRecentCalls) trim(recent);
}

void JournalSums::merge(const JournalSums& other) {
    for (const auto& [key, theirs] : other.buckets_) {
        Bucket& ours = buckets_[key];
        ours.all += theirs.all;
        for (const auto& [user, sums] : theirs.end_users)
            ours.end_users[user].totals += sums.totals;
        for (const Line& line : theirs.lines)
            add_line(ours, line.meter, line.price_nano, line.quantity);
        for (const std::uint32_t version : theirs.versions) add_version(ours, version);
    }
    for (const auto& [customer, sequences] : other.recent_) {
        auto& ours = recent_[customer];
        ours.insert(ours.end(), sequences.begin(), sequences.end());
    }
}

std::map<std::uint32_t, std::vector<std::int64_t>> JournalSums::recent() const {
    std::map<std::uint32_t, std::vector<std::int64_t>> out;
    for (const auto& [customer, sequences] : recent_) {
        std::vector<std::int64_t>& newest = out[customer] = sequences;
        trim(newest);
        std::ranges::sort(newest);
    }
    return out;
}

}  // namespace tg
