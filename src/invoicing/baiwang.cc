#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "invoicing/internal/platform_call.h"

namespace tg {

using namespace invoicing_internal;

namespace {

constexpr std::string_view kToken = "baiwang.oauth.token", kIssue = "baiwang.output.invoice.issue",
                           kQuery = "baiwang.output.invoice.query",
                           kApplyRed = "baiwang.output.redinvoice.add",
                           kQueryRed = "baiwang.output.redinvoice.formlist";
constexpr std::int64_t kTokenLifeMicros = std::int64_t{7} * 3'600 * 1'000'000;  // of about 8 hours

/// What no repetition changes; everything else may pass (facts/billing-and-vat §4.7).
bool is_final_refusal(std::string_view code) {
    constexpr std::array<std::string_view, 5> kFinal = {"20019", "20020", "20023", "70169",
                                                        "70035"};
    return std::ranges::find(kFinal, code) != kFinal.end();
}

std::string_view type_of(InvoiceKind kind) {
    return kind == InvoiceKind::special ? "01" : "02";
}

/// Baiwang's reasons are numbered as Nuonuo's (redInvoiceLabel).
std::string_view reason_number(RedReason reason) {
    switch (reason) {
        case RedReason::returned:
            return "01";
        case RedReason::issued_in_error:
            return "02";
        case RedReason::service_ended:
            return "03";
        default:
            return "04";
    }
}

/// The first object of a list, or of a list inside an object ("success", "list", "data").
const JsonNode* first_of(const JsonNode* response) {
    if (response == nullptr) return nullptr;
    if (response->is(JsonNode::Kind::array))
        return response->items.empty() ? nullptr : &response->items.front();
    for (const std::string_view key : {"success", "list", "data"}) {
        const JsonNode* const list = response->find(key);
        if (list != nullptr && list->is(JsonNode::Kind::array))
            return list->items.empty() ? nullptr : &list->items.front();
    }
    return nullptr;
}

class Baiwang final : public InvoicePlatform {
  public:
    Baiwang(BaiwangOptions options, HttpSend send, TokenKeeper* tokens, std::uint64_t seed)
        : options_(std::move(options)), send_(std::move(send)), tokens_(tokens), rng_(seed) {}

    std::string_view name() const override { return "baiwang"; }
    PlatformAnswer submit(const VatInvoice& invoice, const VatInvoice* blue,
                          UtcMicros now) override;
    PlatformAnswer query(const VatInvoice& invoice, UtcMicros now) override;

  private:
    Result<std::string> token(UtcMicros now);
    /// `is_flat`: version 7.0, where the body has no "data".
    Result<JsonNode> call(std::string_view method, bool is_flat, const std::string& body,
                          UtcMicros now);
    std::string order_of(const VatInvoice& invoice) const;
    std::string confirmation_of(const VatInvoice& red, const VatInvoice& blue) const;
    PlatformAnswer answer_of(const JsonNode& answer) const;
    static PlatformAnswer issued(const JsonNode& found, std::string_view number,
                                 std::string_view time);
    PlatformAnswer query_blue(const VatInvoice& invoice, UtcMicros now);
    PlatformAnswer query_red(const VatInvoice& red, UtcMicros now);

