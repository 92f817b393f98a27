#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/account_pacer.h"
#include "gateway/deployment_state.h"
#include "gateway/route_choice.h"
#include "gateway/route_table.h"
#include "net/http_client.h"
#include "providers/openai_request.h"

namespace tg {

/// One try of a call at one deployment, until its answer's head is there.
struct UpstreamTry {
    const Route* route = nullptr;        ///< of the call: not to be looked at when the try is lost
    const Deployment* target = nullptr;  ///< of the snapshot, as `state`
    DeploymentState* state = nullptr;
    UpstreamTicket ticket;
    std::unique_ptr<ClientConnection> connection;
    std::vector<Splice> splices;

    bool has_reached_upstream = false;  ///< a request was written: the provider may bill
    bool is_body_unsent = false;        ///< it answered before all of the body was sent
    bool has_head = false;              ///< the answer's head was read while the body was sent
    bool has_body = false;              ///< `body` is the whole body of a refusal
    /// Another try has won: nobody waits for this one, and neither its call nor its exchange may be
    /// looked at any more.
    bool is_lost = false;
    int status = 0;
    std::int64_t first_byte_ns = 0;
    std::string request_id;
    std::string body;
    PacerAnswer answer;
    bool is_object_missing = false;  ///< it does not keep the object that the call speaks of

    const Deployment& deployment() const { return *target; }
    void aim(const Route* at, DeploymentState* state_there) {
        route = at;
        target = at->deployment;
        state = state_there;
    }
};

/// The search for a deployment that answers a call.
struct UpstreamSearch {
    RoutePolicy policy;
    /// Calls that only the account that holds their object can serve (files, batches): one
    /// deployment, no failover.
    bool is_bound = false;
    /// Where the object is that the call speaks of, as far as is known: it goes nowhere else.
    std::optional<std::uint16_t> home;
    std::vector<std::uint32_t> missing_at;  ///< positions that do not keep the object
    std::int64_t wait_until_ns = 0;         ///< for limits and between tries, in all
    std::vector<std::uint32_t> tried;       ///< positions in the call's routes that failed
    std::size_t next_fallback = 0;
    /// An account was at its limit, and will not be before then; 0: none was.
    std::int64_t limited_until_ns = 0;
    /// Set when the search has ended without a try that could say why.
    bool is_refusal = false;
};

}  // namespace tg
