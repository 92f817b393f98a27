#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "billing/usage_report.h"
#include "identity/identity_store.h"

namespace tg {
namespace {

struct UsageArgs {
    std::string customer, project, from, to, month, by = "customer,project,model", format = "table",
                                                    request_id;
    int limit = 1000, count = 100;
    bool is_json = false;
};

std::vector<std::string> split_list(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        if (comma > at) out.push_back(text.substr(at, comma - at));
        at = comma + 1;
    }
    return out;
}

Result<UsageQuery> make_query(const UsageArgs& args) {
    UsageQuery query;
    query.limit = args.limit;
    for (const std::string& each : split_list(args.by)) {
        TG_TRY(const UsageDimension dimension, parse_usage_dimension(each));
        query.group_by.push_back(dimension);
    }
    if (!args.customer.empty()) query.filters.emplace_back(UsageDimension::customer, args.customer);
    if (!args.project.empty()) query.filters.emplace_back(UsageDimension::project, args.project);
    constexpr std::int64_t kDayMicros = 86'400'000'000;
    query.first_day = 0;
    query.last_day = INT32_MAX;
    if (!args.month.empty()) {
        TG_TRY(const YearMonth month, parse_year_month(args.month));
        const YearMonth next = month.month == 12 ? YearMonth{month.year + 1, 1}
                                                 : YearMonth{month.year, month.month + 1};
        query.first_day = static_cast<std::int32_t>(days_from_civil(month.year, month.month, 1));
        query.last_day = static_cast<std::int32_t>(days_from_civil(next.year, next.month, 1)) - 1;
    }
    if (!args.from.empty()) {
        TG_TRY(const UtcMicros day, parse_rfc3339(args.from));
        query.first_day = static_cast<std::int32_t>(day.micros / kDayMicros);
    }
    if (!args.to.empty()) {
        TG_TRY(const UtcMicros day, parse_rfc3339(args.to));
        query.last_day = static_cast<std::int32_t>(day.micros / kDayMicros);
    }
    return query;
}

std::string charge_text(const UsageRow& row) {
    std::string out;
    for (const auto& [currency, amount] : row.charge) {
        if (!out.empty()) out += " + ";
        out += format_amount(amount) + " " + std::string(code(currency));
    }
    return out;
}

void print_rows(const UsageQuery& query, const std::vector<UsageRow>& rows,
                const std::string& format) {
    std::vector<std::string> header;
    for (const UsageDimension each : query.group_by) header.emplace_back(name(each));
    if (format == "json") {
        print_json([&](JsonWriter& w) {
            w.begin_array();
            for (const UsageRow& row : rows) {
                w.begin_object();
                for (std::size_t i = 0; i < header.size(); ++i) w.field(header[i], row.group[i]);
                w.field("requests", row.requests)
                    .field("errors", row.errors)
                    .field("estimated", row.estimated);
                w.field("unpriced", row.unpriced)
                    .field("input_tokens", row.input_tokens)
                    .field("cached_tokens", row.cached_tokens);
                w.field("output_tokens", row.output_tokens)
                    .field("reasoning_tokens", row.reasoning_tokens)
                    .key("charge")
                    .begin_object();
                for (const auto& [currency, amount] : row.charge)
                    w.field(code(currency), format_amount(amount));
                w.end_object().end_object();
            }
            w.end_array();
        });
        return;
    }
    for (const char* each :
         {"requests", "errors", "input", "cached", "output", "reasoning", "charge"})
        header.emplace_back(each);
    TextTable table(header);
    std::string csv;
    for (const UsageRow& row : rows) {
        std::vector<std::string> cells = row.group;
        for (const std::int64_t v : {row.requests, row.errors, row.input_tokens, row.cached_tokens,
                                     row.output_tokens, row.reasoning_tokens}) {
            cells.push_back(std::to_string(v));
        }
        cells.push_back(charge_text(row));
        table.row(std::move(cells));
    }
    if (format == "csv")
        table.print_csv();
    else
        table.print();
}

void write_event(JsonWriter& w, const StoredEvent& e) {
    w.begin_object()
        .field("id", e.id.text())
        .field("customer", e.customer)
        .field("project", e.project);
    w.field("department", e.department)
        .field("environment", e.environment)
        .field("key", e.key_hint);
    w.field("started_at", format_rfc3339(e.started_at))
        .field("ended_at", format_rfc3339(e.ended_at))
        .field("endpoint", e.endpoint);
    w.field("model", e.model);
    if (!e.asked_model.empty()) w.field("asked_model", e.asked_model);
    w.field("upstream_model", e.upstream_model).field("deployment", e.deployment);
    w.field("provider", e.provider)
        .field("region", e.region)
        .field("end_user", e.end_user)
        .field("tier", e.tier);
    w.field("source", e.source)
        .field("outcome", e.outcome)
        .field("http_status", e.http_status)
        .field("attempts", e.attempts);
    w.field("first_byte_ms", e.first_byte_ms).field("upstream_request_id", e.upstream_request_id);
    w.field("price_version", e.price_version.get()).key("usage").begin_object();
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (e.usage[meter] != 0) w.field(name(meter), e.usage[meter]);
    }
    w.end_object()
        .field("currency", code(e.currency))
        .field("charge", format_amount(e.charge))
        .end_object();
}

