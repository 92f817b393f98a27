#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tg {

/// A number that only grows. Relaxed: exact in the end, cheap on the way.
class Counter {
  public:
    void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

class Gauge {
  public:
    void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
    void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
    std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::int64_t> value_{0};
};

/// Durations in microseconds, exported in seconds. Bucket bounds double from 50 us to 105 s.
class Histogram {
  public:
    static constexpr int kBuckets = 22;
    void observe_us(std::int64_t us);
    std::uint64_t count() const;

  private:
    friend class MetricsRegistry;
    std::array<std::atomic<std::uint64_t>, kBuckets + 1> buckets_{};
    std::atomic<std::uint64_t> sum_us_{0};
};

struct Label {
    std::string_view name;
    std::string_view value;
};

/// Owns every metric of the process and writes them in the Prometheus text format 0.0.4.
/// Registration takes a lock and returns a reference that lives as long as the registry: look up
/// once, keep it.
class MetricsRegistry {
  public:
    Counter& counter(std::string_view name, std::string_view help,
                     std::initializer_list<Label> labels = {});
    Gauge& gauge(std::string_view name, std::string_view help,
                 std::initializer_list<Label> labels = {});
    Histogram& histogram(std::string_view name, std::string_view help,
                         std::initializer_list<Label> labels = {});
    /// A gauge computed when it is read.
    void callback(std::string_view name, std::string_view help, std::function<std::int64_t()> read);
    void write_prometheus(std::string& out) const;

  private:
    enum class Kind : std::uint8_t { counter, gauge, histogram, callback };
    struct Series {
        std::string labels;  // 'a="b",c="d"' without braces
        std::unique_ptr<Counter> counter;
        std::unique_ptr<Gauge> gauge;
        std::unique_ptr<Histogram> histogram;
        std::function<std::int64_t()> read;
    };
    struct Family {
        std::string name, help;
        Kind kind;
        std::vector<std::unique_ptr<Series>> series;
    };
    Series& find(std::string_view name, std::string_view help, Kind kind,
                 std::initializer_list<Label> labels);

    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Family>> families_;
};

}  // namespace tg
