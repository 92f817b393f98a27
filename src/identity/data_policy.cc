#include "identity/data_policy.h"

#include <algorithm>

#include "base/json_writer.h"

namespace tg {
namespace {

constexpr std::size_t kNameMax = 64;
constexpr std::size_t kRegionsMax = 32;

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, is_name_char);
}

std::unexpected<Error> refuse_name(std::string_view what, std::string_view text) {
    return fail(ErrorCode::invalid_request,
                std::string(what) + ": '" + std::string(text.substr(0, kNameMax)) +
                    "' is no name; use 1 to 64 characters of a-z, 0-9, '.', '_' and '-'");
}

Status sort_regions(std::vector<std::string>* regions, std::string_view what) {
    for (const std::string& region : *regions) {
        if (!is_name(region)) return refuse_name(what, region);
    }
    std::ranges::sort(*regions);
    const auto rest = std::ranges::unique(*regions);
    regions->erase(rest.begin(), rest.end());
    if (regions->size() <= kRegionsMax) return {};
    return fail(ErrorCode::invalid_request,
                std::string(what) + ": at most " + std::to_string(kRegionsMax) +
                    " regions can be named, " + std::to_string(regions->size()) + " are");
}

bool contains(const std::vector<std::string>& regions, const std::string& region) {
    return std::ranges::find(regions, region) != regions.end();
}

std::optional<std::vector<std::string>> intersection(
    const std::optional<std::vector<std::string>>& a,
    const std::optional<std::vector<std::string>>& b) {
    if (!a) return b;
    if (!b) return a;
    std::vector<std::string> out;
    for (const std::string& region : *a) {
        if (contains(*b, region)) out.push_back(region);
    }
    return out;
}

}  // namespace

DataPolicy narrow(const DataPolicy& outer, const DataPolicy& inner) {
    const auto grants = [&](bool DataPolicy::* exception) {
        const bool outer_grants = !outer.is_zero_retention || outer.*exception;
        const bool inner_grants = !inner.is_zero_retention || inner.*exception;
        return (outer.is_zero_retention || inner.is_zero_retention) && outer_grants && inner_grants;
    };
    DataPolicy out;
    out.is_zero_retention = outer.is_zero_retention || inner.is_zero_retention;
    out.regions = intersection(outer.regions, inner.regions);
    out.pool = inner.pool.empty() ? outer.pool : inner.pool;
    if (out.pool.empty()) {
        out.pool_on_request =
            inner.pool_on_request.empty() ? outer.pool_on_request : inner.pool_on_request;
    }
    out.allows_web_search = grants(&DataPolicy::allows_web_search);
    out.keeps_end_user = grants(&DataPolicy::keeps_end_user);
    return out;
}

Status check_narrows(const DataPolicy& outer, const DataPolicy& inner) {
    if (outer.regions && inner.regions) {
        for (const std::string& region : *inner.regions) {
            if (contains(*outer.regions, region)) continue;
            return fail(ErrorCode::invalid_request,
                        "region '" + region +
                            "' is not among those the customer's policy allows (" +
                            regions_text(outer.regions) +
                            "); a project may only narrow its customer's policy");
        }
    }
    if (!outer.pool.empty() && !inner.pool.empty() && outer.pool != inner.pool) {
        return fail(ErrorCode::invalid_request,
                    "pool '" + inner.pool + "' is not the pool of the customer's policy, '" +
                        outer.pool + "'; a project may only narrow its customer's policy");
    }
    if (!outer.pool.empty() && !inner.pool_on_request.empty()) {
        return fail(ErrorCode::invalid_request, "the customer's policy sends all calls to pool '" +
                                                    outer.pool + "'; leave pool_on_request out");
    }
    return {};
}

Status normalise(DataPolicy* policy) {
    if (policy->regions) TG_CHECK_OK(sort_regions(&*policy->regions, "regions"));
    if (!policy->pool.empty() && !is_name(policy->pool)) return refuse_name("pool", policy->pool);
    if (policy->pool_on_request.empty()) return {};
    if (!is_name(policy->pool_on_request))
        return refuse_name("pool_on_request", policy->pool_on_request);
    if (policy->pool.empty()) return {};
    return fail(ErrorCode::invalid_request,
                "pool '" + policy->pool +
                    "' serves all calls, so pool_on_request says nothing; set only one of them");
}

Result<DataPolicy> DataPolicyPatch::applied_to(DataPolicy policy) const {
    policy.is_zero_retention = is_zero_retention.value_or(policy.is_zero_retention);
    policy.allows_web_search = allows_web_search.value_or(policy.allows_web_search);
    policy.keeps_end_user = keeps_end_user.value_or(policy.keeps_end_user);
    if (regions) policy.regions = *regions;
    policy.pool = pool.value_or(policy.pool);
    policy.pool_on_request = pool_on_request.value_or(policy.pool_on_request);
    TG_CHECK_OK(normalise(&policy));
    return policy;
}

Result<std::vector<std::string>> parse_regions(std::string_view text, std::string_view what) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        std::string_view name = text.substr(at, comma - at);
        while (!name.empty() && (name.front() == ' ' || name.front() == '\t'))
            name.remove_prefix(1);
        while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
        out.emplace_back(name);
        at = comma + 1;
    }
    TG_CHECK_OK(sort_regions(&out, what));
    return out;
}

std::string regions_text(const std::optional<std::vector<std::string>>& regions) {
    if (!regions) return "anywhere";
    if (regions->empty()) return "nowhere";
    std::string out;
    for (const std::string& region : *regions) {
        if (!out.empty()) out.append(", ");
        out.append(region);
    }
    return out;
}

std::string describe(const DataPolicy& policy) {
    std::string out;
    const auto add = [&](const std::string& text) {
        if (!out.empty()) out.append("; ");
        out.append(text);
    };
    if (policy.is_zero_retention) {
        std::string exceptions;
        if (policy.allows_web_search) exceptions.append(" but web search");
        if (policy.keeps_end_user)
            exceptions.append(exceptions.empty() ? " but end users" : " and end users");
        add("zero retention" + exceptions);
    }
    if (policy.regions) add("regions " + regions_text(policy.regions));
    if (!policy.pool.empty()) add("pool " + policy.pool);
    if (!policy.pool_on_request.empty()) add("pool " + policy.pool_on_request + " on request");
    return out.empty() ? "none" : out;
}

void write_json(JsonWriter& json, const DataPolicy& policy) {
    json.begin_object().field("zero_retention", policy.is_zero_retention).key("regions");
    if (policy.regions) {
        json.begin_array();
        for (const std::string& region : *policy.regions) json.value(region);
        json.end_array();
    } else {
        json.null();
    }
    json.field("pool", policy.pool)
        .field("pool_on_request", policy.pool_on_request)
        .field("allow_web_search", policy.allows_web_search)
        .field("keep_end_user", policy.keeps_end_user)
        .end_object();
}

bool is_department_user(std::string_view end_user) {
    constexpr std::string_view kPrefix = "dept:";
    if (!end_user.starts_with(kPrefix)) return false;
    const std::string_view name = end_user.substr(kPrefix.size());
    return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
        return is_name_char(c) || (c >= 'A' && c <= 'Z');
    });
}

}  // namespace tg
