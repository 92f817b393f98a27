#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "sim/options.h"
#include "sim/state.h"

namespace tg::sim {

/// The simulator: its loops, each on a thread of its own, and what they share.
class SimServer {
  public:
    /// `clock` outlives it; it times limits and records, while waits run on real time.
    SimServer(SimOptions options, Clock* clock);
    ~SimServer();  ///< stops
    SimServer(const SimServer&) = delete;
    SimServer& operator=(const SimServer&) = delete;

    /// Listens and serves until stop(). Errors: io_error (address), invalid_config (certificate),
    /// both naming what it was.
    Status start();
    /// Breaks off what is being answered, ends the threads, flushes the served log. Idempotent.
    void stop();

    std::uint16_t port() const { return port_; }
    SimState& state() { return state_; }

  private:
    class Worker;
    SimState state_;
    std::uint16_t port_ = 0;
    std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace tg::sim
