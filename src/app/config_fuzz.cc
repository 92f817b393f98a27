#include "app/config.h"

namespace {

const char* environment(const char*) {
    return nullptr;
}

}  // namespace

/// Any bytes are either a configuration or a list of problems.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const tg::ConfigResult result =
        tg::parse_config(std::string(reinterpret_cast<const char*>(data), size), environment);
    if (!result.ok() && result.report("f").empty()) __builtin_trap();
    return 0;
}
