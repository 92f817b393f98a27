#pragma once
#include <memory>
#include <string_view>

#include "app/replay_engine.h"

namespace tg {

/// In the order of the customer's table; each adds one thing to the one before.
enum class ReplayStrategyKind : std::uint8_t {
    none,     ///< sends at once; a 429 is a failure
    backoff,  ///< and retries as an SDK does
    predict,  ///< and counts what it has sent in an exact window, first come, first served
    queue,    ///< and lines up in the admission queue: fair, refuses early what cannot be in time
    full,     ///< and paces the account by what the provider's headers tell, with a retry budget
};
inline constexpr ReplayStrategyKind kReplayStrategies[] = {
    ReplayStrategyKind::none, ReplayStrategyKind::backoff, ReplayStrategyKind::predict,
    ReplayStrategyKind::queue, ReplayStrategyKind::full};
std::string_view name(ReplayStrategyKind kind);

/// What a strategy is configured with: the account as the customer was told it is.
struct ReplayAccount {
    std::int64_t rpm = 0, tpm = 0;
    ReplayUpstreamSpec::Counting counting = ReplayUpstreamSpec::Counting::window;
};

std::unique_ptr<ReplayStrategy> make_replay_strategy(ReplayStrategyKind kind,
                                                     const ReplayAccount& account,
                                                     ReplayEngine* engine);

// The parts, for make_replay_strategy().
std::unique_ptr<ReplayStrategy> make_queueing_strategy(const ReplayAccount& account,
                                                       ReplayEngine* engine);
std::unique_ptr<ReplayStrategy> make_pacing_strategy(const ReplayAccount& account,
                                                     ReplayEngine* engine);

/// When an SDK tries again after the `attempts`-th try: -1 when it gives up. OpenAI's and
/// Anthropic's Python SDKs: two retries; Retry-After when it is at most a minute, else 0.5 s
/// doubled each time up to 8 s, less up to a quarter at random (openai-python, _base_client.py,
/// _calculate_retry_timeout). Source read 2026-11.
std::int64_t sdk_retry_at_us(std::int64_t now_us, int attempts, const ReplayAnswer& answer,
                             Rng* rng);

}  // namespace tg
