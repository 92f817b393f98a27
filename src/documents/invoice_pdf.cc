#include "base/chinese_amount.h"
#include "base/time_zone.h"
#include "documents/documents.h"
#include "documents/internal/page_writer.h"

namespace tg {

using namespace documents_internal;

namespace {

struct InvoiceWords {
    std::string_view language, page_of, special, normal, local, red, pending, cancelled;
    std::string_view number, issued, blue_number, our_number;
    std::string_view buyer, seller, name, tax_number, address, bank;
    std::string_view item, bill, net, rate, tax, total, in_words, with_tax;
    std::string_view remark, drawer, original;
};

constexpr InvoiceWords kEnglish = {
    .language = "en",
    .page_of = "Page {page} of {pages}",
    .special = "VAT invoice (special)",
    .normal = "VAT invoice",
    .local = "Invoice",
    .red = "Credit (red letter)",
    .pending = "NOT ISSUED",
    .cancelled = "CANCELLED",
    .number = "Number",
    .issued = "Issued",
    .blue_number = "Takes back",
    .our_number = "Our number",
    .buyer = "Buyer",
    .seller = "Seller",
    .name = "Name",
    .tax_number = "Tax no.",
    .address = "Address, phone",
    .bank = "Bank, account",
    .item = "Item",
    .bill = "For",
    .net = "Net CNY",
    .rate = "Rate",
    .tax = "VAT CNY",
    .total = "Total",
    .in_words = "In words",
    .with_tax = "Total including VAT",
    .remark = "Remark",
    .drawer = "Drawn by",
    .original =
        "This page shows what the invoice says. The original of a digital invoice is the "
        "file that the tax office's platform has signed.",
};
constexpr InvoiceWords kChinese = {
    .language = "zh-CN",
    .page_of = "第 {page} 页，共 {pages} 页",
    .special = "电子发票（增值税专用发票）",
    .normal = "电子发票（普通发票）",
    .local = "发票",
    .red = "红字",
    .pending = "尚未开具",
    .cancelled = "已作废",
    .number = "发票号码",
    .issued = "开票日期",
    .blue_number = "被红冲蓝字发票",
    .our_number = "内部编号",
    .buyer = "购买方信息",
    .seller = "销售方信息",
    .name = "名称",
    .tax_number = "统一社会信用代码/纳税人识别号",
    .address = "地址、电话",
    .bank = "开户银行及账号",
    .item = "项目名称",
    .bill = "账单",
    .net = "金额",
    .rate = "税率/征收率",
    .tax = "税额",
    .total = "合计",
    .in_words = "价税合计（大写）",
    .with_tax = "价税合计（小写）",
    .remark = "备注",
    .drawer = "开票人",
    .original = "本页仅为发票内容的展示；数电发票的法定原件为税务平台签名的电子文件。",
};

/// What the reader is told in place of "in force".
std::string_view watermark_of(const VatInvoice& invoice, const InvoiceWords& words) {
    if (invoice.state == InvoiceState::issued) return {};
    return invoice.state == InvoiceState::cancelled ? words.cancelled : words.pending;
}

std::string title_of(const VatInvoice& invoice, const InvoiceWords& words, bool is_zh) {
    std::string out(invoice.platform == kLocalPlatform     ? words.local
                    : invoice.kind == InvoiceKind::special ? words.special
                                                           : words.normal);
    if (invoice.is_red()) out = std::string(words.red) + (is_zh ? "" : " · ") + out;
    return out;
}

class InvoicePages {
  public:
    InvoicePages(const VatInvoice& invoice, const DocumentOptions& options,
                 const InvoiceWords& words, PageWriter* page)
        : invoice_(&invoice),
          words_(&words),
          page_(page),
          is_zh_(options.language == Language::zh),
          drawer_(&options.drawer) {}
    void draw(const TimeZone& zone) {
        draw_head(zone);
        draw_parties();
        draw_lines();
        draw_total();
        draw_foot();
    }

  private:
    std::string labelled(std::string_view label, const std::string& value) const {
        return std::string(label) + (is_zh_ ? "：" : ": ") + value;
    }
    void draw_head(const TimeZone& zone);
    void draw_parties();
    double draw_party(double x, double width, std::string_view heading, const InvoiceParty& party);
    void draw_lines();
    void draw_total();
    void draw_foot();

