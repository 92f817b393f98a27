#include "invoicing/invoices.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/money.h"
#include "base/time_zone.h"
#include "base/utf8.h"
#include "billing/books_lock.h"
#include "identity/audit_log.h"
#include "invoicing/internal/invoice_rows.h"
#include "invoicing/invoice_titles.h"
#include "invoicing/tax_number.h"
#include "ledger/flows.h"

namespace tg {

using namespace invoicing_internal;

namespace {

/// Nuonuo takes no longer remark, and no more lines (facts/billing-and-vat §4.6).
constexpr std::size_t kRemarkMax = 230, kReferenceMax = 500, kLinesMax = 2'000;

std::string cny(std::int64_t fen) {
    return format_cents(fen) + " CNY";
}

/// "INV-20261127".
std::string day_prefix(UtcMicros at, const TimeZone& zone) {
    const Civil civil = to_civil(at, zone.offset_seconds_at(at));
    char text[24];
    const int size =
        std::snprintf(text, sizeof text, "INV-%04d%02d%02d", civil.year, civil.month, civil.day);
    return {text, static_cast<std::size_t>(size)};
}

Status check_texts(std::string_view remark, std::string_view reference) {
    if (!is_storable_text(remark) || count_characters(remark) > kRemarkMax ||
        reference.size() > kReferenceMax) {
        return fail(ErrorCode::invalid_request,
                    "the remark of an invoice has at most " + std::to_string(kRemarkMax) +
                        " characters, a reference " + std::to_string(kReferenceMax) + " bytes");
    }
    return {};
}

Status check_seller(const InvoiceSettings& settings, InvoiceForm form) {
    if (settings.seller.name.empty() || settings.seller.tax_number.empty()) {
        return fail(ErrorCode::invalid_config,
                    "an invoice needs its seller: set 'name' and 'tax_id' in the section 'issuer' "
                    "of the configuration");
    }
    if (settings.platform == kLocalPlatform) return {};
    if (form == InvoiceForm::paper) {
        return fail(ErrorCode::invalid_request,
                    "the platform '" + settings.platform +
                        "' issues digital invoices, which have taken the place of paper; leave the "
                        "form out");
    }
    TG_TRY(const std::string number, parse_tax_number(settings.seller.tax_number));
    (void)number;
    return {};
}

/// What the law wants of a buyer (facts/billing-and-vat §4.1).
Status check_buyer(const InvoiceTitle& title, InvoiceKind kind, InvoiceForm form) {
    const InvoiceParty& buyer = title.buyer;
    if (title.is_retired())
        return fail(ErrorCode::conflict, title.id + " is retired; add another title");
    if (kind == InvoiceKind::special && (!title.is_general_taxpayer || buyer.tax_number.empty())) {
        return fail(ErrorCode::invalid_request,
                    title.id + " (" + buyer.name +
                        ") is no general taxpayer, who alone gets special invoices; ask for a "
                        "normal one, or add a title that says so");
    }
    const bool is_complete = !buyer.address.empty() && !buyer.phone.empty() &&
                             !buyer.bank_name.empty() && !buyer.bank_account.empty();
    if (kind == InvoiceKind::special && form == InvoiceForm::paper && !is_complete) {
        return fail(ErrorCode::invalid_request,
                    "a special invoice on paper names the buyer's address, phone, bank and "
                    "account; " +
                        title.id + " lacks some of them");
    }
    return {};
}

std::int64_t tax_of_part(const Covered& part, std::int64_t net_fen, std::int64_t vat_ppm) {
    // The last part takes what is left, so that all of them add up to the bill's tax.
    if (net_fen == part.left_net()) return part.left_tax();
    return std::min(part.left_tax(), note_tax_cents(part.covered_net_fen, net_fen, vat_ppm));
}

/// The lines of what is to be covered. Whoever asks twice for the same part is told so by
/// what is left.
class LineMaker {
  public:
    LineMaker(SqlConnection* store, const InvoiceSettings* settings)
        : store_(store), settings_(settings) {}

    Status add(const InvoiceSource& source);
    std::vector<InvoiceLine> take_lines() { return std::move(lines_); }
    CustomerId customer() const { return customer_; }

