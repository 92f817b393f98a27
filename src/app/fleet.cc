#include "app/fleet.h"

#include <unistd.h>

#include <array>
#include <cstdio>

#include "app/yaml_reader.h"
#include "base/rng.h"

namespace tg {
namespace {

constexpr std::size_t kProcessNameMax = 60;

bool is_process_name(const std::string& text) {
    return text.size() <= kProcessNameMax && std::ranges::all_of(text, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
           });
}

/// Readable in Redis, and never the name of another or a later process.
std::string member_name(const std::string& process) {
    std::string name = process;
    if (name.empty()) {
        std::array<char, kProcessNameMax + 1> host{};
        if (::gethostname(host.data(), host.size() - 1) == 0) name = host.data();
        if (!is_process_name(name)) name.clear();
        name.append("-").append(std::to_string(::getpid()));
    }
    std::uint64_t random = 0;
    fill_secure_random(&random, sizeof random);
    std::array<char, 20> text{};
    (void)std::snprintf(text.data(), text.size(), "-%016llx",
                        static_cast<unsigned long long>(random));
    return name + text.data();
}

}  // namespace

void read_fleet(YamlReader& in, FleetConfig* out) {
    std::string url;
    in.secret("redis", &url);
    if (!url.empty()) {
        if (Result<RedisUrl> parsed = parse_redis_url(url); parsed.ok()) {
            out->redis = std::move(*parsed);
            out->is_on = true;
        } else {
            in.problem("redis", "'fleet.redis': " + parsed.error().detail);
        }
    }
    in.text("process", &out->process);
    if (!is_process_name(out->process))
        in.problem("process", "'fleet.process' is a name of at most 60 of a-z A-Z 0-9 . _ -");
    in.choice("on_redis_loss", {"share", "refuse"}, [&](std::size_t i) {
        out->options.on_loss = i == 0 ? FleetLoss::share : FleetLoss::refuse;
    });
    std::int64_t percent = out->options.loss_share_percent;
    std::int64_t lease_ms = out->options.lease_us / 1000, renew_ms = out->options.renew_us / 1000;
    in.integer("share_percent", 0, 100, &percent);
    in.duration("lease", 500, 30'000, &lease_ms);
    in.duration("renew", 20, 5'000, &renew_ms);
    in.duration("call_timeout", 20, 5'000, &out->call_timeout_ms);
    if (renew_ms * 4 > lease_ms)
        in.problem("renew",
                   "'fleet.renew' must be a quarter of 'fleet.lease' or less, so that a "
                   "lease outlives some failed calls");
    out->options.loss_share_percent = static_cast<std::int32_t>(percent);
    out->options.lease_us = lease_ms * 1000;
    out->options.renew_us = renew_ms * 1000;
}

std::unique_ptr<FleetDriver> make_fleet_driver(const FleetConfig& config, Clock* clock,
                                               GateAdmission* admission, MetricsRegistry* metrics) {
    if (!config.is_on) return nullptr;
    FleetOptions options = config.options;
    options.member = member_name(config.process);
    // Of what nothing is lacking need not be looked at more often than a lease asks for.
    options.refresh_us = std::max(options.renew_us, options.lease_us / 2);
    RedisOptions redis{.url = config.redis,
                       .connect_timeout_ms = 2 * config.call_timeout_ms,
                       .call_timeout_ms = config.call_timeout_ms,
                       .backoff_max_ms = options.margin_us / 2000,
                       .clock = clock};
    return std::make_unique<FleetDriver>(
        FleetDriver::Parts{.options = std::move(options),
                           .redis = make_redis_client(std::move(redis)),
                           .clock = clock,
                           .admission = &admission->core(),
                           .on_shares = [admission] { admission->tell(); },
                           .metrics = metrics});
}

}  // namespace tg
