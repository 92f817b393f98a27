#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "admission/test_simulation.h"
#include "base/rng.h"

namespace tg::test {

/// Ten customers share one account in virtual time; nine send their share (all together 80 % of
/// the account with the tenth), the tenth `flood_factor` times its own.
struct FloodOptions {
    std::int64_t flood_factor = 1;
    std::uint64_t seed = 1;
    std::int64_t minutes = 10;
    std::int64_t reserve_factor = 1;  ///< output reserved for each token that is used
    bool is_idle_before = false;      ///< the flood finds an idle account, not one in full use
};

struct FloodFigures {
    std::int64_t others_p99_us = 0;  ///< of the time from arrival to the end of the call
    std::int64_t others_p99_wait_us = 0;
    std::uint64_t others_refused = 0;
    std::uint64_t others_served = 0;
    std::int64_t account_used_per_mille = 0;  ///< tokens served of what the limit allows
};

class Flood {
  public:
    explicit Flood(const FloodOptions& options) : options_(options), rng_(options.seed) {
        account_ = world_.core().intern({LevelKind::account, 0}, {.total_tokens = kLimit});
        for (std::uint64_t c = 0; c < kCustomers; ++c) {
            customers_[c] = world_.core().intern({LevelKind::customer, c});
            keys_[c] = world_.core().intern({LevelKind::key, c});
        }
    }

    FloodFigures run() {
        for (std::uint64_t c = 0; c < kCustomers; ++c) schedule(c);
        end_us_ = start_us() + options_.minutes * kMinute;
        world_.run_until(end_us_ + 5 * kMinute);
        std::ranges::sort(times_us_);
        std::ranges::sort(waits_us_);
        figures_.others_served = times_us_.size();
        figures_.others_p99_us = times_us_[times_us_.size() * 99 / 100];
        figures_.others_p99_wait_us = waits_us_[waits_us_.size() * 99 / 100];
        figures_.account_used_per_mille = 1000 * tokens_ / (kLimit * options_.minutes);
        return figures_;
    }

  private:
    static constexpr std::int64_t kSecond = 1'000'000;
    static constexpr std::int64_t kMinute = 60 * kSecond;
    static constexpr std::uint64_t kCustomers = 10;
    static constexpr std::int64_t kLimit = 2'000'000;
    static constexpr std::int64_t kMeanTokens = 1'100;

    std::int64_t below(std::int64_t n) {
        return static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(n)));
    }
    std::int64_t start_us() const { return options_.is_idle_before ? 0 : 2 * kMinute; }

    void schedule(std::uint64_t customer) {
        // Uniform gaps around the mean; the share is 8 % of the limit.
        const std::int64_t mean_us = kMinute * kMeanTokens / (kLimit * 8 / 100);
        const bool is_flooding = customer == 0 && world_.now_us >= start_us();
        const std::int64_t gap_us = is_flooding ? mean_us / options_.flood_factor : mean_us;
        world_.after(below(2 * gap_us) + 1, [this, customer] {
            if (world_.now_us >= end_us_) return;
            send(customer);
            schedule(customer);
        });
    }

    void send(std::uint64_t customer) {
        const Amounts amounts{1, 100 + below(1'000), 100 + below(900)};
        const std::int64_t sent_us = world_.now_us;
        const bool is_measured = sent_us >= start_us();
        Amounts reserved = amounts;
        reserved.output_tokens *= options_.reserve_factor;
        world_.send({.levels = std::array{keys_[customer], customers_[customer], account_},
                     .amounts = reserved,
                     .customer = customer,
                     .flow = customer,
                     .max_wait_us = kMinute},
                    [this, customer, amounts, sent_us, is_measured](const WaitOutcome& outcome) {
                        if (!outcome.is_admitted) {
                            if (customer != 0 && is_measured) ++figures_.others_refused;
                            return;
                        }
                        if (world_.now_us >= start_us() && world_.now_us < end_us_)
                            tokens_ += amounts.total_tokens();
                        const std::int64_t call_us = kSecond / 2 + below(3 * kSecond);
                        if (customer != 0 && is_measured) {
                            waits_us_.push_back(world_.now_us - sent_us);
                            times_us_.push_back(world_.now_us - sent_us + call_us);
                        }
                        world_.after(call_us, [this, ticket = outcome.ticket, amounts] {
                            world_.core().settle(ticket, amounts, world_.now_us);
                        });
                    });
    }

    FloodOptions options_;
    Rng rng_;
    Simulation world_;
    LevelHandle account_;
    std::array<LevelHandle, kCustomers> customers_;
    std::array<LevelHandle, kCustomers> keys_;
    std::int64_t end_us_ = 0;
    std::int64_t tokens_ = 0;
    std::vector<std::int64_t> times_us_;
    std::vector<std::int64_t> waits_us_;
    FloodFigures figures_;
};

inline FloodFigures flood(const FloodOptions& options) {
    return Flood(options).run();
}

}  // namespace tg::test
