#include <algorithm>

#include "base/csv.h"
#include "base/utf8.h"
#include "billing/bill.h"
#include "billing/internal/contract_month.h"

namespace tg {
namespace {

std::string price_text(NanoPerM price, Currency currency) {
    return format_scaled(price.nano, 9, 2) + " " + std::string(code(currency)) + "/M";
}

std::string item_text(const BillLine& line) {
    std::string out(name(line.meter));
    if (line.tier != ServiceTier::standard) out.append(" (").append(name(line.tier)).append(")");
    return out;
}

std::string late_text(const BillLine& line) {
    return item_text(line) + ", late from " + to_string(*line.late_from);
}

/// What an item is for, with its days where they are not the whole month of the bill.
std::string item_text(const BillItem& item, YearMonth month) {
    const bill_internal::MonthDays days = bill_internal::days_of(month);
    if (item.kind >= BillItemKind::true_up ||
        (item.first_day == days.first && item.last_day == days.last))
        return item.text;
    return item.text + " (" + day_text(item.first_day) + " to " + day_text(item.last_day) + ")";
}

/// Columns as wide as their widest cell; numbers to the right.
class Table {
  public:
    explicit Table(std::vector<bool> is_right)
        : is_right_(std::move(is_right)), widths_(is_right_.size()) {}
    void row(std::vector<std::string> cells) {
        for (std::size_t i = 0; i < cells.size(); ++i)
            widths_[i] = std::max(widths_[i], display_width(cells[i]));
        rows_.push_back(std::move(cells));
    }
    void rule() { rows_.emplace_back(); }
    std::string text() const {
        std::size_t total = 0;
        for (const std::size_t width : widths_) total += width + 2;
        std::string out;
        for (const std::vector<std::string>& cells : rows_) {
            if (cells.empty()) {
                out.append(total - 2, '-').append("\n");
                continue;
            }
            std::string line;
            for (std::size_t i = 0; i < cells.size(); ++i) {
                const std::string pad(widths_[i] - display_width(cells[i]), ' ');
                line.append(is_right_[i] ? pad + cells[i] : cells[i] + pad).append("  ");
            }
            while (!line.empty() && line.back() == ' ') line.pop_back();
            out.append(line).append("\n");
        }
        return out;
    }

