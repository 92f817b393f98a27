#include "base/chinese_amount.h"
#include "base/time_zone.h"
#include "documents/documents.h"
#include "documents/internal/page_writer.h"
#include "documents/internal/words.h"
#include "rating/price_text.h"

namespace tg {

using namespace documents_internal;

namespace {

class BillPages {
  public:
    BillPages(const Bill& bill, const TimeZone& zone, const DocumentOptions& options,
              PageWriter* page)
        : bill_(&bill),
          zone_(zone),
          options_(&options),
          words_(&words(options.language)),
          page_(page) {}
    Status draw();

  private:
    bool is_zh() const { return options_->language == Language::zh; }
    Status draw_top();
    void draw_facts();
    void draw_amount();
    void heading(std::string_view text);
    void draw_projects();
    void draw_lines(std::string_view title, const std::vector<BillLine>& lines);
    void draw_items(bool is_added_by_hand);
    void draw_commitments();
    void draw_payment();
    void draw_notes();
    void note_count(std::int64_t count, std::string_view text);

    const Bill* bill_;
    const TimeZone& zone_;  ///< of the customer
    const DocumentOptions* options_;
    const Words* words_;
    PageWriter* page_;
};

Status BillPages::draw() {
    TG_CHECK_OK(draw_top());
    draw_facts();
    draw_amount();
    draw_projects();
    if (bill_->lines.empty())
        page_->paragraph(words_->nothing, {.is_grey = true});
    else
        draw_lines(words_->usage, bill_->lines);
    if (!bill_->late.empty()) draw_lines(words_->late_usage, bill_->late);
    draw_items(false);
    draw_items(true);
    draw_commitments();
    draw_payment();
    draw_notes();
    return {};
}

/// Logo or name left, what the document is right.
Status BillPages::draw_top() {
    const Issuer& issuer = options_->issuer;
    const std::string& name = issuer.name_in(options_->language);
    double height = 0;
    if (!issuer.logo_file.empty()) {
        TG_TRY(height, page_->image(issuer.logo_file, 40, 200));
    } else {
        const TextStyle style{.size = 15, .is_bold = true};
        height = page_->height_of(name, style, 300);
        page_->put(0, 0, 300, name, style);
    }
    const TextStyle title{.size = 22, .is_bold = true, .is_right = true};
    page_->put(PageWriter::kWidth - 200, -6, 200, words_->bill, title);
    page_->advance(std::max(height, 30.0) + 4);
    std::string facts;
    const auto add = [&](std::string_view label, const std::string& value) {
        if (value.empty()) return;
        facts.append(facts.empty() ? "" : "  ·  ").append(label).append(is_zh() ? "：" : ": ");
        facts.append(value);
    };
    if (!issuer.logo_file.empty() && !name.empty()) facts = name;
    add(words_->tax_id, issuer.tax_id);
    add(words_->address, issuer.address);
    add(words_->phone, issuer.phone);
    add(words_->email, issuer.email);
    if (!facts.empty()) page_->paragraph(facts, {.size = 7.5, .is_grey = true});
    page_->advance(8);
    page_->line(0, 0, PageWriter::kWidth, true);
    page_->advance(12);
    return {};
}

/// The customer left, the bill's facts right.
void BillPages::draw_facts() {
    const double left = PageWriter::kWidth * 0.46, label = 84;
    double used = 0;
    const auto customer = [&](std::string_view text, TextStyle style) {
        page_->put(0, used, left, text, style);
        used += page_->height_of(text, style, left) + 2;
    };
    customer(words_->bill_to, {.size = 7.5, .is_grey = true});
    customer(bill_->customer_name.empty() ? bill_->customer : bill_->customer_name,
             {.size = 12, .is_bold = true});
    customer(std::string(words_->customer_code) + (is_zh() ? "：" : ": ") + bill_->customer, {});
    double below = 0;
    const double value_width = PageWriter::kWidth - left - label;
    const auto fact = [&](std::string_view name, const std::string& value) {
        page_->put(left, below, label, name, {.is_grey = true});
        page_->put(left + label, below, value_width, value, {});
        below += page_->height_of(value, {}, value_width) + 2;
    };
    fact(words_->bill_number, bill_->id);
    fact(words_->period, to_string(bill_->month) + " (" + bill_->time_zone + ")");
    fact(words_->status, std::string(status_label(bill_->status, options_->language)));
    if (bill_->finalised_at.micros != 0) {
        fact(words_->issued, day_text(zone_.local_day(bill_->finalised_at)));
        // It is late from that moment on: the day before is the last one.
        fact(words_->due, day_text(zone_.local_day({bill_->due_at.micros - 1})));
    }
    fact(words_->rate,
         "1 USD = " + format_scaled(bill_->terms.usd_cny_e8, 8, 4) + " CNY" +
             (bill_->terms.rate_source.empty() ? std::string()
                                               : " (" + bill_->terms.rate_source + ")"));
    page_->advance(std::max(used, below) + 10);
}

void BillPages::draw_amount() {
    const double height = is_zh() ? 50 : 38;
    page_->make_room(height + 10);
    page_->shade(0, 0, PageWriter::kWidth, height);
    page_->put(10, 12, 200, words_->amount_due, {.size = 10, .is_grey = true});
    const double width = 300;
    page_->put(PageWriter::kWidth - width - 10, 5, width,
               "¥ " + format_cents(bill_->total.total_fen),
               {.size = 17, .is_bold = true, .is_right = true});
    if (is_zh()) {
        page_->put(10, 32, PageWriter::kWidth - 20,
                   std::string(words_->in_words) + "：" + amount_in_chinese(bill_->total.total_fen),
                   {.size = 9, .is_right = true});
    }
    page_->advance(height + 14);
}

void BillPages::heading(std::string_view text) {
    // Never alone at the foot of a page.
    page_->make_room(80);
    page_->advance(4);
    page_->paragraph(text, {.size = 10.5, .is_bold = true});
    page_->advance(3);
}

void BillPages::draw_projects() {
    heading(words_->summary);
    const std::string vat =
        std::string(words_->vat) + " " + format_scaled(bill_->terms.vat_ppm, 4, 0) + "%";
    TableWriter table(page_,
                      {{.head = std::string(words_->project)},
                       {.width = 64, .is_right = true, .head = std::string(words_->requests)},
                       {.width = 80, .is_right = true, .head = std::string(words_->usd)},
                       {.width = 92, .is_right = true, .head = std::string(words_->net)},
                       {.width = 80, .is_right = true, .head = vat},
                       {.width = 92, .is_right = true, .head = std::string(words_->total)}});
    const auto row = [&](const std::string& label, const BillTotal& total,
                         TableWriter::RowStyle style) {
        table.row({label, format_grouped(total.requests), format_cents(total.usd_cents),
                   format_cents(total.cny_fen), format_cents(total.vat_fen),
                   format_cents(total.total_fen)},
                  style);
    };
    for (std::size_t i = 0; i < bill_->projects.size(); ++i)
        row(bill_->projects[i].project, bill_->projects[i],
            {.keeps_next = i + 1 == bill_->projects.size()});
    row(std::string(words_->total), bill_->total, {.is_bold = true, .has_rule = true});
    table.finish();
    page_->advance(10);
}

void BillPages::draw_lines(std::string_view title, const std::vector<BillLine>& lines) {
    heading(title);
    TableWriter table(page_,
                      {{.width = 128, .head = std::string(words_->model)},
                       {.head = std::string(words_->item)},
                       {.width = 78, .is_right = true, .head = std::string(words_->quantity)},
                       {.width = 84, .is_right = true, .head = std::string(words_->unit_price)},
                       {.width = 62, .is_right = true, .head = std::string(words_->usd)},
                       {.width = 68, .is_right = true, .head = std::string(words_->cny)}});
    std::int64_t cents = 0, fen = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const BillLine& line = lines[i];
        const auto is_other = [&](std::size_t at) {
            return at >= lines.size() || lines[at].project != line.project ||
                   lines[at].late_from != line.late_from;
        };
        if (i == 0 || is_other(i - 1)) {
            std::string name = line.project;
            if (!line.department.empty()) name += "  ·  " + line.department;
            if (!line.environment.empty()) name += "  ·  " + line.environment;
            if (line.late_from) name += "  ·  " + to_string(*line.late_from);
            table.row({name}, {.is_heading = true, .keeps_next = true});
            cents = fen = 0;
        }
        cents += line.usd_cents;
        fen += line.cny_fen;
        const bool is_last = is_other(i + 1);
        table.row({line.model, line_label(line, options_->language), format_grouped(line.quantity),
                   format_price(line.meter, line.price) + " " + std::string(code(line.currency)) +
                       "/" + std::string(unit_label(line.meter, options_->language)),
                   format_cents(line.usd_cents), format_cents(line.cny_fen)},
                  {.keeps_next = is_last});
        if (is_last) {
            table.row(
                {"", "", "", std::string(words_->subtotal), format_cents(cents), format_cents(fen)},
                {.is_bold = true});
        }
    }
    table.finish();
    page_->advance(10);
}

void BillPages::draw_items(bool is_added_by_hand) {
    std::vector<const BillItem*> items;
    for (const BillItem& item : bill_->items)
        if (is_added(item.kind) == is_added_by_hand) items.push_back(&item);
    if (items.empty()) return;
    heading(is_added_by_hand ? std::string(words_->adjustments)
                             : std::string(words_->contract_items) + " " + items[0]->contract);
    TableWriter table(page_,
                      {{.width = 96, .head = std::string(words_->project)},
                       {.head = std::string(words_->item)},
                       {.width = 100,
                        .is_right = true,
                        .head = std::string(is_added_by_hand ? words_->number : words_->base)},
                       {.width = 68, .is_right = true, .head = std::string(words_->usd)},
                       {.width = 74, .is_right = true, .head = std::string(words_->cny)}});
    for (const BillItem* item : items) {
        std::string of = item->adjustment;
        if (item->base.value != 0) {
            const int128 cents = divide(item->base.value, kFemtoPerCent, Rounding::half_up);
            of = format_cents(static_cast<std::int64_t>(cents)) + " " +
                 std::string(code(item->currency));
        }
        table.row({item->project, item_label(*item, bill_->month, options_->language), of,
                   format_cents(item->usd_cents), format_cents(item->cny_fen)});
    }
    table.finish();
    page_->advance(10);
}

void BillPages::draw_commitments() {
    if (bill_->commitments.empty()) return;
    heading(words_->commitments);
    TableWriter table(page_,
                      {{.head = std::string(words_->commitment_period)},
                       {.width = 84, .is_right = true, .head = std::string(words_->committed)},
                       {.width = 84, .is_right = true, .head = std::string(words_->spent_before)},
                       {.width = 84, .is_right = true, .head = std::string(words_->spent)},
                       {.width = 92, .is_right = true, .head = std::string(words_->missing)}});
    const std::string to = is_zh() ? " 至 " : " to ";
    for (const BillCommitment& each : bill_->commitments) {
        table.row({day_text(each.first_day) + to + day_text(each.last_day) + ", " +
                       std::string(code(each.currency)),
                   format_cents(each.committed_cents), format_cents(each.spent_before_cents),
                   format_cents(each.spent_cents), format_cents(each.missing_cents)});
    }
    table.finish();
    page_->advance(10);
}

void BillPages::draw_payment() {
    const Issuer& issuer = options_->issuer;
    if (issuer.bank_account.empty() || bill_->total.total_fen <= 0) return;
    page_->make_room(100);  // the whole of it on one page
    heading(words_->payment);
    const auto fact = [&](std::string_view name, const std::string& value) {
        if (value.empty()) return;
        page_->put(0, 0, 90, name, {.is_grey = true});
        page_->put(90, 0, PageWriter::kWidth - 90, value, {});
        page_->advance(page_->height_of(value, {}, PageWriter::kWidth - 90) + 2);
    };
    fact(words_->pay_to, issuer.name_in(options_->language));
    fact(words_->bank, issuer.bank_name);
    fact(words_->account, issuer.bank_account);
    fact(words_->reference, bill_->id);
    page_->paragraph(words_->pay_by, {.is_grey = true});
    page_->advance(10);
}

void BillPages::note_count(std::int64_t count, std::string_view text) {
    if (count > 0) page_->paragraph(format_grouped(count) + std::string(text), {.size = 7.5});
}

void BillPages::draw_notes() {
    note_count(bill_->unpriced_events, words_->unpriced);
    note_count(bill_->estimated_events, words_->estimated);
    note_count(bill_->unconfirmed_events, words_->unconfirmed);
    note_count(bill_->fallback_events, words_->fallback);
    const TextStyle small{.size = 7, .is_grey = true};
    page_->paragraph(std::string(words_->rounding_head) + (is_zh() ? "：" : ": ") +
                         std::string(words_->rounding) + (is_zh() ? "" : "."),
                     small);
    if (bill_->finalised_at.micros != 0) page_->paragraph(words_->proof, small);
}

}  // namespace

Result<std::string> bill_as_pdf(const Bill& bill, const DocumentOptions& options) {
    const Words& w = words(options.language);
    TG_TRY(const TimeZone zone, TimeZone::load(bill.time_zone));
    const bool is_final = bill.finalised_at.micros != 0;
    std::string footer = bill.id;
    if (!is_final) footer.append("  ·  ").append(w.draft);
    const std::string& issuer = options.issuer.name_in(options.language);
    TG_TRY(const std::unique_ptr<PageWriter> page,
           PageWriter::create({.title = bill.id,
                               .author = issuer,
                               .language = std::string(w.language),
                               .created_at = is_final ? bill.finalised_at : bill.period_end,
                               .footer = footer + (issuer.empty() ? "" : "  ·  " + issuer),
                               .page_text = std::string(w.page_of),
                               .watermark = is_final ? "" : std::string(w.draft)}));
    TG_CHECK_OK(BillPages(bill, zone, options, page.get()).draw());
    return page->finish();
}

}  // namespace tg
