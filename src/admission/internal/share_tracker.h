#pragma once
#include <algorithm>
#include <cstdint>
#include <unordered_map>

namespace tg::admission_internal {

/// Who has taken how much of a shared level lately: sums that are halved every half window. Only
/// compared with each other.
class ShareTracker {
  public:
    void add(std::uint64_t customer, std::int64_t tokens, std::int64_t epoch) {
        decay(epoch);
        tokens_[customer] += tokens;
        sum_ += tokens;
    }
    /// Has the customer taken more than the average of those who have taken anything?
    bool is_above_average(std::uint64_t customer) const {
        const auto at = tokens_.find(customer);
        return at != tokens_.end() && at->second * static_cast<std::int64_t>(tokens_.size()) > sum_;
    }

  private:
    void decay(std::int64_t epoch) {
        if (epoch == epoch_) return;
        const std::int64_t halvings = std::min<std::int64_t>(epoch - epoch_, 62);
        epoch_ = epoch;
        sum_ = 0;
        for (auto at = tokens_.begin(); at != tokens_.end();) {
            at->second >>= halvings;
            sum_ += at->second;
            at = at->second == 0 ? tokens_.erase(at) : std::next(at);
        }
    }

    std::unordered_map<std::uint64_t, std::int64_t> tokens_;
    std::int64_t sum_ = 0;
    std::int64_t epoch_ = 0;
};

}  // namespace tg::admission_internal
