// Measures settling and verifying on a realistic journal. Driven by bench/settle.
//   settle_bench generate JOURNAL EVENTS   writes a journal of so many calls
//   settle_bench settle JOURNAL STORE      into an empty store; prints events and times
//   settle_bench verify JOURNAL STORE      prints events and times; fails unless all is equal
#include <cstdio>

#include "billing/bench_tools.h"
#include "billing/settler.h"
#include "billing/verify.h"
#include "identity/identity_store.h"
#include "metering/usage_journal.h"
#include "rating/default_prices.h"
#include "rating/litellm_import.h"

namespace tg {
namespace {

constexpr int kCustomers = 20, kProjects = 60, kEndUsers = 5'000;
constexpr UtcMicros kStart{1'782'000'000'000'000};
/// 12 calls a second: a million take a day.
constexpr std::int64_t kMeanGapUs = 86'000;
constexpr std::string_view kModels[] = {
    "gpt-4o",  "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini",           "gpt-4.1-nano",
    "o4-mini", "gpt-5-mini",  "gpt-5",   "text-embedding-3-small", "gpt-3.5-turbo"};

Result<std::shared_ptr<const Catalogue>> shipped_prices(PriceVersionId version) {
    TG_TRY(const PriceRules rules, parse_price_rules(embedded_default_price_rules()));
    TG_TRY(ImportReport report,
           import_litellm(embedded_default_prices(), {UtcMicros{0}, "bench", rules}));
    return Catalogue::build(version, std::move(report.prices), {});
}

/// Sizes differ by a factor of a thousand, small ones are common.
std::int64_t size(Rng& rng, std::int64_t least) {
    const auto magnitude = static_cast<int>(rng.below(10));
    return least + static_cast<std::int64_t>(rng.below(std::uint64_t{16} << magnitude));
}

class Generator {
  public:
    explicit Generator(std::uint64_t seed) : rng_(seed), ids_(seed + 1), now_(kStart) {}

    UsageEvent next() {
        now_.micros += static_cast<std::int64_t>(rng_.below(2 * kMeanGapUs));
        const auto project = static_cast<std::uint32_t>(rng_.below(kProjects));
        const std::size_t model = rng_.below(std::size(kModels));
        UsageEvent event;
        event.id = ids_.next(now_);
        event.payer = {CustomerId(project % kCustomers + 1), ProjectId(project + 1),
                       KeyId(project + 1)};
        event.started_at = now_;
        event.ended_at = {now_.micros + 200'000 + static_cast<std::int64_t>(rng_.below(8'000'000))};
        event.endpoint = model == 8 ? Endpoint::embeddings : Endpoint::chat_completions;
        event.source = UsageSource::provider;
        event.http_status = 200;
        event.price_version = PriceVersionId(1);
        event.first_byte_ms = 150 + static_cast<std::uint32_t>(rng_.below(2'000));
        event.model = kModels[model];
        event.upstream_model = kModels[model];
        event.deployment = rng_.chance_per_mille(800) ? "openai-main" : "openai-spare";
        event.provider = "openai";
        event.region = "us";
        if (rng_.chance_per_mille(50)) {
            end_user_ = "user-" + std::to_string(rng_.below(kEndUsers));
            event.end_user = end_user_;
        }
        request_id_ = "req_" + hex(&event.id.low, sizeof event.id.low);
        event.upstream_request_id = request_id_;
        event.usage[Meter::input] = size(rng_, 8);
        if (model != 8) {
            if (rng_.chance_per_mille(300)) event.usage[Meter::cache_read] = size(rng_, 1) * 128;
            event.usage[Meter::output] = size(rng_, 1);
            if (model >= 5 && model <= 7) event.usage[Meter::reasoning] = size(rng_, 1);
        }
        event.usage[Meter::request] = 1;
        if (rng_.chance_per_mille(10)) fail_call(event);
        return event;
    }

  private:
    void fail_call(UsageEvent& event) {
        event.usage = Usage{};
        event.outcome = Outcome::upstream_error;
        event.source = UsageSource::none;
        event.http_status = 500;
    }
    Rng rng_;
    RandomIdSource ids_;
    UtcMicros now_;
    std::string end_user_, request_id_;
};

Reservation reserve(UsageJournal& journal, const UsageEvent& event) {
    ReservedRecord record;
    record.id = event.id;
    record.payer = event.payer;
    record.started_at = event.started_at;
    record.endpoint = event.endpoint;
    record.price_version = event.price_version;
    record.model = event.model;
    record.deployment = event.deployment;
    record.provider = event.provider;
    record.region = event.region;
    record.end_user = event.end_user;
    for (;;) {
        const Result<Reservation> reservation = journal.reserve(record);
        if (reservation.ok()) return *reservation;
        // The next segment is still being allocated.
        if (!journal.accepts_requests()) give_up(reservation.error());
        std::this_thread::yield();
    }
}

void generate(const std::string& directory, std::int64_t events) {
    JournalOptions options;
    options.directory = directory;
    options.sync = JournalOptions::Sync::relaxed;
    const auto journal = must(UsageJournal::open(options));
    Generator generator(7);
    for (std::int64_t i = 0; i < events; ++i) {
        const UsageEvent event = generator.next();
        (void)journal->settle(reserve(*journal, event), event);
    }
    journal->close();
}

void create_customers(const std::string& url) {
    ConnectionPool pool(url, 1);
    IdentityStore identity(&pool, nullptr);
    const Change change{.actor = "bench", .at = kStart};
    for (int i = 0; i < kCustomers; ++i) {
        const std::string code = "customer-" + std::to_string(i);
        must(identity.create_customer({.code = code, .name = code}, change));
    }
    for (int i = 0; i < kProjects; ++i) {
        const std::string code = "project-" + std::to_string(i);
        const CustomerId customer(static_cast<std::uint32_t>(i % kCustomers + 1));
        const auto project = must(identity.create_project(
            {.customer = customer, .code = code, .name = code, .department = "ops"}, change));
        must(identity.create_key({.project = project.value.id, .name = code}, change));
    }
}

void settle(const std::string& directory, const std::string& url) {
    {
        const auto store = must(open_store(url));
        must(migrate(*store, all_migrations()));
    }
    create_customers(url);
    SettlerOptions options;
    options.journal_directory = directory;
    options.store_url = url;
    const auto book = must(shipped_prices(PriceVersionId(1)));
    options.catalogue_of = [book](PriceVersionId) { return book; };
    Settler settler(options);
    const Stopwatch stopwatch;
    const std::int64_t events = must(settler.settle_until(kNoLimit));
    stopwatch.print("settle", events);
    if (settler.stats().unpriced > 0)
        give_up({ErrorCode::internal, "the price book lacks a model of the benchmark"});
}

int verify(const std::string& directory, const std::string& url) {
    const auto store = must(open_store(url));
    VerifyOptions options;
    options.journal_directories = {directory};
    options.store_url = url;
    const auto book = must(shipped_prices(PriceVersionId(1)));
    options.catalogue_of = [book](PriceVersionId) { return book; };
    const Stopwatch stopwatch;
    const VerifyReport report = must(verify_books(*store, options));
    stopwatch.print("verify", static_cast<std::int64_t>(report.events));
    std::printf("bills=%llu lines=%llu\n", static_cast<unsigned long long>(report.bills),
                static_cast<unsigned long long>(report.lines));
    for (const std::string& problem : report.problems)
        std::fprintf(stderr, "settle_bench: %s\n", problem.c_str());
    return report.ok() ? 0 : 1;
}

}  // namespace
}  // namespace tg

int main(int argc, char** argv) {
    const std::string_view command = argc == 4 ? argv[1] : "";
    if (command == "generate") {
        tg::generate(argv[2], std::strtoll(argv[3], nullptr, 10));
    } else if (command == "settle") {
        tg::settle(argv[2], argv[3]);
    } else if (command == "verify") {
        return tg::verify(argv[2], argv[3]);
    } else {
        std::fprintf(stderr,
                     "usage: settle_bench generate JOURNAL EVENTS | settle JOURNAL STORE | verify "
                     "JOURNAL STORE\n");
        return 2;
    }
    return 0;
}
