#include <algorithm>

#include "base/csv.h"
#include "billing/bill.h"

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

std::string grouped(std::int64_t number) {
    std::string out = std::to_string(number);
    for (std::size_t at = out.size(); at > 3;) {
        at -= 3;
        if (at > 0 && out[at - 1] != '-') out.insert(at, ",");
    }
    return out;
}

std::string late_text(const LateUsage& line) {
    return "late usage of " + to_string(line.month);
}

/// Columns as wide as their widest cell; numbers to the right.
class Table {
  public:
    explicit Table(std::vector<bool> is_right)
        : is_right_(std::move(is_right)), widths_(is_right_.size()) {}
    void row(std::vector<std::string> cells) {
        for (std::size_t i = 0; i < cells.size(); ++i)
            widths_[i] = std::max(widths_[i], cells[i].size());
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
                const std::string pad(widths_[i] - cells[i].size(), ' ');
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
        lines.row({line.project, line.model, item_text(line), grouped(line.quantity),
                   price_text(line.price, line.currency), format_cents(line.usd_cents),
                   format_cents(line.cny_fen)});
    }
    for (const LateUsage& line : bill.late) {
        if (!last.empty() && last != "late") lines.rule();
        last = "late";
        lines.row({line.project, "", late_text(line), "", "", format_cents(line.usd_cents),
                   format_cents(line.cny_fen)});
    }
    lines.rule();
    out += lines.text() + "\n";
    Table totals({false, true, true, true, true, true});
    const std::string vat = "VAT " + format_scaled(bill.terms.vat_ppm, 4, 0) + "%";
    totals.row({"", "requests", "USD", "CNY", vat, "total CNY"});
    const auto add = [&](const std::string& label, const BillTotal& total) {
        totals.row({label, grouped(total.requests), format_cents(total.usd_cents),
                    format_cents(total.cny_fen), format_cents(total.vat_fen),
                    format_cents(total.total_fen)});
    };
    for (const BillTotal& project : bill.projects) add(project.project, project);
    totals.rule();
    add("total", bill.total);
    out += totals.text();
    if (bill.unpriced_events > 0)
        out += "\n" + grouped(bill.unpriced_events) +
               " calls have no price yet: add prices before the bill is final.\n";
    if (bill.estimated_events > 0)
        out += "\n" + grouped(bill.estimated_events) +
               " calls were settled by estimate: the provider gave no usage.\n";
    if (bill.unconfirmed_events > 0)
        out += "\n" + grouped(bill.unconfirmed_events) +
               " calls were cut by a crash and are unconfirmed.\n";
    out += "\nRounding: " + std::string(kRoundingRule) + ".\n";
    return out;
}

std::string bill_as_csv(const Bill& bill) {
    std::string out =
        "bill,customer,month,project,department,environment,model,provider,meter,tier,quantity,"
        "price_per_million,currency,exact,usd,cny\r\n";
    for (const BillLine& line : bill.lines) {
        for (const std::string& cell :
             {bill.id, bill.customer, to_string(bill.month), line.project, line.department,
              line.environment, line.model, line.provider, std::string(name(line.meter)),
              std::string(name(line.tier)), std::to_string(line.quantity),
              format_scaled(line.price.nano, 9, 2), std::string(code(line.currency)),
              format_amount(line.exact), format_scaled(line.usd_cents, 2, 2)}) {
            out.append(csv_cell(cell)).append(",");
        }
        out.append(format_scaled(line.cny_fen, 2, 2)).append("\r\n");
    }
    for (const LateUsage& line : bill.late) {
        const std::string empty;
        for (const std::string& cell :
             {bill.id, bill.customer, to_string(bill.month), line.project, empty, empty, empty,
              empty, late_text(line), empty, empty, empty, std::string(code(line.currency)),
              format_amount(line.exact), format_scaled(line.usd_cents, 2, 2)}) {
            out.append(csv_cell(cell)).append(",");
        }
        out.append(format_scaled(line.cny_fen, 2, 2)).append("\r\n");
    }
    return out;
}

}  // namespace tg
