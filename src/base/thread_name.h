#pragma once
#include <string>

namespace tg {

/// What top and perf show for the calling thread; at most 15 bytes are kept.
void set_thread_name(const std::string& name);

}  // namespace tg
