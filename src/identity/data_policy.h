#pragma once
#include <optional>
#include <string>
#include <vector>

namespace tg {

/// Where a project's calls may be processed and what may be kept of them. A request may narrow it
/// by headers (A5), never widen it.
struct DataPolicy {
    /// Only accounts covered by a zero-retention agreement; endpoints that must retain are refused.
    bool is_zero_retention = false;
    /// Data residency (A6): nullopt: anywhere; a list, also an empty one: nowhere else, ever.
    std::optional<std::vector<std::string>> regions{};
    /// Dedicated pool of upstream accounts (A4), which alone serves the calls; empty: the shared
    /// ones.
    std::string pool{};

    friend bool operator==(const DataPolicy&, const DataPolicy&) = default;
};

}  // namespace tg
