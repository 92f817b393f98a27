#include "gateway/route_table.h"

#include <algorithm>
#include <set>

#include "base/hash.h"

namespace tg {

std::size_t RouteTable::Hash::operator()(std::string_view text) const {
    return hash64(text);
}

Result<std::shared_ptr<const RouteTable>> RouteTable::build(
    const std::vector<UpstreamOptions>& upstreams) {
    auto table = std::make_shared<RouteTable>();
    std::set<std::string> names;
    for (const UpstreamOptions& options : upstreams) {
        const std::string where = "upstream '" + options.name + "': ";
        if (options.name.empty()) return fail(ErrorCode::invalid_config, "an upstream has no name");
        if (!names.insert(options.name).second)
            return fail(ErrorCode::invalid_config, where + "the name is used twice");
        if (options.models.empty()) {
            return fail(ErrorCode::invalid_config,
                        where + "it serves no models; list them, or write models: [\"*\"]");
        }
        if (options.api_key.find_first_of("\r\n") != std::string::npos) {
            return fail(ErrorCode::invalid_config, where + "the API key contains a line break");
        }
        auto deployment = std::make_unique<Deployment>();
        deployment->options = options;
        deployment->index = static_cast<std::uint32_t>(table->deployments_.size());
        deployment->home_tag = static_cast<std::uint16_t>(hash64(options.name));
        deployment->traits = {.name = options.name,
                              .provider = options.provider,
                              .region = options.region,
                              .pool = options.pool,
                              .is_zero_retention_covered = options.zero_retention.has_value()};
        Result<HttpUrl> url = parse_url(options.base_url);
        if (!url.ok()) return fail(ErrorCode::invalid_config, where + url.error().detail);
        deployment->url = *url;
        deployment->origin.host = url->host;
        deployment->origin.port = url->port;
        if (url->is_tls) {
            Result<std::shared_ptr<TlsContext>> tls = TlsContext::client(options.ca_file);
            if (!tls.ok()) return fail(ErrorCode::invalid_config, where + tls.error().detail);
            deployment->origin.tls = *tls;
        }
        std::string& fixed = deployment->fixed_headers;
        fixed.append("host: ").append(deployment->origin.authority()).append("\r\n");
        if (!options.api_key.empty())
            fixed.append("authorization: Bearer ").append(options.api_key).append("\r\n");
        if (!options.organization.empty())
            fixed.append("openai-organization: ").append(options.organization).append("\r\n");
        if (!options.project.empty())
            fixed.append("openai-project: ").append(options.project).append("\r\n");
        for (const UpstreamModel& model : options.models) {
            Route route{deployment.get(),
                        model.upstream_name == model.name ? "" : model.upstream_name};
            if (model.name == "*") {
                table->wildcard_.push_back(std::move(route));
            } else {
                table->by_model_[model.name].push_back(std::move(route));
            }
        }
        if (table->first_.empty()) table->first_.push_back({deployment.get(), ""});
        table->deployments_.push_back(std::move(deployment));
    }
    table->object_routes_ = table->default_routes();
    for (const auto& deployment : table->deployments_) {
        const auto known =
            std::ranges::find(table->object_routes_, deployment.get(), &Route::deployment);
        if (known == table->object_routes_.end())
            table->object_routes_.push_back({deployment.get(), ""});
    }
    return std::shared_ptr<const RouteTable>(std::move(table));
}

const std::vector<Route>& RouteTable::find(std::string_view model) const {
    const auto found = by_model_.find(model);
    return found != by_model_.end() ? found->second : wildcard_;
}

std::vector<std::string> RouteTable::model_names() const {
    std::vector<std::string> names;
    for (const auto& [name, routes] : by_model_) names.push_back(name);
    std::ranges::sort(names);
    return names;
}

}  // namespace tg
