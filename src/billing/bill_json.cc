// Bills as JSON. Of a final bill this is the document, so that every figure can be read back.
#include <simdjson.h>

#include "base/json_writer.h"
#include "billing/bill.h"
#include "billing/bill_adjustments.h"
#include "billing/internal/contract_month.h"

namespace tg {
namespace {

void write_total(JsonWriter& w, const BillTotal& total) {
    w.begin_object();
    if (!total.project.empty()) w.field("project", total.project);
    w.field("requests", total.requests)
        .field("usd_exact", format_amount(total.exact_usd))
        .field("cny_exact", format_amount(total.exact_cny));
    w.field("usd", format_scaled(total.usd_cents, 2, 2))
        .field("cny", format_scaled(total.cny_fen, 2, 2));
    w.field("vat_cny", format_scaled(total.vat_fen, 2, 2))
        .field("total_cny", format_scaled(total.total_fen, 2, 2))
        .end_object();
}

/// Members of one object, each of which must be there; the first that is not, or is something else,
/// is kept as the error.
class Members {
  public:
    Members(simdjson::dom::element object, Status* bad) : object_(object), bad_(bad) {}

    bool has(std::string_view name) const { return object_ && !(*object_)[name].error(); }
    std::string text(std::string_view name) { return std::string(read<std::string_view>(name)); }
    std::int64_t integer(std::string_view name) { return read<std::int64_t>(name); }
    int128 scaled(std::string_view name, int scale) {
        return value(name, parse_scaled(text(name), scale));
    }
    std::int64_t cents(std::string_view name) { return static_cast<std::int64_t>(scaled(name, 2)); }
    Femto exact(std::string_view name) { return {scaled(name, 15)}; }
    UtcMicros time(std::string_view name) { return value(name, parse_rfc3339(text(name))); }
    YearMonth month(std::string_view name) { return value(name, parse_year_month(text(name))); }
    template <typename T>
    T value(std::string_view name, const Result<T>& parsed) {
        if (parsed.ok()) return *parsed;
        note(name);
        return T{};
    }
    std::vector<simdjson::dom::element> items(std::string_view name) {
        simdjson::dom::array array;
        if (!object_ || (*object_)[name].get(array)) {
            note(name);
            return {};
        }
        return {array.begin(), array.end()};
    }
    Members member(std::string_view name) {
        simdjson::dom::element out;
        if (object_ && !(*object_)[name].get(out)) return {out, bad_};
        note(name);
        return Members(bad_);
    }