    const VatInvoice* invoice_;
    const InvoiceWords* words_;
    PageWriter* page_;
    const bool is_zh_;
    const std::string* drawer_;
};

void InvoicePages::draw_head(const TimeZone& zone) {
    page_->put(0, 0, PageWriter::kWidth * 0.58, title_of(*invoice_, *words_, is_zh_),
               {.size = 17, .is_bold = true});
    const double left = PageWriter::kWidth * 0.6, width = PageWriter::kWidth * 0.4;
    double below = 0;
    const auto fact = [&](std::string_view label, const std::string& value) {
        if (value.empty()) return;
        const TextStyle style{.is_right = true};
        const std::string text = labelled(label, value);
        page_->put(left, below, width, text, style);
        below += page_->height_of(text, style, width) + 2;
    };
    fact(words_->number, invoice_->official_number);
    if (invoice_->issued_at.micros != 0) {
        const Civil day =
            to_civil(invoice_->issued_at, zone.offset_seconds_at(invoice_->issued_at));
        char text[24];
        std::snprintf(text, sizeof text, "%04d-%02d-%02d", day.year, day.month, day.day);
        fact(words_->issued, text);
    }
    if (invoice_->is_red()) fact(words_->blue_number, invoice_->blue_id);
    if (invoice_->official_number != invoice_->id) fact(words_->our_number, invoice_->id);
    page_->advance(std::max(30.0, below) + 8);
    page_->line(0, 0, PageWriter::kWidth, true);
    page_->advance(10);
}

double InvoicePages::draw_party(double x, double width, std::string_view heading,
                                const InvoiceParty& party) {
    double below = 0;
    const auto row = [&](const std::string& text, TextStyle style) {
        if (text.empty()) return;
        page_->put(x, below, width, text, style);
        below += page_->height_of(text, style, width) + 2.5;
    };
    const auto fact = [&](std::string_view label, const std::string& a, const std::string& b) {
        const std::string value = a.empty() || b.empty() ? a + b : a + "  " + b;
        row(value.empty() ? "" : labelled(label, value), {});
    };
    row(std::string(heading), {.size = 7.5, .is_grey = true});
    row(party.name, {.size = 11, .is_bold = true});
    fact(words_->tax_number, party.tax_number, "");
    fact(words_->address, party.address, party.phone);
    fact(words_->bank, party.bank_name, party.bank_account);
    return below;
}

void InvoicePages::draw_parties() {
    constexpr double kGap = 20, kHalf = (PageWriter::kWidth - kGap) / 2;
    const double left = draw_party(0, kHalf, words_->buyer, invoice_->buyer);
    const double right = draw_party(kHalf + kGap, kHalf, words_->seller, invoice_->seller);
    page_->advance(std::max(left, right) + 12);
}

void InvoicePages::draw_lines() {
    TableWriter table(page_, {{.head = std::string(words_->item)},
                              {.width = 150, .head = std::string(words_->bill)},
                              {.width = 82, .is_right = true, .head = std::string(words_->net)},
                              {.width = 62, .is_right = true, .head = std::string(words_->rate)},
                              {.width = 76, .is_right = true, .head = std::string(words_->tax)}});
    for (std::size_t i = 0; i < invoice_->lines.size(); ++i) {
        const InvoiceLine& line = invoice_->lines[i];
        table.row({line.name, line.bill_id + "  " + line.project, format_cents(line.net_fen),
                   format_scaled(line.vat_ppm, 4, 0) + "%", format_cents(line.tax_fen)},
                  {.keeps_next = i + 1 == invoice_->lines.size()});
    }
    table.row({std::string(words_->total), "", format_cents(invoice_->net_fen), "",
               format_cents(invoice_->tax_fen)},
              {.is_bold = true, .has_rule = true});
    table.finish();
    page_->advance(10);
}

void InvoicePages::draw_total() {
    const double height = is_zh_ ? 50 : 38;
    page_->make_room(height + 10);
    page_->shade(0, 0, PageWriter::kWidth, height);
    page_->put(10, 12, 200, words_->with_tax, {.size = 10, .is_grey = true});
    page_->put(PageWriter::kWidth - 310, 5, 300, "¥ " + format_cents(invoice_->total_fen),
               {.size = 17, .is_bold = true, .is_right = true});
    if (is_zh_) {
        page_->put(10, 32, PageWriter::kWidth - 20,
                   labelled(words_->in_words, amount_in_chinese(invoice_->total_fen)),
                   {.size = 9, .is_right = true});
    }
    page_->advance(height + 12);
}

void InvoicePages::draw_foot() {
    if (!invoice_->remark.empty()) page_->paragraph(labelled(words_->remark, invoice_->remark), {});
    if (!drawer_->empty()) page_->paragraph(labelled(words_->drawer, *drawer_), {});
    page_->advance(6);
    if (invoice_->platform != kLocalPlatform)
        page_->paragraph(words_->original, {.size = 7, .is_grey = true});
}

}  // namespace

Result<std::string> invoice_as_pdf(const VatInvoice& invoice, const DocumentOptions& options) {
    const InvoiceWords& words = options.language == Language::zh ? kChinese : kEnglish;
    TG_TRY(const TimeZone zone, TimeZone::load(options.time_zone));
    std::string footer = invoice.id;
    const std::string_view state = watermark_of(invoice, words);
    if (!state.empty()) footer.append("  ·  ").append(state);
    const UtcMicros at = invoice.issued_at.micros != 0 ? invoice.issued_at : invoice.requested_at;
    TG_TRY(const std::unique_ptr<PageWriter> page,
           PageWriter::create({.title = invoice.id,
                               .author = invoice.seller.name,
                               .language = std::string(words.language),
                               .created_at = at,
                               .footer = footer + "  ·  " + invoice.seller.name,
                               .page_text = std::string(words.page_of),
                               .watermark = std::string(state)}));
    InvoicePages(invoice, options, words, page.get()).draw(zone);
    return page->finish();
}

}  // namespace tg
