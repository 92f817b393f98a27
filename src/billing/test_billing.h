#pragma once
// For tests: customers, a journal with events, price books, and a settler over a store of one
// dialect. Needs GoogleTest; never included by product code.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "billing/settler.h"
#include "billing/verify.h"
#include "identity/test_identity.h"
#include "ledger/verify.h"
#include "metering/test_journal.h"
#include "rating/catalogue.h"

namespace tg {

/// "2.50" dollars per million tokens.
inline NanoPerM test_price(std::string_view per_m) {
    return {static_cast<std::int64_t>(*parse_scaled(per_m, 9))};
}

inline ModelPrice test_model(std::string model, std::string_view input, std::string_view output,
                             Currency currency = Currency::usd) {
    ModelPrice price;
    price.model = std::move(model);
    price.provider = "openai";
    price.currency = currency;
    price.components = {{Meter::input, test_price(input)}, {Meter::output, test_price(output)}};
    return price;
}

class TestBooks {
  public:
    explicit TestBooks(Dialect dialect, JournalOptions::Sync sync = JournalOptions::Sync::relaxed)
        : identity(dialect) {
        publish(1, {test_model("gpt-4o", "2.50", "10"), test_model("gpt-4o-mini", "0.15", "0.60"),
                    test_model("qwen-max", "2.4", "9.6", Currency::cny)});
        journal = open_journal(directory.path(), sync);
    }
    static std::unique_ptr<UsageJournal> open_journal(
        const std::string& directory, JournalOptions::Sync sync = JournalOptions::Sync::relaxed) {
        JournalOptions options;
        options.directory = directory;
        options.segment_bytes = 1U << 20;
        options.sync = sync;
        return must_open(options);
    }

    void publish(std::uint32_t version, std::vector<ModelPrice> prices,
                 UnknownModelRule unknown = {}) {
        auto built =
            Catalogue::build(PriceVersionId(version), std::move(prices), std::move(unknown));
        ASSERT_TRUE(built.ok()) << built.error().text();
        catalogues[version] = std::move(*built);
    }
    std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)> catalogue_of() const {
        return [this](PriceVersionId version) -> Result<std::shared_ptr<const Catalogue>> {
            const auto found = catalogues.find(version.get());
            if (found == catalogues.end()) return fail(ErrorCode::not_found, "no such version");
            return found->second;
        };
    }

    /// Customer 'acme' with project 'chat' and a key, made when first asked for.
    Payer payer(const std::string& customer = "acme", const std::string& project = "chat",
                const std::string& time_zone = "Asia/Shanghai") {
        Payer& out = payers[{customer, project}];
        if (out.customer) return out;
        auto known = identity.identity.customer(customer);
        if (!known.ok()) {
            known =
                identity.identity
                    .create_customer(
                        {.code = customer, .name = "Customer " + customer, .time_zone = time_zone},
                        identity.change())
                    .value()
                    .value;
        }
        out.customer = known->id;
        out.project = identity.project(out.customer, project).id;
        out.key = identity.key(out.project).key.id;
        return out;
    }

    /// A plain call at `at` ("2026-03-05T10:00:00Z"); texts view literals or what outlives
    /// append().
    UsageEvent event(std::string_view at = "2026-03-05T10:00:00Z",
                     std::string_view model = "gpt-4o") {
        UsageEvent out;
        out.ended_at = parse_rfc3339(at).value();
        out.started_at = {out.ended_at.micros - 1'000'000};
        out.id = {static_cast<std::uint64_t>(out.started_at.micros / 1000) << 16 | 0x7000,
                  ++next_id};
        out.payer = payer();
        out.endpoint = Endpoint::chat_completions;
        out.source = UsageSource::provider;
        out.http_status = 200;
        out.price_version = PriceVersionId(1);
        out.first_byte_ms = 250;
        out.model = model;
        out.upstream_model = model;
        out.deployment = "east";
        out.provider = "openai";
        out.region = "eu";
        out.upstream_request_id = "req-1";
        out.usage[Meter::input] = 1000;
        out.usage[Meter::output] = 100;
        return out;
    }
    Lsn append(const UsageEvent& event) {
        end = append(*journal, event);
        return end;
    }
    /// To the journal of another gateway.
    static Lsn append(UsageJournal& journal, const UsageEvent& event) {
        ReservedRecord record;
        record.id = event.id;
        record.payer = event.payer;
        record.started_at = event.started_at;
        record.model = event.model;
        return journal.settle(must_reserve(journal, record), event);
    }
    Lsn append_abandoned() {
        ReservedRecord record;
        record.id = {1, ++next_id};
        end = journal->abandon(must_reserve(*journal, record), kTestTime);
        return end;
    }

