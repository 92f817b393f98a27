// A single Redis, and the master that sentinels name.
#include <algorithm>
#include <charconv>

#include "store/internal/redis_connection.h"

namespace tg {
namespace {

using store_internal::RedisBackoff;
using store_internal::RedisCommand;
using store_internal::RedisConnection;
using store_internal::RedisTls;
using store_internal::RedisValue;
using store_internal::to_script_reply;

class RedisMaster final : public RedisClient {
  public:
    explicit RedisMaster(RedisOptions options)
        : options_(std::move(options)), backoff_(&options_) {}

    std::vector<RedisScriptReply> run_script(std::string_view script,
                                             std::span<const RedisScriptCall> calls) override {
        if (const Status status = connect(); !status.ok()) return all(calls, status.error());
        std::vector<const RedisScriptCall*> pointers;
        for (const RedisScriptCall& call : calls) pointers.push_back(&call);
        const auto answers = connection_->run_script(
            script, pointers, false, connection_->deadline_ns(options_.call_timeout_ms));
        if (!answers.ok()) return all(calls, answers.error());
        std::vector<RedisScriptReply> out;
        for (const RedisValue& answer : *answers) {
            out.push_back(to_script_reply(answer, connection_->endpoint()));
            // A master that has become a replica keeps its connections only by mistake.
            if (answer.is_error("READONLY")) connection_->close();
        }
        return out;
    }

    std::string server() const override {
        return connection_ ? connection_->endpoint().text() : options_.url.hosts[0].text();
    }

  private:
    static std::vector<RedisScriptReply> all(std::span<const RedisScriptCall> calls,
                                             const Error& error) {
        std::vector<RedisScriptReply> out;
        for (std::size_t i = 0; i < calls.size(); ++i) out.emplace_back(fail(error));
        return out;
    }

    Status connect() {
        if (connection_ && connection_->is_open()) return {};
        if (!backoff_.may_try()) return fail(last_error_);
        if (options_.url.is_tls && tls_.context() == nullptr)
            TG_CHECK_OK(tls_.open(options_.url.ca_file));
        const Status status = options_.url.kind == RedisUrl::Kind::sentinel
                                  ? connect_by_sentinels()
                                  : connect_to(options_.url.hosts[0]);
        if (status.ok()) {
            backoff_.worked();
        } else {
            backoff_.failed();
            last_error_ = status.error();
        }
        return status;
    }

    Status connect_to(const RedisEndpoint& endpoint) {
        connection_ = std::make_unique<RedisConnection>(&options_, tls());
        return connection_->open(endpoint, RedisConnection::Login::master);
    }

    const RedisTls* tls() const { return options_.url.is_tls ? &tls_ : nullptr; }

    /// The sentinel that answered last is asked first.
    Status connect_by_sentinels() {
        std::string errors;
        for (std::size_t i = 0; i < options_.url.hosts.size(); ++i) {
            const RedisEndpoint& sentinel = options_.url.hosts[i];
            Result<RedisEndpoint> master = ask_sentinel(sentinel);
            if (master.ok()) {
                // During a failover a sentinel may still name the old master: ask the next.
                const Status status = connect_to(*master);
                if (status.ok()) {
                    std::rotate(options_.url.hosts.begin(), options_.url.hosts.begin() + i,
                                options_.url.hosts.begin() + i + 1);
                    return {};
                }
                errors.append(errors.empty() ? "" : "; ").append(status.error().detail);
                continue;
            }
            errors.append(errors.empty() ? "" : "; ").append(master.error().detail);
        }
        return fail(ErrorCode::store_unavailable,
                    "no sentinel leads to a master '" + options_.url.master + "': " + errors);
    }

    Result<RedisEndpoint> ask_sentinel(const RedisEndpoint& sentinel) {
        RedisConnection connection(&options_, tls());
        TG_CHECK_OK(connection.open(sentinel, RedisConnection::Login::sentinel));
        const RedisCommand ask = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", options_.url.master};
        TG_TRY(const std::vector<RedisValue> answers,
               connection.pipeline(std::span(&ask, 1),
                                   connection.deadline_ns(options_.call_timeout_ms)));
        const RedisValue& answer = answers[0];
        if (answer.items.size() != 2)
            return fail(ErrorCode::store_unavailable,
                        "sentinel " + sentinel.text() + " knows no master '" + options_.url.master +
                            "'" + (answer.text.empty() ? "" : ": " + answer.text));
        int port = 0;
        const std::string& text = answer.items[1].text;
        std::from_chars(text.data(), text.data() + text.size(), port);
        return RedisEndpoint{answer.items[0].text, port};
    }

    RedisOptions options_;
    RedisTls tls_;
    RedisBackoff backoff_;
    std::unique_ptr<RedisConnection> connection_;
    Error last_error_{ErrorCode::store_unavailable, "redis: not connected yet"};
};

}  // namespace

std::unique_ptr<RedisClient> make_redis_client(RedisOptions options) {
    if (options.url.kind == RedisUrl::Kind::cluster)
        return store_internal::make_redis_cluster(std::move(options));
    return std::make_unique<RedisMaster>(std::move(options));
}

}  // namespace tg
