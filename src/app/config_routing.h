#pragma once
#include "app/yaml_reader.h"
#include "gateway/options.h"

namespace tg {

/// The section `routing`.
void read_routing(YamlReader& in, RoutingOptions* out);
/// What an entry of `upstreams` says beyond how to reach it: models, pool, coverage, limits.
void read_upstream_routing(YamlReader& in, UpstreamOptions* out);
/// What only all of `upstreams` and `routing` together can tell. Fallbacks must lead to models that
/// an upstream serves.
void check_routing(YamlReader& in, const GatewayOptions& options);

}  // namespace tg
