#include "store/connection_pool.h"

#include <chrono>

namespace tg {

ConnectionPool::ConnectionPool(std::string url, int connections_max, int wait_max_ms)
    : url_(std::move(url)), connections_max_(connections_max), wait_max_ms_(wait_max_ms) {
    TG_ASSERT(connections_max > 0);
}

ConnectionPool::~ConnectionPool() {
    TG_ASSERT(leased_ == 0);
}

Result<ConnectionPool::Lease> ConnectionPool::take() {
    std::unique_lock lock(mutex_);
    if (!is_available_.wait_for(lock, std::chrono::milliseconds(wait_max_ms_),
                                [&] { return leased_ < connections_max_; })) {
        return fail(ErrorCode::store_unavailable, "all " + std::to_string(connections_max_) +
                                                      " connections to the store were busy for " +
                                                      std::to_string(wait_max_ms_) +
                                                      " ms; try again");
    }
    ++leased_;
    while (!idle_.empty()) {
        std::unique_ptr<SqlConnection> connection = std::move(idle_.back());
        idle_.pop_back();
        if (!connection->is_lost()) return Lease(this, std::move(connection));
    }
    lock.unlock();
    auto opened = open_store(url_);
    if (opened.ok()) return Lease(this, std::move(opened).value());
    give_back(nullptr);
    return fail(std::move(opened).error());
}

void ConnectionPool::give_back(std::unique_ptr<SqlConnection> connection) {
    if (connection != nullptr && (!connection->rollback().ok() || connection->is_lost()))
        connection.reset();
    {
        const std::lock_guard lock(mutex_);
        --leased_;
        if (connection != nullptr) idle_.push_back(std::move(connection));
    }
    is_available_.notify_one();
}

}  // namespace tg
