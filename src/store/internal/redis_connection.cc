#include "store/internal/redis_connection.h"

#include <hiredis/hiredis.h>

#include <algorithm>

namespace tg::store_internal {
namespace {

std::unexpected<Error> unavailable(const std::string& what) {
    return fail(ErrorCode::store_unavailable, "redis: " + what);
}

constexpr int kDepthMax = 8;  // of lists in lists; the server's own replies have three

RedisValue to_value(const redisReply& reply, int depth = 0) {
    RedisValue out;
    switch (reply.type) {
        case REDIS_REPLY_INTEGER:
            out.kind = RedisValue::Kind::integer;
            out.integer = reply.integer;
            break;
        case REDIS_REPLY_STRING:
        case REDIS_REPLY_STATUS:
        case REDIS_REPLY_ERROR:
            out.kind =
                reply.type == REDIS_REPLY_ERROR ? RedisValue::Kind::error : RedisValue::Kind::text;
            out.text.assign(reply.str, reply.len);
            break;
        case REDIS_REPLY_ARRAY:
            out.kind = RedisValue::Kind::list;
            for (std::size_t i = 0; i < reply.elements && depth < kDepthMax; ++i)
                out.items.push_back(to_value(*reply.element[i], depth + 1));
            break;
        default:
            break;
    }
    return out;
}

void append_command(std::string* out, const RedisCommand& command) {
    std::vector<const char*> words;
    std::vector<std::size_t> sizes;
    for (const std::string& word : command) {
        words.push_back(word.data());
        sizes.push_back(word.size());
    }
    char* text = nullptr;
    const int size =
        redisFormatCommandArgv(&text, static_cast<int>(words.size()), words.data(), sizes.data());
    TG_ASSERT(size > 0);
    out->append(text, static_cast<std::size_t>(size));
    redisFreeCommand(text);
}

std::string line_of(const std::string& text, std::string_view name) {
    const std::size_t at = text.find(name);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + name.size();
    return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

}  // namespace

RedisConnection::RedisConnection(const RedisOptions* options, const RedisTls* tls)
    : options_(options), tls_(tls), socket_(options->clock) {}

RedisConnection::~RedisConnection() {
    close();
}

void RedisConnection::close() {
    socket_.close();
    if (reader_ != nullptr) redisReaderFree(reader_);
    reader_ = nullptr;
    is_open_ = false;
    loaded_script_ = nullptr;
}

std::int64_t RedisConnection::deadline_ns(std::int64_t timeout_ms) const {
    return options_->clock->monotonic_ns() + timeout_ms * 1'000'000;
}

Status RedisConnection::open(const RedisEndpoint& to, Login login) {
    close();
    endpoint_ = to;
    const std::int64_t until_ns = deadline_ns(options_->connect_timeout_ms);
    if (const Status status = socket_.connect(to, tls_, until_ns); !status.ok())
        return unavailable(status.error().detail);
    reader_ = redisReaderCreate();
    is_open_ = true;
    Status status = log_in(login, until_ns);
    if (!status.ok()) close();
    return status;
}

Status RedisConnection::log_in(Login login, std::int64_t deadline_ns) {
    const RedisUrl& url = options_->url;
    const bool is_server = login != Login::sentinel;
    std::vector<RedisCommand> commands;
    if (!url.password.empty() && (is_server || url.has_sentinel_auth)) {
        commands.push_back({"AUTH"});
        if (!url.user.empty()) commands.back().push_back(url.user);
        commands.back().push_back(url.password);
    }
    if (is_server && url.database != 0)
        commands.push_back({"SELECT", std::to_string(url.database)});
    commands.push_back({"INFO", "server"});
    if (is_server) commands.push_back({"ROLE"});
    TG_TRY(const std::vector<RedisValue> answers, pipeline(commands, deadline_ns));
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i].kind != RedisValue::Kind::error) continue;
        const std::string what =
            endpoint_.text() + " refuses " + commands[i][0] + ": " + answers[i].text;
        if (answers[i].is_error("LOADING") || answers[i].is_error("MASTERDOWN"))
            return unavailable(what);
        return fail(ErrorCode::invalid_config, "redis: " + what);
    }
    const RedisValue& information = answers[answers.size() - (is_server ? 2 : 1)];
    run_id_ = line_of(information.text, "run_id:");
    if (login != Login::master) return {};
    const RedisValue& role = answers.back();
    if (role.items.empty() || role.items[0].text != "master")
        return unavailable(endpoint_.text() +
                           " is a replica; limits are shared through the master");
    if (run_id_.empty()) return unavailable(endpoint_.text() + " does not tell its run_id");
    return {};
}

