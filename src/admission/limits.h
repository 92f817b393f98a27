#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/strong.h"

namespace tg {

/// What a level may limit. All but concurrency are per sliding window (60 s unless configured
/// otherwise); total_tokens is input + output. The names are stable: refusals, metrics and tables
/// use them.
enum class LimitKind : std::uint8_t {
    requests,
    input_tokens,
    output_tokens,
    total_tokens,
    concurrency,
};
inline constexpr int kLimitKindCount = 5;
inline constexpr std::array<LimitKind, kLimitKindCount> kLimitKinds = {
    LimitKind::requests, LimitKind::input_tokens, LimitKind::output_tokens, LimitKind::total_tokens,
    LimitKind::concurrency};
std::string_view name(LimitKind kind);

/// No limit, as a value: still counted, so that a later limit finds the running window (A12).
inline constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The limits of one level. 0 admits nothing; a negative value counts as 0 (fails closed).
struct Limits {
    std::int64_t requests = kUnlimited;
    std::int64_t input_tokens = kUnlimited;
    std::int64_t output_tokens = kUnlimited;
    std::int64_t total_tokens = kUnlimited;
    std::int64_t concurrency = kUnlimited;

    std::int64_t of(LimitKind kind) const;
    std::int64_t& of(LimitKind kind);
    friend bool operator==(const Limits&, const Limits&) = default;
};
inline constexpr Limits kNothingAllowed{0, 0, 0, 0, 0};

/// Is any kind of it limited?
inline bool is_limited(const Limits& limits) {
    return limits != Limits{};
}
inline bool limits_tokens(const Limits& limits) {
    return limits.input_tokens != kUnlimited || limits.output_tokens != kUnlimited ||
           limits.total_tokens != kUnlimited;
}
/// Each is the smaller of both: what a level with two sets of limits enforces.
Limits tighter(const Limits& a, const Limits& b);

/// What a request takes from every level it names, and a slot of concurrency besides. Never
/// negative. Values above kAmountMax are cut to it, which no real limit can hold.
struct Amounts {
    std::int64_t requests = 1;
    std::int64_t input_tokens = 0;
    std::int64_t output_tokens = 0;

    std::int64_t total_tokens() const { return input_tokens + output_tokens; }
    std::int64_t of(LimitKind kind) const;  ///< concurrency: 0
    Amounts& operator+=(const Amounts& other) {
        requests += other.requests;
        input_tokens += other.input_tokens;
        output_tokens += other.output_tokens;
        return *this;
    }
    Amounts& operator-=(const Amounts& other) {
        requests -= other.requests;
        input_tokens -= other.input_tokens;
        output_tokens -= other.output_tokens;
        return *this;
    }
    friend Amounts operator+(Amounts a, const Amounts& b) { return a += b; }
    friend Amounts operator-(Amounts a, const Amounts& b) { return a -= b; }
    friend bool operator==(const Amounts&, const Amounts&) = default;
};
inline constexpr Amounts kNoAmounts{0, 0, 0};
inline constexpr std::int64_t kAmountMax = std::int64_t{1} << 40;

/// Is each of `a` at most the one of `b`?
inline bool covers(const Amounts& b, const Amounts& a) {
    return a.requests <= b.requests && a.input_tokens <= b.input_tokens &&
           a.output_tokens <= b.output_tokens;
}

/// The first windowed kind of which `sum` is above its limit, if any.
inline std::optional<LimitKind> first_above(const Limits& limits, const Amounts& sum) {
    if (sum.requests > limits.requests) return LimitKind::requests;
    if (sum.input_tokens > limits.input_tokens) return LimitKind::input_tokens;
    if (sum.output_tokens > limits.output_tokens) return LimitKind::output_tokens;
    if (sum.total_tokens() > limits.total_tokens) return LimitKind::total_tokens;
    return std::nullopt;
}

/// What kind of thing a level stands for; only named in refusals and metrics.
enum class LevelKind : std::uint8_t {
    key,
    project,
    customer,
    model,
    account,
    customer_model,  ///< one customer's use of one model
    other,
};
std::string_view name(LevelKind kind);
/// Do several customers use it?
inline bool is_shared(LevelKind kind) {
    return kind == LevelKind::model || kind == LevelKind::account;
}

/// A level as the caller knows it. `id` is opaque: a row id, or a hash of (key, model).
struct LevelId {
    LevelKind kind = LevelKind::other;
    std::uint64_t id = 0;
    friend bool operator==(LevelId, LevelId) = default;
};

/// An interned LevelId: what requests name. Valid until forget().
using LevelHandle = Strong<struct LevelHandleTag, std::uint32_t>;

}  // namespace tg

template <>
struct std::hash<tg::LevelId> {
    std::size_t operator()(tg::LevelId level) const noexcept {
        // Row ids are dense; the multiplier (2^64 / golden ratio) spreads them over all bits.
        return (level.id * 8 + static_cast<std::uint64_t>(level.kind)) * 0x9e3779b97f4a7c15ULL;
    }
};
