#include "admission/internal/level.h"

#include <algorithm>

#include "base/check.h"

namespace tg::admission_internal {

LevelLine& Level::ensure_line() {
    if (!line_) line_ = std::make_unique<LevelLine>();
    return *line_;
}

void Level::drop_idle() {
    if (line_ && line_->is_idle()) line_.reset();
    shares_.reset();
}

void Level::set_limits(const Limits& limits) {
    if (!fleet_) {
        limits_ = limits;
        return;
    }
    const Limits share = limits_;
    fleet_->whole = limits;
    // Of a kind that has just got a limit nothing is held yet.
    set_share({share.requests == kUnlimited ? 0 : share.requests,
               share.input_tokens == kUnlimited ? 0 : share.input_tokens,
               share.output_tokens == kUnlimited ? 0 : share.output_tokens,
               share.total_tokens == kUnlimited ? 0 : share.total_tokens,
               share.concurrency == kUnlimited ? 0 : share.concurrency});
    fleet_->is_final = false;
}

void Level::set_share(const Limits& share) {
    const auto part = [](std::int64_t of, std::int64_t whole) {
        return whole == kUnlimited
                   ? kUnlimited
                   : std::clamp<std::int64_t>(of, 0, std::max<std::int64_t>(whole, 0));
    };
    const Limits& whole = fleet_->whole;
    limits_ = {part(share.requests, whole.requests), part(share.input_tokens, whole.input_tokens),
               part(share.output_tokens, whole.output_tokens),
               part(share.total_tokens, whole.total_tokens),
               part(share.concurrency, whole.concurrency)};
}

FleetReport Level::report(std::int64_t tick, std::int64_t span) const {
    FleetReport out{.limits = limits(), .share = limits_};
    out.used = fleet_amounts(window_.used(), in_flight_);
    out.unsettled =
        fleet_amounts({in_flight_, unsettled_input_tokens_, unsettled_output_tokens_}, in_flight_);
    if (line_)
        out.waiting = fleet_amounts(line_->waiting_amounts + line_->promised, line_->waiting);
    for (int i = 0; i < kFleetSteps; ++i) {
        // What is still there a step later; the last step is the whole window.
        const std::int64_t later = tick + (i + 1) * span / kFleetSteps;
        out.leaving[static_cast<std::size_t>(i)] =
            i + 1 == kFleetSteps ? FleetAmounts{} : fleet_amounts(window_.used_at(later, span), 0);
    }
    return out;
}

void Level::track(std::uint64_t customer, std::int64_t tokens, std::int64_t tick,
                  std::int64_t span) {
    if (!shares_) {
        if (!first_above(limits_, window_.used() + window_.used())) return;
        shares_ = std::make_unique<ShareTracker>();
    }
    shares_->add(customer, tokens, tick / (span / 2 + 1));
}

Amounts Level::with_guard(const Amounts& amounts, std::int32_t guard_per_mille) const {
    const auto guarded = [guard_per_mille](std::int64_t limit, std::int64_t amount) {
        if (limit == kUnlimited || limit <= amount) return amount;
        return amount + std::min(limit - amount, limit / 1000 * guard_per_mille);
    };
    Amounts needed{guarded(limits_.requests, amounts.requests),
                   guarded(limits_.input_tokens, amounts.input_tokens),
                   guarded(limits_.output_tokens, amounts.output_tokens)};
    // The guard of total tokens goes where no other kind is limited.
    const std::int64_t total = guarded(limits_.total_tokens, amounts.total_tokens());
    const std::int64_t more = total - needed.total_tokens();
    if (more > 0 && limits_.output_tokens == kUnlimited)
        needed.output_tokens += more;
    else if (more > 0 && limits_.input_tokens == kUnlimited)
        needed.input_tokens += more;
    if (first_above(limits_, needed)) return amounts;
    return needed;
}

std::optional<LimitKind> Level::blocks_with_bookings(const Amounts& amounts, std::int64_t tick,
                                                     std::int64_t span) const {
    const std::vector<Booking>& bookings = line_->bookings;
    Amounts held = kNoAmounts;
    std::int64_t slots = in_flight_ + 1;
    std::size_t i = 0;
    for (; i < bookings.size() && bookings[i].tick <= tick; ++i) {
        held += bookings[i].amounts;
        ++slots;
    }
    if (const auto kind = first_above(limits_, window_.used() + held + amounts)) return kind;
    for (; i < bookings.size(); ++i) {
        const Booking& later = bookings[i];
        held += later.amounts;
        if (later.holds_slot) ++slots;
        if (later.tick - tick > span) continue;  // what is taken now has gone by then
        if (const auto kind = first_above(limits_, later.surviving + held + amounts)) return kind;
    }
    if (slots > limits_.concurrency) return LimitKind::concurrency;
    return std::nullopt;
}

std::optional<LimitKind> Level::blocks_booked(const Amounts& amounts, std::uint32_t owner) const {
    TG_ASSERT(line_ != nullptr);
    Amounts sum = window_.used() + amounts;
    std::int64_t slots = in_flight_ + 1;
    for (const Booking& booking : line_->bookings) {
        if (booking.owner == owner) break;
        sum += booking.amounts;
        ++slots;
    }
    if (const auto kind = first_above(limits_, sum)) return kind;
    if (slots > limits_.concurrency) return LimitKind::concurrency;
    return std::nullopt;
}

std::uint32_t Level::take(const Amounts& amounts, std::int64_t tick, std::int64_t span) {
    ++in_flight_;
    unsettled_output_tokens_ += amounts.output_tokens;
    unsettled_input_tokens_ += amounts.input_tokens;
    if (line_) {
        for (Booking& booking : line_->bookings)
            if (booking.tick - tick <= span) booking.surviving += amounts;
    }
    return window_.add(tick, amounts);
}

void Level::give_back(std::uint32_t sequence, std::int64_t taken_tick, const Amounts& reserved,
                      const Amounts& actual, std::int64_t tick, std::int64_t span) {
    TG_ASSERT(in_flight_ > 0);
    --in_flight_;
    unsettled_output_tokens_ -= reserved.output_tokens;
    unsettled_input_tokens_ -= reserved.input_tokens;
    if (tick - taken_tick > span || reserved == actual) return;
    const Amounts change = actual - reserved;
    window_.correct(sequence, taken_tick, change);
    if (!line_) return;
    for (Booking& booking : line_->bookings)
        if (booking.tick - taken_tick <= span) booking.surviving += change;
}

void Level::learn(std::int64_t held_ticks, std::int64_t output_used_per_mille) {
    // Moving averages over about 16 calls: they only steer who waits and who is refused.
    constexpr std::int64_t kShare = 16;
    held_ticks_ += held_ticks_ == 0 ? held_ticks : (held_ticks - held_ticks_) / kShare;
    if (output_used_per_mille == kNothingReserved) return;
    output_used_per_mille_ +=
        static_cast<std::int32_t>((output_used_per_mille - output_used_per_mille_) / kShare);
}

Relief Level::relief() const {
    return {unsettled_output_tokens_ / 1000 * (1000 - output_used_per_mille_), held_ticks_};
}

std::optional<std::int64_t> Level::first_free_tick(const Amounts& amounts, std::int64_t from,
                                                   std::int64_t span) const {
    static const std::vector<Booking> kNone;
    const std::vector<Booking>& bookings = line_ ? line_->bookings : kNone;
    std::int64_t tick = from;
    for (;;) {  // each round but the last passes a booking
        Amounts before = amounts;
        std::size_t next = 0;
        for (; next < bookings.size() && bookings[next].tick <= tick; ++next)
            before += bookings[next].amounts;
        if (first_above(limits_, before)) return std::nullopt;
        tick = window_.first_tick(
            tick, span, [&](const Amounts& left) { return !first_above(limits_, left + before); });
        if (next < bookings.size() && bookings[next].tick <= tick) continue;
        std::int64_t conflict = tick;
        for (; next < bookings.size(); ++next) {
            const Booking& later = bookings[next];
            before += later.amounts;
            if (later.tick - tick <= span && first_above(limits_, later.surviving + before))
                conflict = later.tick;
        }
        if (conflict == tick) return tick;
        tick = conflict;
    }
}

std::int64_t Level::expected_tick(const Amounts& amounts, const Amounts& ahead,
                                  std::int64_t ahead_requests, std::int64_t from,
                                  std::int64_t span) const {
    if (may_grow()) return from;
    Amounts need = amounts + ahead;
    std::int64_t windows = 0;
    for (int k = 0; k < kLimitKindCount; ++k) {
        const auto kind = static_cast<LimitKind>(k);
        const std::int64_t limit = limits_.of(kind);
        if (kind == LimitKind::concurrency || limit == kUnlimited || limit <= 0) continue;
        windows = std::max(windows, (need.of(kind) - 1) / limit);
    }
    std::int64_t tick = from + windows * span;
    if (windows == 0) {
        const auto free_tick = [&](std::int64_t start, std::int64_t relief_tokens) {
            return window_.first_tick(start, span, [&](Amounts left) {
                left.output_tokens = std::max<std::int64_t>(0, left.output_tokens - relief_tokens);
                return left == kNoAmounts || !first_above(limits_, left + need);
            });
        };
        tick = free_tick(from, 0);
        const Relief give_back = relief();
        if (tick > from + give_back.after_ticks && give_back.output_tokens > 0)
            tick = std::min(tick, free_tick(from + give_back.after_ticks, give_back.output_tokens));
    }
    const std::int64_t lacking = in_flight_ + 1 + ahead_requests - limits_.concurrency;
    if (limits_.concurrency > 0 && limits_.concurrency != kUnlimited && lacking > 0) {
        // Slots come free `concurrency` times per duration of a call, on average.
        const std::int64_t duration = std::max<std::int64_t>(held_ticks_, 1);
        tick = std::max(
            tick, from + (lacking * duration + limits_.concurrency - 1) / limits_.concurrency);
    }
    return tick;
}

void Level::book(Booking booking, std::int64_t span) {
    LevelLine& line = ensure_line();
    std::vector<Booking>& bookings = line.bookings;
    if (booking.is_appointment) {
        line.promised += booking.amounts;
        ++line.appointments;
    }
    if (booking.holds_slot) ++line.slots_kept;
    booking.surviving = window_.used_at(booking.tick, span);
    const auto at =
        std::upper_bound(bookings.begin(), bookings.end(), booking.tick,
                         [](std::int64_t tick, const Booking& other) { return tick < other.tick; });
    bookings.insert(at, booking);
}

void Level::unbook(std::uint32_t owner) {
    TG_ASSERT(line_ != nullptr);
    std::vector<Booking>& bookings = line_->bookings;
    const auto at = std::find_if(bookings.begin(), bookings.end(),
                                 [owner](const Booking& b) { return b.owner == owner; });
    TG_ASSERT(at != bookings.end());
    if (at->is_appointment) {
        line_->promised -= at->amounts;
        --line_->appointments;
    }
    if (at->holds_slot) --line_->slots_kept;
    bookings.erase(at);
}

Amounts Level::booked() const {
    Amounts sum = kNoAmounts;
    if (line_)
        for (const Booking& booking : line_->bookings) sum += booking.amounts;
    return sum;
}

std::int64_t Level::used_or_due(LimitKind kind, std::int64_t tick) const {
    std::int64_t used = kind == LimitKind::concurrency ? in_flight_ : window_.used().of(kind);
    if (!line_) return used;
    for (const Booking& booking : line_->bookings) {
        if (booking.tick > tick) break;
        used += kind == LimitKind::concurrency ? 1 : booking.amounts.of(kind);
    }
    return used;
}

}  // namespace tg::admission_internal
