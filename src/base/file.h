#pragma once
#include <string>

#include "base/result.h"

namespace tg {

/// Errors: io_error naming the file.
Result<std::string> read_whole_file(const std::string& file);

}  // namespace tg
