#include "app/config.h"

#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/config_routing.h"
#include "app/fleet.h"
#include "app/yaml_reader.h"
#include "base/time_zone.h"
#include "gateway/route_table.h"
#include "net/address.h"

namespace tg {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

void read_address(YamlReader& in, const char* key, std::string* out) {
    in.text(key, out);
    if (out->empty()) return;
    if (const Result<SocketAddress> address = parse_address(*out); !address.ok()) {
        in.problem(key, "'" + std::string(key) + "': " + address.error().detail);
    }
}

void read_tls(YamlReader& in, const char* key, TlsFiles* out) {
    in.section(key, [&](YamlReader& tls) {
        tls.text("certificate_file", &out->certificate_file);
        tls.text("key_file", &out->key_file);
        if (out->certificate_file.empty() != out->key_file.empty()) {
            tls.problem("certificate_file", "TLS needs both certificate_file and key_file");
        }
    });
}

void read_limits(YamlReader& in, Config* c) {
    std::int64_t head = static_cast<std::int64_t>(c->server.limits.head_bytes),
                 headers = static_cast<std::int64_t>(c->server.limits.headers),
                 connections = static_cast<std::int64_t>(c->server.connections_max),
                 body = static_cast<std::int64_t>(c->gateway.json_body_bytes);
    in.size("head_bytes", 1024, 1 << 20, &head);
    in.integer("headers", 8, 1000, &headers);
    in.integer("connections", 1, 1'000'000, &connections);
    in.size("json_body_bytes", 1024, std::int64_t{1} << 30, &body);
    c->server.limits.head_bytes = static_cast<std::size_t>(head);
    c->server.limits.headers = static_cast<std::size_t>(headers);
    c->server.connections_max = static_cast<std::size_t>(connections);
    c->gateway.json_body_bytes = static_cast<std::size_t>(body);
}

void read_timeouts(YamlReader& in, Config* c) {
    in.duration("head", 100, kHourMs, &c->server.head_timeout_ms);
    in.duration("idle", 100, kHourMs, &c->server.idle_timeout_ms);
    in.duration("body", 100, kHourMs, &c->server.body_timeout_ms);
    in.duration("write", 100, kHourMs, &c->server.write_timeout_ms);
    in.duration("connect", 10, kHourMs, &c->gateway.connect_timeout_ms);
    in.duration("first_byte", 100, 24 * kHourMs, &c->gateway.first_byte_timeout_ms);
    in.duration("stream_idle", 100, 24 * kHourMs, &c->gateway.stream_idle_timeout_ms);
    in.duration("upload", 100, kHourMs, &c->gateway.upload_timeout_ms);
    in.duration("drain_after_disconnect", 0, 60'000, &c->gateway.drain_after_disconnect_ms);
    in.duration("shutdown", 0, kHourMs, &c->shutdown_timeout_ms);
}

void read_upstream(YamlReader& in, UpstreamOptions* u) {
    in.text("name", &u->name);
    in.choice("provider", {"openai"}, [](std::size_t) {});
    in.text("region", &u->region);
    in.text("base_url", &u->base_url);
    in.secret("api_key", &u->api_key);
    in.text("organization", &u->organization);
    in.text("project", &u->project);
    in.text("ca_file", &u->ca_file);
    in.boolean("inject_usage", &u->inject_usage);
    read_upstream_routing(in, u);
    // The same checks as at start, so that check-config finds what serve would.
    if (const auto table = RouteTable::build({*u}); !table.ok())
        in.problem("name", table.error().detail);
}

void read_gateway(YamlReader& in, Config* c) {
    std::int64_t attempts = c->gateway.attempts_max,
                 idle = static_cast<std::int64_t>(c->gateway.idle_connections_per_upstream);
    in.integer("attempts", 1, 10, &attempts);
    in.integer("idle_connections_per_upstream", 0, 100'000, &idle);
    in.boolean("cost_header", &c->gateway.shows_cost_header);
    c->gateway.attempts_max = static_cast<int>(attempts);
    c->gateway.idle_connections_per_upstream = static_cast<std::size_t>(idle);
}

void read_queue(YamlReader& in, Config* c) {
    constexpr std::int64_t kWaitingMax = 1'000'000;
    std::int64_t total = c->admission.queue_max, customer = c->admission.queue_customer_max;
    in.duration("max_wait", 0, kHourMs, &c->gateway.queue_max_wait_ms);
    in.integer("max_waiting", 0, kWaitingMax, &total);
    in.integer("max_waiting_per_customer", 0, kWaitingMax, &customer);
    c->admission.queue_max = static_cast<std::uint32_t>(total);
    c->admission.queue_customer_max = static_cast<std::uint32_t>(customer);
}

void read_journal(YamlReader& in, Config* c) {
    std::int64_t segment = c->journal.segment_bytes,
                 interval_ms = c->journal.commit_interval_us / 1000;
    in.text("directory", &c->journal.directory);
    in.size("segment_bytes", 1 << 20, 1 << 30, &segment);
    in.duration("commit_interval", 0, 1000, &interval_ms);
    in.choice("sync", {"durable", "relaxed"}, [&](std::size_t i) {
        c->journal.sync = i == 0 ? JournalOptions::Sync::durable : JournalOptions::Sync::relaxed;
    });
    c->journal.segment_bytes = static_cast<std::uint32_t>(segment);
    c->journal.commit_interval_us = interval_ms * 1000;
}

void read_security(YamlReader& in, Config* c) {
    in.choice("core_dumps", {"off", "on"}, [&](std::size_t i) { c->has_core_dumps = i == 1; });
}

void read_billing(YamlReader& in, Config* c) {
    in.decimal("usd_cny_rate", 8, 1'000'000, 100'000'000'000, &c->usd_cny_e8);
    in.decimal("vat_percent", 4, 0, 1'000'000, &c->vat_ppm);
    in.choice("finalise_by", {"anyone", "second_person"},
              [&](std::size_t i) { c->finalise_by = static_cast<FinalBy>(i); });
    in.text("time_zone", &c->default_time_zone);
    if (const auto zone = TimeZone::load(c->default_time_zone); !zone.ok())
        in.problem("time_zone", zone.error().detail);
}

void read_issuer(YamlReader& in, Issuer* issuer) {
    in.text("name", &issuer->name);
    in.text("name_zh", &issuer->name_zh);
    in.text("tax_id", &issuer->tax_id);
    in.text("address", &issuer->address);
    in.text("phone", &issuer->phone);
    in.text("email", &issuer->email);
    in.text("bank_name", &issuer->bank_name);
    in.text("bank_account", &issuer->bank_account);
    in.text("logo", &issuer->logo_file);
}

void read_nuonuo(YamlReader& in, NuonuoOptions* nuonuo) {
    in.text("url", &nuonuo->url);
    in.text("token_url", &nuonuo->token_url);
    in.text("app_key", &nuonuo->app_key);
    in.secret("app_secret", &nuonuo->app_secret);
    in.text("ca_file", &nuonuo->ca_file);
}

void read_baiwang(YamlReader& in, BaiwangOptions* baiwang) {
    in.text("url", &baiwang->url);
    in.text("app_key", &baiwang->app_key);
    in.secret("app_secret", &baiwang->app_secret);
    in.text("username", &baiwang->username);
    in.secret("password", &baiwang->password);
    in.text("salt", &baiwang->salt);
    in.text("ca_file", &baiwang->ca_file);
}

void read_invoicing(YamlReader& in, InvoicingConfig* c) {
    in.choice("platform", {"local", "nuonuo", "baiwang"}, [&](std::size_t i) {
        constexpr std::string_view kPlatforms[] = {kLocalPlatform, "nuonuo", "baiwang"};
        c->platform = kPlatforms[i];
    });
    in.text("drawer", &c->drawer);
    in.text("item_name", &c->item_name);
    in.text("tax_code", &c->tax_code);
    const bool has_tax_code = c->tax_code.size() == 19 &&
                              c->tax_code.find_first_not_of("0123456789") == std::string::npos;
    if (!has_tax_code) {
        in.problem("tax_code", "'invoicing.tax_code' is '" + c->tax_code +
                                   "'; it has 19 digits (商品和服务税收分类编码)");
    }
    in.section("nuonuo", [&](YamlReader& nuonuo) { read_nuonuo(nuonuo, &c->nuonuo); });
    in.section("baiwang", [&](YamlReader& baiwang) { read_baiwang(baiwang, &c->baiwang); });
    c->nuonuo.drawer = c->baiwang.drawer = c->drawer;
    const bool has_key =
        c->platform == kLocalPlatform ||
        (c->platform == "nuonuo" ? !c->nuonuo.app_key.empty() && !c->nuonuo.app_secret.empty()
                                 : !c->baiwang.app_key.empty() && !c->baiwang.app_secret.empty());
    if (!has_key) {
        in.problem("platform", "'invoicing.platform' is " + c->platform +
                                   ": it needs app_key and app_secret in the section '" +
                                   c->platform + "'");
    }
}

void read_all(YamlReader& in, Config* c) {
    read_address(in, "listen", &c->listen);
    read_tls(in, "tls", &c->tls);
    in.section("admin", [&](YamlReader& admin) {
        read_address(admin, "listen", &c->admin_listen);
        read_tls(admin, "tls", &c->admin_tls);
        admin.secret("token", &c->admin_token);
        if (!c->admin_token.empty() && c->admin_token.size() < 20) {
            admin.problem("token",
                          "'admin.token' is too short; use at least 20 characters, e.g. from: "
                          "openssl rand -hex 24");
        }
    });
    std::int64_t workers = c->workers;
    in.integer("workers", 0, 256, &workers);
    c->workers = static_cast<int>(workers);
    in.text("var_dir", &c->var_dir);
    in.text("store", &c->store_url);
    if (!c->store_url.empty() && !c->store_url.starts_with("sqlite:") &&
        !c->store_url.starts_with("postgres://") && !c->store_url.starts_with("postgresql://")) {
        in.problem("store",
                   "'store' must be sqlite:PATH or postgres://user:password@host/database");
    }
    in.section("metering",
               [&](YamlReader& metering) { metering.boolean("enabled", &c->is_metering_on); });
    in.section("journal", [&](YamlReader& journal) { read_journal(journal, c); });
    in.section("limits", [&](YamlReader& limits) { read_limits(limits, c); });
    in.section("timeouts", [&](YamlReader& timeouts) { read_timeouts(timeouts, c); });
    in.section("gateway", [&](YamlReader& gateway) { read_gateway(gateway, c); });
    in.section("queue", [&](YamlReader& queue) { read_queue(queue, c); });
    in.section("fleet", [&](YamlReader& fleet) { read_fleet(fleet, &c->fleet); });
    c->admission.is_fleet = c->fleet.is_on;
    in.list("upstreams", [&](YamlReader& upstream) {
        UpstreamOptions options;
        read_upstream(upstream, &options);
        c->gateway.upstreams.push_back(std::move(options));
    });
    if (const auto table = RouteTable::build(c->gateway.upstreams);
        !table.ok() && in.problems()->empty()) {
        in.problem("upstreams", table.error().detail);
    }
    in.section("routing", [&](YamlReader& routing) { read_routing(routing, &c->gateway.routing); });
    check_routing(in, c->gateway);
    in.section("prices", [&](YamlReader& prices) {
        prices.text("file", &c->prices_file);
        prices.choice("unknown_model", {"refuse", "price_as"},
                      [&](std::size_t i) { c->unknown_model = i == 0 ? "refuse" : "price_as"; });
        prices.text("price_as", &c->price_as_model);
        if (c->unknown_model == "price_as" && c->price_as_model.empty()) {
            prices.problem("unknown_model",
                           "'prices.price_as' must name the model whose price unknown models get");
        }
    });
    in.section("billing", [&](YamlReader& billing) { read_billing(billing, c); });
    in.section("issuer", [&](YamlReader& issuer) { read_issuer(issuer, &c->issuer); });
    in.section("invoicing",
               [&](YamlReader& invoicing) { read_invoicing(invoicing, &c->invoicing); });
    in.section("security", [&](YamlReader& security) { read_security(security, c); });
    in.section("log", [&](YamlReader& log) {
        log.choice("level", {"debug", "info", "warn", "error"},
                   [&](std::size_t i) { c->log_level = static_cast<LogLevel>(i); });
        log.choice("requests", {"off", "errors", "all"},
                   [&](std::size_t i) { c->gateway.request_log = static_cast<RequestLog>(i); });
    });
}

const char* environment(const char* name) {
    return std::getenv(name);
}

}  // namespace

std::string ConfigResult::report(const std::string& file) const {
    std::string out;
    for (const ConfigProblem& problem : problems) {
        out.append(file).append(":");
        if (problem.line > 0) out.append(std::to_string(problem.line)).append(":");
        out.append(" ").append(problem.text).append("\n");
    }
    return out;
}

ConfigResult parse_config(const std::string& yaml, EnvLookup env) {
    ConfigResult result;
    try {
        YamlReader reader(YAML::Load(yaml), "", env, &result.problems);
        read_all(reader, &result.config);
    } catch (const YAML::Exception& error) {
        result.problems.push_back(
            {error.mark.is_null() ? 0 : error.mark.line + 1, "not valid YAML: " + error.msg});
    }
    std::ranges::sort(result.problems, {},
                      [](const ConfigProblem& p) { return std::tie(p.line, p.text); });
    return result;
}

ConfigResult load_config(const std::string& file, bool is_optional) {
    std::ifstream in(file);
    if (!in) {
        ConfigResult result;
        if (!is_optional)
            result.problems.push_back({0, "cannot be read; copy deploy/tollgate.yaml and edit it"});
        return result;
    }
    std::stringstream text;
    text << in.rdbuf();
    return parse_config(text.str(), environment);
}

}  // namespace tg
