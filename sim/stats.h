#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "sim/usage.h"

namespace tg::sim {

/// Counts since start or /sim/reset. Thread-safe; each number is exact by itself.
struct Stats {
    using Number = std::atomic<std::uint64_t>;
    Number calls, streams, complete, cut, client_gone, events, body_bytes;
    Number prompt_tokens, completion_tokens, cached_tokens;
    std::atomic<std::int64_t> in_flight;
    std::array<Number, 600> by_status;

    static void add(Number& number, std::uint64_t n = 1) {
        number.fetch_add(n, std::memory_order_relaxed);
    }
    void add_usage(const SimUsage& usage) {
        add(prompt_tokens, static_cast<std::uint64_t>(usage.prompt));
        add(completion_tokens, static_cast<std::uint64_t>(usage.completion));
        add(cached_tokens, static_cast<std::uint64_t>(usage.cached));
    }
    void reset();
    std::string json() const;
};

}  // namespace tg::sim
