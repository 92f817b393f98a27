#include "billing/internal/usage_sums.h"

#include <algorithm>

#include "base/hash.h"
#include "billing/internal/usage_text.h"

namespace tg {
namespace {

void count(const UsageEvent& event, const Rated& rated, DailySums* sums) {
    const bool is_error = event.outcome != Outcome::ok && event.outcome != Outcome::client_gone;
    ++sums->requests;
    sums->errors += is_error ? 1 : 0;
    sums->estimated += event.source == UsageSource::estimated ? 1 : 0;
    sums->unconfirmed += event.source == UsageSource::unconfirmed ? 1 : 0;
    sums->unpriced += rated.is_priced ? 0 : 1;
    sums->fallback += (rated.flags & kEventFallbackPrice) != 0 ? 1 : 0;
    sums->input_tokens += rated.input_tokens;
    sums->cached_tokens += rated.cached_tokens;
    sums->output_tokens += rated.output_tokens;
    sums->reasoning_tokens += rated.reasoning_tokens;
    sums->charge += rated.event.total;
}

}  // namespace

std::size_t DailyKeyHash::operator()(const DailyKey& key) const noexcept {
    const std::uint32_t words[6] = {
        key.customer,
        static_cast<std::uint32_t>(key.day),
        key.project,
        key.key,
        key.dimension,
        static_cast<std::uint32_t>(key.tier) << 8 | static_cast<std::uint32_t>(key.currency)};
    return hash64({reinterpret_cast<const char*>(words), sizeof words});
}

void UsageSums::add(const UsageEvent& event, const Rated& rated, std::uint32_t dimension,
                    std::int32_t day) {
    const DailyKey key{event.payer.customer.get(), day,       event.payer.project.get(),
                       event.payer.key.get(),      dimension, event.tier,
                       rated.event.currency};
    DailyBucket& bucket = buckets_[key];
    count(event, rated, &bucket.all);
    if (event.end_user.empty()) {
        count(event, rated, &bucket.nameless);
    } else {
        const std::string_view user = storable(event.end_user, &scratch_);
        auto named = bucket.end_users.find(user);
        if (named == bucket.end_users.end())
            named = bucket.end_users.emplace(user, DailySums{}).first;
        count(event, rated, &named->second);
    }
    for (int i = 0; i < rated.event.line_count; ++i) {
        const RatedLine& line = rated.event.lines[static_cast<std::size_t>(i)];
        const auto same = std::ranges::find_if(bucket.lines, [&](const LineSum& sum) {
            return sum.meter == line.meter && sum.price_nano == line.price.nano;
        });
        if (same == bucket.lines.end())
            bucket.lines.push_back({line.meter, line.price.nano, line.quantity});
        else
            same->quantity += line.quantity;
    }
    const Version version{key.customer, day, event.price_version.get()};
    if (version != last_version_ || versions_.empty()) versions_.insert(version);
    last_version_ = version;
}

std::vector<std::pair<DailyKey, const DailyBucket*>> UsageSums::sorted() const {
    std::vector<std::pair<DailyKey, const DailyBucket*>> out;
    out.reserve(buckets_.size());
    for (const auto& [key, bucket] : buckets_) out.emplace_back(key, &bucket);
    std::ranges::sort(out, {}, &std::pair<DailyKey, const DailyBucket*>::first);
    return out;
}

void UsageSums::clear() {
    buckets_.clear();
    versions_.clear();
}

}  // namespace tg
