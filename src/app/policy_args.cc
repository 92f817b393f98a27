#include "app/policy_args.h"

namespace tg {
namespace {

std::optional<bool> flag_of(const std::string& text) {
    if (text.empty()) return std::nullopt;
    return text == "true";
}

std::optional<std::string> pool_of(const std::string& text) {
    if (text.empty()) return std::nullopt;
    return text == "none" ? std::string() : text;
}

}  // namespace

Result<DataPolicyPatch> PolicyArgs::patch() const {
    DataPolicyPatch out;
    out.is_zero_retention = flag_of(zero_retention);
    out.allows_web_search = flag_of(allow_web_search);
    out.keeps_end_user = flag_of(keep_end_user);
    out.pool = pool_of(pool);
    out.pool_on_request = pool_of(pool_on_request);
    if (regions.empty()) return out;
    out.regions.emplace();
    if (regions == "none") {
        out.regions->emplace();
    } else if (regions != "any") {
        TG_TRY(*out.regions, parse_regions(regions, "--regions"));
    }
    return out;
}

void add_policy_options(Command command, PolicyArgs* args) {
    const auto add_flag = [&](const char* name, std::string* value, const char* help) {
        // A value is optional: --zero-retention alone sets it.
        command.add_option(name, *value, help).or_alone("true").one_of({"true", "false"});
    };
    add_flag("--zero-retention", &args->zero_retention,
             "true or false: only accounts under a zero-retention agreement, and refuse what must "
             "be kept");
    add_flag("--allow-web-search", &args->allow_web_search,
             "true or false: exception from zero retention, the provider may search the web");
    add_flag(
        "--keep-end-user", &args->keep_end_user,
        "true or false: exception from zero retention, keep end users of any form for reports");
    command.add_option("--regions", args->regions,
                       "the only regions, e.g. eu,us; any: anywhere; none: nowhere");
    command.add_option("--pool", args->pool,
                       "dedicated pool of accounts that serves all calls; none: the shared ones");
    command.add_option("--pool-on-request", args->pool_on_request,
                       "dedicated pool of the calls with deployment_type: dedicated; none: no such "
                       "pool");
}

}  // namespace tg
