#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace tg::sim {

/// Answers of /v1/responses that were kept, as a provider without zero retention keeps them.
/// Thread-safe.
class ResponseStore {
  public:
    static constexpr std::size_t kResponsesMax = 10'000;

    /// The oldest one goes when there are too many.
    void put(std::string id, std::string body);
    std::optional<std::string> get(const std::string& id) const;
    bool remove(const std::string& id);
    void reset();

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::string> bodies_;
    std::deque<std::string> order_;
};

}  // namespace tg::sim
