#include <algorithm>
#include <charconv>

#include "store/redis.h"

namespace tg {
namespace {

constexpr int kSentinelPort = 26379;

std::unexpected<Error> bad(const std::string& what) {
    return fail(ErrorCode::invalid_config,
                "redis URL: " + what +
                    "; forms: redis://host:6379/0, rediss://host, "
                    "redis+sentinel://host1,host2/master, redis+cluster://host1,host2");
}

Result<std::string> decode(std::string_view text, std::string_view what) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        unsigned value = 0;
        if (i + 2 >= text.size() ||
            std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16).ptr != &text[i + 1] + 2)
            return bad(std::string(what) + " has a '%' that is not followed by two hex digits");
        out.push_back(static_cast<char>(value));
        i += 2;
    }
    return out;
}

Result<int> number(const std::string& text, int least, int most, std::string_view what) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
        return bad(std::string(what) + " '" + text + "' is not a number from " +
                   std::to_string(least) + " to " + std::to_string(most));
    return value;
}

Result<RedisEndpoint> endpoint(std::string_view text, int default_port) {
    RedisEndpoint out{.host = {}, .port = default_port};
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return bad("an IPv6 address lacks its ']'");
        out.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (!port.empty() && !port.starts_with(':'))
            return bad("'" + std::string(port) + "' follows an IPv6 address");
    } else {
        const std::size_t colon = text.find(':');
        out.host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon);
    }
    if (out.host.empty()) return bad("a host is empty");
    if (!port.empty()) {
        TG_TRY(out.port, number(std::string(port.substr(1)), 1, 65535, "port"));
    }
    return out;
}

Status read_scheme(std::string_view scheme, RedisUrl* out) {
    if (scheme.starts_with("rediss")) {
        out->is_tls = true;
        scheme.remove_prefix(6);
    } else if (scheme.starts_with("redis")) {
        scheme.remove_prefix(5);
    } else {
        return bad("unknown scheme '" + std::string(scheme) + "'");
    }
    if (scheme == "+sentinel")
        out->kind = RedisUrl::Kind::sentinel;
    else if (scheme == "+cluster")
        out->kind = RedisUrl::Kind::cluster;
    else if (!scheme.empty())
        return bad("unknown kind '" + std::string(scheme) + "'");
    return {};
}

Status read_authority(std::string_view authority, RedisUrl* out) {
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        const std::string_view credentials = authority.substr(0, at);
        authority.remove_prefix(at + 1);
        const std::size_t colon = credentials.find(':');
        if (colon == std::string_view::npos)
            return bad("before '@' stands no password; write user:password@ or :password@");
        TG_TRY(out->user, decode(credentials.substr(0, colon), "the user"));
        TG_TRY(out->password, decode(credentials.substr(colon + 1), "the password"));
    }
    const int port = out->kind == RedisUrl::Kind::sentinel ? kSentinelPort : 6379;
    for (;;) {
        const std::size_t comma = authority.find(',');
        TG_TRY(RedisEndpoint host, endpoint(authority.substr(0, comma), port));
        out->hosts.push_back(std::move(host));
        if (comma == std::string_view::npos) break;
        authority.remove_prefix(comma + 1);
    }
    if (out->kind == RedisUrl::Kind::single && out->hosts.size() != 1)
        return bad("redis:// names one host; several are for redis+sentinel or redis+cluster");
    return {};
}

Status read_path(std::string_view path, RedisUrl* out) {
    std::string_view database = path;
    if (out->kind == RedisUrl::Kind::sentinel) {
        const std::size_t slash = path.find('/');
        out->master = path.substr(0, slash);
        if (out->master.empty())
            return bad("redis+sentinel lacks the master's name after the hosts");
        database = slash == std::string_view::npos ? "" : path.substr(slash + 1);
    }
    if (database.empty()) return {};
    if (out->kind == RedisUrl::Kind::cluster) return bad("a cluster has database 0 only");
    TG_TRY(out->database, number(std::string(database), 0, 1'000'000, "database"));
    return {};
}

Status read_query(std::string_view query, RedisUrl* out) {
    while (!query.empty()) {
        const std::size_t next = query.find('&');
        const std::string_view pair = query.substr(0, next);
        query = next == std::string_view::npos ? "" : query.substr(next + 1);
        const std::size_t equals = pair.find('=');
        const std::string_view name = pair.substr(0, equals);
        const std::string_view value =
            equals == std::string_view::npos ? "" : pair.substr(equals + 1);
        if (name == "ca_file") {
            TG_TRY(out->ca_file, decode(value, "ca_file"));
        } else if (name == "sentinel_auth" && (value == "same" || value == "none")) {
            out->has_sentinel_auth = value == "same";
        } else {
            return bad("unknown parameter '" + std::string(name) +
                       "'; there are ca_file=PATH and sentinel_auth=same|none");
        }
    }
    return {};
}

}  // namespace

std::string RedisEndpoint::text() const {
    const bool is_v6 = host.find(':') != std::string::npos;
    return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<RedisUrl> parse_redis_url(std::string_view url) {
    RedisUrl out;
    const std::size_t colon = url.find("://");
    if (colon == std::string_view::npos) return bad("it has no '://'");
    TG_CHECK_OK(read_scheme(url.substr(0, colon), &out));
    std::string_view rest = url.substr(colon + 3);
    std::string_view query;
    if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
        query = rest.substr(mark + 1);
        rest = rest.substr(0, mark);
    }
    const std::size_t slash = rest.find('/');
    TG_CHECK_OK(read_authority(rest.substr(0, slash), &out));
    TG_CHECK_OK(read_path(slash == std::string_view::npos ? "" : rest.substr(slash + 1), &out));
    TG_CHECK_OK(read_query(query, &out));
    return out;
}

}  // namespace tg