  private:
    Result<BillCoverage*> coverage(const std::string& bill_id);
    Status add_part(const std::string& bill_id, const std::string& project, std::int64_t net_fen,
                    BillCoverage* bill);
    Status add_all(const std::string& bill_id, BillCoverage* bill);

    SqlConnection* store_;
    const InvoiceSettings* settings_;
    std::map<std::string, BillCoverage> bills_;
    std::vector<InvoiceLine> lines_;
    CustomerId customer_;
};

Result<BillCoverage*> LineMaker::coverage(const std::string& bill_id) {
    auto found = bills_.find(bill_id);
    if (found == bills_.end()) {
        TG_TRY(BillCoverage read, read_coverage(*store_, bill_id));
        if (customer_ && read.customer != customer_) {
            return fail(ErrorCode::invalid_request, "an invoice covers bills of one customer; " +
                                                        bill_id + " is another customer's than " +
                                                        bills_.begin()->first);
        }
        customer_ = read.customer;
        found = bills_.emplace(bill_id, std::move(read)).first;
    }
    return &found->second;
}

Status LineMaker::add(const InvoiceSource& source) {
    TG_TRY(BillCoverage* const bill, coverage(source.bill_id));
    if (source.project.empty() && source.net_fen != 0) {
        return fail(ErrorCode::invalid_request, "an amount of " + cny(source.net_fen) +
                                                    " is of which project of " + source.bill_id +
                                                    "? Name it, or invoice all that is left");
    }
    if (source.project.empty()) return add_all(source.bill_id, bill);
    const auto part = bill->projects.find(source.project);
    if (part == bill->projects.end()) {
        std::string codes;
        for (const auto& [code, covered] : bill->projects)
            codes += (codes.empty() ? "" : ", ") + code;
        return fail(ErrorCode::not_found, "project '" + source.project + "' is not on bill " +
                                              source.bill_id + "; those are " + codes);
    }
    const std::int64_t left = part->second.left_net();
    const std::int64_t wanted = source.net_fen == 0 ? left : source.net_fen;
    if (wanted <= 0 || wanted > left) {
        return fail(ErrorCode::conflict, "project '" + source.project + "' has " + cny(left) +
                                             " (net) left to invoice on " + source.bill_id +
                                             "; an invoice over " + cny(wanted) + " cannot be");
    }
    return add_part(source.bill_id, source.project, wanted, bill);
}

Status LineMaker::add_all(const std::string& bill_id, BillCoverage* bill) {
    bool has_any = false;
    for (auto& [project, part] : bill->projects) {
        if (part.left_net() < 0) {
            return fail(ErrorCode::conflict,
                        "project '" + project + "' has " + cny(part.left_net()) + " (net) on " +
                            bill_id +
                            ", and no line of an invoice may be below 0; invoice the other "
                            "projects by name");
        }
        if (part.left_net() == 0) continue;
        has_any = true;
        TG_CHECK_OK(add_part(bill_id, project, part.left_net(), bill));
    }
    if (has_any) return {};
    return fail(ErrorCode::conflict,
                "nothing of bill " + bill_id + " is left to invoice; see: tollgate invoice list");
}

Status LineMaker::add_part(const std::string& bill_id, const std::string& project,
                           std::int64_t net_fen, BillCoverage* bill) {
    if (lines_.size() == kLinesMax) {
        return fail(ErrorCode::invalid_request,
                    "an invoice has at most " + std::to_string(kLinesMax) + " lines; make several");
    }
    Covered& part = bill->projects.at(project);
    const std::int64_t tax = tax_of_part(part, net_fen, bill->vat_ppm);
    part.covered_net_fen += net_fen;
    part.covered_tax_fen += tax;
    lines_.push_back({.bill_id = bill_id,
                      .project = project,
                      .name = settings_->item_name,
                      .tax_code = settings_->tax_code,
                      .vat_ppm = bill->vat_ppm,
                      .net_fen = net_fen,
                      .tax_fen = tax});
    return {};
}

Result<InvoiceTitle> title_for(SqlConnection& store, const std::string& id, CustomerId customer) {
    if (!id.empty()) {
        TG_TRY(InvoiceTitle title, find_title(store, id));
        if (title.customer == customer) return title;
        return fail(ErrorCode::invalid_request, title.id + " is a title of customer '" +
                                                    title.customer_code +
                                                    "', and the bills are another's");
    }
    TG_TRY(std::vector<InvoiceTitle> titles, list_titles(store, customer, false));
    if (titles.size() == 1) return std::move(titles.front());
    return fail(ErrorCode::invalid_request,
                titles.empty() ? "the customer has no invoice title; add one first: tollgate "
                                 "invoice add-title"
                               : "the customer has " + std::to_string(titles.size()) +
                                     " invoice titles; say which one");
}

/// Are these the parts that the invoice is over? A source without an amount took what was left
/// then.
bool is_over(const VatInvoice& invoice, const std::vector<InvoiceSource>& sources) {
    const auto fits = [](const InvoiceLine& line, const InvoiceSource& source) {
        return line.bill_id == source.bill_id &&
               (source.project.empty() || source.project == line.project) &&
               (source.net_fen == 0 || source.net_fen == std::abs(line.net_fen));
    };
    const auto has_line = [&](const InvoiceSource& source) {
        return std::ranges::any_of(invoice.lines,
                                   [&](const InvoiceLine& line) { return fits(line, source); });
    };
    const auto has_source = [&](const InvoiceLine& line) {
        return std::ranges::any_of(sources,
                                   [&](const InvoiceSource& source) { return fits(line, source); });
    };
    const bool is_rest_of_red = invoice.is_red() && sources.empty();
    return is_rest_of_red || (std::ranges::all_of(sources, has_line) &&
                              std::ranges::all_of(invoice.lines, has_source));
}

/// What was asked for with the same reference, if anything was.
Result<std::optional<VatInvoice>> find_same(SqlConnection& store, CustomerId customer,
                                            const VatInvoice& wanted,
                                            const std::vector<InvoiceSource>& sources) {
    if (wanted.reference.empty()) return std::optional<VatInvoice>{};
    TG_TRY(const std::vector<InvoiceRow> found,
           read_invoices(store, "i.customer_id = ? AND i.reference = ?",
                         {std::int64_t{customer.get()}, wanted.reference}));
    if (found.empty()) return std::optional<VatInvoice>{};
    const VatInvoice& known = found.front().invoice;
    const bool is_same =
        known.colour == wanted.colour && known.blue_id == wanted.blue_id &&
        known.red_reason == wanted.red_reason && known.remark == wanted.remark &&
        (wanted.is_red() || (known.kind == wanted.kind && known.form == wanted.form)) &&
        is_over(known, sources);
    if (is_same) return std::optional(known);
    return fail(ErrorCode::conflict, "reference '" + wanted.reference + "' was used for " +
                                         known.id + ", which is another invoice");
}

/// Gives the invoice its id, writes it, and issues a local one.
Result<VatInvoice> enter(SqlConnection& store, VatInvoice invoice, const InvoiceSettings& settings,
                         const Change& change) {
    TG_TRY(const TimeZone zone, TimeZone::load(settings.time_zone));
    InvoiceRow row;
    row.invoice = std::move(invoice);
    row.day = zone.local_day(change.at);
    VatInvoice& out = row.invoice;
    TG_TRY(row.number,
           next_number(store, "SELECT MAX(number) FROM invoices WHERE day = ?", {row.day}));
    out.id = day_prefix(change.at, zone) + "-" + std::to_string(row.number);
    for (const InvoiceLine& line : out.lines) {
        out.net_fen += line.net_fen;
        out.tax_fen += line.tax_fen;
    }
    out.total_fen = out.net_fen + out.tax_fen;
    out.requested_at = out.state_at = out.next_try_at = change.at;
    out.requested_by = change.actor;
    const bool is_local = out.platform == kLocalPlatform;
    if (is_local) {
        out.official_number = out.id;
        out.issued_at = change.at;
        TG_CHECK_OK(complete_invoice(store, &row, change.at));
    }
    TG_CHECK_OK(write_invoice(store, row));
    TG_CHECK_OK(audit_invoice(store, is_local ? "issue" : "request", "", out, change));
    return std::move(row.invoice);
}

/// What of each line of a blue invoice no red one has taken back.
Result<std::vector<InvoiceLine>> lines_left(SqlConnection& store, const VatInvoice& blue) {
    std::vector<InvoiceLine> left = blue.lines;
    TG_TRY(const std::vector<InvoiceRow> reds, read_invoices(store, "i.blue_id = ?", {blue.id}));
    for (const InvoiceRow& red : reds) {
        if (!red.invoice.covers()) continue;
        if (red.invoice.is_under_way()) {
            return fail(ErrorCode::conflict,
                        red.invoice.id + " takes back " + blue.id + " already and is under way (" +
                            std::string(name(red.invoice.state)) + "); wait for its end");
        }
        for (const InvoiceLine& line : red.invoice.lines) {
            const auto same = std::ranges::find_if(left, [&line](const InvoiceLine& each) {
                return each.bill_id == line.bill_id && each.project == line.project;
            });
            if (same == left.end()) continue;
            same->net_fen += line.net_fen;
            same->tax_fen += line.tax_fen;
        }
    }
    return left;
}

InvoiceLine negated(InvoiceLine line) {
    line.net_fen = -line.net_fen;
    line.tax_fen = -line.tax_fen;
    return line;
}

/// The lines of a red invoice over parts of what is left. Rate and tax code stay the blue one's.
Result<std::vector<InvoiceLine>> red_lines(const VatInvoice& blue,
                                           const std::vector<InvoiceLine>& left,
                                           const std::vector<InvoiceSource>& parts) {
    std::vector<InvoiceLine> out;
    if (parts.empty()) {
        for (const InvoiceLine& line : left)
            if (line.net_fen != 0) out.push_back(negated(line));
        if (!out.empty()) return out;
        return fail(ErrorCode::conflict, blue.id + " has been taken back as a whole");
    }
    for (const InvoiceSource& part : parts) {
        const auto line = std::ranges::find_if(left, [&part](const InvoiceLine& each) {
            return each.bill_id == part.bill_id && each.project == part.project;
        });
        const auto taken = std::ranges::find_if(out, [&part](const InvoiceLine& each) {
            return each.bill_id == part.bill_id && each.project == part.project;
        });
        if (line == left.end() || taken != out.end()) {
            return fail(ErrorCode::invalid_request,
                        "project '" + part.project + "' of " + part.bill_id +
                            (line == left.end() ? " is not on " + blue.id : " is named twice"));
        }
        const std::int64_t wanted = part.net_fen == 0 ? line->net_fen : part.net_fen;
        if (wanted <= 0 || wanted > line->net_fen) {
            return fail(ErrorCode::conflict, blue.id + " has " + cny(line->net_fen) +
                                                 " (net) left of project '" + part.project +
                                                 "' of " + part.bill_id + "; " + cny(wanted) +
                                                 " of it cannot be taken back");
        }
        InvoiceLine red = *line;
        const InvoiceLine& whole = blue.lines[static_cast<std::size_t>(line - left.begin())];
        if (wanted != line->net_fen) {
            red.tax_fen = std::min(line->tax_fen, note_tax_cents(whole.net_fen - line->net_fen,
                                                                 wanted, line->vat_ppm));
        }
        red.net_fen = wanted;
        out.push_back(negated(std::move(red)));
    }
    return out;
}

Status check_red(const VatInvoice& blue, const RedInvoiceRequest& request) {
    if (request.reason == RedReason::none)
        return fail(ErrorCode::invalid_request, "a red-letter invoice needs its reason");
    if (request.reason == RedReason::issued_in_error && !request.parts.empty()) {
        return fail(ErrorCode::invalid_request,
                    "an invoice that was issued in error is taken back as a whole; for a part the "
                    "reason is returned, service_ended or allowance");
    }
    if (blue.is_red()) {
        return fail(ErrorCode::conflict,
                    blue.id + " is a red-letter invoice itself; issue another blue one instead");
    }
    if (blue.state == InvoiceState::issued) return {};
    return fail(ErrorCode::conflict, blue.id + " is " + std::string(name(blue.state)) +
                                         ", not issued: there is nothing to take back");
}

}  // namespace

Result<VatInvoice> request_invoice(SqlConnection& store, const InvoiceRequest& request,
                                   const InvoiceSettings& settings, const Change& change) {
    TG_CHECK_OK(check_texts(request.remark, request.reference));
    TG_CHECK_OK(check_seller(settings, request.form));
    if (request.sources.empty())
        return fail(ErrorCode::invalid_request, "an invoice is over at least one bill; name it");
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    VatInvoice invoice;
    invoice.kind = request.kind;
    invoice.form = request.form;
    invoice.platform = settings.platform;
    invoice.seller = settings.seller;
    invoice.remark = request.remark;
    invoice.reference = request.reference;
    // Who asks again may find nothing left to invoice: first what was asked for before.
    TG_TRY(const BillCoverage first, read_coverage(store, request.sources.front().bill_id));
    TG_TRY(const std::optional<VatInvoice> same,
           find_same(store, first.customer, invoice, request.sources));
    if (same) return *same;
    LineMaker maker(&store, &settings);
    for (const InvoiceSource& source : request.sources) TG_CHECK_OK(maker.add(source));
    TG_TRY(const InvoiceTitle title, title_for(store, request.title, maker.customer()));
    TG_CHECK_OK(check_buyer(title, request.kind, request.form));
    invoice.customer = title.customer;
    invoice.customer_code = title.customer_code;
    invoice.title = title.id;
    invoice.buyer = title.buyer;
    invoice.lines = maker.take_lines();
    TG_TRY(VatInvoice out, enter(store, std::move(invoice), settings, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<VatInvoice> request_red_invoice(SqlConnection& store, const RedInvoiceRequest& request,
                                       const InvoiceSettings& settings, const Change& change) {
    TG_CHECK_OK(check_texts(request.remark, request.reference));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const InvoiceRow row, read_invoice(store, request.invoice_id));
    const VatInvoice& blue = row.invoice;
    TG_CHECK_OK(check_red(blue, request));
    // Seller, buyer and platform are those of the blue one, whatever has changed since.
    VatInvoice red = blue;
    red.colour = InvoiceColour::red;
    red.state = InvoiceState::requested;
    red.blue_id = blue.id;
    red.red_reason = request.reason;
    red.remark = request.remark;
    red.reference = request.reference;
    red.net_fen = red.tax_fen = red.total_fen = red.tries = 0;
    red.serial = red.platform_key = red.failure = red.official_number = {};
    red.issued_at = {};
    red.files = {};
    TG_TRY(const std::optional<VatInvoice> same,
           find_same(store, blue.customer, red, request.parts));
    if (same) return *same;
    TG_TRY(const std::vector<InvoiceLine> left, lines_left(store, blue));
    TG_TRY(red.lines, red_lines(blue, left, request.parts));
    if (request.reason == RedReason::issued_in_error) {
        std::int64_t net = 0;
        for (const InvoiceLine& line : red.lines) net -= line.net_fen;
        if (net != blue.net_fen) {
            return fail(ErrorCode::conflict,
                        "an invoice that was issued in error is taken back as a whole, but a part "
                        "of " +
                            blue.id + " is taken back already");
        }
    }
    TG_TRY(VatInvoice out, enter(store, std::move(red), settings, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<VatInvoice> withdraw_invoice(SqlConnection& store, std::string_view id,
                                    const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(InvoiceRow row, read_invoice(store, id));
    VatInvoice& invoice = row.invoice;
    if (invoice.state == InvoiceState::cancelled) return invoice;
    if (invoice.state != InvoiceState::requested) {
        return fail(ErrorCode::conflict,
                    invoice.id + " is " + std::string(name(invoice.state)) +
                        (invoice.is_under_way()
                             ? ": it may have been issued; wait for its end"
                             : ": take it back by a red-letter invoice (tollgate invoice red)"));
    }
    const std::string before = invoice_as_json(invoice);
    invoice.state = InvoiceState::cancelled;
    invoice.state_at = change.at;
    TG_CHECK_OK(update_invoice(store, row));
    TG_CHECK_OK(audit_invoice(store, "withdraw", before, invoice, change));
    TG_CHECK_OK(transaction.commit());
    return std::move(row.invoice);
}

namespace {

/// Why it cannot be cancelled; "" when it can.
Result<std::string> reason_not_to_cancel(SqlConnection& store, const VatInvoice& invoice,
                                         UtcMicros now) {
    if (invoice.state != InvoiceState::issued)
        return "it is " + std::string(name(invoice.state)) + ", not issued";
    if (invoice.form == InvoiceForm::digital)
        return std::string("a digital invoice never is, whatever its kind");
    if (invoice.platform != kLocalPlatform) {
        return "its platform (" + invoice.platform +
               ") does that; what is cancelled there is taken back here by a red letter";
    }
    TG_TRY(const TimeZone zone, TimeZone::load(InvoiceSettings().time_zone));
    if (zone.month_of(invoice.issued_at) != zone.month_of(now))
        return std::string("it is of an earlier month");
    TG_TRY(const std::vector<InvoiceRow> reds, read_invoices(store, "i.blue_id = ?", {invoice.id}));
    for (const InvoiceRow& red : reds)
        if (red.invoice.covers()) return red.invoice.id + " takes it back already";
    return std::string();
}

}  // namespace

Result<VatInvoice> cancel_invoice(SqlConnection& store, std::string_view id, const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(InvoiceRow row, read_invoice(store, id));
    VatInvoice& invoice = row.invoice;
    if (invoice.state == InvoiceState::cancelled) return invoice;
    TG_TRY(const std::string why_not, reason_not_to_cancel(store, invoice, change.at));
    if (!why_not.empty()) {
        return fail(ErrorCode::conflict, invoice.id + " cannot be cancelled: " + why_not +
                                             "; take it back by a red-letter invoice (tollgate "
                                             "invoice red)");
    }
    const std::string before = invoice_as_json(invoice);
    invoice.state = InvoiceState::cancelled;
    invoice.state_at = change.at;
    TG_CHECK_OK(
        book_invoiced_tax(store, invoice.id + "-cancelled", invoice, -invoice.tax_fen, change.at));
    TG_CHECK_OK(update_invoice(store, row));
    TG_CHECK_OK(audit_invoice(store, "cancel", before, invoice, change));
    TG_CHECK_OK(transaction.commit());
    return std::move(row.invoice);
}

Result<std::vector<VatInvoice>> list_invoices(SqlConnection& store, const InvoiceFilter& filter) {
    std::string condition = "1 = 1";
    std::vector<SqlValue> values;
    if (!filter.customers.empty()) {
        std::string places;
        for (const CustomerId customer : filter.customers) {
            places.append(places.empty() ? "?" : ", ?");
            values.emplace_back(std::int64_t{customer.get()});
        }
        condition += " AND i.customer_id IN (" + places + ")";
    }
    if (!filter.bill_id.empty()) {
        condition += " AND i.id IN (SELECT b.invoice_id FROM invoice_lines b WHERE b.bill_id = ?)";
        values.emplace_back(filter.bill_id);
    }
    if (filter.state) {
        condition += " AND i.state = ?";
        values.emplace_back(static_cast<std::int64_t>(*filter.state));
    }
    TG_TRY(std::vector<InvoiceRow> rows, read_invoices(store, condition, values));
    std::vector<VatInvoice> out;
    out.reserve(rows.size());
    for (InvoiceRow& row : rows) out.push_back(std::move(row.invoice));
    return out;
}

Result<VatInvoice> find_invoice(SqlConnection& store, std::string_view id) {
    TG_TRY(InvoiceRow row, read_invoice(store, id));
    return std::move(row.invoice);
}

Result<std::vector<Uninvoiced>> uninvoiced_parts(SqlConnection& store, std::string_view bill_id) {
    TG_TRY(const BillCoverage bill, read_coverage(store, bill_id));
    std::vector<Uninvoiced> out;
    for (const auto& [project, part] : bill.projects) {
        if (part.left_net() != 0 || part.left_tax() != 0)
            out.push_back({project, part.left_net(), part.left_tax()});
    }
    return out;
}

}  // namespace tg
