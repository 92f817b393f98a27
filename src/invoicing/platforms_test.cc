// The platforms' clients, with what they send and what they make of answers; tests/e2e talks to the
// simulators over real sockets.
#include <deque>

#include "base/json_tree.h"
#include "invoicing/internal/platform_call.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

using namespace invoicing_internal;
using Outcome = PlatformAnswer::Outcome;

const UtcMicros kNow{1'700'000'000'000'000};

/// Answers in order, and keeps what was asked.
struct Script {
    std::deque<Result<HttpReply>> answers;
    std::vector<HttpCall> asked;
    HttpSend send() {
        return [this](const HttpCall& call) -> Result<HttpReply> {
            asked.push_back(call);
            if (answers.empty()) return fail(ErrorCode::upstream_timeout, "no answer");
            Result<HttpReply> out = std::move(answers.front());
            answers.pop_front();
            return out;
        };
    }
    void say(std::string body) {
        answers.emplace_back(HttpReply{.status = 200, .body = std::move(body)});
    }
    JsonNode body() const { return parse_json_tree(asked.back().body).value(); }
};

struct Tokens final : TokenKeeper {
    std::optional<std::string> get(std::string_view, UtcMicros now) override {
        if (token.empty() || expires_at.micros <= now.micros) return std::nullopt;
        return token;
    }
    void put(std::string_view, std::string_view text, UtcMicros until) override {
        token = text;
        expires_at = until;
        ++puts;
    }
    std::string token = "TOK";
    UtcMicros expires_at{INT64_MAX};
    int puts = 0;
};

VatInvoice blue() {
    VatInvoice out;
    out.id = out.serial = "INV-20260410-7";
    out.kind = InvoiceKind::special;
    out.seller = {.name = "云通科技有限公司", .tax_number = "91330100799655058B"};
    out.buyer = {.name = "北京未来有限公司",
                 .tax_number = "9144030071526726XG",
                 .bank_name = "工商银行",
                 .bank_account = "0200",
                 .email = "tax@acme.example"};
    out.lines = {{.bill_id = "B1",
                  .project = "chat",
                  .name = "*信息技术服务*API服务费",
                  .tax_code = "3040203000000000000",
                  .vat_ppm = 60'000,
                  .net_fen = 16'200,
                  .tax_fen = 972},
                 {.bill_id = "B1",
                  .project = "search",
                  .name = "*信息技术服务*API服务费",
                  .tax_code = "3040203000000000000",
                  .vat_ppm = 60'000,
                  .net_fen = 1'800,
                  .tax_fen = 108}};
    out.net_fen = 18'000;
    out.tax_fen = 1'080;
    out.total_fen = 19'080;
    out.official_number = "26332000000012345678";
    out.issued_at = kNow;
    return out;
}

VatInvoice red_over_search() {
    VatInvoice out = blue();
    out.id = out.serial = "INV-20260411-1";
    out.colour = InvoiceColour::red;
    out.blue_id = "INV-20260410-7";
    out.red_reason = RedReason::issued_in_error;
    out.lines = {blue().lines[1]};
    out.lines[0].net_fen = out.net_fen = -1'800;
    out.lines[0].tax_fen = out.tax_fen = -108;
    return out;
}

TEST(PlatformSignatureTest, golden_vectors) {
    // facts/billing-and-vat §4.6 and §4.7.
    EXPECT_EQ(nuonuo_sign({.app_key = "APPKEY01",
                           .app_secret = "SECRET0123456789",
                           .senid = "0123456789abcdef0123456789abcdef",
                           .nonce = "12345678",
                           .body = R"({"a":1})",
                           .at_seconds = 1'700'000'000}),
              "Y71NMsNwCyMPaGtVZtwtWSERvyc=");
    EXPECT_EQ(baiwang_sign("SECRET",
                           {{"appKey", "APPKEY01"},
                            {"format", "json"},
                            {"method", "baiwang.output.invoice.query"},
                            {"requestId", "req-1"},
                            {"timestamp", "1700000000000"},
                            {"token", "TOK"},
                            {"type", "sync"},
                            {"version", "6.0"},
                            {"nothing", ""}},
                           R"({"taxNo":"91310000MA1FL00000","data":{"serialNo":"S1"}})"),
              "26EF6219F6AE6147B7CEAA7D90F8AFF5");
}

struct NuonuoTest : testing::Test {
    Script script;
    Tokens tokens;
    std::unique_ptr<InvoicePlatform> platform = make_nuonuo(
        {.app_key = "KEY", .app_secret = "SECRET", .drawer = "张三"}, script.send(), &tokens, 1);
    PlatformAnswer query(std::string answer, const VatInvoice& invoice = blue()) {
        script.say(std::move(answer));
        return platform->query(invoice, kNow);
    }
};

TEST_F(NuonuoTest, an_order_says_everything_and_is_signed) {
    script.say(R"({"code":"E0000","describe":"开票提交成功","result":{"invoiceSerialNum":"S-1"}})");
    const PlatformAnswer answer = platform->submit(blue(), nullptr, kNow);
    EXPECT_EQ(answer.outcome, Outcome::accepted);
    EXPECT_EQ(answer.key, "S-1");
    const HttpCall& call = script.asked.back();
    EXPECT_NE(call.header_lines.find("method: nuonuo.OpeMplatform.requestBillingNew\r\n"),
              std::string::npos);
    EXPECT_NE(call.header_lines.find("accessToken: TOK\r\nuserTax: 91330100799655058B\r\n"),
              std::string::npos);
    const auto field = [&call](const std::string& name) {
        const std::size_t at = call.query.find(name + "=") + name.size() + 1;
        return call.query.substr(at, call.query.find('&', at) - at);
    };
    EXPECT_EQ(field("senid").size(), 32U);
    EXPECT_EQ(field("nonce").size(), 8U);
    EXPECT_NE(call.header_lines.find("X-Nuonuo-Sign: " +
                                     nuonuo_sign({.app_key = "KEY",
                                                  .app_secret = "SECRET",
                                                  .senid = field("senid"),
                                                  .nonce = field("nonce"),
                                                  .body = call.body,
                                                  .at_seconds = 1'700'000'000}) +
                                     "\r\n"),
              std::string::npos);
    const JsonNode body = script.body();
    const JsonNode& order = *body.find("order");
    EXPECT_EQ(order.string_field("orderNo"), "INV-20260410-7");
    EXPECT_EQ(order.string_field("invoiceLine"), "bs");
    EXPECT_EQ(order.string_field("invoiceDate"), "2023-11-15 06:13:20");
    EXPECT_EQ(order.string_field("buyerAccount"), "工商银行 0200");
    EXPECT_EQ(order.string_field("pushMode"), "0");
    EXPECT_EQ(order.string_field("clerk"), "张三");
    const JsonNode& line = order.find("invoiceDetail")->items.at(0);
    EXPECT_EQ(line.string_field("goodsName"), "API服务费");
    EXPECT_EQ(line.string_field("taxRate"), "0.06");
    EXPECT_EQ(line.string_field("taxExcludedAmount"), "162.00");
    EXPECT_EQ(line.string_field("tax"), "9.72");
    EXPECT_EQ(line.string_field("taxIncludedAmount"), "171.72");
}

TEST_F(NuonuoTest, what_answers_to_an_order_mean) {
    const struct {
        std::string body;
        Outcome outcome;
    } cases[] = {
        {R"({"code":"E9106","describe":"订单编号重复"})", Outcome::accepted},
        {R"({"code":"E9131","describe":"税额误差"})", Outcome::refused},
        {R"({"code":"E9302","describe":"税号不符"})", Outcome::refused},
        {R"({"code":"E4000","describe":"系统繁忙"})", Outcome::unclear},
        {"<html>502</html>", Outcome::unclear},
        {"", Outcome::unclear},
    };
    for (const auto& c : cases) {
        script.say(c.body);
        EXPECT_EQ(platform->submit(blue(), nullptr, kNow).outcome, c.outcome) << c.body;
    }
    EXPECT_EQ(platform->submit(blue(), nullptr, kNow).outcome, Outcome::unclear) << "no answer";
}

TEST_F(NuonuoTest, what_states_mean) {
    const auto in = [](const std::string& rest) {
        return R"({"code":"E0000","result":[{"serialNo":"S-1",)" + rest + "}]}";
    };
    const PlatformAnswer issued = query(in(
        R"("status":"2","invoiceNo":"26332000000012345678","invoiceTime":1700000100000,"xmlUrl":"https://x/1.xml")"));
    EXPECT_EQ(issued.outcome, Outcome::issued);
    EXPECT_EQ(issued.official_number, "26332000000012345678");
    EXPECT_EQ(issued.issued_at.micros, 1'700'000'100'000'000);
    EXPECT_EQ(issued.files.xml_url, "https://x/1.xml");
    EXPECT_EQ(query(in(R"("status":"20")")).outcome, Outcome::accepted);
    EXPECT_EQ(query(in(R"("status":"21")")).outcome, Outcome::accepted);
    const PlatformAnswer failed = query(in(R"("status":"22","failCause":"授信额度不足")"));
    EXPECT_EQ(failed.outcome, Outcome::refused);
    EXPECT_NE(failed.detail.find("授信额度不足"), std::string::npos);
    EXPECT_EQ(query(in(R"("status":"99")")).outcome, Outcome::unclear);
    EXPECT_EQ(query(in(R"("status":"2")")).outcome, Outcome::unclear) << "without a number";
    EXPECT_EQ(query(R"({"code":"E0000","result":[]})").outcome, Outcome::not_known);
    EXPECT_EQ(query(R"({"code":"E9500"})").outcome, Outcome::not_known);
}

TEST_F(NuonuoTest, a_red_letter_is_a_confirmation_with_the_lines_it_takes_back) {
    script.say(R"({"code":"E0000","result":"INV-20260411-1"})");
    const VatInvoice original = blue();
    EXPECT_EQ(platform->submit(red_over_search(), &original, kNow).outcome, Outcome::accepted);
    const JsonNode body = script.body();
    EXPECT_EQ(body.string_field("billId"), "INV-20260411-1");
    EXPECT_EQ(body.string_field("orderNo"), "INV-20260411-1");
    EXPECT_EQ(body.string_field("blueElecInvoiceNumber"), original.official_number);
    EXPECT_EQ(body.string_field("redReason"), "2") << "issued in error, in Nuonuo's order";
    const JsonNode& line = body.find("detail")->items.at(0);
    EXPECT_EQ(line.string_field("blueDetailIndex"), "2");
    EXPECT_EQ(line.string_field("taxExcludedAmount"), "-18.00");
    EXPECT_EQ(line.string_field("taxAmount"), "-1.08");

    script.say(R"({"code":"E0000","result":"x"})");
    VatInvoice whole = original;
    whole.colour = InvoiceColour::red;
    whole.net_fen = -whole.net_fen;
    whole.tax_fen = -whole.tax_fen;
    platform->submit(whole, &original, kNow);
    EXPECT_EQ(script.body().find("detail"), nullptr);
}

TEST_F(NuonuoTest, a_confirmation_goes_its_way) {
    const auto in = [](const std::string& rest) {
        return R"({"code":"E0000","list":[{"billNo":"C-9",)" + rest + "}]}";
    };
    const VatInvoice red = red_over_search();
    EXPECT_EQ(query(in(R"("billStatus":"02")"), red).outcome, Outcome::confirming);
    EXPECT_EQ(query(in(R"("billStatus":"15")"), red).outcome, Outcome::confirming);
    const PlatformAnswer late = query(in(R"("billStatus":"07")"), red);
    EXPECT_EQ(late.outcome, Outcome::refused);
    EXPECT_NE(late.detail.find("72 hours"), std::string::npos);
    const PlatformAnswer confirmed = query(in(R"("billStatus":"04","openStatus":"0")"), red);
    EXPECT_EQ(confirmed.outcome, Outcome::accepted);
    EXPECT_EQ(confirmed.key, "C-9");
    script.say(in(R"("billStatus":"01","openStatus":"1")"));
    const PlatformAnswer issued = query(
        R"({"code":"E0000","result":[{"status":"2","invoiceNo":"26332000000099999999","invoiceTime":"1700000200000"}]})",
        red);
    EXPECT_EQ(issued.outcome, Outcome::issued);
    EXPECT_EQ(issued.official_number, "26332000000099999999");
    EXPECT_EQ(query(R"({"code":"0000","list":[]})", red).outcome, Outcome::not_known);
}

TEST_F(NuonuoTest, a_token_is_fetched_once_and_kept) {
    tokens.token.clear();
    script.say(R"({"access_token":"NEW","expires_in":86400})");
    script.say(R"({"code":"E0000","result":[]})");
    EXPECT_EQ(platform->query(blue(), kNow).outcome, Outcome::not_known);
    EXPECT_EQ(script.asked[0].body,
              "client_id=KEY&client_secret=SECRET&grant_type=client_credentials");
    EXPECT_EQ(tokens.token, "NEW");
    EXPECT_EQ(tokens.expires_at.micros, kNow.micros + (86'400 - 60) * 1'000'000LL);
    EXPECT_EQ(query(R"({"code":"E0000","result":[]})").outcome, Outcome::not_known);
    EXPECT_EQ(script.asked.size(), 3U);
    query(R"({"code":"070601","describe":"accessToken已过期"})");
    EXPECT_EQ(tokens.token, "") << "the next call fetches one";
    script.say(R"({"error":"invalid_client"})");
    const PlatformAnswer none = platform->query(blue(), kNow);
    EXPECT_EQ(none.outcome, Outcome::unclear);
    EXPECT_NE(none.detail.find("invalid_client"), std::string::npos);
}

struct BaiwangTest : testing::Test {
    Script script;
    Tokens tokens;
    std::unique_ptr<InvoicePlatform> platform = make_baiwang(
        {.app_key = "KEY", .app_secret = "SECRET", .username = "u", .password = "p", .salt = "s"},
        script.send(), &tokens, 1);
    PlatformAnswer query(std::string answer, const VatInvoice& invoice = blue()) {
        script.say(std::move(answer));
        return platform->query(invoice, kNow);
    }
};

TEST_F(BaiwangTest, an_invoice_is_issued_with_the_answer) {
    script.say(
        R"({"success":true,"response":{"success":[{"invoiceNo":"26332000000012345678","invoiceDate":"20231115061320"}],"fail":[]}})");
    const PlatformAnswer answer = platform->submit(blue(), nullptr, kNow);
    EXPECT_EQ(answer.outcome, Outcome::issued);
    EXPECT_EQ(answer.issued_at.micros, kNow.micros);
    const JsonNode body = script.body();
    EXPECT_EQ(body.string_field("taxNo"), "91330100799655058B");
    const JsonNode& data = *body.find("data");
    EXPECT_EQ(data.string_field("invoiceTypeCode"), "01");
    EXPECT_EQ(data.find("invoiceTotalPriceTax")->text, "190.80");
    EXPECT_EQ(data.find("invoiceDetailsList")->items.at(1).find("goodsTotalTax")->text, "1.08");
    EXPECT_NE(script.asked.back().query.find("version=6.0"), std::string::npos);
    EXPECT_NE(script.asked.back().query.find("&sign="), std::string::npos);
}

TEST_F(BaiwangTest, a_success_may_be_a_failure) {
    const struct {
        std::string body;
        Outcome outcome;
    } cases[] = {
        {R"({"success":true,"response":{"success":[],"fail":[{"code":"70169","message":"购方名称为空"}]}})",
         Outcome::refused},
        {R"({"success":false,"errorResponse":{"code":"20020","message":"x"}})", Outcome::refused},
        {R"({"success":false,"errorResponse":{"code":"1","subCode":"70035","subMessage":"x"}})",
         Outcome::refused},
        {R"({"success":false,"errorResponse":{"code":"100007","message":"签名错误"}})",
         Outcome::unclear},
        {R"({"success":true,"response":{"success":[],"fail":[]}})", Outcome::accepted},
        {"[]", Outcome::unclear},
    };
    for (const auto& c : cases) {
        script.say(c.body);
        EXPECT_EQ(platform->submit(blue(), nullptr, kNow).outcome, c.outcome) << c.body;
    }
    query(R"({"success":false,"errorResponse":{"code":"100002"}})");
    EXPECT_EQ(tokens.token, "");
}

TEST_F(BaiwangTest, what_queries_tell) {
    EXPECT_EQ(query(R"({"success":true,"response":[]})").outcome, Outcome::not_known);
    EXPECT_EQ(query(R"({"success":true,"response":[{"serialNo":"S","status":"00"}]})").outcome,
              Outcome::accepted);
    EXPECT_EQ(query(R"({"success":true,"response":[{"status":"02","message":"x"}]})").outcome,
              Outcome::refused);
    EXPECT_EQ(
        query(
            R"({"success":true,"response":[{"status":"01","invoiceNo":"26332000000012345678","invoiceDate":"20231115061320"}]})")
            .outcome,
        Outcome::issued);
}

TEST_F(BaiwangTest, a_red_letter_goes_its_way) {
    const VatInvoice original = blue(), red = red_over_search();
    script.say(
        R"({"success":true,"response":[{"redConfirmUuid":"U","redConfirmNo":"N","confirmState":"02"}]})");
    const PlatformAnswer applied = platform->submit(red, &original, kNow);
    EXPECT_EQ(applied.outcome, Outcome::confirming);
    EXPECT_EQ(applied.key, "N");
    const JsonNode body = script.body();
    EXPECT_EQ(body.string_field("redInvoiceLabel"), "02");
    EXPECT_EQ(body.find("invoiceTotalPrice")->text, "-18.00");
    EXPECT_EQ(body.find("redConfirmDetailReqEntityList")
                  ->items.at(0)
                  .find("originalInvoiceDetailNo")
                  ->text,
              "2");
    EXPECT_NE(script.asked.back().query.find("signType=MD5"), std::string::npos);
    const auto in = [](const std::string& rest) {
        return R"({"success":true,"response":[{)" + rest + "}]}";
    };
    EXPECT_EQ(query(in(R"("confirmState":"05")"), red).outcome, Outcome::refused);
    EXPECT_EQ(query(in(R"("confirmState":"04","alreadyRedInvoiceFlag":"N")"), red).outcome,
              Outcome::accepted);
    const PlatformAnswer issued = query(
        in(R"("confirmState":"04","alreadyRedInvoiceFlag":"Y","redInvoiceNo":"26332000000099999999","redInvoiceDate":"2023-11-15 06:13:20")"),
        red);
    EXPECT_EQ(issued.outcome, Outcome::issued);
    EXPECT_EQ(issued.official_number, "26332000000099999999");
}

TEST_F(BaiwangTest, a_token_is_fetched_with_the_hashed_password) {
    tokens.token.clear();
    script.say(R"({"success":true,"response":{"access_token":"NEW"}})");
    EXPECT_EQ(query(R"({"success":true,"response":[]})").outcome, Outcome::not_known);
    EXPECT_EQ(parse_json_tree(script.asked[0].body)->string_field("password"),
              sha256_lower_hex("ps"));
    EXPECT_EQ(tokens.token, "NEW");
}

}  // namespace
}  // namespace tg
