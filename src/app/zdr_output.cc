#include "app/zdr_output.h"

#include <algorithm>
#include <cstdio>

#include "app/output.h"
#include "providers/zero_retention.h"

namespace tg {
namespace {

using Verdict = ProbeResult::Verdict;

constexpr const char* kEvidenced[] = {
    "which account and region served each call, and under which policy flags: from the settled "
    "events, which `tollgate verify` "
    "compares with the journal",
    "which policy, account coverage and rules were in force when: from the audit log, a hash chain "
    "that was verified for this report",
    "refused calls: from this machine's journal (RESERVED with policy_refused, then ABANDONED); "
    "other machines have their own",
};
constexpr const char* kNotEvidenced[] = {
    "that the provider keeps its agreement beyond what the probe shows: its own records say so",
    "regions that a request asked for beyond the project's policy: the event only says that it was "
    "pinned",
};

std::string time_text(UtcMicros time) {
    return time.micros == 0 ? "" : format_rfc3339(time);
}

std::string agreement(const AccountFacts& facts) {
    return facts.reference.empty() ? "none" : facts.reference + " since " + facts.since;
}

/// The newest facts of an account that the report has.
const AccountFacts* facts_of(const PolicyReport& report, const std::string& account) {
    const AccountFacts* out = nullptr;
    for (const AccountPeriod& period : report.accounts) {
        if (period.facts.name == account) out = &period.facts;
    }
    return out;
}

std::string state_of(const PolicyReport& report) {
    if (!report.audit_problem.empty()) return "NOT PROVEN: " + report.audit_problem;
    if (report.violation_count > 0)
        return "VIOLATED: " + std::to_string(report.violation_count) + " of " +
               std::to_string(report.events) + " calls";
    return "KEPT: 0 violations in " + std::to_string(report.events) + " calls";
}

void print_history(const PolicyReport& report) {
    std::printf("\nPolicy and its history (audit log)\n");
    TextTable policies({"from", "audit entry", "by", "policy"});
    for (const PolicyPeriod& period : report.policies)
        policies.row({format_rfc3339(period.from), std::to_string(period.audit_id), period.actor,
                      describe(period.policy)});
    policies.print();
    std::printf("\nAccounts used, as they were registered\n");
    TextTable accounts({"account", "from", "audit entry", "provider", "region", "host", "pool",
                        "zero-retention agreement"});
    for (const AccountPeriod& period : report.accounts) {
        const AccountFacts& facts = period.facts;
        accounts.row({facts.name, format_rfc3339(period.from), std::to_string(period.audit_id),
                      facts.provider, facts.region, facts.host, facts.pool, agreement(facts)});
    }
    accounts.print();
}

void print_calls(const PolicyReport& report) {
    std::printf("\nCalls served\n");
    TextTable calls({"endpoint", "account", "region", "calls", "zero retention", "pinned",
                     "dedicated", "violations"});
    for (const CallCount& count : report.calls) {
        calls.row({count.endpoint, count.account, count.region, std::to_string(count.calls),
                   std::to_string(count.zero_retention), std::to_string(count.pinned),
                   std::to_string(count.dedicated), std::to_string(count.violations)});
    }
    calls.print();
    if (report.unsettled > 0)
        std::printf("%lld more calls are in the journal and not settled yet\n",
                    static_cast<long long>(report.unsettled));
    if (!report.events_digest.empty())
        std::printf("digest of the calls: sha256 %s\n", report.events_digest.c_str());
    std::printf("\nCalls refused by the policy, nothing sent\n");
    if (!report.journal_problem.empty()) {
        std::printf("not known, the journal could not be read: %s\n",
                    report.journal_problem.c_str());
        return;
    }
    TextTable refused({"endpoint", "calls", "zero retention"});
    for (const RefusedCount& count : report.refused)
        refused.row(
            {count.endpoint, std::to_string(count.calls), std::to_string(count.zero_retention)});
    refused.print();
}

void print_violations(const PolicyReport& report) {
    if (report.violations.empty()) return;
    std::printf("\nViolations (the first %zu)\n", report.violations.size());
    TextTable table({"call", "started", "account", "region", "rule"});
    for (const PolicyViolation& violation : report.violations)
        table.row({violation.id.text(), format_rfc3339(violation.started_at), violation.account,
                   violation.region, violation.rule});
    table.print();
}

void print_probes(const ZdrReport& report) {
    std::printf(
        "\nLive probe: a response stored with store: true under zero retention, then read back\n");
    if (!report.has_probes) {
        std::printf("not asked for (--probe)\n");
        return;
    }
    TextTable table({"verdict", "way", "account", "response", "stored", "status", "read back",
                     "status", "request ids", "note"});
    for (const ProbeResult& probe : report.probes) {
        std::string ids = probe.store_request_id;
        for (const std::string& id : {probe.gate_request_id, probe.read_request_id}) {
            if (!id.empty()) ids.append(ids.empty() ? "" : " ").append(id);
        }
        table.row({std::string(name(probe.verdict)), probe.way, probe.account, probe.response_id,
                   time_text(probe.stored_at), std::to_string(probe.store_status),
                   time_text(probe.read_at), std::to_string(probe.read_status), ids, probe.note});
    }
    table.print();
}

void print_rules(const PolicyReport& report) {
    std::printf("\nZero-retention rules, version %d\n", kZeroRetentionRules);
    TextTable versions({"version", "from", "audit entry"});
    for (const RulesPeriod& period : report.rules)
        versions.row({std::to_string(period.version), format_rfc3339(period.from),
                      std::to_string(period.audit_id)});
    versions.print();
    TextTable rules({"where", "what", "action", "why", "instead"});
    for (const RetentionRule& rule : zero_retention_rules())
        rules.row({std::string(rule.where), std::string(rule.feature),
                   std::string(name(rule.action)), std::string(rule.reason),
                   std::string(rule.instead)});
    rules.print();
}

void write_history(JsonWriter& w, const PolicyReport& report) {
    w.key("policy_history").begin_array();
    for (const PolicyPeriod& period : report.policies) {
        w.begin_object()
            .field("from", format_rfc3339(period.from))
            .field("audit_id", period.audit_id)
            .field("actor", period.actor)
            .key("policy");
        write_json(w, period.policy);
        w.end_object();
    }
    w.end_array().key("accounts").begin_array();
    for (const AccountPeriod& period : report.accounts) {
        const AccountFacts& facts = period.facts;
        w.begin_object()
            .field("account", facts.name)
            .field("from", format_rfc3339(period.from))
            .field("audit_id", period.audit_id)
            .field("provider", facts.provider)
            .field("region", facts.region)
            .field("host", facts.host)
            .field("pool", facts.pool)
            .field("zero_retention_reference", facts.reference)
            .field("zero_retention_since", facts.since)
            .end_object();
    }
    w.end_array();
}

void write_calls(JsonWriter& w, const PolicyReport& report) {
    w.key("calls").begin_array();
    for (const CallCount& count : report.calls) {
        w.begin_object()
            .field("endpoint", count.endpoint)
            .field("account", count.account)
            .field("provider", count.provider)
            .field("region", count.region)
            .field("calls", count.calls)
            .field("zero_retention", count.zero_retention)
            .field("pinned_region", count.pinned)
            .field("dedicated", count.dedicated)
            .field("violations", count.violations)
            .end_object();
    }
    w.end_array().field("events", report.events).field("unsettled", report.unsettled);
    w.field("events_digest", report.events_digest)
        .field("violation_count", report.violation_count)
        .key("violations")
        .begin_array();
    for (const PolicyViolation& violation : report.violations) {
        w.begin_object()
            .field("id", violation.id.text())
            .field("started_at", format_rfc3339(violation.started_at))
            .field("account", violation.account)
            .field("region", violation.region)
            .field("rule", violation.rule)
            .end_object();
    }
    w.end_array().key("refused").begin_array();
    for (const RefusedCount& count : report.refused) {
        w.begin_object()
            .field("endpoint", count.endpoint)
            .field("calls", count.calls)
            .field("zero_retention", count.zero_retention)
            .end_object();
    }
    w.end_array().field("journal_problem", report.journal_problem);
    w.field("audit_entries", report.audit_entries).field("audit_problem", report.audit_problem);
}

void write_probes(JsonWriter& w, const ZdrReport& report) {
    w.key("probes");
    if (!report.has_probes) {
        w.null();
        return;
    }
    w.begin_array();
    for (const ProbeResult& probe : report.probes) {
        w.begin_object()
            .field("verdict", name(probe.verdict))
            .field("way", probe.way)
            .field("account", probe.account)
            .field("model", probe.model)
            .field("response_id", probe.response_id)
            .field("stored_at", time_text(probe.stored_at))
            .field("store_status", probe.store_status)
            .field("store_request_id", probe.store_request_id)
            .field("gate_request_id", probe.gate_request_id)
            .field("read_at", time_text(probe.read_at))
            .field("read_status", probe.read_status)
            .field("read_request_id", probe.read_request_id)
            .field("note", probe.note)
            .end_object();
    }
    w.end_array();
}

void write_rules(JsonWriter& w, const PolicyReport& report) {
    w.field("rules_version", kZeroRetentionRules).key("rules_history").begin_array();
    for (const RulesPeriod& period : report.rules) {
        w.begin_object()
            .field("version", period.version)
            .field("from", format_rfc3339(period.from))
            .field("audit_id", period.audit_id)
            .end_object();
    }
    w.end_array().key("rules").begin_array();
    for (const RetentionRule& rule : zero_retention_rules()) {
        w.begin_object()
            .field("where", rule.where)
            .field("feature", rule.feature)
            .field("action", name(rule.action))
            .field("reason", rule.reason)
            .field("instead", rule.instead)
            .end_object();
    }
    w.end_array();
}

}  // namespace

bool ZdrReport::ok() const {
    return evidence.ok() && std::ranges::all_of(probes, [](const ProbeResult& probe) {
               return probe.verdict == Verdict::passed;
           });
}

void print_zdr_table(const ZdrReport& report) {
    const PolicyReport& evidence = report.evidence;
    std::printf("Data policy report: customer %s, project %s, %s\n", report.customer.code.c_str(),
                report.project.code.c_str(), to_string(report.month).c_str());
    std::printf("period    %s to %s (%s)\n", format_rfc3339(evidence.period_start).c_str(),
                format_rfc3339(evidence.period_end).c_str(), report.customer.time_zone.c_str());
    std::printf("made      %s\n", format_rfc3339(report.made_at).c_str());
    std::printf("in force  %s\n", describe(report.project.data_policy).c_str());
    std::printf("result    %s\n", state_of(evidence).c_str());
    std::printf("audit log %lld entries, chain verified\n",
                static_cast<long long>(evidence.audit_entries));
    print_violations(evidence);
    print_history(evidence);
    print_calls(evidence);
    print_probes(report);
    print_rules(evidence);
    std::printf("\nEvidenced here\n");
    for (const char* line : kEvidenced) std::printf("- %s\n", line);
    std::printf("Not evidenced here\n");
    for (const char* line : kNotEvidenced) std::printf("- %s\n", line);
}

void print_zdr_json(const ZdrReport& report) {
    print_json([&](JsonWriter& w) {
        w.begin_object()
            .field("customer", report.customer.code)
            .field("project", report.project.code)
            .field("month", to_string(report.month))
            .field("period_start", format_rfc3339(report.evidence.period_start))
            .field("period_end", format_rfc3339(report.evidence.period_end))
            .field("time_zone", report.customer.time_zone)
            .field("made_at", format_rfc3339(report.made_at))
            .field("ok", report.ok())
            .key("policy");
        write_json(w, report.project.data_policy);
        write_history(w, report.evidence);
        write_calls(w, report.evidence);
        write_probes(w, report);
        write_rules(w, report.evidence);
        w.key("evidenced").begin_array();
        for (const char* line : kEvidenced) w.value(line);
        w.end_array().key("not_evidenced").begin_array();
        for (const char* line : kNotEvidenced) w.value(line);
        w.end_array().end_object();
    });
}

void print_zdr_csv(const ZdrReport& report) {
    TextTable table({"month", "customer", "project", "endpoint", "account", "provider", "region",
                     "zero_retention_reference", "zero_retention_since", "calls", "zero_retention",
                     "pinned_region", "dedicated", "violations"});
    for (const CallCount& count : report.evidence.calls) {
        const AccountFacts* facts = facts_of(report.evidence, count.account);
        table.row({to_string(report.month), report.customer.code, report.project.code,
                   count.endpoint, count.account, count.provider, count.region,
                   facts != nullptr ? facts->reference : "", facts != nullptr ? facts->since : "",
                   std::to_string(count.calls), std::to_string(count.zero_retention),
                   std::to_string(count.pinned), std::to_string(count.dedicated),
                   std::to_string(count.violations)});
    }
    table.print_csv();
}

}  // namespace tg
