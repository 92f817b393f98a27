#pragma once
#include <string>
#include <string_view>

#include "gateway/internal/call.h"
#include "identity/data_policy.h"

namespace tg {

/// Narrows `policy` by what the request's head asks for:
/// - `OpenAI-Zero-Data-Retention`, `OpenAI-Data-Processing-Opt-Out` and
/// `x-tollgate-zero-retention`:
///   true (or 1) demands zero retention. No provider knows the first two; they are taken for what
///   their senders mean.
/// - `x-tollgate-regions: eu,us`: only these of the regions that are allowed.
/// - `x-tollgate-deployment-type: dedicated`: only the dedicated pool. `shared` means the default.
/// False when nothing was asked for. Errors: invalid_request for a value that cannot be read or
/// contradicts another; policy_refused for one that would widen the policy, or leaves nothing.
Result<bool> narrow_by_head(const HttpHead& head, DataPolicy* policy);

/// The same for `deployment_type`, wherever it stands; `what` names the place in errors. "" asks
/// for nothing.
Result<bool> narrow_by_deployment_type(std::string_view value, std::string_view what,
                                       DataPolicy* policy);

/// Bits of the event's flags that say under which policy the call is served.
std::uint16_t policy_flags(const Call& call);

/// Under zero retention: must the whole body be read before anything goes upstream, because it
/// decides what the provider keeps?
bool must_read_body(const Call& call);

/// What a log may say of the call's path. Under zero retention only its first segment: the rest is
/// the client's text.
std::string_view loggable_path(const Call& call);

/// The model that the call asks for, as far as it may be written down. Under zero retention only
/// one that was called or that has a price: any other text is the client's.
std::string_view loggable_model(const Call& call);

/// "x-tollgate-data-policy: zero-retention; regions=eu; dedicated; rules=1\r\n", or nothing.
std::string policy_header(const DataPolicy& policy);

}  // namespace tg
