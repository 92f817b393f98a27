#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/internal/redis_socket.h"
#include "store/redis.h"

struct redisReader;  // NOLINT(readability-identifier-naming): as hiredis declares it

namespace tg::store_internal {

/// What a server answered to one command.
struct RedisValue {
    enum class Kind : std::uint8_t { nil, integer, text, list, error };
    Kind kind = Kind::nil;
    std::int64_t integer = 0;
    std::string text{};  ///< also of an error: "READONLY You can't ..."
    std::vector<RedisValue> items{};

    bool is_error(std::string_view prefix) const {
        return kind == Kind::error && text.starts_with(prefix);
    }
};
using RedisCommand = std::vector<std::string>;

/// A connection to one server, logged in, with scripts. Blocking, one thread. After an error of the
/// connection (not of a command) it is closed.
class RedisConnection {
  public:
    explicit RedisConnection(const RedisOptions* options, const RedisTls* tls);
    ~RedisConnection();

    enum class Login : std::uint8_t {
        master,    ///< must be one
        any,       ///< a replica will do
        sentinel,  ///< no database; its own password
    };
    /// Connects and logs in. Errors: store_unavailable; invalid_config when the server refuses the
    /// password.
    Status open(const RedisEndpoint& to, Login login);
    bool is_open() const { return is_open_; }
    void close();
    const RedisEndpoint& endpoint() const { return endpoint_; }
    const std::string& run_id() const { return run_id_; }

    /// Sends all commands, then reads their answers. An answer may be an error of its command.
    Result<std::vector<RedisValue>> pipeline(std::span<const RedisCommand> commands,
                                             std::int64_t deadline_ns);
    /// EVALSHA of the script for each call, after ASKING where `is_asking`; loads it when the
    /// server does not know it.
    Result<std::vector<RedisValue>> run_script(std::string_view script,
                                               std::span<const RedisScriptCall* const> calls,
                                               bool is_asking, std::int64_t deadline_ns);
    std::int64_t deadline_ns(std::int64_t timeout_ms) const;

  private:
    Status log_in(Login login, std::int64_t deadline_ns);
    Result<RedisValue> read_value(std::int64_t deadline_ns);
    Status load_script(std::string_view script, std::int64_t deadline_ns);
    Result<std::vector<RedisValue>> evaluate(std::span<const RedisScriptCall* const> calls,
                                             bool is_asking, std::int64_t deadline_ns);

    const RedisOptions* options_;
    const RedisTls* tls_;
    RedisSocket socket_;
    redisReader* reader_ = nullptr;
    RedisEndpoint endpoint_;
    std::string run_id_, script_sha_;
    const void* loaded_script_ = nullptr;
    bool is_open_ = false;
};

/// A script's answer as strings; errors as RedisClient::run_script().
RedisScriptReply to_script_reply(const RedisValue& value, const RedisEndpoint& from);

/// When a server may be tried again after failures.
class RedisBackoff {
  public:
    explicit RedisBackoff(const RedisOptions* options) : options_(options) {}
    bool may_try() const { return options_->clock->monotonic_ns() >= next_ns_; }
    void failed() {
        wait_ms_ =
            wait_ms_ == 0 ? options_->backoff_ms : std::min(2 * wait_ms_, options_->backoff_max_ms);
        next_ns_ = options_->clock->monotonic_ns() + wait_ms_ * 1'000'000;
    }
    void worked() { wait_ms_ = 0; }

  private:
    const RedisOptions* options_;
    std::int64_t wait_ms_ = 0;
    std::int64_t next_ns_ = 0;
};

std::unique_ptr<RedisClient> make_redis_cluster(RedisOptions options);

}  // namespace tg::store_internal
