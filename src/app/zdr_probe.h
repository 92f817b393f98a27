#pragma once
#include <string>
#include <vector>

#include "base/clock.h"
#include "gateway/options.h"

namespace tg {

/// Proof by trial that a response is not kept: one is made with `store: true` under zero retention,
/// then read back from the account that made it, which must answer 404.
struct ProbeResult {
    enum class Verdict : std::uint8_t {
        passed,    ///< reading back gave 404
        failed,    ///< the account had kept it (it was deleted afterwards)
        no_answer  ///< the trial could not be made; says nothing either way
    };
    Verdict verdict = Verdict::no_answer;
    std::string way{};  ///< "gate": through the running gate; "account": straight to the account,
                        ///< with the body as the gate rewrites it
    std::string account{}, model{}, response_id{};
    int store_status = 0, read_status = 0;
    std::string gate_request_id{}, store_request_id{}, read_request_id{};
    UtcMicros stored_at{}, read_at{};
    std::string note{};  ///< why there is no verdict
};
std::string_view name(ProbeResult::Verdict verdict);

struct ProbeGate {
    std::string url{};  ///< "http://127.0.0.1:8787"
    std::string api_key{}, ca_file{};
    bool asks_for_zero_retention = false;  ///< by a header, where the project does not demand it
};

/// Through the running gate; the account that served it is found among `accounts` by the name that
/// the gate's answer tells.
ProbeResult probe_gate(const ProbeGate& gate, const std::vector<UpstreamOptions>& accounts,
                       const std::string& model, Clock* clock);
/// Straight to one account.
ProbeResult probe_account(const UpstreamOptions& account, const std::string& model, Clock* clock);

}  // namespace tg
