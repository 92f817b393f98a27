#include <cstdio>

#include "app/commands.h"
#include "app/notify.h"
#include "app/output.h"
#include "base/file.h"
#include "rating/default_prices.h"
#include "rating/price_store.h"
#include "rating/price_text.h"

namespace tg {
namespace {

struct PriceArgs {
    std::string file, model, provider, valid_from, note, tier = "standard";
    std::vector<std::string> prices;
    std::uint32_t from = 0, to = 0;
    bool is_approved = false, is_dry_run = false, closes_unlisted = false;
};

Result<ProposalOptions> proposal_options(const PriceArgs& args) {
    const UtcMicros now = system_clock().now();
    ProposalOptions options{.valid_from = now, .closed_until = now};
    if (!args.valid_from.empty()) {
        TG_TRY(options.valid_from, parse_rfc3339(args.valid_from));
    }
    if (args.closes_unlisted) options.unlisted = Unlisted::close;
    return options;
}

void print_diff(const PriceDiff& diff) {
    TextTable table({"model", "what", "old", "new", "change"});
    for (const PriceChange& c : diff.changes) {
        table.row({c.provider + "/" + c.model, c.what, c.old_value.empty() ? "-" : c.old_value,
                   c.new_value.empty() ? "-" : c.new_value,
                   c.change + (c.approval_reason.empty() ? "" : "  ! " + c.approval_reason)});
    }
    if (!diff.changes.empty()) table.print();
    std::printf(
        "%zu prices changed, %zu models new, %zu removed, %zu no longer listed and kept, %zu set "
        "by hand and kept\n",
        diff.changes.size(), diff.added.size(), diff.removed.size(), diff.not_listed.size(),
        diff.kept_manual.size());
}

Status publish(const Config& config, PriceStore& prices, const PriceProposal& proposal,
               const PriceArgs& args, const std::string& note) {
    print_diff(proposal.diff);
    if (args.is_dry_run) {
        std::printf("dry run: nothing was published\n");
        return {};
    }
    TG_TRY(const PriceVersionId version,
           prices.publish(proposal, args.is_approved ? Approval::given : Approval::not_given, note,
                          system_clock().now()));
    notify_server(config);
    std::printf("price book version %u is in force from %s\n", version.get(),
                format_rfc3339(proposal.valid_from).c_str());
    return {};
}

void add_import(Command group, CommandContext* context, const std::shared_ptr<PriceArgs>& args) {
    Command command =
        group.add_subcommand("import", "import a price list in LiteLLM's format, as a new version");
    command.add_option("file", args->file,
                       "model_prices_and_context_window.json; default: the list in the binary");
    command.add_option("--valid-from", args->valid_from,
                       "when the new prices begin to hold (default: now)");
    command.add_option("--note", args->note, "why, for the record");
    command.add_flag("--approve", args->is_approved,
                     "publish although changes above 20 % or removals need approval");
    command.add_flag("--dry-run", args->is_dry_run, "show the difference only");
    command.add_flag("--close-unlisted", args->closes_unlisted,
                     "end the prices of models that the list no longer names");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            std::string text(embedded_default_prices()), source(kDefaultPricesSource);
            if (!args->file.empty()) {
                TG_TRY(text, read_whole_file(args->file));
                source = args->file;
            }
            TG_TRY(const PriceRules rules, parse_price_rules(embedded_default_price_rules()));
            TG_TRY(const ProposalOptions options, proposal_options(*args));
            PriceStore prices(*store);
            TG_TRY(const PriceStore::ImportProposal imported,
                   prices.import_litellm(text, source, rules, options));
            std::printf("%d entries read, %zu prices imported, %zu skipped\n",
                        imported.report.entry_count, imported.report.prices.size(),
                        imported.report.skipped.size());
            for (const ImportReport::Skipped& skipped : imported.report.skipped) {
                std::printf("  skipped %s: %s\n", skipped.model.c_str(), skipped.reason.c_str());
            }
            return publish(config, prices, imported.proposal, *args,
                           args->note.empty() ? "import of " + source : args->note);
        });
    });
}

