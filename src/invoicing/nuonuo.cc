#include "base/json_writer.h"
#include "invoicing/internal/platform_call.h"

namespace tg {

using namespace invoicing_internal;

namespace {

constexpr std::string_view kIssue = "nuonuo.OpeMplatform.requestBillingNew",
                           kQuery = "nuonuo.OpeMplatform.queryInvoiceResult",
                           kApplyRed = "nuonuo.OpeMplatform.saveInvoiceRedConfirm",
                           kQueryRed = "nuonuo.OpeMplatform.queryInvoiceRedConfirm";
/// A token that is about to end is not used any more.
constexpr std::int64_t kTokenMarginMicros = std::int64_t{60} * 1'000'000;

/// Codes of refusals that no repetition changes: what was sent is not valid, or the seller may not.
bool is_final_refusal(std::string_view code) {
    return code.starts_with("E91") || code.starts_with("E93") || code.starts_with("E96");
}

/// Nuonuo's numbers of reasons (saveInvoiceRedConfirm, redReason).
std::string_view reason_number(RedReason reason) {
    switch (reason) {
        case RedReason::returned:
            return "1";
        case RedReason::issued_in_error:
            return "2";
        case RedReason::service_ended:
            return "3";
        default:
            return "4";
    }
}

std::string_view line_of(InvoiceKind kind) {
    return kind == InvoiceKind::special ? "bs" : "pc";
}

std::string joined(const std::string& a, const std::string& b) {
    return a.empty() || b.empty() ? a + b : a + " " + b;
}

class Nuonuo final : public InvoicePlatform {
  public:
    Nuonuo(NuonuoOptions options, HttpSend send, TokenKeeper* tokens, std::uint64_t seed)
        : options_(std::move(options)), send_(std::move(send)), tokens_(tokens), rng_(seed) {}

    std::string_view name() const override { return "nuonuo"; }
    PlatformAnswer submit(const VatInvoice& invoice, const VatInvoice* blue,
                          UtcMicros now) override;
    PlatformAnswer query(const VatInvoice& invoice, UtcMicros now) override;

  private:
    Result<std::string> token(UtcMicros now);
    /// The whole answer; errors say why there is none.
    Result<JsonNode> call(std::string_view method, const VatInvoice& invoice,
                          const std::string& body, UtcMicros now);
    std::string order_of(const VatInvoice& invoice, UtcMicros now) const;
    static std::string confirmation_of(const VatInvoice& red, const VatInvoice& blue);
    PlatformAnswer query_invoice(const VatInvoice& invoice, UtcMicros now);
    PlatformAnswer query_red(const VatInvoice& red, UtcMicros now);

