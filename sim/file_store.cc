#include "sim/file_store.h"

#include <algorithm>

namespace tg::sim {

void FileStore::put(StoredFile file) {
    const std::lock_guard lock(mutex_);
    if (order_.size() >= kFilesMax) {
        files_.erase(order_.front());
        order_.erase(order_.begin());
    }
    order_.push_back(file.id);
    std::string id = file.id;
    files_.insert_or_assign(std::move(id), std::move(file));
}

std::optional<StoredFile> FileStore::get(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(id);
    if (found == files_.end()) return std::nullopt;
    return found->second;
}

bool FileStore::remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    std::erase(order_, id);
    return files_.erase(id) == 1;
}

std::vector<StoredFile> FileStore::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<StoredFile> all;
    for (const std::string& id : order_) {
        const StoredFile& file = files_.at(id);
        all.push_back(
            {file.id, file.filename, file.purpose, file.bytes, file.created, file.crc32c, {}});
    }
    return all;
}

void FileStore::reset() {
    const std::lock_guard lock(mutex_);
    files_.clear();
    order_.clear();
}

}  // namespace tg::sim
