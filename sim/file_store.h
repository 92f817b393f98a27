#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tg::sim {

/// An uploaded file. Content of more than FileStore::kKeptBytes is counted and forgotten.
struct StoredFile {
    std::string id, filename, purpose;
    std::int64_t bytes = 0, created = 0;
    std::uint32_t crc32c = 0;
    std::string content;
};

/// Thread-safe.
class FileStore {
  public:
    static constexpr std::size_t kKeptBytes = 1 << 20;
    static constexpr std::size_t kFilesMax = 10'000;

    /// The oldest file goes when there are too many.
    void put(StoredFile file);
    std::optional<StoredFile> get(const std::string& id) const;
    bool remove(const std::string& id);
    std::vector<StoredFile> list() const;  ///< without content
    void reset();

  private:
    mutable std::mutex mutex_;
    std::map<std::string, StoredFile> files_;
    std::vector<std::string> order_;
};

}  // namespace tg::sim
