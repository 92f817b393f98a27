#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tg {

/// A model as an upstream account serves it.
struct UpstreamModel {
    std::string name;  ///< what clients ask for; "*" is every model that no other upstream names
    std::string upstream_name;  ///< what the provider calls it; empty: the same
};

/// One account with a provider in one region: the unit that limits, health and bills belong to.
struct UpstreamOptions {
    std::string name;  ///< stable; in events, metrics and logs
    std::string provider = "openai";
    std::string region;  ///< empty: not stated
    std::string base_url = "https://api.openai.com/v1";
    std::string api_key;  ///< never logged
    std::string organization,
        project;  ///< sent as OpenAI-Organization and OpenAI-Project; clients cannot choose them
    std::string ca_file;       ///< empty: the system's authorities
    bool inject_usage = true;  ///< false for servers that reject stream_options
    std::vector<UpstreamModel> models;
};

enum class RequestLog : std::uint8_t { off, errors, all };

struct GatewayOptions {
    std::vector<UpstreamOptions> upstreams;
    std::size_t json_body_bytes = 64U
                                  << 20;  ///< largest JSON body that is read before it is forwarded
    std::int64_t connect_timeout_ms = 5'000;
    std::int64_t first_byte_timeout_ms = 600'000;  ///< reasoning models are silent for minutes
    std::int64_t stream_idle_timeout_ms = 600'000;
    std::int64_t upload_timeout_ms =
        60'000;  ///< while the upstream does not take more of a request body
    /// How long an upstream is read on after its client has left, to learn the exact usage.
    std::int64_t drain_after_disconnect_ms = 2'000;
    int attempts_max = 3;
    std::size_t idle_connections_per_upstream = 1024;
    /// Waiting for a limit, where neither the request nor the limits say otherwise.
    std::int64_t queue_max_wait_ms = 30'000;
    RequestLog request_log = RequestLog::errors;
    bool shows_cost_header = true;
};

}  // namespace tg
