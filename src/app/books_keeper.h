#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "app/config.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/sql.h"

namespace tg {

/// What was done for the books that nobody has to ask for.
struct KeptBooks {
    std::int64_t drafted = 0, overdue = 0, problems = 0;
    std::int64_t sealed = 0;  ///< leaves of the proof log that a signed head covers now
};
/// Drafts the bills of months that have ended in their customers' zones, moves unpaid debts after
/// their due date to overdue, and seals the books. May be done at any time, by any number of
/// processes. Errors: those of the store, io_error (the proof key).
Result<KeptBooks> keep_books(SqlConnection& store, const Config& config, UtcMicros now);

/// Does so every hour, on a thread and a connection of its own.
class BooksKeeper {
  public:
    explicit BooksKeeper(const Config& config) : config_(config) {}
    ~BooksKeeper() { stop(); }
    BooksKeeper(const BooksKeeper&) = delete;
    BooksKeeper& operator=(const BooksKeeper&) = delete;

    void start();
    void stop();

  private:
    void run();
    /// False when it has to stop.
    bool sleep(std::chrono::minutes time);
    Status keep();

    const Config config_;
    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool is_stopping_ = false;
};

}  // namespace tg