    BaiwangOptions options_;
    HttpSend send_;
    TokenKeeper* tokens_;
    Rng rng_;
};

Result<std::string> Baiwang::token(UtcMicros now) {
    if (auto kept = tokens_->get(name(), now)) return *std::move(kept);
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("username", options_.username)
        .field("password", sha256_lower_hex(options_.password + options_.salt))
        .field("client_secret", options_.app_secret)
        .end_object();
    const HttpCall call{.method = "POST",
                        .url = options_.url,
                        .query = form_encoded({{"method", std::string(kToken)},
                                               {"grant_type", "password"},
                                               {"client_id", options_.app_key},
                                               {"version", "7.0"},
                                               {"timestamp", std::to_string(now.micros / 1'000)},
                                               {"encryptType", "NONE"},
                                               {"encryptScope", "00"}}),
                        .content_type = "application/json; charset=utf-8",
                        .body = body,
                        .ca_file = options_.ca_file,
                        .timeout_ms = options_.timeout_ms};
    TG_TRY(const HttpReply reply, send_(call));
    TG_TRY(const JsonNode answer, parse_json_tree(reply.body));
    const JsonNode* const response = answer.find("response");
    std::string token = response == nullptr ? "" : text_of(*response, "access_token");
    if (token.empty()) token = text_of(answer, "access_token");
    if (token.empty()) {
        return fail(ErrorCode::upstream_rejected,
                    "Baiwang gives no access token: " + answer_of(answer).detail +
                        "; check app_key, app_secret, username, password and salt");
    }
    tokens_->put(name(), token, {now.micros + kTokenLifeMicros});
    return token;
}

Result<JsonNode> Baiwang::call(std::string_view method, bool is_flat, const std::string& body,
                               UtcMicros now) {
    TG_TRY(const std::string access, token(now));
    std::map<std::string, std::string> fields = {{"method", std::string(method)},
                                                 {"version", is_flat ? "7.0" : "6.0"},
                                                 {"appKey", options_.app_key},
                                                 {"format", "json"},
                                                 {"timestamp", std::to_string(now.micros / 1'000)},
                                                 {"token", access},
                                                 {"type", "sync"},
                                                 {"requestId", random_hex(&rng_, 32)}};
    if (is_flat) {
        fields["signType"] = "MD5";
        fields["encryptType"] = "NONE";
        fields["encryptScope"] = "00";
    }
    fields["sign"] = baiwang_sign(options_.app_secret, fields, body);
    const HttpCall call{.method = "POST",
                        .url = options_.url,
                        .query = form_encoded(fields),
                        .content_type = "application/json; charset=utf-8",
                        .body = body,
                        .ca_file = options_.ca_file,
                        .timeout_ms = options_.timeout_ms};
    TG_TRY(const HttpReply reply, send_(call));
    TG_TRY(JsonNode answer, parse_json_tree(reply.body));
    const JsonNode* const error = answer.find("errorResponse");
    const std::string code = error == nullptr ? "" : text_of(*error, "code");
    if (code == "100001" || code == "100002") tokens_->put(name(), "", now);
    return answer;
}

std::string Baiwang::order_of(const VatInvoice& invoice) const {
    const InvoiceParty& buyer = invoice.buyer;
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("taxNo", invoice.seller.tax_number).key("data").begin_object();
    w.field("invoiceType", "0").field("invoiceTypeCode", type_of(invoice.kind));
    w.field("serialNo", invoice.serial).field("priceTaxMark", "0");
    w.field("invoiceListMark", "0").field("taxationMethod", "0");
    w.field("buyerName", buyer.name).field("buyerTaxNo", buyer.tax_number);
    w.field("buyerAddress", buyer.address).field("buyerPhone", buyer.phone);
    w.field("buyerBankName", buyer.bank_name).field("buyerBankNumber", buyer.bank_account);
    w.field("buyerEmail", buyer.email).field("drawer", options_.drawer);
    w.field("remarks", invoice.remark);
    w.key("invoiceTotalPrice").raw(decimal(invoice.net_fen));
    w.key("invoiceTotalTax").raw(decimal(invoice.tax_fen));
    w.key("invoiceTotalPriceTax").raw(decimal(invoice.total_fen));
    w.key("invoiceDetailsList").begin_array();
    std::int64_t number = 0;
    for (const InvoiceLine& line : invoice.lines) {
        w.begin_object().field("goodsLineNo", ++number).field("invoiceLineNature", "0");
        w.field("goodsCode", line.tax_code).field("goodsName", without_kind(line.name));
        w.key("goodsTaxRate").raw(rate(line.vat_ppm));
        w.key("goodsTotalPrice").raw(decimal(line.net_fen));
        w.key("goodsTotalTax").raw(decimal(line.tax_fen));
        w.field("preferentialMarkFlag", "0").end_object();
    }
    w.end_array().end_object().end_object();
    return out;
}

std::string Baiwang::confirmation_of(const VatInvoice& red, const VatInvoice& blue) const {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("taxNo", red.seller.tax_number);
    w.field("redConfirmSerialNo", red.serial).field("entryIdentity", "01");
    w.field("sellerTaxNo", red.seller.tax_number).field("sellerTaxName", red.seller.name);
    w.field("buyerTaxNo", red.buyer.tax_number).field("buyerTaxName", red.buyer.name);
    w.field("originInvoiceIsPaper", "N").field("originalInvoiceNo", blue.official_number);
    w.field("originInvoiceDate", china_time(blue.issued_at));
    w.field("originInvoiceType", type_of(blue.kind));
    w.key("originInvoiceTotalPrice").raw(decimal(blue.net_fen));
    w.key("originInvoiceTotalTax").raw(decimal(blue.tax_fen));
    w.key("invoiceTotalPrice").raw(decimal(red.net_fen));
    w.key("invoiceTotalTax").raw(decimal(red.tax_fen));
    w.field("redInvoiceLabel", reason_number(red.red_reason)).field("invoiceSource", "2");
    w.field("priceTaxMark", "0").field("autoIssueSwitch", "Y").field("redInvoiceIsPaper", "N");
    w.field("drawer", options_.drawer).field("buyerEmail", red.buyer.email);
    w.key("redConfirmDetailReqEntityList").begin_array();
    std::int64_t number = 0;
    for (const InvoiceLine& line : red.lines) {
        w.begin_object().field("goodsLineNo", ++number);
        w.field("originalInvoiceDetailNo", std::uint64_t{blue_line_number(blue, line)});
        w.field("goodsCode", line.tax_code).field("goodsName", line.name);
        w.field("projectName", without_kind(line.name));
        w.key("goodsTaxRate").raw(rate(line.vat_ppm));
        w.key("goodsTotalPrice").raw(decimal(line.net_fen));
        w.key("goodsTotalTax").raw(decimal(line.tax_fen)).end_object();
    }
    w.end_array().end_object();
    return out;
}

/// What an answer says that is no success: HTTP knows nothing of it, it is always 200.
PlatformAnswer Baiwang::answer_of(const JsonNode& answer) const {
    const JsonNode* error = answer.find("errorResponse");
    if (error == nullptr) error = &answer;
    const std::string code = text_of(*error, "code"), sub_code = text_of(*error, "subCode");
    std::string detail = code + " " + text_of(*error, "message");
    if (!sub_code.empty()) detail += " / " + sub_code + " " + text_of(*error, "subMessage");
    return is_final_refusal(code) || is_final_refusal(sub_code) ? refused(std::move(detail))
                                                                : unclear(std::move(detail));
}

PlatformAnswer Baiwang::issued(const JsonNode& found, std::string_view number,
                               std::string_view time) {
    PlatformAnswer out{.outcome = PlatformAnswer::Outcome::issued,
                       .key = text_of(found, "serialNo"),
                       .official_number = text_of(found, number),
                       .issued_at = {}};
    const Result<UtcMicros> at = parse_china_time(text_of(found, time));
    if (!at.ok()) return unclear("it is issued, but " + at.error().detail);
    out.issued_at = *at;
    out.files = {.xml_url = text_of(found, "xmlUrl"),
                 .ofd_url = text_of(found, "ofdUrl"),
                 .pdf_url = text_of(found, "pdfUrl")};
    return out;
}

PlatformAnswer Baiwang::submit(const VatInvoice& invoice, const VatInvoice* blue, UtcMicros now) {
    const bool is_red = blue != nullptr;
    const Result<JsonNode> answer =
        is_red ? call(kApplyRed, true, confirmation_of(invoice, *blue), now)
               : call(kIssue, false, order_of(invoice), now);
    if (!answer.ok()) return unclear(answer.error().detail);
    const JsonNode* const success = answer->find("success");
    const JsonNode* const response = answer->find("response");
    if (success == nullptr || !success->flag || response == nullptr) return answer_of(*answer);
    const JsonNode* const done = first_of(response);
    if (is_red) {
        if (done == nullptr) return unclear("Baiwang answers nothing about the confirmation");
        if (auto state = red_state_answer(text_of(*done, "confirmState"))) {
            state->key = text_of(*done, "redConfirmNo");
            return *std::move(state);
        }
        return {.outcome = PlatformAnswer::Outcome::accepted,
                .key = text_of(*done, "redConfirmNo"),
                .issued_at = {}};
    }
    if (done != nullptr && !text_of(*done, "invoiceNo").empty())
        return issued(*done, "invoiceNo", "invoiceDate");
    // Success, with the invoice among those that failed.
    const JsonNode* const failed = response->find("fail");
    if (failed == nullptr || failed->items.empty())
        return {.outcome = PlatformAnswer::Outcome::accepted, .issued_at = {}};
    const JsonNode& why = failed->items.front();
    return refused(text_of(why, "code") + " " + text_of(why, "message"));
}

PlatformAnswer Baiwang::query(const VatInvoice& invoice, UtcMicros now) {
    return invoice.is_red() ? query_red(invoice, now) : query_blue(invoice, now);
}

PlatformAnswer Baiwang::query_blue(const VatInvoice& invoice, UtcMicros now) {
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("taxNo", invoice.seller.tax_number).key("data");
    w.begin_object().field("serialNo", invoice.serial).end_object().end_object();
    const Result<JsonNode> answer = call(kQuery, false, body, now);
    if (!answer.ok()) return unclear(answer.error().detail);
    const JsonNode* const success = answer->find("success");
    if (success == nullptr || !success->flag) return answer_of(*answer);
    const JsonNode* const found = first_of(answer->find("response"));
    if (found == nullptr) return {.outcome = PlatformAnswer::Outcome::not_known, .issued_at = {}};
    const std::string status = text_of(*found, "status");
    if (status == "02")
        return refused("the platform could not issue it: " + text_of(*found, "message"));
    if (text_of(*found, "invoiceNo").empty() || status == "00")
        return {.outcome = PlatformAnswer::Outcome::accepted, .issued_at = {}};
    return issued(*found, "invoiceNo", "invoiceDate");
}

PlatformAnswer Baiwang::query_red(const VatInvoice& red, UtcMicros now) {
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("taxNo", red.seller.tax_number);
    w.field("sellerTaxNo", red.seller.tax_number).field("buySelSelector", "0");
    w.field("entryIdentity", "01").field("redConfirmSerialNo", red.serial);
    w.key("pageNo").value(std::int64_t{1}).key("pageSize").value(std::int64_t{10});
    w.field("queryAll", true).end_object();
    const Result<JsonNode> answer = call(kQueryRed, true, body, now);
    if (!answer.ok()) return unclear(answer.error().detail);
    const JsonNode* const success = answer->find("success");
    if (success == nullptr || !success->flag) return answer_of(*answer);
    const JsonNode* const found = first_of(answer->find("response"));
    if (found == nullptr) return {.outcome = PlatformAnswer::Outcome::not_known, .issued_at = {}};
    if (auto state = red_state_answer(text_of(*found, "confirmState"))) return *std::move(state);
    if (text_of(*found, "alreadyRedInvoiceFlag") == "Y" && !text_of(*found, "redInvoiceNo").empty())
        return issued(*found, "redInvoiceNo", "redInvoiceDate");
    return {.outcome = PlatformAnswer::Outcome::accepted,
            .key = text_of(*found, "redConfirmNo"),
            .issued_at = {}};
}

}  // namespace

std::unique_ptr<InvoicePlatform> make_baiwang(BaiwangOptions options, HttpSend send,
                                              TokenKeeper* tokens, std::uint64_t seed) {
    return std::make_unique<Baiwang>(std::move(options), std::move(send), tokens, seed);
}

}  // namespace tg
