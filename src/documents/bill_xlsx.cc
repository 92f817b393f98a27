#include "documents/documents.h"
#include "documents/internal/words.h"
#include "documents/internal/workbook.h"
#include "rating/price_text.h"

namespace tg {

using namespace documents_internal;

namespace {

class BillBook {
  public:
    BillBook(const Bill& bill, const DocumentOptions& options, Workbook* book)
        : bill_(&bill), options_(&options), words_(&words(options.language)), book_(book) {}
    void write() {
        write_summary();
        write_lines();
        if (!bill_->items.empty()) write_items();
    }

  private:
    Sheet sheet(std::string_view name) { return book_->sheet(name); }
    void write_summary();
    void write_lines();
    void write_items();

    const Bill* bill_;
    const DocumentOptions* options_;
    const Words* words_;
    Workbook* book_;
};

void BillBook::write_summary() {
    Sheet out = sheet(words_->summary);
    const std::string vat =
        std::string(words_->vat) + " " + format_scaled(bill_->terms.vat_ppm, 4, 0) + "%";
    out.head({{words_->project, 24},
              {words_->requests, 12},
              {words_->usd, 16},
              {words_->net, 18},
              {vat, 16},
              {words_->total, 18}});
    const auto row = [&](std::string_view label, const BillTotal& total) {
        out.text(label).count(total.requests).money(total.usd_cents).money(total.cny_fen);
        out.money(total.vat_fen).money(total.total_fen).end_row();
    };
    for (const BillTotal& project : bill_->projects) row(project.project, project);
    row(words_->total, bill_->total);
    out.finish();
}

void BillBook::write_lines() {
    Sheet out = sheet(words_->usage);
    out.head({{words_->month, 10},
              {words_->project, 20},
              {words_->department, 16},
              {words_->environment, 14},
              {words_->model, 26},
              {words_->provider, 14},
              {words_->item, 26},
              {words_->quantity, 16},
              {words_->unit_price, 22},
              {words_->usd, 14},
              {words_->cny, 14}});
    for (const auto* lines : {&bill_->lines, &bill_->late}) {
        for (const BillLine& line : *lines) {
            out.text(to_string(line.late_from.value_or(bill_->month))).text(line.project);
            out.text(line.department).text(line.environment).text(line.model).text(line.provider);
            out.text(line_label(line, options_->language)).count(line.quantity);
            out.text(format_price(line.meter, line.price) + " " + std::string(code(line.currency)) +
                     "/" + std::string(unit_label(line.meter, options_->language)));
            out.money(line.usd_cents).money(line.cny_fen).end_row();
        }
    }
    out.finish();
}

void BillBook::write_items() {
    Sheet out = sheet(words_->contract_items);
    out.head({{words_->project, 20},
              {words_->number, 16},
              {words_->item, 60},
              {words_->usd, 14},
              {words_->cny, 14}});
    for (const BillItem& item : bill_->items) {
        out.text(item.project).text(is_added(item.kind) ? item.adjustment : item.contract);
        out.text(item_label(item, bill_->month, options_->language));
        out.money(item.usd_cents).money(item.cny_fen).end_row();
    }
    out.finish();
}

}  // namespace

Result<std::string> bill_as_xlsx(const Bill& bill, const DocumentOptions& options) {
    const UtcMicros at = bill.finalised_at.micros != 0 ? bill.finalised_at : bill.period_end;
    TG_TRY(const std::unique_ptr<Workbook> book,
           Workbook::create(bill.id, options.issuer.name_in(options.language), at));
    BillBook(bill, options, book.get()).write();
    return book->finish();
}

}  // namespace tg
