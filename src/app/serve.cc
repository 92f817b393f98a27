#include "app/serve.h"

#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "app/account_facts.h"
#include "app/commands.h"
#include "app/hardening.h"
#include "app/invoice_desks.h"
#include "app/prices.h"
#include "app/proofs.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "providers/zero_retention.h"

namespace tg {
namespace {

constexpr std::size_t kBlockingThreads = 8;
constexpr auto kWatchInterval = std::chrono::milliseconds(200);

/// Ten thousand streams are twenty thousand sockets.
void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Tells the register what accounts there are, before any of them is used.
Status register_accounts(SqlConnection& store, const std::vector<UpstreamOptions>& upstreams,
                         const Clock& clock) {
    TG_TRY(const int written, record_accounts(store, account_facts(upstreams), kZeroRetentionRules,
                                              "server", clock.now()));
    if (written > 0) log_info("accounts_registered", {{"entries", written}});
    return {};
}

}  // namespace

Server::Server(Config config, std::string config_file)
    : config_(std::move(config)), config_file_(std::move(config_file)) {}

Server::~Server() {
    stop();
}

Status Server::start() {
    raise_file_limit();
    set_log_level(config_.log_level);
    if (config_.has_core_dumps)
        log_warn("core_dumps_allowed", {{"detail", "they hold prompts and keys"}});
    else
        TG_CHECK_OK(forbid_core_dumps());
    shared_.clock = &system_clock();
    metrics_ = std::make_unique<GatewayMetrics>(&registry_);
    shared_.metrics = metrics_.get();
    blocking_ = std::make_unique<BlockingPool>(kBlockingThreads);
    shared_.blocking = blocking_.get();
    TG_CHECK_OK(open_store());
    TG_CHECK_OK(load_prices());
    TG_CHECK_OK(register_accounts(*store_, config_.gateway.upstreams, *shared_.clock));
    admission_ = std::make_unique<GateAdmission>(GateAdmission::Parts{.clock = shared_.clock,
                                                                      .metrics = &registry_,
                                                                      .options = config_.admission,
                                                                      .limits = limits_.get()});
    shared_.admission = admission_.get();
    fleet_ = make_fleet_driver(config_.fleet, shared_.clock, admission_.get(), &registry_);
    if (fleet_) {
        fleet_accounts_ = std::make_unique<FleetAccounts>(
            [this](FleetLevels* where, const FleetWant& want) { fleet_->want(where, want); });
        fleet_->add(fleet_accounts_.get());
        shared_.upstreams.join_fleet(fleet_accounts_.get());
        fleet_->start();
    }
    if (config_.is_metering_on) TG_CHECK_OK(open_journal());
    TG_CHECK_OK(start_workers());
    TG_CHECK_OK(start_admin());
    register_metrics();
    watcher_ = std::thread([this] {
        set_thread_name("tg-watcher");
        watch_store();
    });
    log_info("started", {{"listen", workers_->address()},
                         {"admin", admin_->address()},
                         {"workers", config_.workers},
                         {"upstreams", config_.gateway.upstreams.size()},
                         {"metering", config_.is_metering_on}});
    return {};
}

Status Server::open_store() {
    std::error_code error;
    std::filesystem::create_directories(config_.var_dir, error);
    if (error)
        return fail(ErrorCode::io_error,
                    "cannot create var_dir '" + config_.var_dir + "': " + error.message());
    TG_TRY(store_, tg::open_store(config_.effective_store_url()));
    TG_TRY(const int applied, migrate(*store_, all_migrations()));
    if (applied > 0) log_info("store_migrated", {{"migrations", applied}});
    TG_TRY(const bool changed, directory_.refresh(*store_));
    (void)changed;
    TG_TRY([[maybe_unused]] const bool has_limits, limits_.refresh(*store_));
    return {};
}

Status Server::load_prices() {
    TG_CHECK_OK(import_first_prices(*store_, config_, *shared_.clock));
    TG_TRY(catalogue_, load_current_catalogue(*store_, config_));
    return {};
}

Status Server::open_journal() {
    JournalOptions options = config_.journal;
    options.directory = config_.journal_dir();
    options.clock = shared_.clock;
    std::error_code error;
    std::filesystem::create_directories(options.directory, error);
    if (error)
        return fail(ErrorCode::io_error, "cannot create journal directory '" + options.directory +
                                             "': " + error.message());
    TG_TRY(journal_, UsageJournal::open(options));
    shared_.journal = journal_.get();
    if (const auto stats = journal_->stats(); stats.recovered_unconfirmed > 0) {
        log_warn("journal_recovered", {{"unconfirmed_events", stats.recovered_unconfirmed}});
    }
    SettlerOptions settling;
    settling.journal_directory = options.directory;
    settling.store_url = config_.effective_store_url();
    settling.default_time_zone = config_.default_time_zone;
    settling.clock = shared_.clock;
    settling.catalogue_of = catalogue_source(config_);
    settler_ = std::make_unique<Settler>(std::move(settling));
    settler_->start(journal_.get());
    books_keeper_ = make_books_keeper(config_);
    books_keeper_->start();
    credit_keeper_ = make_credit_keeper(config_);
    credit_keeper_->start();
    invoice_keeper_ = make_invoice_keeper(config_);
    if (invoice_keeper_) invoice_keeper_->start();
    return {};
}

Status Server::start_workers() {
    GateSnapshot snapshot;
    snapshot.directory = directory_.get();
    snapshot.limits = limits_.get();
    snapshot.catalogue = catalogue_;
    TG_TRY(snapshot.routes, RouteTable::build(config_.gateway.upstreams));
    snapshot.options = std::make_shared<const GatewayOptions>(config_.gateway);
    if (config_.workers == 0)
        config_.workers = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    workers_ = std::make_unique<Workers>(&shared_, std::move(snapshot));
    return workers_->start(config_, config_.workers);
}

AdminApi::Options Server::admin_options() {
    AdminApi::Options options;
    options.store_url = config_.effective_store_url();
    options.bootstrap_token = config_.admin_token;
    options.clock = shared_.clock;
    options.default_time_zone = config_.default_time_zone;
    options.issuer = config_.issuer;
    options.invoices = invoice_settings(config_);
    options.finalise_by = config_.finalise_by;
    options.terms = {.usd_cny_e8 = config_.usd_cny_e8, .vat_ppm = config_.vat_ppm};
    options.seal_books = [this](SqlConnection& store, UtcMicros now) -> Result<Checkpoint> {
        TG_TRY(Sealed sealed, seal_books(store, config_, now));
        return std::move(sealed.head);
    };
    options.verify_books = [this](SqlConnection& store) {
        return verify_books_and_proofs(store, config_);
    };
    options.verifier_key = [this]() -> Result<std::string> {
        TG_TRY(const ProofKey key, ProofKey::open_or_create(proof_key_file(config_)));
        return key.verifier_text();
    };
    options.upstreams = [this](std::int64_t now_ns) {
        const auto upstreams = shared_.upstreams.current();
        return upstreams ? upstreams->status(now_ns) : std::vector<UpstreamStatus>{};
    };

    // A change made through the API holds when its answer is sent.
    options.on_directory_changed = [this](SqlConnection& store) -> Status {
        TG_TRY(const bool changed, directory_.refresh(store));
        if (changed) workers_->publish_directory(directory_);
        return {};
    };
    options.on_limits_changed = [this](SqlConnection& store) -> Status {
        TG_TRY(const bool changed, limits_.refresh(store));
        if (changed) workers_->publish_limits(limits_);
        return {};
    };
    options.on_prices_changed = [this](SqlConnection& store) -> Status {
        TG_TRY(std::shared_ptr<const Catalogue> next, load_current_catalogue(store, config_));
        workers_->publish_catalogue(std::move(next));
        return {};
    };
    return options;
}

Status Server::start_admin() {
    api_ = std::make_unique<AdminApi>(admin_options());
    AdminServer::Parts parts;
    parts.api = api_.get();
    parts.blocking = blocking_.get();
    parts.metrics = &registry_;
    parts.before_metrics = [this] {
        if (const auto upstreams = shared_.upstreams.current())
            upstreams->refresh_gauges(shared_.clock->monotonic_ns());
    };
    parts.refresh = [this] { refresh_now(); };
    parts.not_ready = [this] {
        if (shared_.is_draining.load()) return std::string("shutting down");
        if (journal_ && !journal_->accepts_requests())
            return "usage journal: " + journal_->failure();
        if (fleet_) {
            if (std::string why = fleet_->not_ready(); !why.empty()) return why;
        }
        if (config_.gateway.upstreams.empty()) return std::string("no upstream is configured");
        return std::string();
    };
    admin_ = std::make_unique<AdminServer>(std::move(parts));
    return admin_->start(config_);
}

void Server::register_metrics() {
    registry_.callback("tollgate_connections", "Open client connections.",
                       [this] { return workers_->connections(); });
    if (!journal_) return;
    const auto journal_value = [this](std::uint64_t UsageJournal::Stats::* field) {
        return [this, field] { return static_cast<std::int64_t>(journal_->stats().*field); };
    };
    registry_.callback("tollgate_journal_records",
                       "Records written to the usage journal since the start.",
                       journal_value(&UsageJournal::Stats::records));
    registry_.callback("tollgate_journal_syncs", "Group commits since the start.",
                       journal_value(&UsageJournal::Stats::syncs));
    registry_.callback("tollgate_journal_open_reservations", "Calls that have begun and not ended.",
                       journal_value(&UsageJournal::Stats::open_reservations));
    registry_.callback("tollgate_journal_accepting", "1 when the journal takes new requests.",
                       [this] { return journal_->accepts_requests() ? 1 : 0; });
    registry_.callback("tollgate_settled_events", "Events moved into the store since the start.",
                       [this] { return static_cast<std::int64_t>(settler_->stats().events); });
    registry_.callback("tollgate_settler_failing", "1 while the last settlement batch has failed.",
                       [this] { return settler_->stats().last_error.empty() ? 0 : 1; });
}

void Server::watch_store() {
    bool was_failing = false;
    for (;;) {
        std::uint64_t asked = 0;
        {
            const std::lock_guard lock(watch_mutex_);
            asked = refreshes_asked_;
        }
        const Status status = look_at_store();
        if (!status.ok()) {
            if (!was_failing) log_error("store_unavailable", {{"detail", status.error().detail}});
            // The connection may be the problem: a database that restarted needs a new one.
            if (Result<std::unique_ptr<SqlConnection>> next =
                    tg::open_store(config_.effective_store_url());
                next.ok()) {
                store_ = std::move(*next);
            }
        }
        was_failing = !status.ok();
        std::unique_lock lock(watch_mutex_);
        refreshes_done_ = asked;
        watch_done_.notify_all();
        watch_wake_.wait_for(lock, kWatchInterval,
                             [&] { return is_stopping_.load() || refreshes_asked_ != asked; });
        if (is_stopping_.load()) return;
    }
}

/// Changes by other processes: the command line, or another gateway of the fleet.
Status Server::look_at_store() {
    TG_TRY(const bool changed, directory_.refresh(*store_));
    if (changed) workers_->publish_directory(directory_);
    TG_TRY(const bool limits_changed, limits_.refresh(*store_));
    if (limits_changed) workers_->publish_limits(limits_);
    TG_TRY(const PriceVersionId version, current_price_version(*store_));
    if (version != workers_->snapshot().catalogue->version()) {
        TG_TRY(std::shared_ptr<const Catalogue> next, load_current_catalogue(*store_, config_));
        workers_->publish_catalogue(std::move(next));
    }
    return {};
}

void Server::refresh_now() {
    std::unique_lock lock(watch_mutex_);
    const std::uint64_t mine = ++refreshes_asked_;
    watch_wake_.notify_all();
    watch_done_.wait_for(lock, std::chrono::seconds(2),
                         [&] { return refreshes_done_ >= mine || is_stopping_.load(); });
}

Status Server::reload() {
    ConfigResult next = load_config(config_file_, /*is_optional=*/false);
    if (!next.ok()) return fail(ErrorCode::invalid_config, next.report(config_file_));
    Config& config = next.config;
    TG_TRY(std::shared_ptr<const RouteTable> routes, RouteTable::build(config.gateway.upstreams));
    HttpServerOptions server = config.server;
    TG_TRY(server.tls, load_tls(config.tls));
    TG_TRY(const auto store, tg::open_store(config_.effective_store_url()));
    TG_CHECK_OK(register_accounts(*store, config.gateway.upstreams, *shared_.clock));
    workers_->publish_config(std::move(routes),
                             std::make_shared<const GatewayOptions>(config.gateway), server);
    set_log_level(config.log_level);
    config_.gateway = config.gateway;
    log_info("reloaded", {{"upstreams", config.gateway.upstreams.size()}});
    return {};
}

void Server::stop() {
    if (is_stopping_.exchange(true)) return;
    {
        const std::lock_guard lock(watch_mutex_);
        watch_wake_.notify_all();
        watch_done_.notify_all();
    }
    if (watcher_.joinable()) watcher_.join();
    if (books_keeper_) books_keeper_->stop();
    if (credit_keeper_) credit_keeper_->stop();
    if (invoice_keeper_) invoice_keeper_->stop();
    if (workers_) workers_->stop(config_.shutdown_timeout_ms);
    if (fleet_) fleet_->stop();
    if (admin_) admin_->stop();
    if (settler_) settler_->stop();
    if (journal_) journal_->close();
    blocking_.reset();
    log_info("stopped");
}

void add_serve_command(Command app, CommandContext* context) {
    Command command = app.add_subcommand(
        "serve", "run the gateway (SIGHUP reloads the configuration, SIGTERM drains and stops)");
    command.callback([context] {
        // Signals go to this thread only: every other one is started with them blocked.
        sigset_t signals;
        sigemptyset(&signals);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
        pthread_sigmask(SIG_BLOCK, &signals, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
        context->run([&](const Config& config) -> Status {
            Server server(config,
                          context->config_file.empty() ? "tollgate.yaml" : context->config_file);
            TG_CHECK_OK(server.start());
            for (;;) {
                int signal = 0;
                sigwait(&signals, &signal);
                if (signal != SIGHUP) break;
                if (const Status reloaded = server.reload(); !reloaded.ok()) {
                    log_error("reload_failed", {{"detail", reloaded.error().detail}});
                }
            }
            server.stop();
            return {};
        });
    });
}

}  // namespace tg
