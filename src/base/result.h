#pragma once
#include <expected>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace tg {

/// Makes the failed side of any Result: `return fail(ErrorCode::not_found, "customer 'acme' does
/// not exist")`.
inline std::unexpected<Error> fail(ErrorCode code, std::string detail = {}) {
    return std::unexpected<Error>(Error{code, std::move(detail)});
}
inline std::unexpected<Error> fail(Error error) {
    return std::unexpected<Error>(std::move(error));
}

/// A value or an Error. Our own class only so that ignoring one is a compile error.
template <typename T>
class [[nodiscard]] Result {
  public:
    using value_type = T;

    // NOLINTNEXTLINE(google-explicit-constructor): `return value;` must work
    Result(T value) : inner_(std::move(value)) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(std::unexpected<Error> error) : inner_(std::move(error)) {}

    bool ok() const { return inner_.has_value(); }
    explicit operator bool() const { return ok(); }

    T& value() & {
        TG_ASSERT(ok());
        return *inner_;
    }
    const T& value() const& {
        TG_ASSERT(ok());
        return *inner_;
    }
    T&& value() && {
        TG_ASSERT(ok());
        return std::move(*inner_);
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const& {
        TG_ASSERT(!ok());
        return inner_.error();
    }
    Error&& error() && {
        TG_ASSERT(!ok());
        return std::move(inner_.error());
    }

  private:
    std::expected<T, Error> inner_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    using value_type = void;

    Result() = default;
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(std::unexpected<Error> error) : inner_(std::move(error)) {}

    bool ok() const { return inner_.has_value(); }
    explicit operator bool() const { return ok(); }
    void value() const { TG_ASSERT(ok()); }
    const Error& error() const& {
        TG_ASSERT(!ok());
        return inner_.error();
    }
    Error&& error() && {
        TG_ASSERT(!ok());
        return std::move(inner_.error());
    }

  private:
    std::expected<void, Error> inner_;
};

using Status = Result<void>;

}  // namespace tg

#define TG_CONCAT_INNER(a, b) a##b
#define TG_CONCAT(a, b) TG_CONCAT_INNER(a, b)

// NOLINTBEGIN(bugprone-macro-parentheses): `target` is a declaration
#define TG_TRY_IMPL(temp, target, expression, ret)           \
    auto temp = (expression);                                \
    if (!temp.ok()) ret ::tg::fail(std::move(temp).error()); \
    target = std::move(temp).value()

/// TG_TRY(const Price price, catalogue.find(model)): returns the Error upward, else declares or
/// assigns.
#define TG_TRY(target, expression) \
    TG_TRY_IMPL(TG_CONCAT(tg_try_, __LINE__), target, expression, return)
/// The same inside a coroutine.
#define TG_CO_TRY(target, expression) \
    TG_TRY_IMPL(TG_CONCAT(tg_try_, __LINE__), target, expression, co_return)
// NOLINTEND(bugprone-macro-parentheses)

/// TG_CHECK_OK(step()): for a Status; returns the Error upward.
#define TG_CHECK_OK(expression)                                               \
    do {                                                                      \
        auto tg_status = (expression);                                        \
        if (!tg_status.ok()) return ::tg::fail(std::move(tg_status).error()); \
    } while (false)
#define TG_CO_CHECK_OK(expression)                                               \
    do {                                                                         \
        auto tg_status = (expression);                                           \
        if (!tg_status.ok()) co_return ::tg::fail(std::move(tg_status).error()); \
    } while (false)
