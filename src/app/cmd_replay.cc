#include <cstdio>
#include <fstream>

#include "admission/tiers.h"
#include "app/commands.h"
#include "app/replay_oracle.h"
#include "app/replay_report.h"
#include "app/replay_strategies.h"

namespace tg {
namespace {

// Drift, as the benchmark's worst case has it: the provider's count of prompts, another consumer,
// and a cut of the limits for five minutes from the twentieth minute on.
constexpr double kDriftPrompts = 1.05, kDriftOther = 0.04, kDriftCut = 0.85;
constexpr std::int64_t kDriftCutFromUs = 1'200'000'000, kDriftCutForUs = 300'000'000;

struct ReplayArgs {
    std::string trace, tier = "5", upstream = "window", plot, deadline = "30s";
    std::vector<std::string> strategies;
    double scale_to = 0.85;
    std::uint64_t seed = 1;
    bool is_json = false, has_drift = false;
};

std::vector<std::string> strategy_names() {
    std::vector<std::string> out;
    for (const ReplayStrategyKind kind : kReplayStrategies) out.emplace_back(name(kind));
    return out;
}

/// "500ms", "30s", "15m", "1h".
Result<std::int64_t> parse_deadline(const std::string& text) {
    constexpr std::int64_t kDeadlineMaxUs = 86'400'000'000;
    const auto refuse = [&] {
        return fail(ErrorCode::invalid_request,
                    "--deadline '" + text + "' is not a time from 0s to 24h, like 500ms, 30s, 15m");
    };
    const auto ns =
        text.find_first_of("hms") == std::string::npos ? std::nullopt : parse_go_duration(text);
    if (!ns || *ns / 1'000 > kDeadlineMaxUs) return refuse();
    return *ns / 1'000;
}

/// A tier by its number or its code.
Result<const Tier*> tier_of(const std::string& text) {
    const Tier* tier = find_tier(default_tiers(), text);
    if (tier == nullptr) tier = find_tier(default_tiers(), "tier_" + text);
    if (tier == nullptr)
        return fail(ErrorCode::not_found,
                    "--tier '" + text + "' does not exist; there are 1 to 5 and custom");
    if (tier->limits.requests == kUnlimited || tier->limits.total_tokens == kUnlimited)
        return fail(ErrorCode::invalid_request, "--tier '" + text +
                                                    "' has no limits in requests and tokens a "
                                                    "minute to replay against; take 1 to 5");
    return tier;
}

Status write_plot(const std::string& file, const ReplayReport& report) {
    std::ofstream out(file, std::ios::binary);
    out << replay_plot(report);
    out.close();
    if (!out) return fail(ErrorCode::io_error, "cannot write the plot '" + file + "'");
    return {};
}

ReplayUpstreamSpec upstream_of(const ReplayArgs& args, const Limits& limits) {
    ReplayUpstreamSpec spec{.rpm = limits.requests, .tpm = limits.total_tokens};
    if (args.upstream == "bucket") spec.counting = ReplayUpstreamSpec::Counting::bucket;
    if (!args.has_drift) return spec;
    spec.prompt_drift = kDriftPrompts;
    spec.other_share = kDriftOther;
    spec.cut_to = kDriftCut;
    spec.cut_from_us = kDriftCutFromUs;
    spec.cut_until_us = kDriftCutFromUs + kDriftCutForUs;
    return spec;
}

Result<ReplayReport> replay(const ReplayArgs& args) {
    TG_TRY(const std::int64_t deadline_us, parse_deadline(args.deadline));
    TG_TRY(const Tier* tier, tier_of(args.tier));
    const Limits& limits = tier->limits;
    TG_TRY(const ReplayTrace original, read_trace(args.trace));
    Rng rng(args.seed);
    TG_TRY(const ReplayTrace trace,
           scale_trace(original,
                       {.rpm = limits.requests, .tpm = limits.total_tokens, .share = args.scale_to},
                       &rng));
    const ReplayUpstreamSpec spec = upstream_of(args, limits);
    ReplayReport report{.trace = args.trace,
                        .upstream = args.upstream,
                        .tier = tier->code,
                        .rpm = limits.requests,
                        .tpm = limits.total_tokens,
                        .deadline_us = deadline_us,
                        .requests = static_cast<std::int64_t>(trace.requests.size()),
                        .minutes = trace.minutes()};
    report.mean_rpm = static_cast<double>(report.requests) / report.minutes;
    report.mean_tpm = static_cast<double>(trace.total_tokens()) / report.minutes;
    for (const ReplayStrategyKind kind : kReplayStrategies) {
        if (!args.strategies.empty() &&
            std::ranges::find(args.strategies, name(kind)) == args.strategies.end())
            continue;
        ReplayEngine engine(trace, spec, deadline_us, args.seed);
        const ReplayAccount account{limits.requests, limits.total_tokens, spec.counting};
        const auto strategy = make_replay_strategy(kind, account, &engine);
        report.rows.push_back({std::string(name(kind)), engine.run(strategy.get())});
    }
    ReplayOracle oracle = run_oracle(trace, spec, deadline_us);
    report.success_max =
        static_cast<double>(oracle.served_max) / static_cast<double>(report.requests);
    report.rows.push_back({"in order", std::move(oracle.in_order.result)});
    report.rows.push_back({"oracle", std::move(oracle.schedule.result)});
    return report;
}

Status replay_and_print(const ReplayArgs& args) {
    TG_TRY(const ReplayReport report, replay(args));
    if (!args.plot.empty()) TG_CHECK_OK(write_plot(args.plot, report));
    args.is_json ? print_replay_json(report) : print_replay_table(report);
    return {};
}

}  // namespace

void add_replay_command(Command app, CommandContext* context) {
    auto args = std::make_shared<ReplayArgs>();
    Command command = app.add_subcommand(
        "replay", "replay a trace of real traffic against simulated limits, strategy by strategy");
    command
        .add_option("--trace", args->trace,
                    "CSV: TIMESTAMP,ContextTokens,GeneratedTokens or "
                    "t_s,tenant,input_tokens,output_tokens")
        .required();
    command.add_option("--tier", args->tier, "the account's tier: 1 to 5, custom (default: 5)");
    command.add_option("--strategy", args->strategies, "one or several (default: all)")
        .separated_by(',')
        .one_of(strategy_names());
    command.add_option("--deadline", args->deadline,
                       "how long a request may wait before it is sent (default: 30s)");
    command
        .add_option("--scale-to", args->scale_to,
                    "mean load as a share of the limit that binds (default: 0.85)")
        .between(0.001, 100.0);
    command
        .add_option("--upstream", args->upstream,
                    "how the account counts: window or bucket (default: window)")
        .one_of({"window", "bucket"});
    command.add_flag("--drift", args->has_drift,
                     "it counts 5 % more prompt tokens, another consumer takes 4 % in bursts, and "
                     "its limits fall to 85 % for 5 minutes");
    command.add_option("--seed", args->seed, "of all randomness (default: 1)");
    command.add_option("--plot", args->plot, "write served requests and 429s a minute as SVG");
    command.add_flag("--json", args->is_json, "print JSON");
    command.callback([=] {
        const Status status = replay_and_print(*args);
        if (status.ok()) return;
        std::fprintf(stderr, "tollgate: %s\n", status.error().text().c_str());
        context->exit_code = 1;
    });
}

}  // namespace tg
