#pragma once
#include <memory>
#include <string>

#include "admission/fleet_driver.h"
#include "app/config.h"
#include "gateway/gate_admission.h"

namespace tg {

class YamlReader;

/// The `fleet` section.
void read_fleet(YamlReader& in, FleetConfig* out);

/// The driver of this process's shares, not started yet; null where no fleet is configured.
std::unique_ptr<FleetDriver> make_fleet_driver(const FleetConfig& config, Clock* clock,
                                               GateAdmission* admission, MetricsRegistry* metrics);

}  // namespace tg
