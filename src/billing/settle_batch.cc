#include "billing/internal/settle_batch.h"

#include <algorithm>
#include <charconv>

#include "base/hash.h"
#include "base/utf8.h"

namespace tg {

Result<const Catalogue*> EventRater::catalogue(PriceVersionId version) {
    const auto found = catalogues_.find(version.get());
    if (found != catalogues_.end()) return found->second.get();
    TG_TRY(std::shared_ptr<const Catalogue> loaded, source_(version));
    return catalogues_.emplace(version.get(), std::move(loaded)).first->second.get();
}

Result<const EventRater::Rated*> EventRater::rate(const UsageEvent& event) {
    rated_.is_priced = true;
    rated_.event.line_count = 0;
    rated_.event.total = Femto{};
    rated_.event.currency = Currency::usd;
    rated_.event.version = event.price_version;
    if (event.usage.is_empty()) return &rated_;
    TG_TRY(const Catalogue* book, catalogue(event.price_version));
    const Result<Catalogue::Found> price =
        book->find(event.model, event.provider, event.started_at);
    if (price.ok()) {
        Result<RatedEvent> rated = tg::rate(event.usage, *price->price, event.tier, event.region);
        if (rated.ok()) {
            rated_.event = *rated;
            return &rated_;
        }
    }
    rated_.is_priced = false;
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (event.usage[meter] == 0) continue;
        rated_.event.lines[static_cast<std::size_t>(rated_.event.line_count++)] = {
            meter, event.usage[meter], kUnpriced};
    }
    return &rated_;
}

Status ZoneTable::refresh(SqlConnection& store) {
    Status bad;
    TG_TRY(const TimeZone fallback, TimeZone::load(default_zone_));
    fallback_.zone = std::make_shared<const TimeZone>(fallback);
    const Status read =
        store.query("SELECT id, time_zone FROM customers", {}, [&](const SqlRow& row) {
            Entry& entry = zones_[static_cast<std::uint32_t>(row.integer(0))];
            if (entry.zone && entry.zone->name() == row.text(1)) return true;
            Result<TimeZone> zone = TimeZone::load(row.text(1));
            if (!zone.ok()) {
                bad = fail(zone.error());
                return false;
            }
            entry = Entry{};
            entry.zone = std::make_shared<const TimeZone>(std::move(*zone));
            return true;
        });
    TG_CHECK_OK(read);
    return bad;
}

const TimeZone& ZoneTable::of(CustomerId customer) const {
    const auto found = zones_.find(customer.get());
    return found == zones_.end() ? *fallback_.zone : *found->second.zone;
}

