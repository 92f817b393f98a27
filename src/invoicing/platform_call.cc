#include "invoicing/internal/platform_call.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/hash.h"
#include "base/money.h"
#include "ledger/proof_key.h"

namespace tg::invoicing_internal {
namespace {

constexpr std::int64_t kChinaOffsetSeconds = std::int64_t{8} * 3'600;

/// Of the states of a red confirmation that will never make an invoice.
std::string_view void_state(std::string_view state) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kStates = {{
        {"05", "the buyer has refused to confirm it"},
        {"06", "the seller has refused to confirm it"},
        {"07", "nobody confirmed it within 72 hours"},
        {"08", "it was taken back before it was confirmed"},
        {"09", "it was taken back after it was confirmed"},
        {"10", "the blue invoice is an irregular voucher"},
        {"11", "a taxpayer's state is irregular"},
        {"12", "the buyer, a natural person, has refused it"},
        {"13", "the tax has been refunded"},
        {"16", "the platform could not ask for the confirmation"},
    }};
    for (const auto& [code, words] : kStates)
        if (code == state) return words;
    return {};
}

}  // namespace

std::string hmac_sha1_base64(std::string_view key, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
    unsigned int size = 0;
    HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
    return base64({reinterpret_cast<const char*>(mac.data()), size});
}

std::string md5_upper_hex(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
    std::string out = hex(digest.data(), size);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return out;
}

std::string sha256_lower_hex(std::string_view text) {
    const Sha256 digest = sha256(text);
    return hex(digest.data(), digest.size());
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                              (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' ||
                              c == '~';
        if (is_plain) {
            out.push_back(c);
            continue;
        }
        constexpr std::string_view kDigits = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(kDigits[byte >> 4]);
        out.push_back(kDigits[byte & 15]);
    }
    return out;
}

std::string form_encoded(const std::map<std::string, std::string>& fields) {
    std::string out;
    for (const auto& [key, value] : fields)
        out += (out.empty() ? "" : "&") + percent_encoded(key) + "=" + percent_encoded(value);
    return out;
}

std::string nuonuo_sign(const NuonuoSignature& parts) {
    std::string text = "a=services&l=v1&p=open&k=";
    text.append(parts.app_key).append("&i=").append(parts.senid).append("&n=");
    text.append(parts.nonce).append("&t=").append(std::to_string(parts.at_seconds));
    text.append("&f=").append(parts.body);
    return hmac_sha1_base64(parts.app_secret, text);
}

std::string baiwang_sign(std::string_view app_secret,
                         const std::map<std::string, std::string>& fields, std::string_view body) {
    std::string text(app_secret);
    for (const auto& [key, value] : fields)
        if (!value.empty()) text += key + value;
    return md5_upper_hex(text.append(body).append(app_secret));
}

std::string random_hex(Rng* rng, std::size_t digits) {
    std::string out;
    while (out.size() < digits) {
        const std::uint64_t number = rng->next();
        out += hex(&number, sizeof number);
    }
    return out.substr(0, digits);
}

std::string random_decimal(Rng* rng, std::size_t digits) {
    std::string out(1, static_cast<char>('1' + rng->below(9)));
    while (out.size() < digits) out.push_back(static_cast<char>('0' + rng->below(10)));
    return out;
}

std::string decimal(std::int64_t fen) {
    return format_scaled(fen, 2, 2);
}

std::string rate(std::int64_t vat_ppm) {
    return format_scaled(vat_ppm, 6, 2);
}

std::string china_time(UtcMicros at) {
    const Civil c = to_civil(at, kChinaOffsetSeconds);
    char text[40];
    const int size = std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", c.year,
                                   c.month, c.day, c.hour, c.minute, c.second);
    return {text, static_cast<std::size_t>(size)};
}

Result<UtcMicros> parse_china_time(std::string_view digits) {
    std::string plain;
    for (const char c : digits)
        if (c >= '0' && c <= '9') plain.push_back(c);
    if (plain.size() == 14) {
        const auto part = [&plain](std::size_t at, std::size_t size) {
            return plain.substr(at, size);
        };
        return parse_rfc3339(part(0, 4) + "-" + part(4, 2) + "-" + part(6, 2) + "T" + part(8, 2) +
                             ":" + part(10, 2) + ":" + part(12, 2) + "+08:00");
    }
    return fail(ErrorCode::invalid_request, "'" + std::string(digits) + "' is no time");
}

std::string_view without_kind(std::string_view name) {
    if (!name.starts_with('*')) return name;
    const std::size_t end = name.find('*', 1);
    return end == std::string_view::npos ? name : name.substr(end + 1);
}

std::size_t blue_line_number(const VatInvoice& blue, const InvoiceLine& line) {
    const auto found = std::ranges::find_if(blue.lines, [&line](const InvoiceLine& each) {
        return each.bill_id == line.bill_id && each.project == line.project;
    });
    return found == blue.lines.end() ? 0 : static_cast<std::size_t>(found - blue.lines.begin()) + 1;
}

bool takes_back_all(const VatInvoice& red, const VatInvoice& blue) {
    return red.net_fen == -blue.net_fen && red.tax_fen == -blue.tax_fen;
}

std::string text_of(const JsonNode& object, std::string_view key) {
    const JsonNode* const field = object.find(key);
    if (field == nullptr) return {};
    const bool has_text = field->is(JsonNode::Kind::string) || field->is(JsonNode::Kind::number);
    return has_text ? field->text : std::string();
}

PlatformAnswer unclear(std::string detail) {
    return {
        .outcome = PlatformAnswer::Outcome::unclear, .issued_at = {}, .detail = std::move(detail)};
}

PlatformAnswer refused(std::string detail) {
    return {
        .outcome = PlatformAnswer::Outcome::refused, .issued_at = {}, .detail = std::move(detail)};
}

std::optional<PlatformAnswer> red_state_answer(std::string_view state) {
    if (state == "01" || state == "04") return std::nullopt;
    if (state == "02" || state == "03" || state == "15") {
        return PlatformAnswer{.outcome = PlatformAnswer::Outcome::confirming,
                              .issued_at = {},
                              .detail =
                                  "the buyer has to confirm it in the tax office's portal "
                                  "within 72 hours"};
    }
    const std::string_view words = void_state(state);
    if (!words.empty()) {
        return refused("the red-letter confirmation is void (" + std::string(state) +
                       "): " + std::string(words));
    }
    return unclear("the red-letter confirmation is in the state '" + std::string(state) +
                   "', which is not known");
}

}  // namespace tg::invoicing_internal
