#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg {

/// A Chinese taxpayer's number (纳税人识别号) in capitals, without spaces. With 18 characters it is
/// a unified social credit code (统一社会信用代码, GB 32100-2015), whose last character checks the
/// others; older numbers have 15, 17 or 20 letters and digits and no check. Errors:
/// invalid_request, with what is wrong and, of a wrong check character, the one that it would have
/// to be.
Result<std::string> parse_tax_number(std::string_view text);

}  // namespace tg
