#include "api/internal/price_replies.h"
#include "api/internal/route.h"
#include "base/log.h"
#include "rating/default_prices.h"
#include "rating/price_json.h"
#include "rating/price_store.h"

namespace tg::api {
namespace {

/// What every publication may say besides its prices.
struct Publication {
    ProposalOptions options;
    std::string note;
    bool is_approved = false;
    bool is_dry_run = false;
};

/// Publishes unless it is a dry run. The audit entry is part of the same transaction.
Result<PriceVersionId> publish(Call& call, SqlConnection& connection, const PriceProposal& proposal,
                               const Publication& wish) {
    if (!wish.is_approved && proposal.diff.needs_approval()) {
        return fail(ErrorCode::conflict,
                    "these changes need approval: " + proposal.diff.approval_text() +
                        "; look at them with dry_run, then publish with approve");
    }
    const auto record = [&](PriceVersionId version) -> Status {
        AuditEntry entry{.at = call.now,
                         .actor = call.actor,
                         .action = "publish",
                         .subject_kind = "prices",
                         .subject_id = std::to_string(version.get()),
                         .after = publication_json(proposal, wish.note)};
        return append_audit(connection, entry);
    };
    TG_TRY(const PriceVersionId version,
           PriceStore(connection).publish(proposal, Approval::given, wish.note, call.now, record));
    if (version != proposal.base && call.options->on_prices_changed) {
        // The version is published; when only telling of it fails, the background refresh does it.
        if (const Status told = call.options->on_prices_changed(connection); !told.ok()) {
            log_warn("prices_refresh_failed", {{"error", told.error().text()}});
        }
    }
    return version;
}

Result<ApiReply> list(Call& call) {
    TG_TRY(const std::int64_t limit, call.query.integer("limit", 100, 1, 1000));
    TG_TRY(const std::int64_t after, call.query.integer("after", 0, 0, 1'000'000));
    TG_TRY(const bool with_history, call.query.flag("history"));
    TG_TRY(const std::optional<UtcMicros> moment, call.query.time("at"));
    TG_TRY(std::optional<std::uint32_t> version, call.query.id("version"));
    const UtcMicros at = moment.value_or(call.now);
    const std::optional<std::string> model = call.query.text("model"),
                                     provider = call.query.text("provider");
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    PriceStore store(*connection);
    std::vector<ModelPrice> rows;
    if (!version) {
        TG_TRY(const PriceVersionId latest, store.latest());
        version = latest.get();
    }
    if (*version != 0) {
        TG_TRY(rows, store.prices(PriceVersionId(*version)));
    }
    std::erase_if(rows, [&](const ModelPrice& price) {
        if (model && price.model != *model) return true;
        if (provider && price.provider != *provider) return true;
        return !with_history &&
               (at < price.valid_from || (price.valid_to && at >= *price.valid_to));
    });
    return price_list_reply(*version, rows, static_cast<std::size_t>(after),
                            static_cast<std::size_t>(limit));
}

Result<PriceEdit::Component> component_of(const JsonValue& value) {
    Body body(value);
    const std::string meter = body.required_text("meter"),
                      tier = body.text("tier").value_or("standard");
    PriceEdit::Component out{.price = body.required_text("price")};
    const auto above = body.integer("above_tokens"), from = body.integer("from_tokens");
    TG_CHECK_OK(body.finish());
    TG_TRY(out.meter, parse_meter(meter));
    bool is_known_tier = false;
    out.tier = parse_service_tier(tier, &is_known_tier);
    if (!is_known_tier)
        return fail(ErrorCode::invalid_request,
                    "the tier '" + tier.substr(0, 40) + "' is not known");
    if (above && from)
        return fail(ErrorCode::invalid_request,
                    "a component has above_tokens or from_tokens, not both");
    if (above) out.band = PriceBand{*above, BandOperator::greater};
    if (from) out.band = PriceBand{*from, BandOperator::greater_or_equal};
    return out;
}

Result<ApiReply> set(Call& call) {
    TG_TRY(Body body, call.body());
    PriceEdit edit{.model = body.required_text("model"),
                   .provider = body.required_text("provider"),
                   .currency = std::nullopt,
                   .components = {},
                   .replaces_all = body.flag("replaces_all").value_or(false)};
    const std::optional<std::string> currency = body.text("currency");
    const JsonValue* components = body.value("components");
    const UtcMicros valid_from = body.time("valid_from").value_or(std::nullopt).value_or(call.now);
    const Publication wish{.options = {.valid_from = valid_from, .closed_until = call.now},
                           .note = body.text("note").value_or("set by hand: " + edit.model),
                           .is_approved = body.flag("approve").value_or(false),
                           .is_dry_run = body.flag("dry_run").value_or(false)};
    if (components == nullptr || components->kind != JsonValue::Kind::array ||
        components->items.empty()) {
        body.note_error(
            "'components' is missing: a list such as [{\"meter\":\"input\",\"price\":\"2.50\"}]");
    }
    TG_CHECK_OK(body.finish());
    if (edit.model.empty()) return fail(ErrorCode::invalid_request, "'model' must not be empty");
    if (currency) {
        TG_TRY(edit.currency, parse_currency(*currency));
    }
    for (const JsonValue& item : components->items) {
        if (item.kind != JsonValue::Kind::object)
            return fail(ErrorCode::invalid_request, "each component must be an object");
        TG_TRY(PriceEdit::Component component, component_of(item));
        edit.components.push_back(std::move(component));
    }
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const PriceProposal proposal, PriceStore(*connection).set_price(edit, wish.options));
    std::optional<PriceVersionId> version;
    if (!wish.is_dry_run) {
        TG_TRY(version, publish(call, *connection, proposal, wish));
    }
    return publication_reply(proposal, version, nullptr);
}

Result<Publication> publication_of(const Call& call, std::string_view source) {
    Publication out;
    TG_TRY(const std::optional<UtcMicros> valid_from, call.query.time("valid_from"));
    out.options = {.valid_from = valid_from.value_or(call.now), .closed_until = call.now};
    TG_TRY(const bool closes_unlisted, call.query.flag("close_unlisted"));
    if (closes_unlisted) out.options.unlisted = Unlisted::close;
    TG_TRY(out.is_approved, call.query.flag("approve"));
    TG_TRY(out.is_dry_run, call.query.flag("dry_run"));
    out.note = call.query.text("note").value_or("import of " + std::string(source));
    return out;
}

Result<ApiReply> import(Call& call) {
    const std::string list = call.query.text("list").value_or("litellm");
    if (list != "litellm" && list != "tollgate" && list != "shipped") {
        return fail(ErrorCode::invalid_request,
                    "the parameter 'list' must be litellm, tollgate or shipped");
    }
    const bool is_shipped = list == "shipped";
    if (is_shipped != call.request->body.empty()) {
        return fail(ErrorCode::invalid_request,
                    is_shipped ? "the shipped list is in the program; the body must be empty"
                               : "the body is empty; it must be the price list");
    }
    const std::string source = is_shipped ? std::string(kDefaultPricesSource)
                                          : call.query.text("source").value_or("admin API");
    TG_TRY(const Publication wish, publication_of(call, source));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    PriceStore store(*connection);
    PriceStore::ImportProposal imported;
    if (list == "tollgate") {
        TG_TRY(imported.proposal, store.import_prices(call.request->body, source, wish.options));
    } else {
        TG_TRY(const PriceRules rules, parse_price_rules(embedded_default_price_rules()));
        const std::string_view text =
            is_shipped ? embedded_default_prices() : std::string_view(call.request->body);
        TG_TRY(imported, store.import_litellm(text, source, rules, wish.options));
    }
    std::optional<PriceVersionId> version;
    if (!wish.is_dry_run) {
        TG_TRY(version, publish(call, *connection, imported.proposal, wish));
    }
    return publication_reply(imported.proposal, version,
                             list == "tollgate" ? nullptr : &imported.report);
}

Result<ApiReply> versions(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<PriceVersion> rows, PriceStore(*connection).list_versions());
    return version_list_reply(rows);
}

