#pragma once
#include <array>
#include <memory>
#include <string>

#include "gateway/internal/call.h"
#include "gateway/internal/limit_wait.h"
#include "gateway/internal/upstream_try.h"

namespace tg {

/// A call and, when it is slow, a second one for it at another deployment. Kept alive by the call
/// and by both tries: the loser goes on for a while after the call has ended, to learn what it
/// costs.
struct HedgeRace {
    explicit HedgeRace(Loop* loop) : changed(loop) {}

    struct Side {
        UpstreamTry attempt;
        Status status;
        bool is_started = false, is_done = false;
        bool is_answer() const { return is_started && is_done && status.ok() && !attempt.is_lost; }
    };
    WakeableSleep changed;
    std::array<Side, 2> sides;
    std::string body;  ///< of the request: the exchange's may end before the loser has sent it
    /// The books of the try that loses: a call of its own, with its own reservation and event.
    std::unique_ptr<Call> loser;
};

}  // namespace tg
