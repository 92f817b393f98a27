#include "base/chinese_amount.h"
#include "base/time_zone.h"
#include "documents/documents.h"
#include "documents/internal/letterhead.h"
#include "documents/internal/page_writer.h"

namespace tg {

using namespace documents_internal;

namespace {

struct NoteWords {
    std::string_view language, page_of, credit, debit;
    std::string_view customer, number, issued, bill, project, reason, reference;
    std::string_view item, amount, net, vat, total, refund, in_words, left, proof;
};

constexpr NoteWords kEnglish = {
    .language = "en",
    .page_of = "Page {page} of {pages}",
    .credit = "Credit note",
    .debit = "Debit note",
    .customer = "Customer",
    .number = "Number",
    .issued = "Issued",
    .bill = "Corrects bill",
    .project = "Project",
    .reason = "Reason",
    .reference = "Reference",
    .item = "Item",
    .amount = "CNY",
    .net = "Net",
    .vat = "VAT",
    .total = "Total including VAT",
    .refund = "Of that paid before, and owed back",
    .in_words = "In words",
    .left = "The bill itself stays as it was issued; this note is part of what is owed of it.",
    .proof =
        "This note is in the seller's proof log: whoever holds a signed head of it can check "
        "that nothing was changed since.",
};
constexpr NoteWords kChinese = {
    .language = "zh-CN",
    .page_of = "第 {page} 页，共 {pages} 页",
    .credit = "贷项通知单",
    .debit = "借项通知单",
    .customer = "客户",
    .number = "编号",
    .issued = "开具日期",
    .bill = "更正账单",
    .project = "项目",
    .reason = "原因",
    .reference = "参考号",
    .item = "项目",
    .amount = "金额（人民币元）",
    .net = "不含税金额",
    .vat = "增值税",
    .total = "价税合计",
    .refund = "其中已付、应退还",
    .in_words = "大写",
    .left = "原账单保持不变；本通知单与其一并构成应付金额。",
    .proof = "本通知单已写入销售方的证明日志：持有签名树根者可以验证其后未被更改。",
};

class NotePages {
  public:
    NotePages(const BillNote& note, const Bill& bill, const DocumentOptions& options,
              const NoteWords& words, PageWriter* page)
        : note_(&note), bill_(&bill), options_(&options), words_(&words), page_(page) {}
    Status draw(const TimeZone& zone) {
        TG_CHECK_OK(draw_letterhead(
            *options_, note_->kind == NoteKind::credit ? words_->credit : words_->debit, page_));
        draw_facts(zone);
        draw_amounts();
        const TextStyle small{.size = 7.5, .is_grey = true};
        page_->paragraph(words_->left, small);
        page_->paragraph(words_->proof, small);
        return {};
    }

  private:
    bool is_zh() const { return options_->language == Language::zh; }
    std::string labelled(std::string_view label, const std::string& value) const {
        return std::string(label) + (is_zh() ? "：" : ": ") + value;
    }
    void draw_facts(const TimeZone& zone);
    void draw_amounts();

    const BillNote* note_;
    const Bill* bill_;
    const DocumentOptions* options_;
    const NoteWords* words_;
    PageWriter* page_;
};

void NotePages::draw_facts(const TimeZone& zone) {
    const double half = PageWriter::kWidth / 2;
    const std::string& name = bill_->customer_name.empty() ? bill_->customer : bill_->customer_name;
    page_->put(0, 0, half, name, {.size = 12, .is_bold = true});
    page_->put(0, 18, half, labelled(words_->customer, bill_->customer), {});
    double below = 0;
    const auto fact = [&](std::string_view label, const std::string& value) {
        if (value.empty()) return;
        const TextStyle right{.is_right = true};
        const std::string text = labelled(label, value);
        page_->put(half, below, half, text, right);
        below += page_->height_of(text, right, half) + 2;
    };
    fact(words_->number, note_->id);
    fact(words_->issued, day_text(zone.local_day(note_->issued_at)));
    fact(words_->bill, note_->bill_id);
    fact(words_->project, note_->project);
    page_->advance(std::max(below, 34.0) + 8);
    page_->paragraph(labelled(words_->reason, note_->reason), {});
    if (!note_->reference.empty())
        page_->paragraph(labelled(words_->reference, note_->reference), {});
    page_->advance(8);
}

void NotePages::draw_amounts() {
    const std::int64_t sign = note_->kind == NoteKind::credit ? -1 : 1;
    TableWriter table(page_,
                      {{.head = std::string(words_->item)},
                       {.width = 120, .is_right = true, .head = std::string(words_->amount)}});
    const std::string vat =
        std::string(words_->vat) + " " + format_scaled(bill_->terms.vat_ppm, 4, 0) + "%";
    table.row({std::string(words_->net), format_cents(sign * note_->net_fen)});
    table.row({vat, format_cents(sign * note_->tax_fen)}, {.keeps_next = true});
    table.row({std::string(words_->total), format_cents(sign * note_->total_fen)},
              {.is_bold = true, .has_rule = true});
    if (note_->refund_fen != 0)
        table.row({std::string(words_->refund), format_cents(note_->refund_fen)});
    table.finish();
    page_->advance(6);
    if (is_zh()) {
        page_->paragraph(labelled(words_->in_words, amount_in_chinese(sign * note_->total_fen)),
                         {});
        page_->advance(4);
    }
}

}  // namespace

Result<std::string> note_as_pdf(const BillNote& note, const Bill& bill,
                                const DocumentOptions& options) {
    const NoteWords& words = options.language == Language::zh ? kChinese : kEnglish;
    TG_TRY(const TimeZone zone, TimeZone::load(bill.time_zone));
    const std::string& issuer = options.issuer.name_in(options.language);
    TG_TRY(const std::unique_ptr<PageWriter> page,
           PageWriter::create({.title = note.id,
                               .author = issuer,
                               .language = std::string(words.language),
                               .created_at = note.issued_at,
                               .footer = note.id + (issuer.empty() ? "" : "  ·  " + issuer),
                               .page_text = std::string(words.page_of),
                               .watermark = {}}));
    TG_CHECK_OK(NotePages(note, bill, options, words, page.get()).draw(zone));
    return page->finish();
}

}  // namespace tg
