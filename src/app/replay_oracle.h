#pragma once
#include "app/replay_engine.h"

namespace tg {

struct ReplaySchedule {
    ReplayResult result;
    std::vector<std::pair<std::int64_t, std::uint32_t>> sends;  ///< times and requests, in order
};

/// What nobody can beat, and what somebody who knows the future reaches. Both know sizes, arrivals,
/// cuts and the other consumer, have the same deadline and no delay on the way.
struct ReplayOracle {
    /// A schedule that the upstream accepts without a single 429: requests in order of arrival,
    /// each at the first moment at which it fits; when one would be too late, the largest request
    /// that keeps it out is left out instead, if that is larger. It serves the most requests by
    /// sacrificing large ones.
    ReplaySchedule schedule;
    /// The same without looking at size: who would be too late is left out. What perfect knowledge
    /// is worth to a gateway that treats large and small alike.
    ReplaySchedule in_order;
    /// No schedule serves more requests than this.
    std::int64_t served_max = 0;
};

/// The bound (`served_max`). Served requests consume the account's limit like jobs a machine that
/// works at the limit's rate: a bucket accepts a request at t when the work before it, its own
/// included, is done by t + one minute; an exact window never accepts what such a bucket would
/// refuse (within k minutes and a part it holds k + 1 limits at most, the bucket k + 1 and the
/// part's refill). So every schedule is one of a single machine with release times (arrival) and
/// due times (deadline + a minute), both in order of arrival. Cut that order into blocks anywhere
/// and let all requests of a block be released at its beginning: this only helps, and then Moore
/// and Hodgson's rule (in order of due times; when one is late, drop the largest so far) leaves out
/// the fewest possible (Moore 1968, "An n job, one machine sequencing algorithm"). Requests and
/// tokens are bounded one by one; the smaller bound counts. With another consumer it is a bound up
/// to what that one takes in a minute, since its bursts count against the limit even when full.
/// O(n log n). Requests of the trace are in order of arrival.
ReplayOracle run_oracle(const ReplayTrace& trace, const ReplayUpstreamSpec& upstream,
                        std::int64_t deadline_us);

}  // namespace tg
