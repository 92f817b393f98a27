// A Redis cluster: which node has which slot, and what to do when that changes.
#include <algorithm>
#include <charconv>
#include <map>

#include "store/internal/redis_connection.h"

namespace tg {
namespace {

using store_internal::RedisBackoff;
using store_internal::RedisCommand;
using store_internal::RedisConnection;
using store_internal::RedisTls;
using store_internal::RedisValue;
using store_internal::to_script_reply;

constexpr std::uint32_t kSlots = 16384;
constexpr int kRoundsMax = 4;  // of following MOVED and ASK

struct Node {
    Node(const RedisOptions* options, const RedisTls* tls)
        : connection(options, tls), backoff(options) {}
    RedisConnection connection;
    RedisBackoff backoff;
    Error last_error{ErrorCode::store_unavailable, "redis: not connected yet"};
};

/// "MOVED 3999 127.0.0.1:6381"; the host may be empty: the node that says so.
std::optional<RedisEndpoint> redirection(const std::string& text, const RedisEndpoint& from) {
    const std::size_t space = text.rfind(' '), colon = text.rfind(':');
    if (space == std::string::npos || colon == std::string::npos || colon < space)
        return std::nullopt;
    RedisEndpoint out{.host = text.substr(space + 1, colon - space - 1), .port = 0};
    if (out.host.empty()) out.host = from.host;
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.port);
    if (out.port <= 0 || out.port > 65535) return std::nullopt;
    return out;
}

class RedisCluster final : public RedisClient {
  public:
    explicit RedisCluster(RedisOptions options)
        : options_(std::move(options)), map_backoff_(&options_), owner_of_(kSlots) {}

    std::vector<RedisScriptReply> run_script(std::string_view script,
                                             std::span<const RedisScriptCall> calls) override {
        std::vector<Work> work;
        for (const RedisScriptCall& call : calls) work.push_back({&call});
        std::vector<RedisScriptReply> out(
            calls.size(), fail(ErrorCode::store_unavailable, "redis: slots move too fast"));
        if (options_.url.is_tls && tls_.context() == nullptr) {
            if (const Status status = tls_.open(options_.url.ca_file); !status.ok()) {
                std::ranges::fill(out, RedisScriptReply(fail(status.error())));
                return out;
            }
        }
        for (int round = 0; round < kRoundsMax; ++round) {
            if (needs_map_) refresh_map();
            if (!run_round(script, &work, &out)) break;
        }
        return out;
    }

    std::string server() const override { return last_server_; }

  private:
    struct Work {
        const RedisScriptCall* call;
        std::optional<RedisEndpoint> to{};  ///< told by the last node
        bool is_asking = false;
        bool is_done = false;
    };

    Node& node(const RedisEndpoint& endpoint) {
        std::unique_ptr<Node>& at = nodes_[endpoint.text()];
        if (!at) at = std::make_unique<Node>(&options_, options_.url.is_tls ? &tls_ : nullptr);
        return *at;
    }

    /// Errors: store_unavailable, at once while a node that failed is left alone.
    Status connect(Node* at, const RedisEndpoint& endpoint) {
        if (at->connection.is_open()) return {};
        if (!at->backoff.may_try()) return fail(at->last_error);
        Status status = at->connection.open(endpoint, RedisConnection::Login::master);
        if (status.ok()) {
            at->backoff.worked();
            return status;
        }
        at->backoff.failed();
        at->last_error = status.error();
        return status;
    }

    /// Runs what is not done yet, node by node. True when something is to be tried again.
    bool run_round(std::string_view script, std::vector<Work>* work,
                   std::vector<RedisScriptReply>* out) {
        std::map<std::pair<std::string, bool>, std::vector<std::size_t>> by_node;
        std::map<std::string, RedisEndpoint> endpoints;
        for (std::size_t i = 0; i < work->size(); ++i) {
            Work& one = (*work)[i];
            if (one.is_done) continue;
            const RedisEndpoint to = one.to ? *one.to : owner_of_[redis_slot(one.call->key)];
            if (to.host.empty()) {
                (*out)[i] = fail(map_error_);
                continue;
            }
            endpoints[to.text()] = to;
            by_node[{to.text(), one.is_asking}].push_back(i);
        }
        bool is_again = false;
        for (const auto& [key, members] : by_node)
            is_again = run_on_node(script, endpoints[key.first], key.second, members, work, out) ||
                       is_again;
        return is_again;
    }