    NuonuoOptions options_;
    HttpSend send_;
    TokenKeeper* tokens_;
    Rng rng_;
};

Result<std::string> Nuonuo::token(UtcMicros now) {
    if (auto kept = tokens_->get(name(), now)) return *std::move(kept);
    const HttpCall call{.method = "POST",
                        .url = options_.token_url,
                        .content_type = "application/x-www-form-urlencoded;charset=UTF-8",
                        .body = form_encoded({{"client_id", options_.app_key},
                                              {"client_secret", options_.app_secret},
                                              {"grant_type", "client_credentials"}}),
                        .ca_file = options_.ca_file,
                        .timeout_ms = options_.timeout_ms};
    TG_TRY(const HttpReply reply, send_(call));
    TG_TRY(const JsonNode answer, parse_json_tree(reply.body));
    std::string token = text_of(answer, "access_token");
    if (token.empty()) {
        return fail(ErrorCode::upstream_rejected,
                    "Nuonuo gives no access token: " + text_of(answer, "error") + " " +
                        text_of(answer, "error_description") +
                        "; check app_key and app_secret (50 tokens in 30 days are all there are)");
    }
    const std::string lifetime = text_of(answer, "expires_in");
    const std::int64_t seconds = lifetime.empty() ? 86'400 : std::atoll(lifetime.c_str());
    tokens_->put(name(), token, {now.micros + seconds * 1'000'000 - kTokenMarginMicros});
    return token;
}

Result<JsonNode> Nuonuo::call(std::string_view method, const VatInvoice& invoice,
                              const std::string& body, UtcMicros now) {
    TG_TRY(const std::string access, token(now));
    const std::string senid = random_hex(&rng_, 32), nonce = random_decimal(&rng_, 8);
    const std::int64_t seconds = now.micros / 1'000'000;
    const std::string sign = nuonuo_sign({.app_key = options_.app_key,
                                          .app_secret = options_.app_secret,
                                          .senid = senid,
                                          .nonce = nonce,
                                          .body = body,
                                          .at_seconds = seconds});
    const HttpCall call{.method = "POST",
                        .url = options_.url,
                        .query = form_encoded({{"senid", senid},
                                               {"nonce", nonce},
                                               {"timestamp", std::to_string(seconds)},
                                               {"appkey", options_.app_key}}),
                        .header_lines = "X-Nuonuo-Sign: " + sign + "\r\naccessToken: " + access +
                                        "\r\nuserTax: " + invoice.seller.tax_number +
                                        "\r\nmethod: " + std::string(method) +
                                        "\r\nsdkVer: 2.0.0\r\n",
                        .content_type = "application/json;charset=UTF-8",
                        .body = body,
                        .ca_file = options_.ca_file,
                        .timeout_ms = options_.timeout_ms};
    TG_TRY(const HttpReply reply, send_(call));
    TG_TRY(JsonNode answer, parse_json_tree(reply.body));
    // A token that another process has renewed, or that was revoked.
    const std::string code = text_of(answer, "code");
    if (code == "070601" || code == "070301" || code == "E0401") tokens_->put(name(), "", now);
    return answer;
}

std::string Nuonuo::order_of(const VatInvoice& invoice, UtcMicros now) const {
    const InvoiceParty &buyer = invoice.buyer, &seller = invoice.seller;
    std::string out;
    JsonWriter w(out);
    w.begin_object().key("order").begin_object();
    w.field("orderNo", invoice.serial).field("invoiceDate", china_time(now));
    w.field("invoiceType", "1").field("invoiceLine", line_of(invoice.kind));
    w.field("buyerName", buyer.name).field("buyerTaxNum", buyer.tax_number);
    w.field("buyerAddress", buyer.address).field("buyerTel", buyer.phone);
    w.field("buyerAccount", joined(buyer.bank_name, buyer.bank_account));
    w.field("salerTaxNum", seller.tax_number).field("salerAddress", seller.address);
    w.field("salerTel", seller.phone);
    w.field("salerAccount", joined(seller.bank_name, seller.bank_account));
    w.field("clerk", options_.drawer).field("remark", invoice.remark);
    // -1: the platform tells nobody; 0: it mails the invoice.
    w.field("pushMode", buyer.email.empty() ? "-1" : "0").field("email", buyer.email);
    w.key("invoiceDetail").begin_array();
    for (const InvoiceLine& line : invoice.lines) {
        w.begin_object().field("goodsName", without_kind(line.name));
        w.field("goodsCode", line.tax_code).field("withTaxFlag", "0");
        w.field("taxRate", rate(line.vat_ppm));
        w.field("taxExcludedAmount", decimal(line.net_fen)).field("tax", decimal(line.tax_fen));
        w.field("taxIncludedAmount", decimal(line.net_fen + line.tax_fen));
        w.field("invoiceLineProperty", "0").end_object();
    }
    w.end_array().end_object().end_object();
    return out;
}

std::string Nuonuo::confirmation_of(const VatInvoice& red, const VatInvoice& blue) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("billId", red.serial).field("orderNo", red.serial);
    w.field("blueInvoiceLine", line_of(blue.kind)).field("applySource", "0");
    w.field("blueElecInvoiceNumber", blue.official_number);
    w.field("sellerTaxNo", red.seller.tax_number).field("sellerName", red.seller.name);
    w.field("buyerTaxNo", red.buyer.tax_number).field("buyerName", red.buyer.name);
    w.field("redReason", reason_number(red.red_reason)).field("autoInvoice", "1");
    if (!takes_back_all(red, blue)) {
        w.key("detail").begin_array();
        for (const InvoiceLine& line : red.lines) {
            w.begin_object().field("blueDetailIndex", std::to_string(blue_line_number(blue, line)));
            w.field("goodsName", without_kind(line.name)).field("goodsCode", line.tax_code);
            w.field("taxRate", rate(line.vat_ppm));
            w.field("taxExcludedAmount", decimal(line.net_fen));
            w.field("taxAmount", decimal(line.tax_fen)).end_object();
        }
        w.end_array();
    }
    w.end_object();
    return out;
}

PlatformAnswer Nuonuo::submit(const VatInvoice& invoice, const VatInvoice* blue, UtcMicros now) {
    const bool is_red = blue != nullptr;
    const Result<JsonNode> answer =
        is_red ? call(kApplyRed, invoice, confirmation_of(invoice, *blue), now)
               : call(kIssue, invoice, order_of(invoice, now), now);
    if (!answer.ok()) return unclear(answer.error().detail);
    const std::string code = text_of(*answer, "code");
    std::string detail = code + " " + text_of(*answer, "describe");
    if (code == "E0000") {
        const JsonNode* const result = answer->find("result");
        return {.outcome = PlatformAnswer::Outcome::accepted,
                .key = result == nullptr ? ""
                       : is_red          ? result->text
                                         : text_of(*result, "invoiceSerialNum"),
                .issued_at = {}};
    }
    // The same order again: the platform has it, and says on a query what became of it.
    if (code == "E9106")
        return {.outcome = PlatformAnswer::Outcome::accepted, .issued_at = {}, .detail = detail};
    return is_final_refusal(code) ? refused(std::move(detail)) : unclear(std::move(detail));
}

PlatformAnswer Nuonuo::query(const VatInvoice& invoice, UtcMicros now) {
    return invoice.is_red() ? query_red(invoice, now) : query_invoice(invoice, now);
}

PlatformAnswer Nuonuo::query_invoice(const VatInvoice& invoice, UtcMicros now) {
    std::string body;
    JsonWriter w(body);
    w.begin_object().key("orderNos").begin_array().value(invoice.serial).end_array();
    w.field("isOfferInvoiceDetail", "0").end_object();
    const Result<JsonNode> answer = call(kQuery, invoice, body, now);
    if (!answer.ok()) return unclear(answer.error().detail);
    const std::string code = text_of(*answer, "code");
    std::string detail = code + " " + text_of(*answer, "describe");
    if (code == "E9500") return {.outcome = PlatformAnswer::Outcome::not_known, .issued_at = {}};
    const JsonNode* const result = answer->find("result");
    if (code != "E0000" || result == nullptr) return unclear(std::move(detail));
    if (result->items.empty())
        return {.outcome = PlatformAnswer::Outcome::not_known, .issued_at = {}};
    const JsonNode& found = result->items.front();
    const std::string status = text_of(found, "status");
    PlatformAnswer out{.key = text_of(found, "serialNo"), .issued_at = {}};
    if (status == "2") {
        out.official_number = text_of(found, "allElectronicInvoiceNumber");
        if (out.official_number.empty()) out.official_number = text_of(found, "invoiceNo");
        if (out.official_number.empty()) return unclear("it is issued, but its number is not told");
        out.outcome = PlatformAnswer::Outcome::issued;
        out.issued_at = {std::atoll(text_of(found, "invoiceTime").c_str()) * 1'000};
        out.files = {.xml_url = text_of(found, "xmlUrl"),
                     .ofd_url = text_of(found, "ofdUrl"),
                     .pdf_url = text_of(found, "pdfUrl")};
        return out;
    }
    if (status == "20" || status == "21") {
        out.outcome = PlatformAnswer::Outcome::accepted;
        return out;
    }
    if (status == "22" || status == "24") {
        return refused("the platform could not issue it: " + text_of(found, "statusMsg") + " " +
                       text_of(found, "failCause"));
    }
    return unclear("the platform has it in the state '" + status + "', which is not known");
}

PlatformAnswer Nuonuo::query_red(const VatInvoice& red, UtcMicros now) {
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("identity", "0")
        .field("billId", red.serial)
        .field("pageSize", "10")
        .field("pageNo", "1")
        .end_object();
    const Result<JsonNode> answer = call(kQueryRed, red, body, now);
    if (!answer.ok()) return unclear(answer.error().detail);
    const std::string code = text_of(*answer, "code");
    const JsonNode* list = answer->find("list");
    if (const JsonNode* const result = answer->find("result"); list == nullptr && result != nullptr)
        list = result->find("list");
    if (code == "E9500") return {.outcome = PlatformAnswer::Outcome::not_known, .issued_at = {}};
    if ((code != "E0000" && code != "0000") || list == nullptr)
        return unclear(code + " " + text_of(*answer, "describe"));
    if (list->items.empty())
        return {.outcome = PlatformAnswer::Outcome::not_known, .issued_at = {}};
    const JsonNode& found = list->items.front();
    if (auto state = red_state_answer(text_of(found, "billStatus"))) {
        if (const std::string why = text_of(found, "billMessage"); !why.empty())
            state->detail += " (" + why + ")";
        return *std::move(state);
    }
    // Confirmed: digital ones are issued by the platform itself, under the order number given.
    PlatformAnswer out{.outcome = PlatformAnswer::Outcome::accepted, .issued_at = {}};
    if (text_of(found, "openStatus") == "1") {
        out = query_invoice(red, now);
        if (out.outcome == PlatformAnswer::Outcome::not_known)
            out = unclear("it is issued, but the platform does not show it yet");
    }
    if (out.key.empty()) out.key = text_of(found, "billNo");
    return out;
}

}  // namespace

std::unique_ptr<InvoicePlatform> make_nuonuo(NuonuoOptions options, HttpSend send,
                                             TokenKeeper* tokens, std::uint64_t seed) {
    return std::make_unique<Nuonuo>(std::move(options), std::move(send), tokens, seed);
}

}  // namespace tg
