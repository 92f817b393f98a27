#pragma once
#include "sim/call.h"
#include "sim/multipart.h"

namespace tg::sim {

/// Reads the body of `call` as multipart/form-data while it arrives, and fills model, hash, input
/// size and directives of the call from its fields. Answers the call when it returns false.
Task<bool> read_form(Call* call, Form* form);

}  // namespace tg::sim
