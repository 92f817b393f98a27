#include "admission/limits.h"

#include <algorithm>

#include "base/check.h"

namespace tg {

std::string_view name(LimitKind kind) {
    switch (kind) {
        case LimitKind::requests:
            return "requests";
        case LimitKind::input_tokens:
            return "input_tokens";
        case LimitKind::output_tokens:
            return "output_tokens";
        case LimitKind::total_tokens:
            return "total_tokens";
        case LimitKind::concurrency:
            return "concurrency";
    }
    return "unknown";
}

std::string_view name(LevelKind kind) {
    switch (kind) {
        case LevelKind::key:
            return "key";
        case LevelKind::project:
            return "project";
        case LevelKind::customer:
            return "customer";
        case LevelKind::model:
            return "model";
        case LevelKind::account:
            return "account";
        case LevelKind::customer_model:
            return "customer_model";
        case LevelKind::other:
            return "other";
    }
    return "unknown";
}

std::int64_t& Limits::of(LimitKind kind) {
    switch (kind) {
        case LimitKind::requests:
            return requests;
        case LimitKind::input_tokens:
            return input_tokens;
        case LimitKind::output_tokens:
            return output_tokens;
        case LimitKind::total_tokens:
            return total_tokens;
        case LimitKind::concurrency:
            break;
    }
    TG_DCHECK(kind == LimitKind::concurrency);
    return concurrency;
}

std::int64_t Limits::of(LimitKind kind) const {
    return Limits(*this).of(kind);
}

Limits tighter(const Limits& a, const Limits& b) {
    return {.requests = std::min(a.requests, b.requests),
            .input_tokens = std::min(a.input_tokens, b.input_tokens),
            .output_tokens = std::min(a.output_tokens, b.output_tokens),
            .total_tokens = std::min(a.total_tokens, b.total_tokens),
            .concurrency = std::min(a.concurrency, b.concurrency)};
}

std::int64_t Amounts::of(LimitKind kind) const {
    switch (kind) {
        case LimitKind::requests:
            return requests;
        case LimitKind::input_tokens:
            return input_tokens;
        case LimitKind::output_tokens:
            return output_tokens;
        case LimitKind::total_tokens:
            return total_tokens();
        case LimitKind::concurrency:
            return 0;
    }
    return 0;
}

}  // namespace tg
