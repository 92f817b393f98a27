#include "app/replay_report.h"

#include <cstdio>

#include "app/output.h"

namespace tg {
namespace {

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

std::string seconds(std::int64_t us) {
    return fixed(static_cast<double>(us) / 1e6, 2) + " s";
}

double tokens_per_minute(const ReplayReport& report, const ReplayResult& result) {
    return static_cast<double>(result.served_tokens) / report.minutes;
}

}  // namespace

void print_replay_table(ReplayReport report) {
    std::printf("%s\n", report.trace.c_str());
    std::printf("  %lld requests in %s minutes: %s requests and %s tokens a minute\n",
                static_cast<long long>(report.requests), fixed(report.minutes, 1).c_str(),
                fixed(report.mean_rpm, 0).c_str(), fixed(report.mean_tpm, 0).c_str());
    std::printf("  against %s: %lld requests and %lld tokens a minute, %s; deadline %s\n\n",
                report.tier.c_str(), static_cast<long long>(report.rpm),
                static_cast<long long>(report.tpm), report.upstream.c_str(),
                seconds(report.deadline_us).c_str());
    TextTable table({"strategy", "attempts", "429s", "limit hits", "success", "wait p50",
                     "wait p99", "served tokens/min"});
    for (ReplayRow& row : report.rows) {
        ReplayResult& result = row.result;
        table.row({row.name, std::to_string(result.attempts), std::to_string(result.limit_hits),
                   fixed(result.limit_hit_share() * 100, 3) + " %",
                   fixed(result.success_share() * 100, 3) + " %", seconds(result.wait_us(0.5)),
                   seconds(result.wait_us(0.99)), fixed(tokens_per_minute(report, result), 0)});
    }
    table.print();
    std::printf(
        "\nin order, oracle: know the future; the oracle leaves out large requests for small "
        "ones.\n");
    std::printf("No schedule can serve more than %s %% of the requests in time\n",
                fixed(report.success_max * 100, 3).c_str());
}

void print_replay_json(ReplayReport report) {
    print_json([&](JsonWriter& w) {
        w.begin_object()
            .field("trace", report.trace)
            .field("upstream", report.upstream)
            .field("tier", report.tier)
            .field("rpm", report.rpm)
            .field("tpm", report.tpm);
        w.field("deadline_ms", report.deadline_us / 1'000).field("requests", report.requests);
        w.key("minutes").raw(fixed(report.minutes, 3));
        w.key("success_max").raw(fixed(report.success_max, 6));
        w.key("strategies").begin_array();
        for (ReplayRow& row : report.rows) {
            ReplayResult& result = row.result;
            w.begin_object()
                .field("name", row.name)
                .field("attempts", result.attempts)
                .field("limit_hits", result.limit_hits)
                .field("served", result.served)
                .field("failed", result.failed);
            w.key("limit_hit_share").raw(fixed(result.limit_hit_share(), 6));
            w.key("success_share").raw(fixed(result.success_share(), 6));
            w.field("wait_p50_ms", result.wait_us(0.5) / 1'000)
                .field("wait_p99_ms", result.wait_us(0.99) / 1'000)
                .field("served_tokens", result.served_tokens);
            w.key("served_tokens_per_minute").raw(fixed(tokens_per_minute(report, result), 0));
            w.end_object();
        }
        w.end_array().end_object();
    });
}

}  // namespace tg
