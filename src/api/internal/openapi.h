#pragma once
#include <string_view>

namespace tg::api {

/// src/api/openapi.yaml, part of the binary.
std::string_view openapi_yaml();

}  // namespace tg::api
