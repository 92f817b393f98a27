#include "app/account_facts.h"

#include "net/http_client.h"

namespace tg {

std::vector<AccountFacts> account_facts(const std::vector<UpstreamOptions>& upstreams) {
    std::vector<AccountFacts> out;
    for (const UpstreamOptions& upstream : upstreams) {
        AccountFacts& facts = out.emplace_back();
        facts.name = upstream.name;
        facts.provider = upstream.provider;
        facts.region = upstream.region;
        facts.pool = upstream.pool;
        if (const Result<HttpUrl> url = parse_url(upstream.base_url); url.ok())
            facts.host = url->host;
        if (!upstream.zero_retention) continue;
        facts.reference = upstream.zero_retention->reference;
        facts.since = upstream.zero_retention->since;
    }
    return out;
}

}  // namespace tg
