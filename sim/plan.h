#pragma once
#include <cstdint>
#include <string_view>

#include "sim/api_request.h"
#include "sim/directives.h"
#include "sim/knobs.h"
#include "sim/usage.h"
#include "sim/words.h"

namespace tg::sim {

/// A stream of numbers that depends on its seed alone.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    std::int64_t below(std::int64_t bound) {
        return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(bound));
    }

  private:
    std::uint64_t state_;
};

/// What a call will answer and bill, decided before its first byte. Depends on seed, request and
/// directives only, never on the order of arrival.
struct Plan {
    SimUsage usage;                  ///< of the whole answer
    std::int64_t visible = 0;        ///< tokens of text, all choices together
    std::string_view finish_reason;  ///< "stop", "length", "tool_calls"
    std::string_view service_tier;   ///< as the answer states it
    std::uint64_t start = 0;         ///< where in the ring the first choice begins
    std::int64_t first_byte_ms = 0;
    std::int64_t token_interval_us = 0;

    /// Visible tokens of one of `choices` choices.
    std::int64_t share(std::int64_t choice, std::int64_t choices) const {
        return visible / choices + (choice < visible % choices ? 1 : 0);
    }
};

/// `directives` outlives the plan.
Plan make_plan(const ApiRequest& request, const Directives& directives, const Knobs& knobs,
               const TokenRing& ring);

/// The tier an answer states for the tier a request asks for.
std::string_view answered_tier(std::string_view requested);

/// The fault that the rates of `knobs` choose for call number `number`, or none (kKnobCount). One
/// draw for all kinds, so that the rates add.
std::size_t choose_fault(const Knobs& knobs, std::uint64_t seed, std::uint64_t number);
/// Writes the chosen fault into the directives and the plan; what the request asked for itself
/// wins. Where an answer breaks is drawn from within its length.
void apply_fault(std::size_t fault, const Knobs& knobs, std::uint64_t hash, Directives* directives,
                 Plan* plan);

}  // namespace tg::sim
