#pragma once
#include <memory>

#include "app/config.h"
#include "app/periodic_task.h"
#include "invoicing/invoice_desk.h"

namespace tg {

/// What the configuration says of invoices. The seller is the issuer, with its Chinese name where
/// it has one.
InvoiceSettings invoice_settings(const Config& config);

/// The platforms that are configured. `tokens` outlives them.
InvoicePlatforms invoice_platforms(const Config& config, TokenKeeper* tokens);

/// One round of the desk.
Result<DeskReport> work_at_invoices(SqlConnection& store, const Config& config,
                                    InvoiceDesk::Which which, UtcMicros now);

/// Does so every few seconds. Null when invoices are issued by ourselves.
std::unique_ptr<PeriodicTask> make_invoice_keeper(const Config& config);

}  // namespace tg
