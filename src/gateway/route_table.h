#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "gateway/options.h"
#include "gateway/route_choice.h"
#include "net/http_client.h"

namespace tg {

/// One upstream account, ready to be called: what is the same in every request is made once.
struct Deployment {
    UpstreamOptions options;
    HttpUrl url;
    Origin origin;
    std::string fixed_headers;  ///< host, authorization, organisation: complete lines
    DeploymentTraits traits;    ///< what policies decide on
    /// For ObjectHomes: the same as long as the deployment keeps its name.
    std::uint16_t home_tag = 0;
    std::uint32_t index = 0;  ///< position in the table: each loop keeps its connection pool there
};

/// A deployment that serves a model, and what it calls it there.
struct Route {
    const Deployment* deployment = nullptr;
    std::string upstream_model;  ///< empty: as asked
};

/// Which deployments serve which model. Immutable; a request takes it once and keeps it to its end.
class RouteTable {
  public:
    /// Errors: invalid_config naming the upstream (bad URL, TLS file, name used twice, no models).
    static Result<std::shared_ptr<const RouteTable>> build(
        const std::vector<UpstreamOptions>& upstreams);

    /// Deployments for `model`, in order of preference; empty when none serves it. Lives as long as
    /// the table.
    const std::vector<Route>& find(std::string_view model) const;
    /// Where calls without a model go (files, batches, ...): the first OpenAI-compatible upstream.
    const std::vector<Route>& default_routes() const {
        return wildcard_.empty() ? first_ : wildcard_;
    }
    /// Where a call for an object may go: the default routes, and behind them all others.
    const std::vector<Route>& object_routes() const { return object_routes_; }
    const std::vector<std::unique_ptr<Deployment>>& deployments() const { return deployments_; }
    /// Names a client may ask for, sorted; wildcards are left out.
    std::vector<std::string> model_names() const;
    bool has_wildcard() const { return !wildcard_.empty(); }

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const;
    };
    std::vector<std::unique_ptr<Deployment>> deployments_;
    std::unordered_map<std::string, std::vector<Route>, Hash, std::equal_to<>> by_model_;
    std::vector<Route> wildcard_, first_, object_routes_;
};

}  // namespace tg
