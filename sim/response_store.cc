#include "sim/response_store.h"

namespace tg::sim {

void ResponseStore::put(std::string id, std::string body) {
    const std::lock_guard lock(mutex_);
    if (order_.size() >= kResponsesMax) {
        bodies_.erase(order_.front());
        order_.pop_front();
    }
    order_.push_back(id);
    bodies_.insert_or_assign(std::move(id), std::move(body));
}

std::optional<std::string> ResponseStore::get(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = bodies_.find(id);
    if (found == bodies_.end()) return std::nullopt;
    return found->second;
}

bool ResponseStore::remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    std::erase(order_, id);
    return bodies_.erase(id) == 1;
}

void ResponseStore::reset() {
    const std::lock_guard lock(mutex_);
    bodies_.clear();
    order_.clear();
}

}  // namespace tg::sim
