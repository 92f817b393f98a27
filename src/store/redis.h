#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tg {

struct RedisEndpoint {
    std::string host;
    int port = 6379;
    std::string text() const;  ///< "host:port", IPv6 in brackets
    friend bool operator==(const RedisEndpoint&, const RedisEndpoint&) = default;
};

/// Where a Redis is. Forms (with TLS: rediss instead of redis):
///   redis://[user:password@]host[:port][/database]
///   redis+sentinel://[user:password@]host1[:port],host2.../master-name[/database]
///   redis+cluster://[user:password@]host1[:port],host2...
/// each with ?ca_file=/path for TLS (default: the system's authorities). Ports: 6379, sentinels
/// 26379. User and password are percent-encoded; the sentinels get the same as the server when
/// ?sentinel_auth=same is set, else none.
struct RedisUrl {
    enum class Kind : std::uint8_t { single, sentinel, cluster };
    Kind kind = Kind::single;
    bool is_tls = false;
    std::vector<RedisEndpoint> hosts;
    std::string user, password;  ///< empty: none
    int database = 0;
    std::string master;  ///< sentinel
    std::string ca_file;
    bool has_sentinel_auth = false;
};
/// Errors: invalid_config (what is wrong; never the password).
Result<RedisUrl> parse_redis_url(std::string_view url);

struct RedisOptions {
    RedisUrl url;
    std::int64_t connect_timeout_ms = 500;
    std::int64_t call_timeout_ms = 250;  ///< for all calls handed over at once
    /// After a failed connection the next is tried no sooner; doubles up to the second.
    std::int64_t backoff_ms = 50;
    std::int64_t backoff_max_ms = 1000;
    const Clock* clock = &system_clock();
};

/// One call of a script that touches one key, or keys of one hash tag.
struct RedisScriptCall {
    std::string key;
    std::vector<std::string> arguments{};
    /// This argument becomes the run id of the server that executes the script: another id means
    /// that the data may be another, too. Found when a connection is made, which no restart and
    /// no failover survives.
    std::optional<std::size_t> run_id_at{};
};
using RedisScriptReply = Result<std::vector<std::string>>;

/// Calls a script on a single Redis, on the master that sentinels name, or in a cluster. Connects
/// when first needed and again after a failure, follows failovers and moved slots. Blocking, for
/// one thread of its own, never a loop; each call returns within connect and call timeout (and the
/// time that the system's resolver takes for a name).
class RedisClient {
  public:
    virtual ~RedisClient() = default;
    /// Runs all calls, pipelined. A reply is the array of strings that the script returned. Errors,
    /// for each call: store_unavailable (no connection, no answer in time, not a master: whether
    /// the script ran is unknown), corrupt_data (the script failed or its reply is of another
    /// form).
    virtual std::vector<RedisScriptReply> run_script(std::string_view script,
                                                     std::span<const RedisScriptCall> calls) = 0;
    /// Which server answered last; for logs.
    virtual std::string server() const = 0;
};
std::unique_ptr<RedisClient> make_redis_client(RedisOptions options);

/// The slot of a key in a cluster: of its hash tag where it has one.
/// Source: Redis cluster specification, "Hash tags" and appendix A (CRC16-XMODEM), read 2026-11.
std::uint32_t redis_slot(std::string_view key);

}  // namespace tg