void add_set(Command group, CommandContext* context, const std::shared_ptr<PriceArgs>& args) {
    Command command = group.add_subcommand("set", "set a price by hand, as a new version");
    command.add_option("model", args->model, "model").required();
    command
        .add_option("prices", args->prices,
                    "METER=PRICE, e.g. input=2.50 output=10 cache_read=1.25 (USD per 1M tokens)")
        .required();
    command.add_option("--provider", args->provider, "provider (default: openai)");
    command.add_option("--tier", args->tier, "standard, batch, flex, priority, fast or scale");
    command.add_option("--valid-from", args->valid_from, "when it begins to hold (default: now)");
    command.add_option("--note", args->note, "why, for the record");
    command.add_flag("--approve", args->is_approved,
                     "publish although a change above 20 % needs approval");
    command.add_flag("--dry-run", args->is_dry_run, "show the difference only");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            PriceEdit edit{.model = args->model,
                           .provider = args->provider.empty() ? "openai" : args->provider,
                           .currency = {},
                           .components = {}};
            bool is_known_tier = false;
            const ServiceTier tier = parse_service_tier(args->tier, &is_known_tier);
            if (!is_known_tier)
                return fail(ErrorCode::invalid_request, "tier '" + args->tier + "' is not known");
            for (const std::string& each : args->prices) {
                const std::size_t equals = each.find('=');
                if (equals == std::string::npos) {
                    return fail(ErrorCode::invalid_request,
                                "'" + each + "' is not METER=PRICE; write e.g. input=2.50");
                }
                TG_TRY(const Meter meter, parse_meter(each.substr(0, equals)));
                edit.components.push_back(
                    {.meter = meter, .price = each.substr(equals + 1), .tier = tier});
            }
            TG_TRY(const ProposalOptions options, proposal_options(*args));
            PriceStore prices(*store);
            TG_TRY(const PriceProposal proposal, prices.set_price(edit, options));
            return publish(config, prices, proposal, *args,
                           args->note.empty() ? "set by hand: " + args->model : args->note);
        });
    });
}

void print_price(const ModelPrice& price) {
    std::printf("%s/%s  from %s%s  (%s)\n", price.provider.c_str(), price.model.c_str(),
                format_rfc3339(price.valid_from).c_str(),
                price.valid_to ? (" to " + format_rfc3339(*price.valid_to)).c_str() : "",
                price.source.c_str());
    TextTable table({"  meter", "tier", "band", std::string(code(price.currency)), "per"});
    for (const PriceComponent& c : price.components) {
        std::string band = "-";
        if (c.band)
            band = (c.band->op == BandOperator::greater ? "> " : ">= ") +
                   std::to_string(c.band->threshold_tokens);
        const std::string_view unit = price_unit(c.meter);
        table.row({"  " + std::string(name(c.meter)), std::string(name(c.tier)), band,
                   format_price(c.meter, c.price), std::string(unit)});
    }
    table.print();
}

void add_show(Command group, CommandContext* context, const std::shared_ptr<PriceArgs>& args) {
    Command show = group.add_subcommand("show", "the prices of one model, with their history");
    show.add_option("model", args->model, "model").required();
    show.add_option("--provider", args->provider, "only of this provider");
    show.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<ModelPrice> found,
                   PriceStore(*store).get_price(args->model, args->provider));
            for (const ModelPrice& price : found) print_price(price);
            return {};
        });
    });
    Command versions = group.add_subcommand("versions", "publications of the price book");
    versions.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<PriceVersion> all, PriceStore(*store).list_versions());
            TextTable table({"version", "published", "holds from", "prices", "source", "note"});
            for (const PriceVersion& v : all) {
                table.row({std::to_string(v.id.get()), format_rfc3339(v.published_at),
                           format_rfc3339(v.valid_from), std::to_string(v.price_count), v.source,
                           v.note});
            }
            table.print();
            return {};
        });
    });
    Command diff = group.add_subcommand("diff", "how two versions differ today");
    diff.add_option("from", args->from, "version").required();
    diff.add_option("to", args->to, "version").required();
    diff.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const PriceDiff found,
                   PriceStore(*store).diff(PriceVersionId(args->from), PriceVersionId(args->to),
                                           system_clock().now()));
            print_diff(found);
            return {};
        });
    });
    Command dump = group.add_subcommand("export", "the whole book of the latest version as JSON");
    dump.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            PriceStore prices(*store);
            TG_TRY(const PriceVersionId latest, prices.latest());
            TG_TRY(const std::string text, prices.export_json(latest));
            print_text(text + "\n");
            return {};
        });
    });
}

}  // namespace

void add_price_commands(Command app, CommandContext* context) {
    Command group = app.add_subcommand("prices", "the price book: import, edit, show, versions");
    group.require_subcommand();
    auto args = std::make_shared<PriceArgs>();
    add_import(group, context, args);
    add_set(group, context, args);
    add_show(group, context, args);
}

}  // namespace tg
