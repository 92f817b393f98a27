#pragma once
#include "api/internal/body.h"
#include "identity/data_policy.h"

namespace tg::api {

/// The member `data_policy` of a request: an object whose members change, the others stay. What is
/// wrong with it is noted in `body`.
DataPolicyPatch data_policy(Body& body);

}  // namespace tg::api
