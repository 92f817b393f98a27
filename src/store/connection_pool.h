#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/sql.h"

namespace tg {

/// Connections to one store for many blocking threads. Opens them when needed, keeps them, drops
/// the lost ones.
class ConnectionPool {
  public:
    /// Waiting longer than this for another thread's connection is store_unavailable.
    static constexpr int kWaitMaxMs = 10'000;

    ConnectionPool(std::string url, int connections_max, int wait_max_ms = kWaitMaxMs);
    /// Every lease has ended.
    ~ConnectionPool();
    ConnectionPool(const ConnectionPool&) = delete;
    ConnectionPool& operator=(const ConnectionPool&) = delete;

    /// A connection of one thread, given back at the end. An open transaction is rolled back then.
    class Lease {
      public:
        Lease(Lease&& other) noexcept
            : pool_(std::exchange(other.pool_, nullptr)),
              connection_(std::move(other.connection_)) {}
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (pool_ != nullptr) pool_->give_back(std::move(connection_));
        }
        SqlConnection& operator*() const { return *connection_; }
        SqlConnection* operator->() const { return connection_.get(); }

      private:
        friend class ConnectionPool;
        Lease(ConnectionPool* pool, std::unique_ptr<SqlConnection> connection)
            : pool_(pool), connection_(std::move(connection)) {}
        ConnectionPool* pool_;
        std::unique_ptr<SqlConnection> connection_;
    };

    /// Thread-safe; blocks while all connections are out. Errors: as open_store(), and
    /// store_unavailable when none came back.
    Result<Lease> take();

  private:
    void give_back(std::unique_ptr<SqlConnection> connection);

    const std::string url_;
    const int connections_max_;
    const int wait_max_ms_;
    std::mutex mutex_;
    std::condition_variable is_available_;
    std::vector<std::unique_ptr<SqlConnection>> idle_;
    int leased_ = 0;
};

}  // namespace tg