    SettlerOptions settler_options() const { return settler_options(directory.path()); }
    SettlerOptions settler_options(const std::string& journal_directory) const {
        SettlerOptions options;
        options.journal_directory = journal_directory;
        options.store_url = identity.store.url();
        options.catalogue_of = catalogue_of();
        return options;
    }
    std::int64_t settle() { return settle(settler_options()); }
    std::int64_t settle(SettlerOptions options) {
        Settler settler(std::move(options));
        const Result<std::int64_t> settled = settler.settle_until(kNoLimit);
        EXPECT_TRUE(settled.ok()) << (settled.ok() ? "" : settled.error().text());
        return settled.ok() ? *settled : -1;
    }

    TestStore& store() { return identity.store; }
    SqlConnection& connection() { return identity.store.connection(); }
    /// The rows of a query as text: "1|acme\n2|other\n".
    std::string rows(std::string_view sql, int columns) {
        std::string out;
        const Status read = connection().query(sql, {}, [&](const SqlRow& row) {
            for (int i = 0; i < columns; ++i) {
                if (i > 0) out += '|';
                out += row.text(i);
            }
            out += '\n';
            return true;
        });
        EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().text());
        return out;
    }

    TestIdentity identity;
    TempDirectory directory;
    std::unique_ptr<UsageJournal> journal;
    std::map<std::uint32_t, std::shared_ptr<const Catalogue>> catalogues;
    std::map<std::pair<std::string, std::string>, Payer> payers;
    std::uint64_t next_id = 0;
    Lsn end;  ///< of what has been appended
};

/// Calls of three customers, with every kind of record and new models all the way.
/// Lets a test change what is append-only.
inline void unlock_ledger(TestBooks& t) {
    for (const std::string table :
         {"ledger_accounts", "ledger_entries", "ledger_postings", "ledger_snapshots"}) {
        const Status status = t.connection().execute_script(
            t.store().dialect() == Dialect::sqlite
                ? "DROP TRIGGER IF EXISTS " + table + "_is_never_changed; DROP TRIGGER IF EXISTS " +
                      table + "_is_never_deleted;"
                : "ALTER TABLE " + table + " DISABLE TRIGGER USER");
        ASSERT_TRUE(status.ok()) << status.error().text();
    }
}

/// As before anything was booked; after unlock_ledger().
inline void empty_ledger(TestBooks& t) {
    const Status status = t.connection().execute_script(
        "DELETE FROM ledger_postings; DELETE FROM ledger_entries; DELETE FROM ledger_accounts; "
        "DELETE FROM ledger_snapshots; UPDATE ledger_head SET entries = 0, hash = '', booked_at = "
        "0, snapshot_number = 0");
    ASSERT_TRUE(status.ok()) << status.error().text();
}

inline void append_mixed_calls(TestBooks& t, int calls = 100) {
    const Payer payers[] = {t.payer("acme", "chat"), t.payer("acme", "search"),
                            t.payer("berlin", "chat", "Europe/Berlin"),
                            t.payer("pacific", "chat", "America/Los_Angeles")};
    std::vector<std::string> models;
    for (int i = 0; i < calls; ++i) {
        UsageEvent event = t.event("2026-03-31T15:59:00Z", i % 3 == 0 ? "gpt-4o" : "qwen-max");
        event.ended_at.micros += i * 1'000'000;
        event.payer = payers[i % 4];
        const std::string model = "model-" + std::to_string(i / 7);
        if (i % 5 == 0) event.upstream_model = model;
        if (i % 6 == 0) event.model = model;  // unpriced
        const std::string user = "user-" + std::to_string(i % 8);
        if (i % 2 == 0) event.end_user = user;
        if (i % 9 == 0) event.source = UsageSource::estimated;
        if (i % 11 == 0) event.tier = ServiceTier::batch;
        if (i % 13 == 0) event.outcome = Outcome::upstream_error;
        if (i % 17 == 0) event.usage = Usage{};
        event.usage[Meter::input] += i;
        t.append(event);
        if (i % 10 == 0) t.append_abandoned();
    }
}

/// What verify finds wrong with the books and with the ledger, a line each.
inline std::string book_problems(TestBooks& t) {
    VerifyOptions options;
    options.journal_directories = {t.directory.path()};
    options.catalogue_of = t.catalogue_of();
    const Result<VerifyReport> report = verify_books(t.connection(), options);
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
    const auto ledger = verify_ledger(t.connection(), {});
    EXPECT_TRUE(ledger.ok()) << (ledger.ok() ? "" : ledger.error().text());
    std::string out;
    if (report.ok())
        for (const std::string& problem : report->problems) out += problem + "\n";
    if (ledger.ok())
        for (const std::string& problem : ledger->problems) out += problem + "\n";
    return out;
}

}  // namespace tg
