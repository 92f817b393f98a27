#pragma once
#include "base/result.h"

namespace tg {

/// From now on this process leaves no core dump, neither as a file nor to a handler that the system
/// names (core_pattern with a pipe), and no other process of the same user can read its memory. A
/// dump would hold prompts, completions and keys. Errors: io_error.
Status forbid_core_dumps();

}  // namespace tg