void add_recent(Command group, CommandContext* context, const std::shared_ptr<UsageArgs>& args) {
    Command recent =
        group.add_subcommand("recent", "the last calls of a customer, newest first (at most 100)");
    recent.add_option("--customer", args->customer, "code of the customer").required();
    recent.add_option("--count", args->count, "how many (default: 100)");
    recent.add_flag("--json", args->is_json, "print JSON");
    recent.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            ConnectionPool pool(config.effective_store_url(), 1);
            IdentityStore identity(&pool, {});
            TG_TRY(const Customer customer, identity.customer(args->customer));
            TG_TRY(const std::vector<StoredEvent> events,
                   recent_events(*store, customer.id, args->count));
            if (args->is_json) {
                print_json([&](JsonWriter& w) {
                    w.begin_array();
                    for (const StoredEvent& e : events) write_event(w, e);
                    w.end_array();
                });
                return {};
            }
            TextTable table({"ended", "id", "project", "model", "status", "outcome", "input",
                             "output", "charge"});
            for (const StoredEvent& e : events) {
                table.row({format_rfc3339(e.ended_at), e.id.text(), e.project,
                           e.asked_model.empty() ? e.model : e.model + " for " + e.asked_model,
                           std::to_string(e.http_status), e.outcome,
                           std::to_string(e.usage.input_tokens()),
                           std::to_string(e.usage.output_tokens()),
                           format_amount(e.charge) + " " + std::string(code(e.currency))});
            }
            table.print();
            return {};
        });
    });
    Command show = group.add_subcommand("show", "one call, by the id from its x-request-id header");
    show.add_option("id", args->request_id, "req_...").required();
    show.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const RequestId id, RequestId::parse(args->request_id));
            TG_TRY(const StoredEvent event, find_event(*store, id));
            print_json([&](JsonWriter& w) { write_event(w, event); });
            return {};
        });
    });
}

}  // namespace

void add_usage_commands(Command app, CommandContext* context) {
    auto args = std::make_shared<UsageArgs>();
    Command group = app.add_subcommand("usage", "what was used, from the daily roll-ups");
    group.add_option("--by", args->by,
                     "group by: customer, project, department, environment, key, model, provider, "
                     "region, end_user, day "
                     "(default: customer,project,model)");
    group.add_option("--only-customer", args->customer, "only this customer");
    group.add_option("--only-project", args->project, "only this project");
    group.add_option("--month", args->month, "only this month, e.g. 2026-11");
    group.add_option("--from", args->from, "first day, e.g. 2026-11-01");
    group.add_option("--to", args->to, "last day");
    group.add_option("--limit", args->limit, "most rows (default: 1000)");
    group.add_option("--format", args->format, "table, json or csv")
        .one_of({"table", "json", "csv"});
    add_recent(group, context, args);
    group.allow_subcommand();
    group.callback([=] {
        if (group.has_subcommand()) return;
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const UsageQuery query, make_query(*args));
            TG_TRY(const std::vector<UsageRow> rows, usage_report(*store, query));
            print_rows(query, rows, args->format);
            return {};
        });
    });
}

}  // namespace tg
