#include "gateway/caller_levels.h"

namespace tg {

const CallerLevels& CallerLevelCache::find(const Caller& caller) {
    const auto [at, is_new] = callers_.try_emplace(caller.key->id);
    CallerLevels& out = at->second;
    if (!is_new) return out;
    const std::array<LimitSubject, 3> subjects = {LimitSubject::of(caller.key->id),
                                                  LimitSubject::of(caller.project->id),
                                                  LimitSubject::of(caller.customer->id)};
    for (std::size_t i = 0; i < subjects.size(); ++i) {
        out.levels[i] = book_->level(subjects[i]);
        const Limits limits = table_->limits_of(subjects[i]);
        out.has_limits = out.has_limits || is_limited(limits);
        out.limits_tokens = out.limits_tokens || tg::limits_tokens(limits);
    }
    out.policy = table_->policy_of(caller.customer->id, caller.project->id, caller.key->id);
    return out;
}

ModelLevels CallerLevelCache::find_model(CustomerId customer, std::string_view model) {
    ModelLevels out;
    if (!table_->has_model_limits() || model.empty()) return out;
    out.everyone = model_level(LimitSubject::of_model(std::string(model)), &out.limits_tokens);
    out.customer =
        model_level(LimitSubject::of_model(customer, std::string(model)), &out.limits_tokens);
    return out;
}

std::optional<LevelHandle> CallerLevelCache::model_level(LimitSubject subject,
                                                         bool* limits_tokens) {
    if (table_->find(subject) == nullptr) return std::nullopt;
    *limits_tokens = *limits_tokens || tg::limits_tokens(table_->limits_of(subject));
    return book_->level(subject);
}

}  // namespace tg