    bool run_on_node(std::string_view script, const RedisEndpoint& endpoint, bool is_asking,
                     const std::vector<std::size_t>& members, std::vector<Work>* work,
                     std::vector<RedisScriptReply>* out) {
        Node& at = node(endpoint);
        const auto fail_all = [&](const Error& error) {
            needs_map_ = true;  // its slots may be another's by now
            for (const std::size_t i : members) {
                (*out)[i] = fail(error);
                (*work)[i].is_done = true;
            }
            return false;
        };
        if (const Status status = connect(&at, endpoint); !status.ok())
            return fail_all(status.error());
        std::vector<const RedisScriptCall*> calls;
        for (const std::size_t i : members) calls.push_back((*work)[i].call);
        const auto answers = at.connection.run_script(
            script, calls, is_asking, at.connection.deadline_ns(options_.call_timeout_ms));
        if (!answers.ok()) return fail_all(answers.error());
        last_server_ = endpoint.text();
        bool is_again = false;
        for (std::size_t k = 0; k < members.size(); ++k)
            is_again =
                take_answer((*answers)[k], endpoint, &(*work)[members[k]], &(*out)[members[k]]) ||
                is_again;
        return is_again;
    }

    bool take_answer(const RedisValue& answer, const RedisEndpoint& from, Work* work,
                     RedisScriptReply* out) {
        *out = to_script_reply(answer, from);
        const bool is_moved = answer.is_error("MOVED "), is_ask = answer.is_error("ASK ");
        if (is_moved || answer.is_error("READONLY") || answer.is_error("CLUSTERDOWN"))
            needs_map_ = true;
        work->to = is_moved || is_ask ? redirection(answer.text, from) : std::nullopt;
        work->is_asking = is_ask;
        work->is_done = !work->to;
        return !work->is_done;
    }

    void refresh_map() {
        if (!map_backoff_.may_try()) return;
        std::vector<RedisEndpoint> known;
        for (const auto& [text, unused] : nodes_)
            for (const RedisEndpoint& owner : owner_of_)
                if (owner.text() == text) {
                    known.push_back(owner);
                    break;
                }
        known.insert(known.end(), options_.url.hosts.begin(), options_.url.hosts.end());
        for (const RedisEndpoint& endpoint : known) {
            const Status status = read_map(endpoint);
            if (status.ok()) {
                needs_map_ = false;
                map_backoff_.worked();
                return;
            }
            map_error_ = status.error();
        }
        map_backoff_.failed();
    }

    Status read_map(const RedisEndpoint& from) {
        // Any node can tell, a replica too.
        RedisConnection connection(&options_, options_.url.is_tls ? &tls_ : nullptr);
        if (const Status status = connection.open(from, RedisConnection::Login::any); !status.ok())
            return fail(status.error());
        const RedisCommand ask = {"CLUSTER", "SLOTS"};
        TG_TRY(const std::vector<RedisValue> answers,
               connection.pipeline(std::span(&ask, 1),
                                   connection.deadline_ns(options_.call_timeout_ms)));
        if (answers[0].kind != RedisValue::Kind::list)
            return fail(ErrorCode::store_unavailable,
                        "redis: " + from.text() + " is no cluster: " + answers[0].text);
        std::vector<RedisEndpoint> next(kSlots);
        for (const RedisValue& range : answers[0].items) {
            if (range.items.size() < 3 || range.items[2].items.size() < 2) continue;
            RedisEndpoint owner{.host = range.items[2].items[0].text,
                                .port = static_cast<int>(range.items[2].items[1].integer)};
            if (owner.host.empty()) owner.host = from.host;
            const std::int64_t last = std::min<std::int64_t>(range.items[1].integer, kSlots - 1);
            for (std::int64_t slot = std::max<std::int64_t>(range.items[0].integer, 0);
                 slot <= last; ++slot)
                next[static_cast<std::size_t>(slot)] = owner;
        }
        owner_of_ = std::move(next);
        map_error_ = {ErrorCode::store_unavailable,
                      "redis: no node of the cluster has the slot; CLUSTER INFO on " + from.text() +
                          " says more"};
        return {};
    }

    RedisOptions options_;
    RedisTls tls_;
    RedisBackoff map_backoff_;
    std::vector<RedisEndpoint> owner_of_;
    std::map<std::string, std::unique_ptr<Node>> nodes_;
    std::string last_server_;
    Error map_error_{ErrorCode::store_unavailable, "redis: no node of the cluster answers"};
    bool needs_map_ = true;
};

std::uint16_t crc16(std::string_view text) {
    std::uint16_t crc = 0;
    for (const char c : text) {
        crc = static_cast<std::uint16_t>(crc ^ (static_cast<unsigned char>(c) << 8));
        for (int bit = 0; bit < 8; ++bit)
            crc = static_cast<std::uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

}  // namespace

std::uint32_t redis_slot(std::string_view key) {
    if (const std::size_t open = key.find('{'); open != std::string_view::npos) {
        const std::size_t close = key.find('}', open + 1);
        if (close != std::string_view::npos && close != open + 1)
            key = key.substr(open + 1, close - open - 1);
    }
    return crc16(key) % kSlots;
}

namespace store_internal {
std::unique_ptr<RedisClient> make_redis_cluster(RedisOptions options) {
    return std::make_unique<RedisCluster>(std::move(options));
}
}  // namespace store_internal

}  // namespace tg
