#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "invoicing/invoice.h"
#include "net/http_call.h"

namespace tg {

/// What a platform says of a request.
struct PlatformAnswer {
    enum class Outcome : std::uint8_t {
        unclear,     ///< no answer, or one that tells nothing: it may or may not have been taken
        not_known,   ///< the platform has no such request
        accepted,    ///< it has the request and works on it
        confirming,  ///< the buyer has to confirm a red one
        issued,
        refused,  ///< it will never issue it, for the reason in `detail`
    };
    Outcome outcome = Outcome::unclear;
    std::string key{};  ///< by which the platform knows the request, if it told one
    std::string official_number{};
    UtcMicros issued_at;
    InvoiceFiles files{};
    std::string detail{};  ///< the reason, in the platform's words; for people
};

/// A platform that issues invoices of the Chinese tax office. Blocking, for one thread at a time. A
/// request is known by its `serial`, so that asking again for the same makes no second invoice
/// wherever the platform keeps its word; the desk (invoice_desk.h) asks what became of a request
/// before it sends one again, whatever the platform says.
class InvoicePlatform {
  public:
    virtual ~InvoicePlatform() = default;
    virtual std::string_view name() const = 0;
    /// Asks for it. `blue`: of a red one, what it takes back; else null.
    virtual PlatformAnswer submit(const VatInvoice& invoice, const VatInvoice* blue,
                                  UtcMicros now) = 0;
    /// What became of it.
    virtual PlatformAnswer query(const VatInvoice& invoice, UtcMicros now) = 0;
};

/// How platforms are reached: http_call(), or a test's.
using HttpSend = std::function<Result<HttpReply>(const HttpCall&)>;

/// Where a platform's sign-in token is kept: Nuonuo gives 50 in 30 days.
class TokenKeeper {
  public:
    virtual ~TokenKeeper() = default;
    /// One that holds at `now`; nullopt: none.
    virtual std::optional<std::string> get(std::string_view platform, UtcMicros now) = 0;
    virtual void put(std::string_view platform, std::string_view token, UtcMicros expires_at) = 0;
};

/// 诺诺 (航天信息). Source: Nuonuo open platform, documents of nuonuo.OpeMplatform.*, V2.0; facts
/// /billing-and-vat §4.6.
struct NuonuoOptions {
    std::string url = "https://sdk.nuonuo.com/open/v1/services";
    std::string token_url = "https://open.nuonuo.com/accessToken";
    std::string app_key{}, app_secret{};
    std::string drawer{};   ///< clerk: 开票人
    std::string ca_file{};  ///< empty: the system's
    std::int64_t timeout_ms = 30'000;
};
/// `tokens` outlives the platform. `seed` is for request ids.
std::unique_ptr<InvoicePlatform> make_nuonuo(NuonuoOptions options, HttpSend send,
                                             TokenKeeper* tokens, std::uint64_t seed);

/// 百望云. Source: Baiwang open platform; facts/billing-and-vat §4.7.
struct BaiwangOptions {
    std::string url = "https://openapi.baiwang.com/router/rest";
    std::string app_key{}, app_secret{};
    std::string username{}, password{}, salt{};
    std::string drawer{};
    std::string ca_file{};
    std::int64_t timeout_ms = 30'000;
};
std::unique_ptr<InvoicePlatform> make_baiwang(BaiwangOptions options, HttpSend send,
                                              TokenKeeper* tokens, std::uint64_t seed);

}  // namespace tg
