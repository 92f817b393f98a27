#include "admission/limits.h"

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
        case LevelKind::other:
            return "other";
    }
    return "unknown";
}

std::int64_t Limits::of(LimitKind kind) const {
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
            return concurrency;
    }
    return 0;
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