Result<RedisValue> RedisConnection::read_value(std::int64_t deadline_ns) {
    for (;;) {
        void* reply = nullptr;
        if (redisReaderGetReply(reader_, &reply) != REDIS_OK)
            return fail(ErrorCode::store_unavailable,
                        std::string("the answer is not Redis's protocol: ") + reader_->errstr);
        if (reply != nullptr) {
            RedisValue value = to_value(*static_cast<redisReply*>(reply));
            freeReplyObject(reply);
            return value;
        }
        TG_TRY(const std::string_view bytes, socket_.receive(deadline_ns));
        redisReaderFeed(reader_, bytes.data(), bytes.size());
    }
}

Result<std::vector<RedisValue>> RedisConnection::pipeline(std::span<const RedisCommand> commands,
                                                          std::int64_t deadline_ns) {
    std::string text;
    for (const RedisCommand& command : commands) append_command(&text, command);
    const auto broken = [&](const Error& error) {
        close();
        return unavailable(endpoint_.text() + ": " + error.detail);
    };
    if (const Status sent = socket_.send(text, deadline_ns); !sent.ok())
        return broken(sent.error());
    std::vector<RedisValue> answers;
    while (answers.size() < commands.size()) {
        Result<RedisValue> answer = read_value(deadline_ns);
        if (!answer.ok()) return broken(answer.error());
        answers.push_back(std::move(*answer));
    }
    return answers;
}

Status RedisConnection::load_script(std::string_view script, std::int64_t deadline_ns) {
    const RedisCommand load = {"SCRIPT", "LOAD", std::string(script)};
    TG_TRY(const std::vector<RedisValue> answers, pipeline(std::span(&load, 1), deadline_ns));
    if (answers[0].kind != RedisValue::Kind::text) {
        // A replica promoted or a server loading its data answers so; the script itself is tested.
        close();
        return unavailable(endpoint_.text() + " does not load the script: " + answers[0].text);
    }
    script_sha_ = answers[0].text;
    loaded_script_ = script.data();
    return {};
}

Result<std::vector<RedisValue>> RedisConnection::evaluate(
    std::span<const RedisScriptCall* const> calls, bool is_asking, std::int64_t deadline_ns) {
    std::vector<RedisCommand> commands;
    for (const RedisScriptCall* call : calls) {
        if (is_asking) commands.push_back({"ASKING"});
        RedisCommand command = {"EVALSHA", script_sha_, "1", call->key};
        command.insert(command.end(), call->arguments.begin(), call->arguments.end());
        if (call->run_id_at) command[4 + *call->run_id_at] = run_id_;
        commands.push_back(std::move(command));
    }
    TG_TRY(std::vector<RedisValue> answers, pipeline(commands, deadline_ns));
    if (!is_asking) return answers;
    std::vector<RedisValue> odd;
    for (std::size_t i = 1; i < answers.size(); i += 2) odd.push_back(std::move(answers[i]));
    return odd;
}

Result<std::vector<RedisValue>> RedisConnection::run_script(
    std::string_view script, std::span<const RedisScriptCall* const> calls, bool is_asking,
    std::int64_t deadline_ns) {
    if (loaded_script_ != script.data()) TG_CHECK_OK(load_script(script, deadline_ns));
    TG_TRY(std::vector<RedisValue> answers, evaluate(calls, is_asking, deadline_ns));
    // Scripts may be flushed at any time. A call so refused has not run, and runs again.
    std::vector<const RedisScriptCall*> again;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (!answers[i].is_error("NOSCRIPT")) continue;
        again.push_back(calls[i]);
        places.push_back(i);
    }
    if (again.empty()) return answers;
    TG_CHECK_OK(load_script(script, deadline_ns));
    TG_TRY(std::vector<RedisValue> second, evaluate(again, is_asking, deadline_ns));
    for (std::size_t i = 0; i < second.size(); ++i) answers[places[i]] = std::move(second[i]);
    return answers;
}

RedisScriptReply to_script_reply(const RedisValue& value, const RedisEndpoint& from) {
    if (value.kind == RedisValue::Kind::error) {
        for (const std::string_view passing :
             {"READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "BUSY", "OOM", "CLUSTERDOWN",
              "TRYAGAIN", "MOVED", "ASK", "NOSCRIPT", "MISCONF", "NOAUTH", "WRONGPASS"})
            if (value.is_error(passing)) return unavailable(from.text() + ": " + value.text);
        return fail(ErrorCode::corrupt_data,
                    "redis: the script failed on " + from.text() + ": " + value.text);
    }
    if (value.kind != RedisValue::Kind::list)
        return fail(ErrorCode::corrupt_data,
                    "redis: the script's reply from " + from.text() + " is no list");
    std::vector<std::string> out;
    for (const RedisValue& item : value.items) {
        if (item.kind != RedisValue::Kind::text)
            return fail(ErrorCode::corrupt_data,
                        "redis: the script's reply from " + from.text() + " holds more than texts");
        out.push_back(item.text);
    }
    return out;
}

}  // namespace tg::store_internal