Result<PriceVersionId> known_version(Call& call, PriceStore& store) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "price version"));
    TG_TRY(const PriceVersionId latest, store.latest());
    if (id <= latest.get()) return PriceVersionId(id);
    return fail(ErrorCode::not_found, "price version " + std::to_string(id) +
                                          " does not exist; the latest is " +
                                          std::to_string(latest.get()));
}

Result<ApiReply> export_version(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    PriceStore store(*connection);
    TG_TRY(const PriceVersionId version, known_version(call, store));
    TG_TRY(std::string text, store.export_json(version));
    return json_reply(200, std::move(text));
}

Result<ApiReply> diff(Call& call) {
    TG_TRY(const std::optional<UtcMicros> at, call.query.time("at"));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    PriceStore store(*connection);
    TG_TRY(const PriceVersionId version, known_version(call, store));
    TG_TRY(const std::int64_t from,
           call.query.integer("from", version.get() - 1, 0, version.get()));
    TG_TRY(const PriceDiff found, store.diff(PriceVersionId(static_cast<std::uint32_t>(from)),
                                             version, at.value_or(call.now)));
    return diff_reply(found);
}

}  // namespace

std::span<const Route> price_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET",
         "/prices",
         kReaders,
         list,
         {"after", "limit", "model", "provider", "version", "at", "history"}},
        {"POST", "/prices", kFinance, set},
        {"POST",
         "/prices/import",
         kFinance,
         import,
         {"list", "source", "valid_from", "note", "approve", "dry_run", "close_unlisted"}},
        {"GET", "/price-versions", kReaders, versions},
        {"GET", "/price-versions/{version}", kReaders, export_version},
        {"GET", "/price-versions/{version}/diff", kReaders, diff, {"from", "at"}},
    };
    return kRoutes;
}

}  // namespace tg::api
