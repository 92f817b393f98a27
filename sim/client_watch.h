#pragma once
#include <cstdint>

#include "net/http_server.h"

namespace tg::sim {

/// Waits for time to pass on behalf of one call, and ends the wait when its client leaves.
class ClientWatch final : public PeerGoneListener {
  public:
    explicit ClientWatch(ServerExchange* exchange) : exchange_(exchange) {
        exchange->set_peer_gone_listener(this);
    }
    ~ClientWatch() { exchange_->set_peer_gone_listener(nullptr); }
    ClientWatch(const ClientWatch&) = delete;
    ClientWatch& operator=(const ClientWatch&) = delete;

    bool is_gone() const { return is_gone_; }
    void on_peer_gone() override;

    static constexpr std::int64_t kForever = INT64_MAX / 2;
    /// true when the time has come, false when the client has left or the loop stops. Times are
    /// Loop::now_ns(); the timer's grain is about 4 ms.
    Task<bool> pause_until(std::int64_t deadline_ns);
    Task<bool> pause_ms(std::int64_t ms) {
        return pause_until(exchange_->loop()->now_ns() + ms * 1'000'000);
    }

  private:
    ServerExchange* exchange_;
    Loop::SleepAwaiter* sleeping_ = nullptr;
    bool is_gone_ = false;
};

}  // namespace tg::sim
