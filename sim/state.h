#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "sim/file_store.h"
#include "sim/knobs.h"
#include "sim/limiter.h"
#include "sim/options.h"
#include "sim/response_store.h"
#include "sim/served_log.h"
#include "sim/stats.h"
#include "sim/words.h"

namespace tg::sim {

/// none: all is well. error: every call is answered 500. reset: every call's connection is broken.
enum class Outage : std::uint8_t { none, error, reset };

/// What all loops of one simulator share. Every member is thread-safe or never changes.
struct SimState {
    SimState(SimOptions fixed, Clock* time)
        : options(std::move(fixed)),
          clock(time),
          rich(options.seed, TokenRing::Alphabet::rich),
          plain(options.seed, TokenRing::Alphabet::plain),
          limiter(options.limit_model),
          id_seed(options.seed ^ static_cast<std::uint64_t>(time->now().micros)) {}

    SimOptions options;
    Knobs knobs;
    Clock* clock;
    TokenRing rich, plain;
    Limiter limiter;
    ServedLog served;
    Stats stats;
    FileStore files;
    ResponseStore responses;
    std::atomic<Outage> outage{Outage::none};
    std::atomic<std::uint64_t> call_number{0};
    /// Closes the listening sockets for so many ms; set before any loop runs, callable from each.
    std::function<void(std::int64_t)> refuse_connections;
    std::uint64_t id_seed;  ///< ids differ between two runs of one seed, as a provider's do
};

}  // namespace tg::sim
