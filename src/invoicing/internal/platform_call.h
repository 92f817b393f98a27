#pragma once
// What the platforms' clients share.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json_tree.h"
#include "base/rng.h"
#include "invoicing/invoice_platform.h"

namespace tg::invoicing_internal {

std::string hmac_sha1_base64(std::string_view key, std::string_view text);
std::string md5_upper_hex(std::string_view text);
std::string sha256_lower_hex(std::string_view text);
/// For a URL's query or a form: all but letters, digits and -._~ is escaped.
std::string percent_encoded(std::string_view text);
/// "a=1&b=2", encoded.
std::string form_encoded(const std::map<std::string, std::string>& fields);

/// Nuonuo's signature over path, query and body of a request to .../open/v1/services.
struct NuonuoSignature {
    std::string_view app_key, app_secret, senid, nonce, body;
    std::int64_t at_seconds = 0;
};
std::string nuonuo_sign(const NuonuoSignature& parts);
/// Baiwang's over the query's fields, sorted, and the body.
std::string baiwang_sign(std::string_view app_secret,
                         const std::map<std::string, std::string>& fields, std::string_view body);

/// Lower-case hexadecimal digits.
std::string random_hex(Rng* rng, std::size_t digits);
std::string random_decimal(Rng* rng, std::size_t digits);

/// Fen as platforms write them: "-53.05".
std::string decimal(std::int64_t fen);
/// "0.06".
std::string rate(std::int64_t vat_ppm);
/// "2026-04-10 10:00:00", in China.
std::string china_time(UtcMicros at);
/// "20260410100000", in China. Errors: invalid_request.
Result<UtcMicros> parse_china_time(std::string_view digits);
/// "*信息技术服务*API服务费" is "API服务费": the platform puts the kind in front by itself.
std::string_view without_kind(std::string_view name);
/// From 1: where on `blue` the line is that `line` takes back; 0: nowhere.
std::size_t blue_line_number(const VatInvoice& blue, const InvoiceLine& line);
/// Takes back all of `blue`, so that no lines need be told.
bool takes_back_all(const VatInvoice& red, const VatInvoice& blue);

/// A text or a number, as text; "" when there is none.
std::string text_of(const JsonNode& object, std::string_view key);
PlatformAnswer unclear(std::string detail);
PlatformAnswer refused(std::string detail);
/// What the state of a red confirmation (hzqrxxztDm) means; nullopt: it is confirmed, or needs
/// none.
std::optional<PlatformAnswer> red_state_answer(std::string_view state);

}  // namespace tg::invoicing_internal