  private:
    /// Of an object that is not there.
    explicit Members(Status* bad) : bad_(bad) {}
    template <typename T>
    T read(std::string_view name) {
        T out{};
        if (!object_ || (*object_)[name].get(out)) note(name);
        return out;
    }
    void note(std::string_view name) {
        if (bad_->ok())
            *bad_ =
                fail(ErrorCode::corrupt_data, "the document of a bill has no valid '" +
                                                  std::string(name) + "'; run: tollgate verify");
    }
    std::optional<simdjson::dom::element> object_;
    Status* bad_;
};

BillTotal read_total(Members m) {
    BillTotal total;
    if (m.has("project")) total.project = m.text("project");
    total.requests = m.integer("requests");
    total.exact_usd = m.exact("usd_exact");
    total.exact_cny = m.exact("cny_exact");
    total.usd_cents = m.cents("usd");
    total.cny_fen = m.cents("cny");
    total.vat_fen = m.cents("vat_cny");
    total.total_fen = m.cents("total_cny");
    return total;
}

BillLine read_line(Members m) {
    BillLine line;
    if (m.has("month")) line.late_from = m.month("month");
    line.project = m.text("project");
    line.department = m.text("department");
    line.environment = m.text("environment");
    line.model = m.text("model");
    line.provider = m.text("provider");
    line.meter = m.value("meter", parse_meter(m.text("meter")));
    line.tier = parse_service_tier(m.text("tier"));
    line.quantity = m.integer("quantity");
    line.price = {static_cast<std::int64_t>(m.scaled("price_per_million", 9))};
    line.currency = m.value("currency", parse_currency(m.text("currency")));
    line.exact = m.exact("exact");
    line.usd_cents = m.cents("usd");
    line.cny_fen = m.cents("cny");
    return line;
}

BillItem read_item(Members m) {
    BillItem item;
    item.kind = m.value("kind", parse_bill_item_kind(m.text("kind")));
    item.project = m.text("project");
    item.contract = m.text("contract");
    item.version = static_cast<int>(m.integer("version"));
    item.first_day = m.value("first_day", parse_day(m.text("first_day")));
    item.last_day = m.value("last_day", parse_day(m.text("last_day")));
    item.text = m.text("text");
    item.currency = m.value("currency", parse_currency(m.text("currency")));
    item.base = m.exact("base");
    item.ppm = static_cast<std::int64_t>(m.scaled("percent", 4));
    item.exact = m.exact("exact");
    item.usd_cents = m.cents("usd");
    item.cny_fen = m.cents("cny");
    return item;
}

/// What somebody has added, for the bill of that month.
BillItem read_adjustment(Members m, YearMonth month) {
    BillItem item;
    item.kind = m.value("kind", parse_adjustment_kind(m.text("kind")));
    item.adjustment = m.text("id");
    item.project = m.text("project");
    const bill_internal::MonthDays days = bill_internal::days_of(month);
    item.first_day = days.first;
    item.last_day = days.last;
    item.text = m.text("text");
    item.currency = m.value("currency", parse_currency(m.text("currency")));
    item.exact = m.exact("exact");
    item.usd_cents = m.cents("usd");
    item.cny_fen = m.cents("cny");
    return item;
}

BillCommitment read_commitment(Members m) {
    BillCommitment out;
    out.contract = m.text("contract");
    out.first_day = m.value("first_day", parse_day(m.text("first_day")));
    out.last_day = m.value("last_day", parse_day(m.text("last_day")));
    out.currency = m.value("currency", parse_currency(m.text("currency")));
    out.committed_cents = m.cents("committed");
    out.spent_before_cents = m.cents("spent_before");
    out.spent_cents = m.cents("spent");
    out.missing_cents = m.cents("missing");
    return out;
}

void write_line(JsonWriter& w, const BillLine& line) {
    w.begin_object();
    if (line.late_from) w.field("month", to_string(*line.late_from));
    w.field("project", line.project)
        .field("department", line.department)
        .field("environment", line.environment);
    w.field("model", line.model)
        .field("provider", line.provider)
        .field("meter", name(line.meter))
        .field("tier", name(line.tier));
    w.field("quantity", line.quantity)
        .field("price_per_million", format_scaled(line.price.nano, 9, 2));
    w.field("currency", code(line.currency)).field("exact", format_amount(line.exact));
    w.field("usd", format_scaled(line.usd_cents, 2, 2))
        .field("cny", format_scaled(line.cny_fen, 2, 2))
        .end_object();
}

void write_item(JsonWriter& w, const BillItem& item) {
    w.begin_object().field("kind", name(item.kind)).field("project", item.project);
    w.field("contract", item.contract).field("version", item.version);
    w.field("first_day", day_text(item.first_day)).field("last_day", day_text(item.last_day));
    w.field("text", item.text).field("currency", code(item.currency));
    w.field("base", format_amount(item.base)).field("percent", format_scaled(item.ppm, 4, 0));
    w.field("exact", format_amount(item.exact));
    w.field("usd", format_scaled(item.usd_cents, 2, 2))
        .field("cny", format_scaled(item.cny_fen, 2, 2))
        .end_object();
}

void write_adjustment(JsonWriter& w, const BillItem& item) {
    w.begin_object().field("kind", name(item.kind)).field("id", item.adjustment);
    w.field("project", item.project).field("text", item.text);
    w.field("currency", code(item.currency)).field("exact", format_amount(item.exact));
    w.field("usd", format_scaled(item.usd_cents, 2, 2))
        .field("cny", format_scaled(item.cny_fen, 2, 2))
        .end_object();
}

void write_commitment(JsonWriter& w, const BillCommitment& commitment) {
    w.begin_object().field("contract", commitment.contract);
    w.field("first_day", day_text(commitment.first_day))
        .field("last_day", day_text(commitment.last_day));
    w.field("currency", code(commitment.currency));
    w.field("committed", format_scaled(commitment.committed_cents, 2, 2))
        .field("spent_before", format_scaled(commitment.spent_before_cents, 2, 2))
        .field("spent", format_scaled(commitment.spent_cents, 2, 2))
        .field("missing", format_scaled(commitment.missing_cents, 2, 2))
        .end_object();
}

}  // namespace

std::string bill_as_json(const Bill& bill) {
    std::string out;
    JsonWriter w(out);
    w.begin_object()
        .field("id", bill.id)
        .field("status", bill.status)
        .field("customer", bill.customer);
    w.field("customer_name", bill.customer_name)
        .field("month", to_string(bill.month))
        .field("time_zone", bill.time_zone);
    w.field("period_start", format_rfc3339(bill.period_start))
        .field("period_end", format_rfc3339(bill.period_end));
    if (bill.finalised_at.micros != 0) {
        w.field("finalised_at", format_rfc3339(bill.finalised_at))
            .field("due_at", format_rfc3339(bill.due_at));
    }
    w.field("usd_cny_rate", format_scaled(bill.terms.usd_cny_e8, 8, 2))
        .field("usd_cny_source", bill.terms.rate_source)
        .field("vat_percent", format_scaled(bill.terms.vat_ppm, 4, 0));
    w.field("rounding", kRoundingRule).key("lines").begin_array();
    for (const BillLine& line : bill.lines) write_line(w, line);
    w.end_array().key("late_usage").begin_array();
    for (const BillLine& line : bill.late) write_line(w, line);
    w.end_array().key("contract_items").begin_array();
    for (const BillItem& item : bill.items)
        if (!is_added(item.kind)) write_item(w, item);
    w.end_array().key("adjustments").begin_array();
    for (const BillItem& item : bill.items)
        if (is_added(item.kind)) write_adjustment(w, item);
    w.end_array().key("commitments").begin_array();
    for (const BillCommitment& commitment : bill.commitments) write_commitment(w, commitment);
    w.end_array().key("projects").begin_array();
    for (const BillTotal& project : bill.projects) write_total(w, project);
    w.end_array().key("total");
    write_total(w, bill.total);
    w.field("unpriced_events", bill.unpriced_events)
        .field("estimated_events", bill.estimated_events);
    w.field("unconfirmed_events", bill.unconfirmed_events)
        .field("fallback_events", bill.fallback_events)
        .key("price_versions")
        .begin_array();
    for (const std::uint32_t version : bill.price_versions) w.value(version);
    w.end_array().end_object();
    return out;
}

Result<Bill> parse_bill_json(std::string_view json) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (const auto error = parser.parse(json.data(), json.size()).get(root)) {
        return fail(ErrorCode::corrupt_data, std::string("the document of a bill is no JSON: ") +
                                                 simdjson::error_message(error) +
                                                 "; run: tollgate verify");
    }
    Status bad;
    Members m(root, &bad);
    Bill bill;
    bill.id = m.text("id");
    bill.status = m.text("status");
    bill.customer = m.text("customer");
    bill.customer_name = m.text("customer_name");
    bill.month = m.month("month");
    bill.time_zone = m.text("time_zone");
    bill.period_start = m.time("period_start");
    bill.period_end = m.time("period_end");
    if (m.has("finalised_at")) {
        bill.finalised_at = m.time("finalised_at");
        bill.due_at = m.time("due_at");
    }
    bill.terms.usd_cny_e8 = static_cast<std::int64_t>(m.scaled("usd_cny_rate", 8));
    bill.terms.rate_source = m.text("usd_cny_source");
    bill.terms.vat_ppm = static_cast<std::int64_t>(m.scaled("vat_percent", 4));
    for (const auto& line : m.items("lines")) bill.lines.push_back(read_line({line, &bad}));
    for (const auto& late : m.items("late_usage")) {
        bill.late.push_back(read_line({late, &bad}));
        if (!bill.late.back().late_from) bill.late.back().late_from = bill.month;
    }
    for (const auto& item : m.items("contract_items"))
        bill.items.push_back(read_item({item, &bad}));
    // Bills that became final before there were adjustments have no such member.
    if (m.has("adjustments")) {
        for (const auto& item : m.items("adjustments"))
            bill.items.push_back(read_adjustment({item, &bad}, bill.month));
    }
    for (const auto& commitment : m.items("commitments"))
        bill.commitments.push_back(read_commitment({commitment, &bad}));
    for (const auto& total : m.items("projects"))
        bill.projects.push_back(read_total({total, &bad}));
    bill.total = read_total(m.member("total"));
    bill.unpriced_events = m.integer("unpriced_events");
    bill.estimated_events = m.integer("estimated_events");
    bill.unconfirmed_events = m.integer("unconfirmed_events");
    bill.fallback_events = m.integer("fallback_events");
    for (const auto& version : m.items("price_versions")) {
        std::uint64_t number = 0;
        if (version.get(number))
            return fail(ErrorCode::corrupt_data,
                        "the document of a bill has no valid 'price_versions'; run: tollgate "
                        "verify");
        bill.price_versions.push_back(static_cast<std::uint32_t>(number));
    }
    if (!bad.ok()) return fail(std::move(bad).error());
    return bill;
}

}  // namespace tg
