#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sim/knobs.h"
#include "sim/limiter.h"
#include "sim/served_log.h"

namespace tg::sim {

/// What is fixed when the simulator starts; what can change is in Knobs.
struct SimOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;  ///< 0: any free one
    int threads = 1;
    std::uint64_t seed = 1;
    std::string region;
    std::vector<std::string> keys;    ///< accepted API keys; empty: any
    std::vector<std::string> models;  ///< known models; empty: any model is served
    std::string served_log;           ///< empty: none
    ServedLog::Sync served_log_sync = ServedLog::Sync::buffered;
    LimitModel limit_model = LimitModel::bucket;
    bool has_obfuscation =
        true;  ///< stream events carry OpenAI's padding unless the caller declines
    std::string tls_cert, tls_key;
    std::size_t body_bytes_max = 512 << 20;
};

}  // namespace tg::sim
