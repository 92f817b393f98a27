// tollgate-load: an HTTP load with a fixed schedule, for latencies and times to the first byte, and
// a holder of many open streams. wrk, the load of the CPU benchmarks, can do neither.
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "bench/load_connection.h"
#include "bench/load_options.h"

namespace tg::load {
namespace {

std::atomic<bool> is_asked_to_stop = false;

std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Microseconds at a share of a sorted list, interpolation by nearest rank.
double percentile_us(std::vector<std::int64_t>& values, double share) {
    if (values.empty()) return 0;
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank),
                     values.end());
    return static_cast<double>(values[rank]) / 1000.0;
}

class Run {
  public:
    explicit Run(const Options* options)
        : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        for (int i = 0; i < options_->connections; ++i) {
            connections_.push_back(
                std::make_unique<Connection>(epoll_, options_->port, &options_->request));
            idle_.push_back(connections_.back().get());
        }
    }

    void run() {
        begin_ns_ = now_ns();
        next_due_ns_ = begin_ns_;
        counted_from_ns_ = begin_ns_ + seconds_ns(options_->warmup_seconds);
        const std::int64_t end_ns = counted_from_ns_ + seconds_ns(options_->seconds);
        while (!is_asked_to_stop && now_ns() < end_ns) {
            send_due();
            wait(end_ns);
        }
        end_ns_ = now_ns();
    }

    void print() {
        const double counted_s = static_cast<double>(end_ns_ - counted_from_ns_) / 1e9;
        std::printf(
            "{\"seconds\":%.3f,\"requests\":%zu,\"per_second\":%.1f,\"failed\":%zu,\"open\":%zu,",
            counted_s, latency_ns_.size(), static_cast<double>(latency_ns_.size()) / counted_s,
            failed_, streaming_);
        print_percentiles("latency_us", latency_ns_);
        print_percentiles("first_byte_us", first_byte_ns_);
        std::printf("\"statuses\":{");
        const char* comma = "";
        for (const auto& [status, count] : statuses_) {
            std::printf("%s\"%d\":%zu", comma, status, count);
            comma = ",";
        }
        std::printf("},\"faults\":{");
        comma = "";
        for (const auto& [fault, count] : faults_) {
            std::printf("%s\"%s\":%zu", comma, fault.c_str(), count);
            comma = ",";
        }
        std::printf("}}\n");
    }

  private:
    static std::int64_t seconds_ns(double seconds) {
        return static_cast<std::int64_t>(seconds * 1e9);
    }

    static void print_percentiles(const char* name, std::vector<std::int64_t>& values) {
        std::printf("\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f},", name,
                    percentile_us(values, 0.5), percentile_us(values, 0.9),
                    percentile_us(values, 0.99), percentile_us(values, 0.999));
    }

    void send_due() {
        if (options_->is_holding) {
            // A few at a time, so that opening does not overrun the server's backlog.
            for (int i = 0; i < 16 && !idle_.empty(); ++i) send_one(now_ns());
            return;
        }
        if (options_->rate <= 0) {
            while (!idle_.empty() && send_one(now_ns())) {
            }
            return;
        }
        const auto gap_ns = static_cast<std::int64_t>(1e9 / options_->rate);
        while (!idle_.empty() && next_due_ns_ <= now_ns()) {
            send_one(next_due_ns_);
            next_due_ns_ += gap_ns;
        }
    }

    bool send_one(std::int64_t due_ns) {
        Connection* connection = idle_.front();
        idle_.pop_front();
        if (connection->send(due_ns)) return true;
        count_failure(connection);
        idle_.push_back(connection);
        return false;
    }

    void count_failure(const Connection* connection) {
        failed_ += 1;
        faults_[connection->fault()] += 1;
    }

    /// Waits for answers until the next request is due.
    void wait(std::int64_t end_ns) {
        std::int64_t until_ns = end_ns;
        if (options_->rate > 0 && !idle_.empty()) until_ns = std::min(until_ns, next_due_ns_);
        if (options_->is_holding && !idle_.empty())
            until_ns = std::min(until_ns, now_ns() + 1'000'000);
        const std::int64_t left_ns = std::clamp<std::int64_t>(until_ns - now_ns(), 0, 100'000'000);
        timespec timeout{};
        timeout.tv_nsec = left_ns;
        std::array<epoll_event, 256> events;
        const int n = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                     &timeout, nullptr);
        if (n < 0 && errno != EINTR) {
            std::perror("tollgate-load: epoll_pwait2");
            std::exit(1);
        }
        const std::int64_t at = now_ns();
        for (int i = 0; i < n; ++i)
            on_event(static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr),
                     events[static_cast<std::size_t>(i)].events, at);
    }

    void on_event(Connection* connection, std::uint32_t events, std::int64_t at) {
        const bool was_busy = connection->is_busy();
        const Connection::Event event = connection->on_ready(events);
        if (event == Connection::Event::first_byte) {
            streaming_ += 1;
            first_byte(connection, at);
            report_when_all_are_open();
        }
        if (event == Connection::Event::done) {
            // A short answer begins and ends in one read.
            if (!connection->was_first_byte_seen()) first_byte(connection, at);
            if (at >= counted_from_ns_) {
                latency_ns_.push_back(at - connection->due_ns());
                statuses_[connection->status()] += 1;
            }
        }
        if (event == Connection::Event::failed) count_failure(connection);
        // A holder's answered connection stays as it is: it has done its part.
        const bool is_over = event == Connection::Event::done || event == Connection::Event::failed;
        if (was_busy && is_over && !options_->is_holding) idle_.push_back(connection);
    }

    void first_byte(const Connection* connection, std::int64_t at) {
        if (at >= counted_from_ns_) first_byte_ns_.push_back(at - connection->due_ns());
    }

    /// Tells whoever started a holder that every stream has begun.
    void report_when_all_are_open() const {
        if (options_->is_holding && streaming_ == connections_.size()) {
            std::printf("open %zu\n", streaming_);
            std::fflush(stdout);
        }
    }

    const Options* options_;
    int epoll_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::deque<Connection*> idle_;
    std::int64_t begin_ns_ = 0;
    std::int64_t counted_from_ns_ = 0;
    std::int64_t end_ns_ = 0;
    std::int64_t next_due_ns_ = 0;
    std::vector<std::int64_t> latency_ns_;
    std::vector<std::int64_t> first_byte_ns_;
    std::map<int, std::size_t> statuses_;
    std::map<std::string, std::size_t> faults_;
    std::size_t failed_ = 0;
    std::size_t streaming_ = 0;
};

void raise_descriptor_limit(int connections) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto wanted = static_cast<rlim_t>(connections) + 64;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = wanted;
    limit.rlim_max = std::max(limit.rlim_max, wanted);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        std::perror("tollgate-load: cannot open that many connections (ulimit -n)");
        std::exit(1);
    }
}

int load_main(int argc, char** argv) {
    const Options options = parse_options(argc, argv);
    raise_descriptor_limit(options.connections);
    std::signal(SIGTERM, [](int) { is_asked_to_stop = true; });
    std::signal(SIGINT, [](int) { is_asked_to_stop = true; });
    Run run(&options);
    run.run();
    run.print();
    return 0;
}

}  // namespace
}  // namespace tg::load

int main(int argc, char** argv) {
    return tg::load::load_main(argc, argv);
}
