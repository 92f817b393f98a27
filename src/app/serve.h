#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <string>
#include <thread>

#include "admission/limit_store.h"
#include "app/admin_server.h"
#include "app/books_keeper.h"
#include "app/config.h"
#include "app/fleet.h"
#include "app/workers.h"
#include "base/metrics.h"
#include "billing/settler.h"
#include "identity/directory_holder.h"
#include "metering/usage_journal.h"
#include "store/sql.h"

namespace tg {

/// The whole server: opens what it needs in order, runs until told to stop, and closes in the
/// reverse order.
class Server {
  public:
    explicit Server(Config config, std::string config_file);
    ~Server();

    /// Errors: whatever kept a part from starting; what was started before it has been stopped
    /// again.
    Status start();
    /// Reads the configuration again (SIGHUP). Errors leave everything as it was.
    Status reload();
    void stop();

    const std::string& address() const { return workers_->address(); }
    const std::string& admin_address() const { return admin_->address(); }

  private:
    Status open_store();
    Status open_journal();
    Status load_prices();
    Status start_workers();
    AdminApi::Options admin_options();
    Status start_admin();
    void watch_store();
    Status look_at_store();
    void refresh_now();
    void register_metrics();

    Config config_;
    std::string config_file_;
    MetricsRegistry registry_;
    std::unique_ptr<GatewayMetrics> metrics_;
    GatewayShared shared_;
    std::unique_ptr<BlockingPool> blocking_;
    std::unique_ptr<SqlConnection> store_;  ///< the watcher thread's own, after start
    DirectoryHolder directory_;
    LimitHolder limits_;
    std::shared_ptr<const Catalogue> catalogue_;
    std::unique_ptr<UsageJournal> journal_;
    std::unique_ptr<Settler> settler_;
    std::unique_ptr<GateAdmission> admission_;
    std::unique_ptr<FleetAccounts> fleet_accounts_;
    std::unique_ptr<FleetDriver> fleet_;  ///< null: this process is alone
    std::unique_ptr<Workers> workers_;
    std::unique_ptr<AdminApi> api_;
    std::unique_ptr<AdminServer> admin_;
    std::unique_ptr<PeriodicTask> books_keeper_, credit_keeper_, invoice_keeper_;
    std::thread watcher_;
    std::mutex watch_mutex_;
    std::condition_variable watch_wake_, watch_done_;
    std::uint64_t refreshes_asked_ = 0, refreshes_done_ = 0;  ///< under watch_mutex_
    std::atomic<bool> is_stopping_{false};
};

}  // namespace tg
