#pragma once
#include <cstdint>
#include <limits>

#include "gateway/minute_window.h"
#include "gateway/pacer_options.h"
#include "gateway/rate_limit_headers.h"

namespace tg {

inline constexpr std::int64_t kNeverNs = std::numeric_limits<std::int64_t>::max();

/// A bucket that fills by what is sent and drains with time; the mirror of the provider's tokens.
class LeakyLevel {
  public:
    double at(std::int64_t now_ns, double per_ns) const;
    void add(std::int64_t now_ns, double amount, double per_ns);
    /// When `amount` fits below `depth`; one that is larger than the depth needs it empty.
    std::int64_t earliest(std::int64_t now_ns, double amount, double depth, double per_ns) const;
    /// Full until `until_ns`, and draining from then on.
    void fill_until(std::int64_t until_ns, double depth);

  private:
    double level_ = 0;
    std::int64_t at_ns_ = 0;
};

/// What one call took from one meter; part of its ticket.
struct MeterMark {
    std::int64_t amount = 0;
    std::int64_t slot = 0;
    std::int64_t used_after =
        0;  ///< what the provider should count with it; see PacerMeter::used()
};

/// One per-minute limit of one account: what may be sent when, and what is believed of the limit.
///
/// Three conditions hold at once, and each is monotone in time, so the earliest start is their
/// latest: the minute (window + what others use; with PacerCounting::bucket: level + what others
/// use), the burst (a bucket of burst_s), the peak rate.
///
/// Learning:
/// - The limit told by headers lowers the limit at once; a higher one is climbed at 1 % a second.
/// - `limit - remaining` is the provider's use of the minute. What it exceeds our window by belongs
///   to other consumers, to the provider's own way of counting, or to a process before us: it is
///   added to the window as `excess`, quickly upwards, slowly downwards, fading without news. A
///   provider that keeps a bucket tells less than the window holds, and nothing is learned. The sum
///   is held below what the headers say the account has, our window below our own limit too: what
///   is configured may be one process's share.
/// - A 429 that headers do not explain lowers the burst depth by 40 % where the minute was not
/// nearly
///   full, else, and when it comes again soon, our share of the limit by 7 %. The share climbs back
///   on CUBIC's curve (RFC 9438 section 4.2): flat around the level that failed, then steeper.
/// - After a 429 sending resumes at the limit's rate, without a burst.
/// - While more is waiting than the minute holds, the peak rate is catch_up_factor: else the burst
///   that filled the window would return every minute, as soon as it leaves it.
///
/// Not thread-safe; times as in MinuteWindow.
class PacerMeter {
  public:
    PacerMeter(const PacerOptions& options, std::int64_t configured_limit);

    /// The owner's limit changes: another share of the account, an edited configuration.
    void configure(std::int64_t configured_limit) { configured_ = configured_limit; }
    /// Of the limit, what this process of a fleet may use, in units; kNoFleet: all of it.
    void set_fleet_share(std::int64_t units) { fleet_share_ = units; }
    static constexpr std::int64_t kNoFleet = -1;
    /// The limit that is shared: configured or told, without our doubts. 0: none.
    std::int64_t shared_limit(std::int64_t now_ns) const {
        return static_cast<std::int64_t>(base_limit(now_ns));
    }
    /// What of the minute's use will still count at `later_ns`.
    std::int64_t used_at(std::int64_t now_ns, std::int64_t later_ns) {
        return window_.used_at(now_ns, later_ns);
    }
    std::int64_t window_used(std::int64_t now_ns) { return window_.used(now_ns); }
    bool is_limited() const { return configured_ > 0 || told_target_ > 0; }
    /// The limit believed now, 0: none.
    double limit(std::int64_t now_ns) const;
    /// No wait makes room for `amount`.
    bool is_too_large(std::int64_t now_ns, std::int64_t amount) const;

    std::int64_t earliest(std::int64_t now_ns, std::int64_t amount);
    MeterMark take(std::int64_t now_ns, std::int64_t amount);
    void give_back(std::int64_t now_ns, MeterMark* mark, std::int64_t amount);

    /// An answer's headers. `sent_ns`: when the call was sent; `was_counted`: not refused.
    void learn(std::int64_t now_ns, std::int64_t sent_ns, const MeterMark& mark,
               const MeterReport& report, bool was_counted);
    /// The headers of a refusal say by themselves that this meter had no room for `mark`.
    static bool explains(const MeterReport& report, const MeterMark& mark) {
        return report.remaining >= 0 && report.remaining < mark.amount;
    }
    /// A 429 that is put down to this meter and that its headers do not explain.
    void back_off(std::int64_t now_ns, std::int64_t sent_ns, const MeterMark& mark,
                  bool has_headroom_told);
    /// The account is blocked until then: no burst afterwards.
    void drain_from(std::int64_t until_ns, std::int64_t now_ns);

    double fill(std::int64_t now_ns, const MeterMark& mark) const;
    /// What the provider should count as used now, by what we sent: of the window, or of the
    /// bucket.
    std::int64_t used(std::int64_t now_ns);
    double excess(std::int64_t now_ns) const;
    /// Of the limit, what could be sent now as far as the minute goes.
    double remaining_share(std::int64_t now_ns);
    double share(std::int64_t now_ns) const;
    double burst_s(std::int64_t now_ns) const;

  private:
    void learn_limit(std::int64_t now_ns, std::int64_t sent_ns, std::int64_t told);
    double base_limit(std::int64_t now_ns) const;
    double told_limit(std::int64_t now_ns) const;
    /// What the window may hold, in units.
    double cap(std::int64_t now_ns) const;
    /// What it may hold together with what others use of the same account.
    double account_cap(std::int64_t now_ns) const;
    static double whole(double units);
    /// The limit, or our share of it in a fleet.
    double own_limit(std::int64_t now_ns) const;
    double rate_per_ns(std::int64_t now_ns) const;
    double peak_factor() const;
    std::int64_t earliest_in_minute(std::int64_t now_ns, double amount);
    bool is_bucket() const { return options_.counting == PacerCounting::bucket; }

    const PacerOptions options_;
    std::int64_t configured_;
    std::int64_t fleet_share_ = kNoFleet;
    MinuteWindow window_;
    LeakyLevel burst_, peak_;
    bool is_backlogged_ = false;
    std::int64_t waits_until_ns_ = 0;  ///< the last start that a call had to wait for

    std::int64_t told_target_ = 0, told_at_ns_ = 0, told_sent_ns_ = -1;
    double told_from_ = 0;
    double excess_ = 0;
    std::int64_t excess_at_ns_ = 0, newest_sent_ns_ = -1;
    // Our share of the limit: share_top_ is where it was when it fell to share_low_.
    double share_top_ = 1, share_low_ = 1;
    std::int64_t fell_at_ns_ = -1;
    double burst_low_s_;
    std::int64_t burst_fell_at_ns_ = -1;
};

}  // namespace tg
