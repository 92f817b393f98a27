#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "admission/admission_types.h"

namespace tg {

namespace admission_internal {
class AdmissionState;
}

/// Admission control as one state machine in virtual time: no clock, no I/O, no waiting inside.
///
/// `now_us` is any clock that does not go back, in microseconds (calls from several threads may be
/// slightly out of order: an earlier time counts as the latest one seen). A request names its
/// levels and gets all of them or none, in one step. A request that does not fit waits in line
/// (see admission_types.h) or is refused with the time at which it may come back.
///
/// Any call may admit or refuse requests that wait: collect those with poll() whenever
/// has_outcomes(), and at next_event_us().
///
/// Cost: reserve() and settle() of a request that does not wait are O(levels), without allocation
/// once each level has seen its usual load. With a line, each call that frees capacity looks at the
/// next kTriesMax flows of the line.
///
/// Not synchronised: see Admission. Misuse (a ticket used after its end) aborts.
class AdmissionCore {
  public:
    explicit AdmissionCore(const AdmissionOptions& options = {});
    ~AdmissionCore();
    AdmissionCore(const AdmissionCore&) = delete;
    AdmissionCore& operator=(const AdmissionCore&) = delete;

    /// The handle of a level, made with these limits when it is new.
    LevelHandle intern(LevelId level, const Limits& limits_if_new = {});
    /// Changes limits at once: what the window holds counts against the new ones. Lowered ones may
    /// break promises that were made before; those clients are first in line instead.
    void set_limits(LevelHandle level, const Limits& limits, std::int64_t now_us);
    const Limits& limits(LevelHandle level) const;
    /// Forgets an idle level; false when it is in use. The handle is invalid afterwards.
    bool forget(LevelHandle level, std::int64_t now_us);

    /// Takes all, waits or is refused. Fails closed: no level is left out or shrunk to fit.
    Decision reserve(const AdmissionRequest& request, std::int64_t now_us);
    /// The call has ended and used `actual`: this replaces what was reserved, in the window of the
    /// time of the reservation, and frees the slots. More than was reserved counts too.
    void settle(Ticket ticket, const Amounts& actual, std::int64_t now_us);
    /// Nothing was sent: as if it had never been.
    void release(Ticket ticket, std::int64_t now_us);

    enum class Cancelled : std::uint8_t {
        waiting,   ///< it left the line
        admitted,  ///< admitted meanwhile: released
        ended,     ///< refused meanwhile, nothing to do
    };
    /// The client has left. Drops an outcome of this ticket that poll() has not handed out yet.
    Cancelled cancel(Ticket ticket, std::int64_t now_us);

    /// Appends what became of queued requests until now.
    void poll(std::int64_t now_us, std::vector<WaitOutcome>* outcomes);
    bool has_outcomes() const;
    /// When to call poll() next if nothing else happens; INT64_MAX: never. At most the present when
    /// outcomes wait.
    std::int64_t next_event_us();

    // --- A fleet's shares, for the driver; only with AdmissionOptions::is_fleet. ---

    /// Levels of which a request needs more than this process's share, each once until it is
    /// reported.
    std::vector<FleetWant> take_share_wants();
    bool has_share_wants() const;
    FleetReport fleet_report(LevelHandle level, std::int64_t now_us);
    /// What this process may use of the level from now on. A share below what is used is right: it
    /// admits nothing until enough has left the window.
    void set_share(LevelHandle level, const FleetShare& share, std::int64_t now_us);
    /// The driver no longer holds anything of it. The next request asks anew.
    void drop_share(LevelHandle level, std::int64_t now_us);
    /// After `until_us` all shares are nothing, whoever asks: until then nobody else was given
    /// them.
    void set_shares_until(std::int64_t until_us);

    /// The tightest of these levels, as of now.
    RateStatus rate_status(std::span<const LevelHandle> levels, std::int64_t now_us);
    /// Used of `kind` at `now_us`; for metrics and tests. Without what is held for others.
    std::int64_t used(LevelHandle level, LimitKind kind, std::int64_t now_us);
    /// Requests that wait and name this level.
    std::uint32_t waiting(LevelHandle level) const;
    AdmissionCounts counts() const;

  private:
    std::unique_ptr<admission_internal::AdmissionState> state_;
};

}  // namespace tg
