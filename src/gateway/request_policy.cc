#include "gateway/internal/request_policy.h"

#include "providers/zero_retention.h"

namespace tg {
namespace {

constexpr std::size_t kQuotedMax = 40;

struct PolicyHeader {
    FieldName name;
    std::string_view shown;
};
constexpr PolicyHeader kRetentionHeaders[] = {
    {"openai-zero-data-retention", "OpenAI-Zero-Data-Retention"},
    {"openai-data-processing-opt-out", "OpenAI-Data-Processing-Opt-Out"},
    {"x-tollgate-zero-retention", "x-tollgate-zero-retention"},
};
constexpr FieldName kRegions("x-tollgate-regions");
constexpr FieldName kDeploymentType("x-tollgate-deployment-type");

/// Up to where a header's value is quoted in a refusal.
std::string quoted(std::string_view value) {
    return "'" + std::string(value.substr(0, kQuotedMax)) + "'";
}

Result<bool> parse_flag(std::string_view header, std::string_view value) {
    if (equals_ignoring_case(value, "true") || value == "1") return true;
    if (equals_ignoring_case(value, "false") || value == "0") return false;
    return fail(ErrorCode::invalid_request, "header " + std::string(header) + ": " + quoted(value) +
                                                " is neither true nor false");
}

/// What the headers of a head say, each as often as it stands.
class HeadReader {
  public:
    explicit HeadReader(DataPolicy* policy) : policy_(policy) {}

    Status take(const HttpHead& head, const HttpHeader& header) {
        const std::string_view name = head.name(header);
        const auto is = [&](const FieldName& wanted) {
            return header.name_hash == wanted.hash && equals_ignoring_case(name, wanted.text);
        };
        for (const PolicyHeader& known : kRetentionHeaders) {
            if (is(known.name)) return take_retention(known.shown, head.value(header));
        }
        if (is(kRegions)) return take_regions(head.value(header));
        if (is(kDeploymentType)) {
            TG_TRY(const bool asks,
                   narrow_by_deployment_type(head.value(header),
                                             "header x-tollgate-deployment-type", policy_));
            has_changed_ = has_changed_ || asks;
        }
        return {};
    }

    Result<bool> finish() {
        if (!asks_.empty() && !declines_.empty()) {
            return fail(ErrorCode::invalid_request,
                        "headers " + std::string(asks_) + ": true and " + std::string(declines_) +
                            ": false contradict each other; send one of them");
        }
        if (!declines_.empty() && policy_->is_zero_retention) {
            return fail(ErrorCode::policy_refused,
                        "header " + std::string(declines_) +
                            ": false would lift the zero data retention that the project's policy "
                            "demands; leave the header out");
        }
        if (asks_.empty() || policy_->is_zero_retention) return has_changed_;
        policy_->is_zero_retention = true;
        return true;
    }

  private:
    Status take_retention(std::string_view shown, std::string_view value) {
        TG_TRY(const bool asks, parse_flag(shown, value));
        (asks ? asks_ : declines_) = shown;
        return {};
    }

    Status take_regions(std::string_view value) {
        TG_TRY(std::vector<std::string> regions, parse_regions(value, "header x-tollgate-regions"));
        const DataPolicy asked{.regions = std::move(regions)};
        const auto allowed = policy_->regions;
        policy_->regions = narrow(*policy_, asked).regions;
        has_changed_ = true;
        if (!policy_->regions->empty()) return {};
        return fail(ErrorCode::policy_refused,
                    "header x-tollgate-regions asks for " + regions_text(asked.regions) +
                        ", and allowed are only " + regions_text(allowed) +
                        "; a request can narrow the policy, not widen it");
    }

    DataPolicy* policy_;
    std::string_view asks_, declines_;
    bool has_changed_ = false;
};

bool is_policy_header(const HttpHeader& header) {
    for (const PolicyHeader& known : kRetentionHeaders) {
        if (header.name_hash == known.name.hash) return true;
    }
    return header.name_hash == kRegions.hash || header.name_hash == kDeploymentType.hash;
}

}  // namespace

Result<bool> narrow_by_head(const HttpHead& head, DataPolicy* policy) {
    HeadReader reader(policy);
    for (const HttpHeader& header : head.headers()) {
        if (is_policy_header(header)) TG_CHECK_OK(reader.take(head, header));
    }
    return reader.finish();
}

Result<bool> narrow_by_deployment_type(std::string_view value, std::string_view what,
                                       DataPolicy* policy) {
    if (value.empty()) return false;
    const std::string where(what);
    if (value == "shared") {
        if (policy->pool.empty()) return false;
        return fail(ErrorCode::policy_refused,
                    where +
                        ": 'shared' would leave the dedicated pool that the policy demands; "
                        "leave it out");
    }
    if (value != "dedicated") {
        return fail(ErrorCode::invalid_request,
                    where + ": " + quoted(value) + " is neither 'dedicated' nor 'shared'");
    }
    if (!policy->pool.empty()) return false;
    if (policy->pool_on_request.empty()) {
        return fail(ErrorCode::policy_refused,
                    where +
                        ": 'dedicated' was asked for, and the project has no dedicated pool; "
                        "have one assigned to it, or leave it out");
    }
    policy->pool = std::move(policy->pool_on_request);
    policy->pool_on_request.clear();
    return true;
}

std::uint16_t policy_flags(const Call& call) {
    if (call.data_policy == nullptr) return 0;
    const DataPolicy& policy = *call.data_policy;
    return static_cast<std::uint16_t>((policy.is_zero_retention ? kEventZeroRetention : 0) |
                                      (policy.regions ? kEventPinnedRegion : 0) |
                                      (policy.pool.empty() ? 0 : kEventDedicated));
}

bool must_read_body(const Call& call) {
    return call.is_zero_retention() &&
           zero_retention_path(call.exchange->request().method(), call.upstream_path).body ==
               RetentionBody::json;
}

std::string_view loggable_path(const Call& call) {
    const std::string_view path = call.path;
    constexpr std::size_t kFirstSegment = 4;  // behind "/v1/"
    if (!call.is_zero_retention() || path.size() <= kFirstSegment) return path;
    return path.substr(0, path.find('/', kFirstSegment));
}

std::string_view loggable_model(const Call& call) {
    const std::string_view model = call.facts.model;
    if (!call.is_zero_retention() || call.deployment != nullptr || model.empty()) return model;
    const Result<Catalogue::Found> found =
        call.snapshot->catalogue->find(model, "openai", call.started_at);
    return found.ok() && !found->is_fallback ? model : std::string_view();
}

std::string policy_header(const DataPolicy& policy) {
    std::string out;
    const auto add = [&](std::string_view part) {
        out.append(out.empty() ? "x-tollgate-data-policy: " : "; ").append(part);
    };
    if (policy.is_zero_retention) add("zero-retention");
    if (policy.regions) {
        std::string regions;
        for (const std::string& region : *policy.regions)
            regions.append(regions.empty() ? "" : ",").append(region);
        add("regions=" + regions);
    }
    if (!policy.pool.empty()) add("dedicated");
    if (out.empty()) return out;
    if (policy.is_zero_retention) add("rules=" + std::to_string(kZeroRetentionRules));
    return out.append("\r\n");
}

}  // namespace tg
