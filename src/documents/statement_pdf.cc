#include "base/time_zone.h"
#include "documents/internal/letterhead.h"
#include "documents/internal/page_writer.h"
#include "documents/internal/statement_words.h"

namespace tg::documents_internal {
namespace {

class StatementPages {
  public:
    StatementPages(const AccountStatement& statement, const TimeZone& zone,
                   const DocumentOptions& options, PageWriter* page)
        : statement_(&statement),
          zone_(zone),
          options_(&options),
          words_(&statement_words(options.language)),
          page_(page) {}
    Status draw() {
        TG_CHECK_OK(draw_letterhead(*options_, words_->title, page_));
        draw_facts();
        draw_amount();
        draw_lines();
        draw_open_bills();
        return {};
    }

  private:
    std::string labelled(std::string_view label, const std::string& value) const {
        return std::string(label) + (options_->language == Language::zh ? "：" : ": ") + value;
    }
    void draw_facts();
    void draw_amount();
    void heading(std::string_view text) {
        page_->make_room(80);  // never alone at the foot of a page
        page_->paragraph(text, {.size = 10.5, .is_bold = true});
        page_->advance(3);
    }
    void draw_lines();
    void draw_open_bills();

    const AccountStatement* statement_;
    const TimeZone& zone_;  ///< of the customer
    const DocumentOptions* options_;
    const StatementWords* words_;
    PageWriter* page_;
};

void StatementPages::draw_facts() {
    const AccountStatement& s = *statement_;
    const std::string& name = s.customer_name.empty() ? s.customer : s.customer_name;
    page_->put(0, 0, PageWriter::kWidth / 2, name, {.size = 12, .is_bold = true});
    page_->put(0, 18, PageWriter::kWidth / 2, labelled(words_->customer, s.customer), {});
    const double left = PageWriter::kWidth / 2;
    const std::string months =
        s.first == s.last ? to_string(s.first) : to_string(s.first) + " – " + to_string(s.last);
    const TextStyle right{.is_right = true};
    page_->put(left, 0, left, labelled(words_->period, months + " (" + s.time_zone + ")"), right);
    // The statement ends before that moment.
    page_->put(left, 14, left,
               labelled(words_->until, day_text(zone_.local_day({s.until.micros - 1}))), right);
    page_->advance(44);
}

void StatementPages::draw_amount() {
    constexpr double kHeight = 52;
    page_->shade(0, 0, PageWriter::kWidth, kHeight);
    const auto amount = [&](double dy, double size, std::string_view label, std::int64_t fen) {
        page_->put(10, dy + (size - 9) * 0.5, 200, label, {.size = 9, .is_grey = true});
        page_->put(PageWriter::kWidth - 310, dy, 300, "¥ " + format_cents(fen),
                   {.size = size, .is_bold = size > 10, .is_right = true});
    };
    amount(4, 15, words_->to_pay, statement_->closing_owed_fen);
    amount(24, 9, words_->prepaid_left, statement_->closing_prepaid_fen);
    amount(37, 9, words_->deposit, statement_->deposit_fen);
    page_->advance(kHeight + 14);
}

void StatementPages::draw_lines() {
    TableWriter table(
        page_, {{.width = 50, .head = std::string(words_->day)},
                {.width = 58, .head = std::string(words_->kind)},
                {.head = std::string(words_->document)},
                {.width = 62, .is_right = true, .head = std::string(words_->owed)},
                {.width = 66, .is_right = true, .head = std::string(words_->owed_after)},
                {.width = 58, .is_right = true, .head = std::string(words_->prepaid)},
                {.width = 62, .is_right = true, .head = std::string(words_->prepaid_after)}});
    const auto balance = [&](std::string_view label, std::int64_t owed, std::int64_t prepaid,
                             TableWriter::RowStyle style) {
        table.row({"", "", std::string(label), "", format_cents(owed), "", format_cents(prepaid)},
                  style);
    };
    balance(words_->opening, statement_->opening_owed_fen, statement_->opening_prepaid_fen,
            {.is_bold = true});
    const auto change = [](std::int64_t fen) { return fen == 0 ? "" : format_cents(fen); };
    for (const StatementLine& line : statement_->lines) {
        const bool is_last = &line == &statement_->lines.back();
        table.row({day_text(line.day), std::string(cause_label(line.cause, options_->language)),
                   line.reference.empty() ? line.document : line.document + " · " + line.reference,
                   change(line.owed_fen), format_cents(line.owed_after_fen),
                   change(line.prepaid_fen), format_cents(line.prepaid_after_fen)},
                  {.keeps_next = is_last});
    }
    balance(words_->closing, statement_->closing_owed_fen, statement_->closing_prepaid_fen,
            {.is_bold = true, .has_rule = true});
    table.finish();
    if (statement_->lines.empty()) page_->paragraph(words_->nothing, {.is_grey = true});
    page_->advance(12);
}

void StatementPages::draw_open_bills() {
    heading(words_->open_bills);
    if (statement_->open_bills.empty()) {
        page_->paragraph(words_->nothing_open, {.is_grey = true});
        return;
    }
    TableWriter table(page_, {{.head = std::string(words_->bill)},
                              {.width = 110, .head = std::string(words_->due)},
                              {.width = 96, .is_right = true, .head = std::string(words_->total)},
                              {.width = 96, .is_right = true, .head = std::string(words_->open)}});
    for (const StatementOpenBill& bill : statement_->open_bills) {
        // It is late from that moment on: the day before is the last one.
        std::string due = day_text(zone_.local_day({bill.due_at.micros - 1}));
        if (bill.is_overdue) due.append("  ").append(words_->overdue);
        table.row({bill.bill_id, due, format_cents(bill.total_fen), format_cents(bill.open_fen)});
    }
    table.finish();
}

}  // namespace

Result<std::string> statement_as_pdf(const AccountStatement& statement,
                                     const DocumentOptions& options) {
    const StatementWords& w = statement_words(options.language);
    TG_TRY(const TimeZone zone, TimeZone::load(statement.time_zone));
    const std::string& issuer = options.issuer.name_in(options.language);
    TG_TRY(const std::unique_ptr<PageWriter> page,
           PageWriter::create({.title = statement.id(),
                               .author = issuer,
                               .language = std::string(w.language),
                               .created_at = statement.until,
                               .footer = statement.id() + (issuer.empty() ? "" : "  ·  " + issuer),
                               .page_text = std::string(w.page_of),
                               .watermark = {}}));
    TG_CHECK_OK(StatementPages(statement, zone, options, page.get()).draw());
    return page->finish();
}

}  // namespace tg::documents_internal
