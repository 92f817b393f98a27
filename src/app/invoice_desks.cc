#include "app/invoice_desks.h"

#include "base/log.h"
#include "base/rng.h"

namespace tg {
namespace {

constexpr std::chrono::milliseconds kPause{2'000};

void look(const Config& config) {
    const auto worked = [&]() -> Result<DeskReport> {
        TG_TRY(const auto store, open_store(config.effective_store_url()));
        return work_at_invoices(*store, config, InvoiceDesk::Which::due, system_clock().now());
    }();
    if (!worked.ok()) {
        log_error("invoices_not_looked_at",
                  {{"error", name(worked.error().code)}, {"detail", worked.error().detail}});
    } else if (worked->looked_at > 0) {
        log_info("invoices_looked_at", {{"looked_at", worked->looked_at},
                                        {"issued", worked->issued},
                                        {"failed", worked->failed},
                                        {"under_way", worked->under_way}});
    }
}

}  // namespace

InvoiceSettings invoice_settings(const Config& config) {
    const Issuer& issuer = config.issuer;
    InvoiceSettings out;
    out.platform = config.invoicing.platform;
    out.seller = {.name = issuer.name_in(Language::zh),
                  .tax_number = issuer.tax_id,
                  .address = issuer.address,
                  .phone = issuer.phone,
                  .bank_name = issuer.bank_name,
                  .bank_account = issuer.bank_account};
    out.drawer = config.invoicing.drawer;
    out.item_name = config.invoicing.item_name;
    out.tax_code = config.invoicing.tax_code;
    out.time_zone = config.default_time_zone;
    return out;
}

InvoicePlatforms invoice_platforms(const Config& config, TokenKeeper* tokens) {
    std::uint64_t seed = 0;
    fill_secure_random(&seed, sizeof seed);
    InvoicePlatforms out;
    const InvoicingConfig& invoicing = config.invoicing;
    // An invoice stays with the platform it was asked of, also when another one is in use by now.
    if (!invoicing.nuonuo.app_key.empty())
        out.emplace("nuonuo", make_nuonuo(invoicing.nuonuo, http_call, tokens, seed));
    if (!invoicing.baiwang.app_key.empty())
        out.emplace("baiwang", make_baiwang(invoicing.baiwang, http_call, tokens, ~seed));
    return out;
}

Result<DeskReport> work_at_invoices(SqlConnection& store, const Config& config,
                                    InvoiceDesk::Which which, UtcMicros now) {
    StoredTokens tokens(&store);
    const InvoicePlatforms platforms = invoice_platforms(config, &tokens);
    return InvoiceDesk(&platforms).work(store, now, which);
}

std::unique_ptr<PeriodicTask> make_invoice_keeper(const Config& config) {
    if (config.invoicing.nuonuo.app_key.empty() && config.invoicing.baiwang.app_key.empty())
        return nullptr;
    return std::make_unique<PeriodicTask>("tg-invoices", PeriodicTask::Pauses{kPause, kPause},
                                          [config] { look(config); });
}

}  // namespace tg
