#pragma once
#include <utility>

#include "store/sql.h"

namespace tg {

/// All reads of a connection see the store as of one moment, while others go on writing. Ends the
/// transaction it began.
class ReadSnapshot {
  public:
    /// Errors: those of the store.
    static Result<ReadSnapshot> begin(SqlConnection& store) {
        TG_CHECK_OK(store.execute_script(store.dialect() == Dialect::postgres
                                             ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                                             : "BEGIN"));
        return ReadSnapshot(store);
    }
    ReadSnapshot(ReadSnapshot&& other) noexcept : store_(std::exchange(other.store_, nullptr)) {}
    ReadSnapshot& operator=(ReadSnapshot&& other) noexcept {
        std::swap(store_, other.store_);
        return *this;
    }
    ~ReadSnapshot() {
        if (store_ != nullptr) (void)store_->execute_script("ROLLBACK").ok();
    }

  private:
    explicit ReadSnapshot(SqlConnection& store) : store_(&store) {}
    SqlConnection* store_;
};

}  // namespace tg
