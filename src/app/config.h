#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "admission/admission_types.h"
#include "admission/fleet_member.h"
#include "base/log.h"
#include "billing/bill_register.h"
#include "documents/documents.h"
#include "gateway/options.h"
#include "invoicing/invoice_platform.h"
#include "invoicing/invoices.h"
#include "metering/usage_journal.h"
#include "net/http_server.h"
#include "store/redis.h"

namespace tg {

struct TlsFiles {
    std::string certificate_file, key_file;
    bool is_set() const { return !certificate_file.empty(); }
};

/// Several processes that share limits.
struct FleetConfig {
    bool is_on = false;
    RedisUrl redis;
    std::string process;  ///< empty: made of host name and process id
    FleetOptions options;
    std::int64_t call_timeout_ms = 250;
};

/// How VAT invoices are issued.
struct InvoicingConfig {
    std::string platform{kLocalPlatform};
    std::string drawer;
    std::string item_name = InvoiceSettings().item_name;
    std::string tax_code = InvoiceSettings().tax_code;
    NuonuoOptions nuonuo;
    BaiwangOptions baiwang;
};

/// What tollgate.yaml says. Every key has a default; deploy/tollgate.yaml documents them all.
struct Config {
    std::string listen = "127.0.0.1:8787";
    TlsFiles tls;
    std::string admin_listen = "127.0.0.1:8788";
    TlsFiles admin_tls;
    std::string admin_token;  ///< bootstrap administrator; empty: only tokens from the store
    int workers = 0;          ///< 0: one a core
    std::string var_dir = "./var";
    std::string store_url;  ///< empty: sqlite in var_dir

    bool is_metering_on = true;
    JournalOptions journal;

    HttpServerOptions server;
    std::int64_t shutdown_timeout_ms = 30'000;
    GatewayOptions gateway;
    AdmissionOptions admission;  ///< the bounds of the line; a change needs a restart
    FleetConfig fleet;           ///< a change needs a restart

    std::string
        prices_file;  ///< empty: the list built into the binary, imported at the first start
    std::string unknown_model = "refuse";  ///< or "price_as"
    std::string price_as_model;

    /// USD to CNY, in 10^-8; the rate of the month's bills until dated rates are imported.
    std::int64_t usd_cny_e8 = 720'000'000;
    std::int64_t vat_ppm = 60'000;
    FinalBy finalise_by = FinalBy::anyone;
    std::string default_time_zone = "Asia/Shanghai";

    /// A core dump holds prompts and keys. Off: none is written, and no other process of the same
    /// user can read this one's memory.
    bool has_core_dumps = false;

    Issuer issuer;  ///< of bills and invoices
    InvoicingConfig invoicing;

    LogLevel log_level = LogLevel::info;

    std::string effective_store_url() const {
        return store_url.empty() ? "sqlite:" + var_dir + "/tollgate.db" : store_url;
    }
    std::string journal_dir() const {
        return journal.directory.empty() ? var_dir + "/journal" : journal.directory;
    }
};

/// A problem in a configuration file, with its place.
struct ConfigProblem {
    int line = 0;  ///< 1-based; 0: the file as a whole
    std::string text;
};

/// Reads a configuration; reports every problem, not only the first. Unknown keys are problems.
/// `${NAME}` and `${NAME:-default}` in values are taken from the environment through `env` (null:
/// not set); `$$` is a dollar sign.
using EnvLookup = const char* (*)(const char* name);
struct ConfigResult {
    Config config;
    std::vector<ConfigProblem> problems;
    bool ok() const { return problems.empty(); }
    std::string report(const std::string& file) const;  ///< "file:12: text" lines
};
ConfigResult parse_config(const std::string& yaml, EnvLookup env);
/// Reads the file; a file that is not there is a problem, unless `is_optional`.
ConfigResult load_config(const std::string& file, bool is_optional);

}  // namespace tg