std::int32_t ZoneTable::local_day(CustomerId customer, UtcMicros at) {
    const auto found = zones_.find(customer.get());
    Entry& entry = found == zones_.end() ? fallback_ : found->second;
    if (at.micros >= entry.day_start && at.micros < entry.day_end) return entry.day;
    const TimeZone& zone = *entry.zone;
    entry.day = zone.local_day(at);
    const Civil today = to_civil(at, zone.offset_seconds_at(at));
    const Civil tomorrow = to_civil({(std::int64_t{entry.day} + 1) * 86'400'000'000});
    entry.day_start = zone.start_of_day(today.year, today.month, today.day).micros;
    entry.day_end = zone.start_of_day(tomorrow.year, tomorrow.month, tomorrow.day).micros;
    return entry.day;
}

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

bool is_error(const UsageEvent& event) {
    return event.outcome != Outcome::ok && event.outcome != Outcome::client_gone;
}

void UsageSums::add(const UsageEvent& event, const EventRater::Rated& rated,
                    std::uint32_t dimension, std::int32_t day) {
    const DailyKey key{event.payer.customer.get(), day,       event.payer.project.get(),
                       event.payer.key.get(),      dimension, event.tier,
                       rated.event.currency};
    if (last_ == nullptr || key != last_key_) {
        last_ = &buckets_[key];
        last_key_ = key;
    }
    const std::int64_t input = event.usage.input_tokens(), output = event.usage.output_tokens();
    const std::int64_t cached = event.usage[Meter::cache_read] +
                                event.usage[Meter::input_audio_cached] +
                                event.usage[Meter::input_image_cached];
    const auto count = [&](DailySums& sums) {
        ++sums.requests;
        sums.errors += is_error(event) ? 1 : 0;
        sums.estimated += event.source == UsageSource::estimated ? 1 : 0;
        sums.unconfirmed += event.source == UsageSource::unconfirmed ? 1 : 0;
        sums.unpriced += rated.is_priced ? 0 : 1;
        sums.input_tokens += input;
        sums.cached_tokens += cached;
        sums.output_tokens += output;
        sums.reasoning_tokens += event.usage[Meter::reasoning];
        sums.charge += rated.event.total;
    };
    DailyBucket& bucket = *last_;
    count(bucket.sums);
    if (is_storable_text(event.end_user))
        end_user_.assign(event.end_user);
    else
        make_storable(event.end_user, &end_user_);
    count(bucket.end_users[end_user_]);
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
    if (std::ranges::find(bucket.versions, event.price_version.get()) == bucket.versions.end()) {
        bucket.versions.push_back(event.price_version.get());
    }
}

std::vector<std::pair<DailyKey, const DailyBucket*>> UsageSums::sorted() const {
    std::vector<std::pair<DailyKey, const DailyBucket*>> out;
    out.reserve(buckets_.size());
    for (const auto& [key, bucket] : buckets_) out.emplace_back(key, &bucket);
    std::ranges::sort(out);
    return out;
}

void UsageSums::clear() {
    buckets_.clear();
    last_ = nullptr;
}

void dimension_text(const UsageEvent& event, std::string* out) {
    out->clear();
    for (const std::string_view part :
         {event.model, event.upstream_model, event.deployment, event.provider, event.region}) {
        const std::size_t at = out->size();
        if (is_storable_text(part)) {
            out->append(part);
        } else {
            std::string repaired;
            make_storable(part, &repaired);
            out->append(repaired);
        }
        std::replace(out->begin() + static_cast<std::ptrdiff_t>(at), out->end(), '\x1f', '?');
        out->push_back('\x1f');
    }
}

Status DimensionTable::load(SqlConnection& store) {
    ids_.clear();
    last_id_ = 0;
    next_ = 1;
    return store.query(
        "SELECT id, model, upstream_model, deployment, provider, region FROM usage_dimensions", {},
        [this](const SqlRow& row) {
            std::string text;
            for (int i = 1; i <= 5; ++i) text.append(row.text(i)).push_back('\x1f');
            const auto id = static_cast<std::uint32_t>(row.integer(0));
            ids_[text] = id;
            next_ = std::max(next_, id + 1);
            return true;
        });
}

std::uint32_t DimensionTable::find(const UsageEvent& event) const {
    dimension_text(event, &scratch_);
    if (last_id_ != 0 && scratch_ == last_) return last_id_;
    const auto found = ids_.find(scratch_);
    if (found == ids_.end()) return 0;
    last_ = scratch_;
    last_id_ = found->second;
    return last_id_;
}

Status DimensionTable::add(SqlConnection& store, const UsageEvent& event) {
    if (find(event) != 0) return {};
    const std::uint32_t id = next_;
    std::vector<SqlValue> values{std::int64_t{id}};
    for (std::size_t at = 0; at < scratch_.size();) {
        const std::size_t end = scratch_.find('\x1f', at);
        values.emplace_back(scratch_.substr(at, end - at));
        at = end + 1;
    }
    const Result<std::int64_t> inserted = store.execute(
        "INSERT INTO usage_dimensions (id, model, upstream_model, deployment, provider, region) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        values);
    if (!inserted.ok()) return fail(inserted.error());
    ++next_;
    ids_.emplace(scratch_, id);
    return {};
}

void write_usage_text(const Usage& usage, std::string* out) {
    out->clear();
    char number[24];
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (usage[meter] == 0) continue;
        if (!out->empty()) out->push_back(',');
        out->append(name(meter)).push_back(':');
        out->append(number, std::to_chars(number, number + sizeof number, usage[meter]).ptr);
    }
}

Result<Usage> parse_usage_text(std::string_view text) {
    Usage usage;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view item = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        const std::size_t colon = item.find(':');
        if (colon == std::string_view::npos)
            return fail(ErrorCode::corrupt_data, "usage text '" + std::string(item) + "'");
        TG_TRY(const Meter meter, parse_meter(item.substr(0, colon)));
        const std::string_view digits = item.substr(colon + 1);
        const auto parsed =
            std::from_chars(digits.data(), digits.data() + digits.size(), usage[meter]);
        if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) {
            return fail(ErrorCode::corrupt_data, "usage text '" + std::string(item) + "'");
        }
    }
    return usage;
}

}  // namespace tg
