#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg {

/// An amount of RMB in fen (10^-2 CNY) as financial documents write it in words (大写), by the
/// People's Bank of China's basic rules for filling in bills and settlement vouchers (正确填写票据
/// 和结算凭证的基本规定): 140950 is 壹仟肆佰零玖圆伍角整. Written with 圆, as electronic fapiao
/// print it, without the 人民币 in front. Where the rules leave a choice, 整 closes an amount that
/// ends at 角, so that nothing can be appended, and an optional 零 is left out. A negative amount
/// is （负数） and its magnitude. Every std::int64_t has a text.
std::string amount_in_chinese(std::int64_t fen);

/// The fen of such a text. Accepts every form that the rules allow: 元 for 圆, 正 for 整, 人民币 in
/// front, an optional 零 written, 整 left out after 角. Errors: invalid_request, with the text and,
/// where it can be told, the form that its number would have.
Result<std::int64_t> parse_amount_in_chinese(std::string_view text);

}  // namespace tg
