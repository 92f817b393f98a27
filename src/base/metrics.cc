#include "base/metrics.h"

#include <bit>

#include "base/check.h"
#include "base/money.h"

namespace tg {
namespace {

constexpr std::int64_t kFirstBoundUs = 50;

std::string escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') out.push_back('\\');
        if (c == '\n')
            out.append("\\n");
        else
            out.push_back(c);
    }
    return out;
}

void write_sample(std::string& out, std::string_view name, std::string_view suffix,
                  std::string_view labels, std::string_view extra, std::string_view value) {
    out.append(name).append(suffix);
    if (!labels.empty() || !extra.empty()) {
        out.append("{").append(labels);
        if (!labels.empty() && !extra.empty()) out.append(",");
        out.append(extra).append("}");
    }
    out.append(" ").append(value).append("\n");
}

}  // namespace

void Histogram::observe_us(std::int64_t us) {
    int bucket = 0;
    if (us > kFirstBoundUs) {
        const auto multiple = static_cast<std::uint64_t>((us + kFirstBoundUs - 1) / kFirstBoundUs);
        bucket = std::min<int>(static_cast<int>(std::bit_width(multiple - 1)), kBuckets);
    }
    buckets_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(static_cast<std::uint64_t>(us < 0 ? 0 : us), std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
    std::uint64_t total = 0;
    for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
    return total;
}

MetricsRegistry::Series& MetricsRegistry::find(std::string_view name, std::string_view help,
                                               Kind kind, std::initializer_list<Label> labels) {
    std::string text;
    for (const Label& label : labels) {
        if (!text.empty()) text.append(",");
        text.append(label.name).append("=\"").append(escape(label.value)).append("\"");
    }
    const std::lock_guard lock(mutex_);
    Family* family = nullptr;
    for (const auto& each : families_) {
        if (each->name == name) family = each.get();
    }
    if (family == nullptr) {
        families_.push_back(
            std::make_unique<Family>(Family{std::string(name), std::string(help), kind, {}}));
        family = families_.back().get();
    }
    TG_ASSERT(family->kind == kind);
    for (const auto& series : family->series) {
        if (series->labels == text) return *series;
    }
    auto series = std::make_unique<Series>();
    series->labels = std::move(text);
    switch (kind) {
        case Kind::counter:
            series->counter = std::make_unique<Counter>();
            break;
        case Kind::gauge:
            series->gauge = std::make_unique<Gauge>();
            break;
        case Kind::histogram:
            series->histogram = std::make_unique<Histogram>();
            break;
        case Kind::callback:
            break;
    }
    family->series.push_back(std::move(series));
    return *family->series.back();
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help,
                                  std::initializer_list<Label> labels) {
    return *find(name, help, Kind::counter, labels).counter;
}
Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help,
                              std::initializer_list<Label> labels) {
    return *find(name, help, Kind::gauge, labels).gauge;
}
Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                      std::initializer_list<Label> labels) {
    return *find(name, help, Kind::histogram, labels).histogram;
}
void MetricsRegistry::callback(std::string_view name, std::string_view help,
                               std::function<std::int64_t()> read) {
    find(name, help, Kind::callback, {}).read = std::move(read);
}

void MetricsRegistry::write_prometheus(std::string& out) const {
    const std::lock_guard lock(mutex_);
    constexpr std::string_view kKinds[] = {"counter", "gauge", "histogram", "gauge"};
    for (const auto& family : families_) {
        out.append("# HELP ").append(family->name).append(" ").append(family->help).append("\n");
        out.append("# TYPE ")
            .append(family->name)
            .append(" ")
            .append(kKinds[static_cast<int>(family->kind)])
            .append("\n");
        for (const auto& s : family->series) {
            if (s->counter)
                write_sample(out, family->name, "", s->labels, "",
                             std::to_string(s->counter->value()));
            if (s->gauge)
                write_sample(out, family->name, "", s->labels, "",
                             std::to_string(s->gauge->value()));
            if (s->read)
                write_sample(out, family->name, "", s->labels, "", std::to_string(s->read()));
            if (!s->histogram) continue;
            std::uint64_t total = 0;
            for (int i = 0; i <= Histogram::kBuckets; ++i) {
                total += s->histogram->buckets_[static_cast<std::size_t>(i)].load(
                    std::memory_order_relaxed);
                const std::string bound = i == Histogram::kBuckets
                                              ? "+Inf"
                                              : format_scaled(int128{kFirstBoundUs} << i, 6, 0);
                write_sample(out, family->name, "_bucket", s->labels, "le=\"" + bound + "\"",
                             std::to_string(total));
            }
            write_sample(
                out, family->name, "_sum", s->labels, "",
                format_scaled(s->histogram->sum_us_.load(std::memory_order_relaxed), 6, 0));
            write_sample(out, family->name, "_count", s->labels, "", std::to_string(total));
        }
    }
}

}  // namespace tg
