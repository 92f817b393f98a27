// Documents as their readers get them: text and pages of the PDF as poppler sees them, cells of the
// workbook as they stand in its files.
#include "documents/documents.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/csv.h"
#include "base/time_zone.h"

namespace tg {
namespace {

BillLine line(std::string project, std::string model, Meter meter, std::string_view price,
              std::int64_t quantity) {
    BillLine out;
    out.project = std::move(project);
    out.department = "R&D";
    out.environment = "production";
    out.model = std::move(model);
    out.provider = "openai";
    out.meter = meter;
    out.price = {static_cast<std::int64_t>(*parse_scaled(price, 9))};
    out.quantity = quantity;
    out.exact = out.quantity * out.price;
    out.usd_cents =
        static_cast<std::int64_t>(divide(out.exact.value, kFemtoPerCent, Rounding::half_up));
    out.cny_fen = static_cast<std::int64_t>(
        divide(out.exact.value * 72, kFemtoPerCent * 10, Rounding::half_up));
    return out;
}

/// A bill that adds up, with everything that may stand on one.
Bill sample(int lines = 3) {
    Bill bill;
    bill.id = "BILL-acme-202603";
    bill.customer = "acme";
    bill.customer_name = "北京示例智能科技有限公司";
    bill.time_zone = "Asia/Shanghai";
    bill.status = "finalised";
    bill.month = {2026, 3};
    const TimeZone zone = TimeZone::load(bill.time_zone).value();
    bill.period_start = zone.start_of_month(bill.month);
    bill.period_end = zone.end_of_month(bill.month);
    bill.finalised_at = parse_rfc3339("2026-04-01T22:00:00Z").value();
    bill.due_at = parse_rfc3339("2026-04-07T16:00:00Z").value();  // the 8th begins in Shanghai
    bill.terms.rate_source = "PBOC central parity, 2026-03-31";
    for (int i = 0; i < lines; ++i)
        bill.lines.push_back(line(i < lines / 2 ? "chat" : "search", "gpt-4o-" + std::to_string(i),
                                  Meter::input, "2.50", 123'456'789 + i));
    bill.late.push_back(line("chat", "gpt-4o", Meter::output, "10", 1'000'000));
    bill.late[0].late_from = YearMonth{2026, 2};
    const auto item = [&](BillItemKind kind, std::int64_t fen, std::int64_t ppm) {
        BillItem out;
        out.kind = kind;
        out.project = "chat";
        out.contract = is_added(kind) ? "" : "CT-2026-1";
        out.adjustment = is_added(kind) ? "ADJ-7" : "";
        out.first_day = parse_day("2026-03-01").value();
        out.last_day = parse_day("2026-03-31").value();
        out.text = "text of " + std::string(name(kind));
        out.currency = Currency::cny;
        out.ppm = ppm;
        out.exact = {fen * kFemtoPerCent};
        if (ppm != 0) out.base = {fen * kFemtoPerCent * 1'000'000 / -ppm};
        out.cny_fen = fen;
        out.usd_cents = fen * 10 / 72;
        bill.items.push_back(out);
    };
    item(BillItemKind::volume, -100'00, 50'000);
    item(BillItemKind::true_up, 500'00, 0);
    item(BillItemKind::sla_credit, -12'34, 0);
    bill.commitments.push_back({.contract = "CT-2026-1",
                                .first_day = parse_day("2026-03-01").value(),
                                .last_day = parse_day("2026-03-31").value(),
                                .currency = Currency::usd,
                                .committed_cents = 1'000'00,
                                .spent_cents = 930'56,
                                .missing_cents = 69'44});
    std::map<std::string, BillTotal> projects;
    const auto add = [&](const auto& each) {
        for (BillTotal* total : {&projects[each.project], &bill.total}) {
            total->usd_cents += each.usd_cents;
            total->cny_fen += each.cny_fen;
        }
    };
    for (const BillLine& each : bill.lines) add(each);
    for (const BillLine& each : bill.late) add(each);
    for (const BillItem& each : bill.items) add(each);
    for (auto& [code, total] : projects) {
        total.project = code;
        total.requests = 1234;
        total.vat_fen = total.cny_fen * 6 / 100;
        total.total_fen = total.cny_fen + total.vat_fen;
        bill.total.requests += total.requests;
        bill.total.vat_fen += total.vat_fen;
        bill.projects.push_back(total);
    }
    bill.total.total_fen = bill.total.cny_fen + bill.total.vat_fen;
    bill.estimated_events = 17;
    return bill;
}

DocumentOptions options(Language language) {
    return {.language = language,
            .issuer = {.name = "Example Cloud Ltd.",
                       .name_zh = "示例云科技有限公司",
                       .tax_id = "91110108MA01ABCDX7",
                       .bank_name = "ICBC Beijing",
                       .bank_account = "0200001009000000001"}};
}

/// A file that goes away, and what a program says of it.
class TestFile {
  public:
    explicit TestFile(const std::string& bytes) {
        std::string path = (std::filesystem::temp_directory_path() / "tg_doc_XXXXXX").string();
        const int fd = ::mkstemp(path.data());
        EXPECT_GE(fd, 0);
        ::close(fd);
        path_ = path;
        std::ofstream(path_, std::ios::binary) << bytes;
    }
    ~TestFile() { std::filesystem::remove(path_); }
    TestFile(const TestFile&) = delete;
    TestFile& operator=(const TestFile&) = delete;
    /// `command` with the file for %.
    std::string run(std::string command) const {
        command.replace(command.find('%'), 1, path_);
        std::FILE* pipe = ::popen(command.c_str(), "r");
        EXPECT_NE(pipe, nullptr);
        std::string out;
        std::array<char, 4096> buffer{};
        while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
            out.append(buffer.data(), size);
        EXPECT_EQ(::pclose(pipe), 0) << command;
        return out;
    }

  private:
    std::string path_;
};

std::string pdf_of(const Bill& bill, const DocumentOptions& options) {
    const Result<std::string> pdf = bill_as_pdf(bill, options);
    EXPECT_TRUE(pdf.ok()) << (pdf.ok() ? "" : pdf.error().text());
    return pdf.ok() ? *pdf : "";
}
std::string text_of(const std::string& pdf) {
    return TestFile(pdf).run("pdftotext -layout % -");
}
std::string single_spaced(const std::string& text) {
    std::string out;
    for (const char c : text)
        if (c != ' ' || !out.ends_with(' ')) out.push_back(c);
    return out;
}
bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(BillPdf, everything_that_is_on_the_bill_is_on_its_pages) {
    const Bill bill = sample();
    const std::string text = single_spaced(text_of(pdf_of(bill, options(Language::en))));
    for (const std::string& part :
         {std::string("Example Cloud Ltd."), std::string("91110108MA01ABCDX7"), bill.customer_name,
          bill.id, std::string("Issued 2026-04-02"), std::string("Due 2026-04-07"),
          std::string("PBOC central parity"), "¥ " + format_cents(bill.total.total_fen),
          std::string("123,456,789"), std::string("2.50 USD/1M"),
          std::string("Late usage of earlier months"), std::string("text of volume"),
          std::string("ADJ-7"), std::string("CT-2026-1"), std::string("930.56"),
          std::string("0200001009000000001"), std::string("17 calls were settled by estimate"),
          std::string("Page 1 of ")}) {
        EXPECT_TRUE(has(text, part)) << part << " is not in:\n" << text;
    }
    EXPECT_FALSE(has(text, "DRAFT"));
}

TEST(BillPdf, chinese_documents_speak_chinese) {
    Bill bill = sample();
    bill.total.total_fen = 16'409'02;
    const std::string text = text_of(pdf_of(bill, options(Language::zh)));
    for (const std::string_view part :
         {"账单", "示例云科技有限公司", "大写：壹万陆仟肆佰零玖圆零贰分", "用量折扣 5%",
          "承诺消费差额补足", "输入 token", "服务等级（SLA）赔付：text of sla_credit",
          "第 1 页，共"})
        EXPECT_TRUE(has(text, part)) << part << " is not in:\n" << text;
    EXPECT_FALSE(has(text, "Total"));
}

TEST(BillPdf, the_same_final_bill_is_the_same_file) {
    const Bill bill = sample();
    EXPECT_EQ(pdf_of(bill, options(Language::zh)), pdf_of(bill, options(Language::zh)));
}

TEST(BillPdf, a_draft_says_so_on_every_page) {
    Bill bill = sample(120);
    bill.finalised_at = bill.due_at = {};
    bill.status = "draft";
    const std::string pdf = pdf_of(bill, options(Language::en));
    const std::string text = text_of(pdf);
    std::size_t drafts = 0;
    for (std::size_t at = 0; (at = text.find("DRAFT", at)) != std::string::npos; ++at) ++drafts;
    const std::string info = TestFile(pdf).run("pdfinfo %");
    EXPECT_TRUE(has(info, "Pages:           " + std::to_string(drafts))) << info;
    EXPECT_GE(drafts, 4U);
    EXPECT_FALSE(has(text, "proof log"));
}

/// Every page of a table has its head, and a line is never cut from its subtotal.
TEST(BillPdf, long_tables_break_well) {
    for (const int lines : {20, 31, 44, 57, 90, 250}) {
        const std::string pdf = pdf_of(sample(lines), options(Language::en));
        const std::string text = text_of(pdf);
        std::size_t at = 0;
        int subtotals = 0;
        for (std::size_t end = 0; (end = text.find('\f', at)) != std::string::npos; at = end + 1) {
            const std::string page = text.substr(at, end - at);
            const std::size_t first_line = page.find("2.50 USD/1M");
            const std::size_t head = page.find("Unit price");
            if (first_line != std::string::npos)
                EXPECT_LT(head, first_line) << lines << " lines:\n" << page;
            const std::size_t subtotal = page.find("Subtotal");
            if (subtotal != std::string::npos) {
                ++subtotals;
                EXPECT_LT(page.find("USD/1M"), subtotal) << lines << " lines:\n" << page;
            }
        }
        EXPECT_GE(subtotals, 2);
    }
}

TEST(BillPdf, a_logo_stands_in_the_place_of_the_name) {
    DocumentOptions with_logo = options(Language::en);
    with_logo.issuer.logo_file = "/nowhere/logo.png";
    const Result<std::string> missing = bill_as_pdf(sample(), with_logo);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::io_error);
    EXPECT_TRUE(has(missing.error().detail, "/nowhere/logo.png"));
    // A picture that poppler makes of a page.
    const TestFile page(pdf_of(sample(), options(Language::en)));
    const std::string stem = (std::filesystem::temp_directory_path() / "tg_logo").string();
    (void)page.run("pdftoppm -png -r 20 -singlefile % " + stem);
    with_logo.issuer.logo_file = stem + ".png";
    const std::string pdf = pdf_of(sample(), with_logo);
    EXPECT_TRUE(has(TestFile(pdf).run("pdfimages -list %"), "image"));
    EXPECT_TRUE(has(text_of(pdf), "Example Cloud Ltd."));
    std::filesystem::remove(stem + ".png");
}

TEST(BillPdf, a_bill_without_anything_is_a_page) {
    Bill bill = sample(0);
    bill.late.clear();
    bill.items.clear();
    bill.commitments.clear();
    bill.projects.clear();
    bill.total = {};
    const std::string text = text_of(pdf_of(bill, {}));
    EXPECT_TRUE(has(text, "No usage in this month."));
    EXPECT_FALSE(has(text, "How to pay"));
}

// --- spreadsheet
// ----------------------------------------------------------------------------------

/// A file inside of a workbook.
std::string part_of(const std::string& workbook, const std::string& name) {
    return TestFile(workbook).run(
        "python3 -c \"import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile('%').read('" +
        name + "'))\"");
}

TEST(BillXlsx, sheets_hold_numbers_and_texts) {
    Bill bill = sample();
    bill.lines[0].model = "=1+1";
    const Result<std::string> made = bill_as_xlsx(bill, options(Language::zh));
    ASSERT_TRUE(made.ok()) << made.error().text();
    const auto part = [&](const std::string& name) { return part_of(*made, name); };
    const std::string strings = part("xl/sharedStrings.xml");
    for (const std::string_view text : {"按项目汇总", "用量明细（目录价）", "合同约定"})
        EXPECT_TRUE(has(part("xl/workbook.xml"), text)) << text;
    for (const std::string_view text : {"=1+1", "输入 token", "R&amp;D", "2.50 USD/百万", "ADJ-7"})
        EXPECT_TRUE(has(strings, text)) << text;
    const std::string lines = part("xl/worksheets/sheet2.xml");
    EXPECT_TRUE(has(lines, "<v>123456789</v>")) << "a number, not a text";
    EXPECT_FALSE(has(lines, "<f>")) << "no formula";
    const std::string summary = part("xl/worksheets/sheet1.xml");
    EXPECT_TRUE(has(summary, "<v>" + format_scaled(bill.total.total_fen, 2, 0) + "</v>"))
        << summary;
    EXPECT_EQ(*made, *bill_as_xlsx(bill, options(Language::zh)));
}

// --- FOCUS
// ----------------------------------------------------------------------------------------

using FocusRow = std::map<std::string, std::string>;

std::vector<FocusRow> focus_rows(const Bill& bill) {
    const Result<std::string> csv = bill_as_focus(bill, options(Language::en));
    EXPECT_TRUE(csv.ok()) << (csv.ok() ? "" : csv.error().text());
    const auto rows = parse_csv(*csv).value();
    std::vector<FocusRow> out;
    for (std::size_t i = 1; i < rows.size(); ++i) {
        EXPECT_EQ(rows[i].size(), rows[0].size());
        FocusRow& row = out.emplace_back();
        for (std::size_t j = 0; j < rows[i].size(); ++j) row[rows[0][j]] = rows[i][j];
    }
    return out;
}

TEST(BillFocus, charges_add_up_to_what_has_to_be_paid) {
    const Bill bill = sample();
    int128 billed = 0, tax = 0;
    for (const FocusRow& row : focus_rows(bill)) {
        billed += parse_scaled(row.at("BilledCost"), 2).value();
        if (row.at("ChargeCategory") == "Tax") tax += parse_scaled(row.at("BilledCost"), 2).value();
        EXPECT_EQ(row.at("BillingCurrency"), "CNY");
        EXPECT_EQ(row.at("InvoiceId"), bill.id);
    }
    EXPECT_EQ(billed, bill.total.total_fen);
    EXPECT_EQ(tax, bill.total.vat_fen);
}

/// The specification's rule that a cost is price x quantity, exactly, in both currencies.
TEST(BillFocus, costs_are_price_times_quantity) {
    Bill bill = sample();
    bill.lines.push_back(line("chat", "whisper-1", Meter::audio_ms, "100", 90'500));
    bill.lines.push_back(line("chat", "gpt-4o", Meter::web_search_low, "10000", 3));
    int usage = 0;
    for (const FocusRow& row : focus_rows(bill)) {
        if (row.at("ListUnitPrice").empty()) continue;
        ++usage;
        const int128 price = parse_scaled(row.at("ListUnitPrice"), 23).value();
        const int128 quantity = parse_scaled(row.at("PricingQuantity"), 6).value();
        const int128 cost = parse_scaled(row.at("ListCost"), 23).value();
        // In 10^-29; three and a half digits of the product are zeros at least.
        EXPECT_EQ(price / 1'000 * quantity / 1'000, cost) << row.at("ChargeDescription");
        EXPECT_EQ(row.at("ContractedCost"), row.at("ListCost"));
        EXPECT_EQ(row.at("PricingCurrency"), "USD");
    }
    EXPECT_EQ(usage, 6);
}

TEST(BillFocus, each_charge_has_its_category) {
    std::map<std::string, int> categories;
    for (const FocusRow& row : focus_rows(sample())) {
        ++categories[row.at("ChargeCategory")];
        if (row.at("ServiceName") == "true_up") {
            EXPECT_EQ(row.at("CommitmentDiscountStatus"), "Unused");
            EXPECT_EQ(row.at("CommitmentDiscountId"), "CT-2026-1");
        }
        if (row.at("ChargeClass") == "Correction") {
            EXPECT_EQ(row.at("ChargePeriodStart"), "2026-01-31T16:00:00Z");
            EXPECT_EQ(row.at("ChargePeriodEnd"), "2026-02-28T16:00:00Z");
        }
    }
    EXPECT_EQ(categories, (std::map<std::string, int>{
                              {"Usage", 5}, {"Adjustment", 1}, {"Credit", 1}, {"Tax", 2}}));
}

TEST(BillFiles, formats_have_names_and_types) {
    const Bill bill = sample();
    for (const std::string_view format : {"table", "json", "csv", "pdf", "xlsx", "focus"}) {
        const Result<BillFile> file = render_bill(bill, format, options(Language::en));
        ASSERT_TRUE(file.ok()) << file.error().text();
        EXPECT_FALSE(file->bytes.empty());
        EXPECT_TRUE(file->name.starts_with("BILL-acme-202603."));
    }
    EXPECT_TRUE(render_bill(bill, "pdf", {})->bytes.starts_with("%PDF-"));
    const Result<BillFile> none = render_bill(bill, "docx", {});
    ASSERT_FALSE(none.ok());
    EXPECT_TRUE(has(none.error().detail, "'docx' is no format of a bill; those are table, json"));
    EXPECT_FALSE(parse_language("fr").ok());
}

VatInvoice sample_invoice() {
    VatInvoice out;
    out.id = "INV-20260410-7";
    out.kind = InvoiceKind::special;
    out.state = InvoiceState::issued;
    out.platform = "nuonuo";
    out.official_number = "26332000000012345678";
    out.issued_at = out.requested_at = parse_rfc3339("2026-04-10T16:30:00Z").value();
    out.seller = {.name = "示例云科技有限公司",
                  .tax_number = "91110108MA01ABCDX7",
                  .address = "北京市海淀区示例路1号",
                  .phone = "010-55550100",
                  .bank_name = "中国工商银行北京分行",
                  .bank_account = "0200001009000000001"};
    out.buyer = {.name = "北京未来有限公司", .tax_number = "9144030071526726XG"};
    for (int i = 1; i <= 60; ++i) {
        out.lines.push_back({.bill_id = "BILL-acme-202603",
                             .project = "project-" + std::to_string(i),
                             .name = "*信息技术服务*API服务费",
                             .tax_code = "3040203000000000000",
                             .vat_ppm = 60'000,
                             .net_fen = 100'00 * i,
                             .tax_fen = 6'00 * i});
        out.net_fen += 100'00 * i;
        out.tax_fen += 6'00 * i;
    }
    out.total_fen = out.net_fen + out.tax_fen;
    out.remark = "合同 CT-2026-1";
    return out;
}

std::string invoice_text(const VatInvoice& invoice, Language language) {
    const Result<std::string> pdf =
        invoice_as_pdf(invoice, {.language = language, .drawer = "张三"});
    EXPECT_TRUE(pdf.ok()) << (pdf.ok() ? "" : pdf.error().text());
    return pdf.ok() ? single_spaced(text_of(*pdf)) : "";
}

TEST(InvoicePdf, everything_that_is_on_the_invoice_is_on_its_pages) {
    const VatInvoice invoice = sample_invoice();
    const std::string zh = invoice_text(invoice, Language::zh);
    for (const std::string_view part :
         {"电子发票（增值税专用发票）", "发票号码：26332000000012345678", "开票日期：2026-04-11",
          "内部编号：INV-20260410-7", "北京未来有限公司", "9144030071526726XG",
          "开户银行及账号：中国工商银行北京分行", "project-60", "183,000.00", "10,980.00",
          "价税合计（大写）：壹拾玖万叁仟玖佰捌拾圆整", "¥ 193,980.00", "备注：合同 CT-2026-1",
          "开票人：张三", "法定原件", "第 1 页，共 3 页"})
        EXPECT_TRUE(has(zh, part)) << part << " is not in:\n" << zh;
    EXPECT_FALSE(has(zh, "尚未开具"));
    const std::string en = invoice_text(invoice, Language::en);
    for (const std::string_view part :
         {"VAT invoice (special)", "Number: 26332000000012345678", "Tax no.: 91110108MA01ABCDX7",
          "Total including VAT", "Drawn by: 张三", "original of a digital invoice"})
        EXPECT_TRUE(has(en, part)) << part << " is not in:\n" << en;
}

TEST(InvoicePdf, what_it_is_not_is_said) {
    VatInvoice invoice = sample_invoice();
    invoice.lines.resize(1);
    invoice.state = InvoiceState::issuing;
    EXPECT_TRUE(has(invoice_text(invoice, Language::en), "NOT ISSUED"));
    invoice.state = InvoiceState::cancelled;
    EXPECT_TRUE(has(invoice_text(invoice, Language::zh), "已作废"));
    invoice.state = InvoiceState::issued;
    invoice.platform = "local";
    EXPECT_FALSE(has(invoice_text(invoice, Language::en), "original of a digital invoice"));
    invoice.colour = InvoiceColour::red;
    invoice.blue_id = "INV-20260409-1";
    invoice.total_fen = -106'00;
    const std::string red = invoice_text(invoice, Language::zh);
    EXPECT_TRUE(has(red, "红字")) << red;
    EXPECT_TRUE(has(red, "被红冲蓝字发票：INV-20260409-1")) << red;
    EXPECT_TRUE(has(red, "（负数）壹佰零陆圆整")) << red;
}

AccountStatement sample_statement() {
    AccountStatement out{.customer = "acme",
                         .customer_name = "Acme Ltd.",
                         .time_zone = "Asia/Shanghai",
                         .first = {2026, 9},
                         .last = {2026, 11},
                         .until = parse_rfc3339("2026-11-30T16:00:00Z").value(),
                         .opening_owed_fen = 100'00,
                         .lines = {},
                         .open_bills = {}};
    const auto add = [&out](CauseKind cause, std::string document, std::string reference,
                            std::int64_t owed, std::int64_t prepaid) {
        const auto& before = out.lines;
        const std::int64_t owed_before =
            before.empty() ? out.opening_owed_fen : before.back().owed_after_fen;
        const std::int64_t prepaid_before = before.empty() ? 0 : before.back().prepaid_after_fen;
        out.lines.push_back({.day = parse_day("2026-10-09").value(),
                             .entry = 7,
                             .cause = cause,
                             .document = std::move(document),
                             .reference = std::move(reference),
                             .owed_fen = owed,
                             .prepaid_fen = prepaid,
                             .owed_after_fen = owed_before + owed,
                             .prepaid_after_fen = prepaid_before + prepaid});
    };
    add(CauseKind::bill, "BILL-acme-202609", "", 12'345'67, 0);
    add(CauseKind::allocation, "PAY-3-1", "BILL-acme-202608, BILL-acme-202609", -100'00, 55'00);
    for (int i = 0; i < 60; ++i) add(CauseKind::credit_note, "=1+1", "BILL-acme-202609", -1'00, 0);
    out.closing_owed_fen = out.lines.back().owed_after_fen;
    out.closing_prepaid_fen = 55'00;
    out.deposit_fen = 5'000'00;
    out.open_bills = {{.bill_id = "BILL-acme-202609",
                       .total_fen = 12'345'67,
                       .open_fen = out.closing_owed_fen,
                       .due_at = parse_rfc3339("2026-10-07T16:00:00Z").value(),
                       .is_overdue = true}};
    return out;
}

TEST(StatementForms, pages_say_what_was_owed_and_what_is) {
    const auto pages = [](Language language) {
        const auto file = render_statement(sample_statement(), "pdf", {.language = language});
        EXPECT_TRUE(file.ok()) << (file.ok() ? "" : file.error().text());
        return file.ok() ? single_spaced(text_of(file->bytes)) : "";
    };
    const std::string en = pages(Language::en);
    for (const std::string_view part :
         {"Statement of account", "Acme Ltd.", "2026-09 – 2026-11", "As of: 2026-11-30",
          "Opening balance", "12,445.67", "PAY-3-1", "-100.00", "55.00", "Closing balance",
          "¥ 12,285.67", "¥ 5,000.00", "2026-10-07 overdue", "Page 2 of "})
        EXPECT_TRUE(has(en, part)) << part << " is not in:\n" << en;
    const std::string zh = pages(Language::zh);
    for (const std::string_view part :
         {"对账单", "期初余额", "收款核销", "贷项通知", "逾期", "押金"})
        EXPECT_TRUE(has(zh, part)) << part << " is not in:\n" << zh;
    EXPECT_FALSE(has(zh, "Opening"));
}

TEST(StatementForms, rows_begin_and_end_with_the_balances) {
    const AccountStatement statement = sample_statement();
    const auto csv = render_statement(statement, "csv", {});
    ASSERT_TRUE(csv.ok());
    const auto rows = parse_csv(csv->bytes).value();
    ASSERT_EQ(rows.size(), statement.lines.size() + 3);
    EXPECT_EQ(rows[1][2], "opening");
    EXPECT_EQ(rows[1][6], "100.00");
    EXPECT_EQ(rows.back()[6], "12285.67");
    EXPECT_EQ(rows[4][3], "'=1+1") << "no formula";
    const auto book = render_statement(statement, "xlsx", {.language = Language::zh});
    ASSERT_TRUE(book.ok());
    EXPECT_TRUE(has(part_of(book->bytes, "xl/sharedStrings.xml"), "应收余额"));
    const std::string sheet = part_of(book->bytes, "xl/worksheets/sheet1.xml");
    EXPECT_TRUE(has(sheet, "<v>12285.67</v>"));
    EXPECT_FALSE(render_statement(statement, "docx", {}).ok());
}

TEST(NotePdf, what_was_corrected_and_why_is_on_its_page) {
    const Bill bill = sample();
    BillNote note{.id = "CN-acme-202603-1",
                  .bill_id = bill.id,
                  .project = "chat",
                  .net_fen = 100'00,
                  .tax_fen = 6'00,
                  .total_fen = 106'00,
                  .refund_fen = 50'00,
                  .reason = "agreed on 3 April",
                  .reference = "OA-1",
                  .issued_at = parse_rfc3339("2026-04-03T16:30:00Z").value(),
                  .issued_by = "finance"};
    const auto text = [&](Language language) {
        const Result<std::string> pdf = note_as_pdf(note, bill, options(language));
        EXPECT_TRUE(pdf.ok()) << (pdf.ok() ? "" : pdf.error().text());
        return pdf.ok() ? single_spaced(text_of(*pdf)) : "";
    };
    const std::string en = text(Language::en);
    for (const std::string& part :
         {std::string("Credit note"), std::string("Number: CN-acme-202603-1"),
          "Corrects bill: " + bill.id, std::string("Reason: agreed on 3 April"),
          std::string("-106.00"), std::string("owed back 50.00"), bill.customer_name})
        EXPECT_TRUE(has(en, part)) << part << " is not in:\n" << en;
    const std::string zh = text(Language::zh);
    for (const std::string_view part : {"贷项通知单", "大写：（负数）壹佰零陆圆整", "更正账单"})
        EXPECT_TRUE(has(zh, part)) << part << " is not in:\n" << zh;
    note.kind = NoteKind::debit;
    note.refund_fen = 0;
    const std::string debit = text(Language::en);
    EXPECT_TRUE(has(debit, "Debit note")) << debit;
    EXPECT_FALSE(has(debit, "owed back")) << debit;
}

}  // namespace
}  // namespace tg
