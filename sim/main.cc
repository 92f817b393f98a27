#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "sim/server.h"

namespace {

using tg::sim::kKnobCount;
using tg::sim::Knob;

/// --token-interval-us for token_interval_us.
std::string flag_of(std::string_view name) {
    std::string flag("--");
    flag.append(name);
    std::ranges::replace(flag, '_', '-');
    return flag;
}

struct CommandLine {
    tg::sim::SimOptions options;
    std::array<std::int64_t, kKnobCount> knobs{};
    bool is_log_synced = false, has_no_obfuscation = false;
    std::string limit_model = "bucket";

    void describe(CLI::App& app) {
        app.add_option("--host", options.host, "numeric address to listen on");
        app.add_option("--port", options.port, "port, 0 takes a free one");
        app.add_option("--threads", options.threads, "event loops, one thread each")
            ->check(CLI::Range(1, 64));
        app.add_option("--seed", options.seed, "what all made-up text, usage and faults come from");
        app.add_option("--region", options.region, "name told in x-sim-region and the served log");
        app.add_option("--keys", options.keys, "accepted API keys, all when not given")
            ->delimiter(',');
        app.add_option("--models", options.models, "known models, all when not given")
            ->delimiter(',');
        app.add_option("--served-log", options.served_log, "file for one JSON line a call");
        app.add_flag("--served-log-sync", is_log_synced, "write each line as the call ends");
        app.add_option("--limit-model", limit_model, "how a minute is counted")
            ->check(CLI::IsMember({"bucket", "window"}));
        app.add_flag("--no-obfuscation", has_no_obfuscation, "no padding in stream events");
        app.add_option("--tls-cert", options.tls_cert, "PEM certificate chain, for TLS");
        app.add_option("--tls-key", options.tls_key, "PEM key of --tls-cert");
        for (std::size_t i = 0; i < kKnobCount; ++i) {
            const tg::sim::KnobInfo& knob = info(static_cast<Knob>(i));
            knobs[i] = knob.fallback;
            app.add_option(flag_of(knob.name), knobs[i], std::string(knob.help))
                ->check(CLI::Range(knob.min, knob.max));
        }
    }

    void finish() {
        if (is_log_synced) options.served_log_sync = tg::sim::ServedLog::Sync::each_call;
        if (limit_model == "window") options.limit_model = tg::sim::LimitModel::window;
        options.has_obfuscation = !has_no_obfuscation;
    }
};

int run(const CommandLine& line) {
    // Blocked before any thread starts, so that only sigwait() takes them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    tg::sim::SimServer server(line.options, &tg::system_clock());
    for (std::size_t i = 0; i < kKnobCount; ++i)
        server.state().knobs.set(static_cast<Knob>(i), line.knobs[i]);
    server.state().knobs.keep_as_start();
    if (const tg::Status status = server.start(); !status.ok()) {
        std::fprintf(stderr, "tollgate-sim: %s\n", status.error().text().c_str());
        return 1;
    }
    std::printf("listening on %s:%u\n", line.options.host.c_str(),
                static_cast<unsigned>(server.port()));
    std::fflush(stdout);
    int signal = 0;
    sigwait(&signals, &signal);
    server.stop();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Provider simulator: OpenAI's API with made-up answers, exact usage and faults.",
                 "tollgate-sim");
    CommandLine line;
    line.describe(app);
    CLI11_PARSE(app, argc, argv);
    if (line.options.tls_cert.empty() != line.options.tls_key.empty()) {
        std::fprintf(stderr, "tollgate-sim: give both --tls-cert and --tls-key, or neither\n");
        return 1;
    }
    line.finish();
    return run(line);
}
