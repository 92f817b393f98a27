#pragma once
// For tests: a migrated store of one dialect with an IdentityStore and its DirectoryHolder over it.
#include "identity/directory_holder.h"
#include "identity/identity_store.h"
#include "store/test_store.h"

namespace tg {

struct TestIdentity {
    static constexpr UtcMicros kStart{1'780'000'000'000'000};

    explicit TestIdentity(Dialect dialect, FillRandom fill = fill_secure_random)
        : store(dialect),
          pool(store.url(), 4),
          identity(
              &pool,
              [this](SqlConnection& connection) -> Status {
                  TG_TRY([[maybe_unused]] const bool has_changed, holder.refresh(connection));
                  return {};
              },
              fill) {}

    Change change() const { return {.actor = "test", .at = clock.now()}; }
    Customer customer(const std::string& code) {
        return identity.create_customer({.code = code, .name = "Customer " + code}, change())
            .value()
            .value;
    }
    Project project(CustomerId customer, const std::string& code) {
        return identity
            .create_project({.customer = customer,
                             .code = code,
                             .name = "Project " + code,
                             .department = "research"},
                            change())
            .value()
            .value;
    }
    CreatedKey key(std::optional<ProjectId> project, const std::string& name = "key") {
        return identity.create_key({.project = project, .name = name}, change()).value();
    }

    TestStore store;
    ConnectionPool pool;
    DirectoryHolder holder;
    IdentityStore identity;
    ManualClock clock{kStart};
};

}  // namespace tg