  private:
    std::vector<bool> is_right_;
    std::vector<std::size_t> widths_;
    std::vector<std::vector<std::string>> rows_;
};

/// What people have added; "" where there is nothing.
std::string added_as_table(const Bill& bill) {
    Table table({false, false, false, true, true});
    table.row({"project", "added", "", "USD", "CNY"});
    table.rule();
    bool is_empty = true;
    for (const BillItem& item : bill.items) {
        if (!is_added(item.kind)) continue;
        is_empty = false;
        table.row({item.project, item.text, item.adjustment, format_cents(item.usd_cents),
                   format_cents(item.cny_fen)});
    }
    table.rule();
    return is_empty ? "" : table.text() + "\n";
}

/// What contracts add and take; "" where there are none.
std::string items_as_table(const Bill& bill) {
    if (bill.items.empty() || is_added(bill.items.front().kind)) return "";
    Table table({false, false, true, true, true});
    table.row({"project", "by contract " + bill.items.front().contract, "of", "USD", "CNY"});
    table.rule();
    for (const BillItem& item : bill.items) {
        if (is_added(item.kind)) continue;
        table.row({item.project, item_text(item, bill.month),
                   item.base.value == 0 ? ""
                                        : format_cents(static_cast<std::int64_t>(divide(
                                              item.base.value, kFemtoPerCent, Rounding::half_up))) +
                                              " " + std::string(code(item.currency)),
                   format_cents(item.usd_cents), format_cents(item.cny_fen)});
    }
    table.rule();
    std::string out = table.text();
    for (const BillCommitment& each : bill.commitments) {
        out += "commitment of contract " + each.contract + ", " + day_text(each.first_day) +
               " to " + day_text(each.last_day) + ": " + format_cents(each.committed_cents) + " " +
               std::string(code(each.currency)) + ", spent " +
               format_cents(each.spent_before_cents + each.spent_cents) + "\n";
    }
    return out + "\n";
}

}  // namespace

std::string bill_as_table(const Bill& bill) {
    std::string out = bill.id + "  " + bill.customer_name + "  " + to_string(bill.month) + " (" +
                      bill.time_zone + ")  " + bill.status + "\n";
    out += "period " + format_rfc3339(bill.period_start) + " to " +
           format_rfc3339(bill.period_end) + ", rate " +
           format_scaled(bill.terms.usd_cny_e8, 8, 2) + " CNY per USD" +
           (bill.terms.rate_source.empty() ? "" : " (" + bill.terms.rate_source + ")") + "\n\n";
    Table lines({false, false, false, true, true, true, true});
    lines.row({"project", "model", "item", "quantity", "price", "USD", "CNY"});
    lines.rule();
    std::string last;
    for (const BillLine& line : bill.lines) {
        if (!last.empty() && last != line.project) lines.rule();
        last = line.project;
        lines.row({line.project, line.model, item_text(line), format_grouped(line.quantity),
                   price_text(line.price, line.currency), format_cents(line.usd_cents),
                   format_cents(line.cny_fen)});
    }
    if (!bill.late.empty() && !last.empty()) lines.rule();
    for (const BillLine& line : bill.late) {
        lines.row({line.project, line.model, late_text(line), format_grouped(line.quantity),
                   price_text(line.price, line.currency), format_cents(line.usd_cents),
                   format_cents(line.cny_fen)});
    }
    lines.rule();
    out += lines.text() + "\n" + items_as_table(bill) + added_as_table(bill);
    Table totals({false, true, true, true, true, true});
    const std::string vat = "VAT " + format_scaled(bill.terms.vat_ppm, 4, 0) + "%";
    totals.row({"", "requests", "USD", "CNY", vat, "total CNY"});
    const auto add = [&](const std::string& label, const BillTotal& total) {
        totals.row({label, format_grouped(total.requests), format_cents(total.usd_cents),
                    format_cents(total.cny_fen), format_cents(total.vat_fen),
                    format_cents(total.total_fen)});
    };
    for (const BillTotal& project : bill.projects) add(project.project, project);
    totals.rule();
    add("total", bill.total);
    out += totals.text();
    if (bill.unpriced_events > 0)
        out += "\n" + format_grouped(bill.unpriced_events) +
               " calls have no price yet: add prices before the bill is final.\n";
    if (bill.estimated_events > 0)
        out += "\n" + format_grouped(bill.estimated_events) +
               " calls were settled by estimate: the provider gave no usage.\n";
    if (bill.unconfirmed_events > 0)
        out += "\n" + format_grouped(bill.unconfirmed_events) +
               " calls were cut by a crash and are unconfirmed.\n";
    out += "\nRounding: " + std::string(kRoundingRule) + ".\n";
    return out;
}

std::string bill_as_csv(const Bill& bill) {
    std::string out;
    append_csv_row({"bill", "customer", "month", "kind", "project", "department", "environment",
                    "model", "provider", "meter", "tier", "text", "quantity", "price_per_million",
                    "currency", "exact", "usd", "cny"},
                   &out);
    const auto add_lines = [&](const std::vector<BillLine>& lines, const std::string& kind) {
        for (const BillLine& line : lines) {
            append_csv_row(
                {bill.id, bill.customer, to_string(line.late_from.value_or(bill.month)), kind,
                 line.project, line.department, line.environment, line.model, line.provider,
                 std::string(name(line.meter)), std::string(name(line.tier)), "",
                 std::to_string(line.quantity), format_scaled(line.price.nano, 9, 2),
                 std::string(code(line.currency)), format_amount(line.exact),
                 format_scaled(line.usd_cents, 2, 2), format_scaled(line.cny_fen, 2, 2)},
                &out);
        }
    };
    add_lines(bill.lines, "usage");
    add_lines(bill.late, "late_usage");
    for (const BillItem& item : bill.items) {
        append_csv_row({bill.id, bill.customer, to_string(bill.month), std::string(name(item.kind)),
                        item.project, "", "", "", "", "", "", item_text(item, bill.month), "", "",
                        std::string(code(item.currency)), format_amount(item.exact),
                        format_scaled(item.usd_cents, 2, 2), format_scaled(item.cny_fen, 2, 2)},
                       &out);
    }
    return out;
}

}  // namespace tg
