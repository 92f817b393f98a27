#pragma once
#include <string>

#include "base/result.h"

namespace tg {

/// The name a journal has for ever, whichever machine or path its directory moves to: 32
/// hexadecimal digits in the file `journal.id` beside the segments, drawn when the journal is
/// opened for the first time. The store knows by it how far which journal has been settled. A copy
/// of a directory has the same name; `Settler` tells a copy by what is in it. Errors: not_found (no
/// journal has been opened there), corrupt_data (the file holds something else), io_error.
Result<std::string> journal_name(const std::string& directory);

}  // namespace tg
