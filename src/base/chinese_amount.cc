#include "base/chinese_amount.h"

#include <array>
#include <limits>
#include <optional>
#include <vector>

#include "base/utf8.h"

namespace tg {
namespace {

constexpr std::array<std::string_view, 10> kDigits = {"零", "壹", "贰", "叁", "肆",
                                                      "伍", "陆", "柒", "捌", "玖"};
constexpr std::string_view kNegative = "（负数）";
constexpr std::string_view kPrefix = "人民币";
constexpr std::uint64_t kWan = 10'000;
constexpr std::uint64_t kYi = 100'000'000;
/// More than any std::int64_t has; a longer text is no amount.
constexpr std::size_t kMaxTextBytes = 300;

/// One sign of the text; the rules leave it to the writer whether an optional one is there.
struct Sign {
    std::string_view text;
    bool is_optional = false;
};
using Signs = std::vector<Sign>;

/// Puts the 零 between a higher part and a lower one that is not zero. `leading` is what the first
/// place of the lower part is worth: below it, a zero was skipped and must be written.
void join(std::uint64_t high, std::uint64_t low, std::uint64_t leading, Signs* out) {
    if (low < leading) {
        out->push_back({kDigits[0]});
    } else if (high % 10 == 0) {
        out->push_back({kDigits[0], true});
    }
}

void write_below_wan(std::uint64_t number, Signs* out) {
    constexpr std::array<std::pair<std::uint64_t, std::string_view>, 4> kPlaces = {
        {{1000, "仟"}, {100, "佰"}, {10, "拾"}, {1, ""}}};
    bool has_written = false;
    bool has_gap = false;
    for (const auto& [worth, unit] : kPlaces) {
        const std::uint64_t digit = number / worth % 10;
        if (digit == 0) {
            has_gap = has_written;
            continue;
        }
        if (has_gap) out->push_back({kDigits[0]});
        has_gap = false;
        has_written = true;
        out->push_back({kDigits[digit]});
        if (!unit.empty()) out->push_back({unit});
    }
}

void write_below_yi(std::uint64_t number, Signs* out) {
    const std::uint64_t high = number / kWan;
    const std::uint64_t low = number % kWan;
    if (high > 0) {
        write_below_wan(high, out);
        out->push_back({"万"});
        if (low > 0) join(high, low, kWan / 10, out);
    }
    write_below_wan(low, out);
}

/// At most 92,233,720,368,547,758: one 亿 of 亿 and what is below, so the depth is at most three.
void write_yuan(std::uint64_t number, Signs* out) {  // NOLINT(misc-no-recursion)
    const std::uint64_t high = number / kYi;
    const std::uint64_t low = number % kYi;
    if (high > 0) {
        write_yuan(high, out);
        out->push_back({"亿"});
        if (low > 0) join(high, low, kYi / 10, out);
    }
    write_below_yi(low, out);
}

Signs signs_of(std::uint64_t fen) {
    Signs out;
    const std::uint64_t yuan = fen / 100;
    const std::uint64_t jiao = fen / 10 % 10;
    const std::uint64_t last = fen % 10;
    if (fen == 0) out.push_back({kDigits[0]});
    write_yuan(yuan, &out);
    if (yuan > 0 || fen == 0) out.push_back({"圆"});
    if (yuan > 0 && fen % 100 > 0) join(yuan, fen % 100, 10, &out);
    if (jiao > 0) {
        out.push_back({kDigits[jiao]});
        out.push_back({"角"});
    }
    if (last > 0) {
        out.push_back({kDigits[last]});
        out.push_back({"分"});
    } else {
        out.push_back({"整", jiao > 0});
    }
    return out;
}

std::uint64_t magnitude(std::int64_t fen) {
    return fen < 0 ? ~static_cast<std::uint64_t>(fen) + 1 : static_cast<std::uint64_t>(fen);
}

/// The signs of a text, each in the form that signs_of() writes; nothing where one is unknown.
std::optional<std::vector<std::string_view>> split(std::string_view text) {
    constexpr std::array<std::string_view, 9> kUnits = {"拾", "佰", "仟", "万", "亿",
                                                        "圆", "角", "分", "整"};
    const auto known = [&](std::string_view sign) -> std::string_view {
        if (sign == "元") return "圆";
        if (sign == "正") return "整";
        for (const std::string_view digit : kDigits)
            if (digit == sign) return digit;
        for (const std::string_view unit : kUnits)
            if (unit == sign) return unit;
        return {};
    };
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const std::string_view sign = known(text.substr(0, length));
        if (length == 0 || sign.empty()) return std::nullopt;
        out.push_back(sign);
        text.remove_prefix(length);
    }
    return out;
}

/// Adds up signs without asking whether they stand where they may: the caller compares.
class Sum {
  public:
    void add(std::string_view sign) {
        for (std::size_t digit = 0; digit < kDigits.size(); ++digit)
            if (kDigits[digit] == sign) digit_ = digit;
        if (sign == "拾") take_place(10);
        if (sign == "佰") take_place(100);
        if (sign == "仟") take_place(1000);
        if (sign == "万") {
            below_yi_ += (below_wan_ + digit_) * kWan;
            below_wan_ = digit_ = 0;
        }
        if (sign == "亿") {
            const std::uint64_t high = yi_ + take_below_yi();
            is_too_big_ = is_too_big_ || high > kYi * 10;
            yi_ = is_too_big_ ? 0 : high * kYi;
        }
        if (sign == "圆") yuan_ = yi_ + take_below_yi();
        if (sign == "角") take_cents(10);
        if (sign == "分") take_cents(1);
    }
    /// Nothing when no std::int64_t is that big.
    std::optional<std::uint64_t> fen() const {
        constexpr std::uint64_t kMaxYuan = std::numeric_limits<std::uint64_t>::max() / 200;
        if (is_too_big_ || yuan_ > kMaxYuan) return std::nullopt;
        return yuan_ * 100 + cents_;
    }

