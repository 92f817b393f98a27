#include <cstdlib>
#include <fstream>

#include "app/commands.h"
#include "app/output.h"
#include "app/zdr_output.h"
#include "base/time_zone.h"
#include "identity/identity_store.h"
#include "net/address.h"
#include "providers/zero_retention.h"

namespace tg {
namespace {

constexpr const char* kKeyVariable = "TOLLGATE_PROBE_KEY";

struct ZdrArgs {
    std::string customer, project, month, format = "table";
    bool has_probe = false;
    std::string probe_model = "gpt-4o-mini", key_file, gate_url, ca_file;
};

/// The project's API key for a probe through the gate. Not an argument: arguments are seen by every
/// process of the machine.
Result<std::string> probe_key(const ZdrArgs& args) {
    if (args.key_file.empty()) {
        const char* value = std::getenv(kKeyVariable);
        return std::string(value != nullptr ? value : "");
    }
    std::ifstream in(args.key_file);
    std::string key;
    if (!in || !std::getline(in, key) || key.empty()) {
        return fail(ErrorCode::invalid_request, "--probe-key-file: '" + args.key_file +
                                                    "' has no first line to read a key from");
    }
    return key;
}

/// Where the gate of this configuration listens, from this machine.
Result<std::string> gate_url(const ZdrArgs& args, const Config& config) {
    if (!args.gate_url.empty()) return args.gate_url;
    TG_TRY(const SocketAddress address, parse_address(config.listen));
    const std::size_t colon = config.listen.rfind(':');
    std::string host = config.listen.substr(0, colon);
    if (host.empty() || host == "0.0.0.0" || host == "*") host = "127.0.0.1";
    if (host == "[::]") host = "[::1]";
    return (config.tls.is_set() ? "https://" : "http://") + host + ":" +
           std::to_string(address.port());
}

/// Accounts that the project's calls may go to under zero retention.
std::vector<UpstreamOptions> accounts_to_probe(const Config& config, const DataPolicy& policy) {
    std::vector<UpstreamOptions> out;
    for (const UpstreamOptions& upstream : config.gateway.upstreams) {
        const bool is_region_allowed =
            !policy.regions ||
            std::ranges::find(*policy.regions, upstream.region) != policy.regions->end();
        const bool is_pool_allowed =
            upstream.pool == policy.pool || (policy.pool.empty() && !upstream.pool.empty() &&
                                             upstream.pool == policy.pool_on_request);
        if (upstream.zero_retention && is_region_allowed && is_pool_allowed)
            out.push_back(upstream);
    }
    return out;
}

Status probe(const ZdrArgs& args, const Config& config, ZdrReport* report) {
    report->has_probes = true;
    const DataPolicy& policy = report->project.data_policy;
    const std::vector<UpstreamOptions> accounts = accounts_to_probe(config, policy);
    if (accounts.empty()) {
        return fail(ErrorCode::policy_refused,
                    "--probe: the project's data policy (" + describe(policy) +
                        ") allows no account that is covered by a zero-retention agreement; mark "
                        "covered accounts by zero_retention in the configuration's upstreams");
    }
    TG_TRY(const std::string key, probe_key(args));
    if (!key.empty()) {
        ProbeGate gate{.api_key = key,
                       .ca_file = args.ca_file,
                       .asks_for_zero_retention = !policy.is_zero_retention};
        TG_TRY(gate.url, gate_url(args, config));
        report->probes.push_back(
            probe_gate(gate, config.gateway.upstreams, args.probe_model, &system_clock()));
    }
    for (const UpstreamOptions& account : accounts)
        report->probes.push_back(probe_account(account, args.probe_model, &system_clock()));
    return {};
}

Result<ZdrReport> make_report(const ZdrArgs& args, const Config& config, CommandContext* context) {
    TG_TRY(const auto store, context->open_store(config));
    ConnectionPool pool(config.effective_store_url(), 1);
    IdentityStore identity(&pool, {});
    ZdrReport report;
    TG_TRY(report.customer, identity.customer(args.customer));
    TG_TRY(report.project, identity.project(report.customer.id, args.project));
    report.made_at = system_clock().now();
    if (args.month.empty()) {
        TG_TRY(const TimeZone zone, TimeZone::load(report.customer.time_zone));
        report.month = zone.month_of(report.made_at);
    } else {
        TG_TRY(report.month, parse_year_month(args.month));
    }
    if (args.has_probe) TG_CHECK_OK(probe(args, config, &report));
    TG_TRY(report.evidence,
           make_policy_report(*store, {.customer = report.customer,
                                       .project = report.project,
                                       .month = report.month,
                                       .journal_directory = config.journal_dir()}));
    return report;
}

void add_report(Command group, CommandContext* context) {
    auto args = std::make_shared<ZdrArgs>();
    Command report = group.add_subcommand(
        "report",
        "evidence for an auditor that a project's data policy (retention, regions, pool) was kept; "
        "exit status 1 when it was not");
    report.add_option("--customer", args->customer, "code of the customer").required();
    report.add_option("--project", args->project, "code of the project").required();
    report.add_option("--month", args->month, "e.g. 2026-11 (default: this month)");
    report.add_option("--format", args->format, "table, json or csv (csv: the calls only)")
        .one_of({"table", "json", "csv"});
    report.add_flag("--probe", args->has_probe,
                    "store a response and read it back at each covered account; with a key of the "
                    "project in TOLLGATE_PROBE_KEY or --probe-key-file through the running gate, "
                    "too (billed to the project)");
    report.add_option("--probe-model", args->probe_model,
                      "model to probe with (default: gpt-4o-mini)");
    report.add_option("--probe-key-file", args->key_file, "file with an API key of the project");
    report.add_option("--probe-gate", args->gate_url,
                      "address of the gate (default: where the configuration listens)");
    report.add_option("--probe-ca-file", args->ca_file,
                      "authority of the gate's certificate (default: the system's)");
    report.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const ZdrReport made, make_report(*args, config, context));
            if (args->format == "json")
                print_zdr_json(made);
            else if (args->format == "csv")
                print_zdr_csv(made);
            else
                print_zdr_table(made);
            if (!made.ok()) context->exit_code = 1;
            return {};
        });
    });
}

void add_rules(Command group) {
    auto is_json = std::make_shared<bool>(false);
    Command rules = group.add_subcommand(
        "rules", "what passes, is changed or is refused under zero data retention, and why");
    rules.add_flag("--json", *is_json, "print JSON");
    rules.callback([=] {
        const std::vector<RetentionRule> all = zero_retention_rules();
        if (*is_json) {
            print_json([&](JsonWriter& w) {
                w.begin_object().field("version", kZeroRetentionRules).key("rules").begin_array();
                for (const RetentionRule& rule : all) {
                    w.begin_object()
                        .field("where", rule.where)
                        .field("feature", rule.feature)
                        .field("action", name(rule.action))
                        .field("reason", rule.reason)
                        .field("instead", rule.instead)
                        .end_object();
                }
                w.end_array().end_object();
            });
            return;
        }
        TextTable table({"where", "what", "action", "why", "instead"});
        for (const RetentionRule& rule : all)
            table.row({std::string(rule.where), std::string(rule.feature),
                       std::string(name(rule.action)), std::string(rule.reason),
                       std::string(rule.instead)});
        table.print();
    });
}

}  // namespace

void add_zdr_commands(Command app, CommandContext* context) {
    Command group =
        app.add_subcommand("zdr", "zero data retention and residency: rules and evidence");
    group.require_subcommand();
    add_report(group, context);
    add_rules(group);
}

}  // namespace tg
