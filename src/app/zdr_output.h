#pragma once
#include <string>
#include <vector>

#include "app/zdr_probe.h"
#include "compliance/policy_report.h"

namespace tg {

/// Everything that `tollgate zdr report` shows.
struct ZdrReport {
    Customer customer;
    Project project;
    YearMonth month;
    UtcMicros made_at;
    PolicyReport evidence;
    bool has_probes = false;
    std::vector<ProbeResult> probes;

    bool ok() const;
};

void print_zdr_table(const ZdrReport& report);
void print_zdr_json(const ZdrReport& report);
/// The calls by endpoint and account: one line each.
void print_zdr_csv(const ZdrReport& report);

}  // namespace tg
