#include "sim/limiter.h"

#include <algorithm>

#include "sim/usage.h"

namespace tg::sim {
namespace {

constexpr std::int64_t kMinuteNs = 60'000'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;

/// Time in which a bucket of `limit` a minute refills `amount`, rounded up.
std::int64_t refill_ns(std::int64_t amount, std::int64_t limit) {
    const __int128 ns = (static_cast<__int128>(amount) * kMinuteNs + limit - 1) / limit;
    return static_cast<std::int64_t>(std::min<__int128>(ns, INT64_MAX / 4));
}

std::int64_t sum(const std::array<std::int64_t, 60>& slots) {
    std::int64_t total = 0;
    for (const std::int64_t slot : slots) total += slot;
    return total;
}

void advance(std::array<std::int64_t, 60>& slots, std::int64_t& newest, std::int64_t second) {
    if (second - newest >= 60) slots.fill(0);
    for (std::int64_t s = std::max(newest + 1, second - 59); s <= second; ++s) slots[s % 60] = 0;
    newest = std::max(newest, second);
}

void append_meter(std::string& out, std::string_view name, const MeterState& meter) {
    if (meter.limit == 0) return;
    out.append("x-ratelimit-limit-").append(name).append(": ");
    append_number(out, meter.limit);
    out.append("\r\nx-ratelimit-remaining-").append(name).append(": ");
    append_number(out, meter.remaining);
    out.append("\r\nx-ratelimit-reset-").append(name).append(": ");
    out.append(go_duration(meter.reset_ns)).append("\r\n");
}

}  // namespace

Limiter::Fit Limiter::look(Meter& meter, std::int64_t amount, std::int64_t limit,
                           std::int64_t now_ns) const {
    Fit fit;
    if (limit == 0) return fit;
    fit.can_heal = amount <= limit;
    if (model_ == LimitModel::bucket) {
        const std::int64_t empty_ns = std::max<std::int64_t>(meter.full_at_ns - now_ns, 0);
        fit.used = limit - state(meter, limit, now_ns).remaining;
        const std::int64_t wait = empty_ns + refill_ns(amount, limit) - kMinuteNs;
        fit.fits = wait <= 0;
        fit.retry_ns = std::max<std::int64_t>(wait, 0);
    } else {
        advance(meter.slots, meter.newest_slot, now_ns / kSecondNs);
        fit.used = sum(meter.slots);
        fit.fits = fit.used + amount <= limit;
        std::int64_t left = fit.used;
        for (std::int64_t i = 1; i <= kSlots && left + amount > limit; ++i) {
            left -= meter.slots[(meter.newest_slot + i) % kSlots];
            fit.retry_ns = (meter.newest_slot + i) * kSecondNs - now_ns;
        }
    }
    fit.fits = fit.fits && fit.can_heal;
    return fit;
}

void Limiter::take_from(Meter& meter, std::int64_t amount, std::int64_t limit,
                        std::int64_t now_ns) const {
    if (limit == 0) return;
    if (model_ == LimitModel::bucket) {
        meter.full_at_ns = std::max(meter.full_at_ns, now_ns) + refill_ns(amount, limit);
    } else {
        meter.slots[meter.newest_slot % kSlots] += amount;
    }
}

MeterState Limiter::state(Meter& meter, std::int64_t limit, std::int64_t now_ns) const {
    MeterState state;
    state.limit = limit;
    if (limit == 0) return state;
    if (model_ == LimitModel::bucket) {
        state.reset_ns = std::max<std::int64_t>(meter.full_at_ns - now_ns, 0);
        const __int128 used =
            (static_cast<__int128>(state.reset_ns) * limit + kMinuteNs - 1) / kMinuteNs;
        state.remaining = std::max<std::int64_t>(limit - static_cast<std::int64_t>(used), 0);
    } else {
        state.remaining = std::max<std::int64_t>(limit - sum(meter.slots), 0);
        for (std::int64_t age = 0; age < kSlots; ++age) {
            if (meter.slots[(meter.newest_slot - age + kSlots) % kSlots] == 0) continue;
            state.reset_ns = (meter.newest_slot - age + kSlots) * kSecondNs - now_ns;
            break;
        }
    }
    return state;
}

LimitDecision Limiter::take(std::uint64_t key_hash, std::int64_t tokens, std::int64_t rpm,
                            std::int64_t tpm, std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    Key& key = keys_[key_hash];
    LimitDecision decision;
    const Fit requests = look(key.requests, 1, rpm, now_ns);
    const Fit token_fit = look(key.tokens, tokens, tpm, now_ns);
    if (!requests.fits || !token_fit.fits) {
        const bool is_requests = !requests.fits;
        const Fit& refusing = is_requests ? requests : token_fit;
        decision.refused =
            is_requests ? LimitDecision::Refused::requests : LimitDecision::Refused::tokens;
        decision.requested = is_requests ? 1 : tokens;
        decision.used = refusing.used;
        decision.can_heal = refusing.can_heal;
        decision.retry_ns = std::max(requests.retry_ns, token_fit.retry_ns);
    } else {
        take_from(key.requests, 1, rpm, now_ns);
        take_from(key.tokens, tokens, tpm, now_ns);
    }
    decision.requests = state(key.requests, rpm, now_ns);
    decision.tokens = state(key.tokens, tpm, now_ns);
    return decision;
}

void Limiter::reset() {
    const std::lock_guard lock(mutex_);
    keys_.clear();
}

std::string go_duration(std::int64_t ns) {
    const std::int64_t ms = std::max<std::int64_t>((ns + 999'999) / 1'000'000, 0);
    std::string out;
    if (ms < 1000) {
        append_number(out, ms);
        return out.append("ms");
    }
    if (ms >= 60'000) {
        append_number(out, ms / 60'000);
        out.push_back('m');
    }
    append_number(out, ms / 1000 % 60);
    if (std::int64_t fraction = ms % 1000; fraction != 0) {
        out.push_back('.');
        for (std::int64_t unit = 100; fraction != 0; fraction %= unit, unit /= 10)
            out.push_back(static_cast<char>('0' + fraction / unit));
    }
    return out.append("s");
}

void append_limit_headers(std::string& out, const LimitDecision& decision) {
    append_meter(out, "requests", decision.requests);
    append_meter(out, "tokens", decision.tokens);
}

}  // namespace tg::sim
