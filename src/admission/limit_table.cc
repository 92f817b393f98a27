#include "admission/limit_table.h"

#include "base/hash.h"

namespace tg {

std::string_view name(LimitScope scope) {
    switch (scope) {
        case LimitScope::everyone:
            return "default";
        case LimitScope::customer:
            return "customer";
        case LimitScope::project:
            return "project";
        case LimitScope::key:
            return "key";
        case LimitScope::model:
            return "model";
        case LimitScope::customer_model:
            return "customer_model";
    }
    return "unknown";
}

std::optional<LimitScope> parse_limit_scope(std::string_view text) {
    for (const LimitScope scope : {LimitScope::everyone, LimitScope::customer, LimitScope::project,
                                   LimitScope::key, LimitScope::model, LimitScope::customer_model})
        if (name(scope) == text) return scope;
    return std::nullopt;
}

std::string LimitSubject::text() const {
    std::string out(name(scope));
    if (id != 0) out.append(":").append(std::to_string(id));
    if (!model.empty()) out.append(":").append(model);
    return out;
}

LevelId level_id(const LimitSubject& subject) {
    switch (subject.scope) {
        case LimitScope::everyone:
            break;
        case LimitScope::customer:
            return {LevelKind::customer, subject.id};
        case LimitScope::project:
            return {LevelKind::project, subject.id};
        case LimitScope::key:
            return {LevelKind::key, subject.id};
        case LimitScope::model:
            return {LevelKind::model, hash64(subject.model)};
        case LimitScope::customer_model:
            return {LevelKind::customer_model, hash64(subject.model, subject.id)};
    }
    return {LevelKind::other, 0};
}

Result<std::shared_ptr<const LimitTable>> LimitTable::build(
    std::vector<Tier> tiers, std::vector<LimitAssignment> assignments, std::int64_t version) {
    auto table = std::make_shared<LimitTable>();
    table->tiers_ = std::move(tiers);
    table->assignments_ = std::move(assignments);
    table->version_ = version;
    for (std::uint32_t i = 0; i < table->assignments_.size(); ++i) {
        const LimitAssignment& assignment = table->assignments_[i];
        if (!assignment.tier.empty() && table->tier(assignment.tier) == nullptr) {
            return fail(ErrorCode::corrupt_data, "the limits of " + assignment.subject.text() +
                                                     " name the tier '" + assignment.tier +
                                                     "', which does not exist");
        }
        table->index_.emplace(assignment.subject, i);
        table->has_model_limits_ = table->has_model_limits_ || !assignment.subject.model.empty();
    }
    return std::shared_ptr<const LimitTable>(std::move(table));
}

std::shared_ptr<const LimitTable> LimitTable::unlimited() {
    const auto tiers = default_tiers();
    return build({tiers.begin(), tiers.end()}, {{.subject = {}, .tier = "unlimited"}}).value();
}

const LimitAssignment* LimitTable::find(const LimitSubject& subject) const {
    const auto found = index_.find(subject);
    return found == index_.end() ? nullptr : &assignments_[found->second];
}

Limits LimitTable::limits_of(const LimitSubject& subject) const {
    const LimitAssignment* assignment = find(subject);
    const Tier* own_tier = tier_of(assignment);
    Limits base = own_tier != nullptr ? own_tier->limits : Limits{};
    if (subject.scope == LimitScope::everyone && own_tier == nullptr &&
        (assignment == nullptr || assignment->own.is_empty()))
        base = kNothingAllowed;
    if (subject.scope == LimitScope::customer && own_tier == nullptr) {
        // What is set for the customer lifts the default's "nothing" where it sets something.
        const bool has_own = assignment != nullptr && !assignment->own.is_empty();
        base = limits_of({});
        if (has_own && base == kNothingAllowed) base = Limits{};
    }
    return assignment != nullptr ? assignment->own.over(base) : base;
}

CallerPolicy LimitTable::policy_of(CustomerId customer, ProjectId project, KeyId key) const {
    const LimitAssignment* const by_key = find(LimitSubject::of(key));
    const LimitAssignment* const by_project = find(LimitSubject::of(project));
    const LimitAssignment* const by_customer = find(LimitSubject::of(customer));
    const LimitAssignment* const fallback = find({});
    const auto nearest = [](std::initializer_list<const LimitAssignment*> from, auto member,
                            auto* out) {
        for (const LimitAssignment* at : from) {
            if (at == nullptr || !(at->*member)) continue;
            *out = *(at->*member);
            return;
        }
    };
    CallerPolicy policy;
    nearest({by_key, by_project, by_customer, fallback}, &LimitAssignment::priority,
            &policy.priority);
    nearest({by_key, by_project, by_customer, fallback}, &LimitAssignment::max_wait_ms,
            &policy.max_wait_ms);
    nearest({by_customer, fallback}, &LimitAssignment::weight, &policy.customer_weight);
    nearest({by_key, by_project}, &LimitAssignment::weight, &policy.key_weight);
    for (const LimitAssignment* at : {by_key, by_project, by_customer, fallback}) {
        policy.tier = tier_of(at);
        if (policy.tier != nullptr) break;
    }
    return policy;
}

}  // namespace tg
