#pragma once
#include <string>
#include <vector>

#include "app/replay_engine.h"

namespace tg {

/// One line of the table.
struct ReplayRow {
    std::string name;  ///< a strategy, "in order" or "oracle"
    ReplayResult result;
};

struct ReplayReport {
    std::string trace, upstream, tier;
    std::int64_t rpm = 0, tpm = 0;
    std::int64_t deadline_us = 0;
    std::int64_t requests = 0;
    double minutes = 0, mean_rpm = 0, mean_tpm = 0;
    std::vector<ReplayRow> rows = {};
    double success_max = 0;  ///< no schedule succeeds more often: ReplayOracle::served_max
};

void print_replay_table(ReplayReport report);
void print_replay_json(ReplayReport report);

/// Served requests and 429s of each minute, one line a row, as a picture of its own: no script, no
/// outside reference; readable on light and on dark ground.
std::string replay_plot(const ReplayReport& report);

}  // namespace tg
