#pragma once
#include <memory>
#include <mutex>

#include "base/snapshot.h"
#include "identity/directory.h"

namespace tg {

class SqlConnection;

/// Everything of the store in one statement, so that it belongs to one version. Blocking.
/// Errors: store_unavailable, corrupt_data naming the row.
Result<std::shared_ptr<const Directory>> load_directory(SqlConnection& connection);

/// The directory that requests see, and its renewal. Thread-safe.
class DirectoryHolder {
  public:
    /// Starts with an empty directory, which knows no key.
    DirectoryHolder();

    /// A few nanoseconds; keep it to the request's end.
    std::shared_ptr<const Directory> get() const { return current_.get(); }
    void publish(std::shared_ptr<const Directory> next);

    /// Loads and publishes when the store's version differs from the published one; tells whether
    /// it did. Called after each change in this process, and every 200 ms from a background thread
    /// for the changes of other processes. Blocking. On an error the published directory stays.
    /// Errors: as load_directory().
    Result<bool> refresh(SqlConnection& connection);

  private:
    std::mutex refresh_mutex_;
    Snapshot<Directory> current_;
};

}  // namespace tg