  private:
    void take_place(std::uint64_t worth) {
        below_wan_ += digit_ * worth;
        digit_ = 0;
    }
    void take_cents(std::uint64_t worth) {
        cents_ += digit_ * worth;
        digit_ = 0;
    }
    std::uint64_t take_below_yi() {
        const std::uint64_t sum = below_yi_ + below_wan_ + digit_;
        below_yi_ = below_wan_ = digit_ = 0;
        return sum;
    }

    std::uint64_t yi_ = 0, below_yi_ = 0, below_wan_ = 0, digit_ = 0;
    std::uint64_t yuan_ = 0, cents_ = 0;
    bool is_too_big_ = false;
};

bool matches(const std::vector<std::string_view>& written, const Signs& expected) {
    std::size_t at = 0;
    for (const Sign& sign : expected) {
        if (at < written.size() && written[at] == sign.text) {
            ++at;
        } else if (!sign.is_optional) {
            return false;
        }
    }
    return at == written.size();
}

}  // namespace

std::string amount_in_chinese(std::int64_t fen) {
    std::string out(fen < 0 ? kNegative : "");
    for (const Sign& sign : signs_of(magnitude(fen)))
        if (!sign.is_optional || sign.text == "整") out.append(sign.text);
    return out;
}

Result<std::int64_t> parse_amount_in_chinese(std::string_view text) {
    if (text.size() > kMaxTextBytes)
        return fail(ErrorCode::invalid_request,
                    "an amount in Chinese words has at most " + std::to_string(kMaxTextBytes) +
                        " bytes, this text has " + std::to_string(text.size()));
    const std::string shown = "'" + std::string(text) + "'";
    std::string_view rest = text;
    const bool is_negative = rest.starts_with(kNegative);
    if (is_negative) rest.remove_prefix(kNegative.size());
    if (rest.starts_with(kPrefix)) rest.remove_prefix(kPrefix.size());
    const auto written = split(rest);
    if (!written || written->empty())
        return fail(ErrorCode::invalid_request,
                    shown + " is not an amount in Chinese words; write it like " +
                        amount_in_chinese(140'950));
    Sum sum;
    for (const std::string_view sign : *written) sum.add(sign);
    const std::optional<std::uint64_t> fen = sum.fen();
    const std::uint64_t limit =
        static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) +
        (is_negative ? 1U : 0U);
    if (!fen || *fen > limit)
        return fail(ErrorCode::invalid_request, shown + " is more than an amount can be");
    const auto value = static_cast<std::int64_t>(is_negative ? ~*fen + 1 : *fen);
    if (!matches(*written, signs_of(*fen)) || (is_negative && value == 0))
        return fail(ErrorCode::invalid_request, shown +
                                                    " is not written by the rules; its number "
                                                    "would be " +
                                                    amount_in_chinese(value));
    return value;
}

}  // namespace tg
