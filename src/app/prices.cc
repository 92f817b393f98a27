#include "app/prices.h"

#include <mutex>

#include "base/file.h"
#include "base/log.h"
#include "rating/default_prices.h"
#include "rating/price_store.h"

namespace tg {

UnknownModelRule unknown_model_rule(const Config& config) {
    UnknownModelRule rule;
    if (config.unknown_model == "price_as") {
        rule.action = UnknownModelRule::Action::price_as;
        rule.price_as_model = config.price_as_model;
    }
    return rule;
}

Status import_first_prices(SqlConnection& store, const Config& config, const Clock& clock) {
    PriceStore prices(store);
    TG_TRY(const PriceVersionId latest, prices.latest());
    if (latest) return {};
    std::string text(embedded_default_prices()), source(kDefaultPricesSource);
    if (!config.prices_file.empty()) {
        TG_TRY(text, read_whole_file(config.prices_file));
        source = config.prices_file;
    }
    TG_TRY(const PriceRules rules, parse_price_rules(embedded_default_price_rules()));
    // The first book holds for all time: calls that were made before the import have a price too.
    const ProposalOptions options{.valid_from = UtcMicros{0}, .closed_until = UtcMicros{0}};
    TG_TRY(const PriceStore::ImportProposal imported,
           prices.import_litellm(text, source, rules, options));
    const Result<PriceVersionId> version =
        prices.publish(imported.proposal, Approval::given, "first start", clock.now());
    // Another process that started at the same moment may have been faster.
    if (!version.ok() && version.error().code == ErrorCode::conflict) return {};
    if (!version.ok()) return fail(version.error());
    log_info("prices_imported", {{"source", source}, {"prices", imported.proposal.prices.size()}});
    return {};
}

Result<PriceVersionId> current_price_version(SqlConnection& store) {
    return PriceStore(store).latest();
}

Result<std::shared_ptr<const Catalogue>> load_current_catalogue(SqlConnection& store,
                                                                const Config& config) {
    PriceStore prices(store);
    TG_TRY(const PriceVersionId latest, prices.latest());
    if (!latest) return Catalogue::build(latest, {}, {});
    return prices.load(latest, unknown_model_rule(config));
}

std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)> catalogue_source(
    const Config& config) {
    return [url = config.effective_store_url(), rule = unknown_model_rule(config)](
               PriceVersionId version) -> Result<std::shared_ptr<const Catalogue>> {
        TG_TRY(const std::unique_ptr<SqlConnection> store, open_store(url));
        return PriceStore(*store).load(version, rule);
    };
}

}  // namespace tg
