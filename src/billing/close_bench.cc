// Measures the close of a month. Driven by bench/billing.
//   close_bench fill STORE CUSTOMERS CONTRACTS
//       roll-ups and ledger of March 2026, as the settler leaves them; the first CONTRACTS
//       customers have a contract
//   close_bench close STORE     drafts, reviews and finalises the bills of all customers
//   close_bench one STORE       one customer's bill, many times
//   close_bench credit STORE    standings of all with a contract, anew and once more
#include <algorithm>

#include "billing/bench_tools.h"
#include "billing/bill_register.h"
#include "billing/contracts.h"
#include "billing/credit.h"
#include "billing/internal/dimension_table.h"
#include "billing/internal/settle_writer.h"
#include "billing/internal/usage_accruals.h"
#include "identity/identity_store.h"
#include "rating/catalogue.h"

namespace tg {
namespace {

constexpr YearMonth kMonth{2026, 3};
constexpr int kDays = 31, kProjects = 2, kCustomersPerBatch = 250, kBills = 200;
/// 323 calls a customer and day: 100 million a month of 10,000 customers.
constexpr std::int64_t kCallsPerRow = 323 / (2 * kProjects);
constexpr std::string_view kModels[] = {"gpt-4o", "gpt-4o-mini"};

Change change() {
    return {.actor = "bench", .at = parse_rfc3339("2026-04-02T00:00:00Z").value()};
}

std::string code_of(std::int64_t customer) {
    return "c" + std::to_string(customer);
}

std::shared_ptr<const Catalogue> price_book() {
    std::vector<ModelPrice> prices;
    for (const std::string_view model : kModels) {
        ModelPrice price;
        price.model = model;
        price.provider = "openai";
        price.components = {{Meter::input, {2'500'000'000}}, {Meter::output, {10'000'000'000}}};
        prices.push_back(std::move(price));
    }
    return must(Catalogue::build(PriceVersionId(1), std::move(prices), {}));
}

void create_customers(SqlConnection& store, std::int64_t customers) {
    constexpr std::string_view kCustomer[] = {
        "id:i", "code:t", "name:t", "time_zone:t", "is_active:i2", "created_at:i", "updated_at:i"};
    constexpr std::string_view kProject[] = {"id:i",         "customer_id:i", "code:t",
                                             "name:t",       "department:t",  "environment:t",
                                             "is_active:i2", "created_at:i",  "updated_at:i"};
    const auto end = [](Status status) {
        if (!status.ok()) give_up(status.error());
    };
    Transaction transaction = must(Transaction::begin(store));
    auto rows = must(store.bulk_insert("customers", kCustomer));
    for (std::int64_t c = 1; c <= customers; ++c) {
        const std::string code = code_of(c);
        rows->integer(c);
        for (const std::string_view text :
             {std::string_view(code), std::string_view(code), std::string_view("Asia/Shanghai")})
            rows->text(text);
        for (int i = 0; i < 3; ++i) rows->integer(1);
        end(rows->end_row());
    }
    end(rows->finish());
    rows = must(store.bulk_insert("projects", kProject));
    for (std::int64_t p = 0; p < customers * kProjects; ++p) {
        rows->integer(p + 1);
        rows->integer(p / kProjects + 1);
        const std::string code = "p" + std::to_string(p % kProjects);
        for (const std::string_view text :
             {std::string_view(code), std::string_view(code), std::string_view("ops"),
              std::string_view("production")})
            rows->text(text);
        for (int i = 0; i < 3; ++i) rows->integer(1);
        end(rows->end_row());
    }
    end(rows->finish());
    end(transaction.commit());
}

/// A month of some customers, in one transaction as a batch of the settler's.
class Filler {
  public:
    explicit Filler(SqlConnection* store)
        : store_(store),
          ledger_(store),
          rater_([book = price_book()](PriceVersionId) { return book; }) {}

    void fill(std::int64_t first, std::int64_t last) {
        Transaction transaction = must(Transaction::begin(*store_));
        UsageSums sums;
        for (std::int64_t customer = first; customer <= last; ++customer) add(customer, &sums);
        check(write_sums(*store_, sums));
        UsageAccruals accruals;
        accruals.add(sums);
        const auto now = change().at;
        (void)must(ledger_.append(must(accruals.entries(next_, next_ + 999, now)), now));
        next_ += 1000;
        check(transaction.commit());
    }

  private:
    static void check(const Status& status) {
        if (!status.ok()) give_up(status.error());
    }
    void add(std::int64_t customer, UsageSums* sums) {
        for (int day = 0; day < kDays; ++day) {
            for (int p = 0; p < kProjects; ++p) {
                for (const std::string_view model : kModels) {
                    UsageEvent event;
                    event.payer = {
                        CustomerId(static_cast<std::uint32_t>(customer)),
                        ProjectId(static_cast<std::uint32_t>((customer - 1) * kProjects + p + 1)),
                        KeyId(static_cast<std::uint32_t>(customer))};
                    event.source = UsageSource::provider;
                    event.price_version = PriceVersionId(1);
                    event.model = event.upstream_model = model;
                    event.provider = "openai";
                    event.usage[Meter::input] = kCallsPerRow * (900 + customer % 97);
                    event.usage[Meter::output] = kCallsPerRow * (100 + day);
                    std::uint32_t dimension = dimensions_.find(event);
                    if (dimension == 0) dimension = must(dimensions_.add(*store_, event));
                    sums->add(event, *must(rater_.rate(event)), dimension,
                              static_cast<std::int32_t>(days_from_civil(2026, 3, 1)) + day);
                }
            }
        }
    }
    SqlConnection* store_;
    LedgerWriter ledger_;
    EventRater rater_;
    DimensionTable dimensions_;
    std::int64_t next_ = 1;
};

void create_contracts(SqlConnection& store, std::int64_t contracts) {
    const ContractTerms terms = must(parse_contract_terms(R"({
        "rate_card": [{"kind": "discount", "models": "gpt-4o", "percent": "10"},
            {"kind": "graduated", "models": "*", "meter": "output", "steps": [
                {"up_to": 1000000, "price": "10"}, {"price": "9"}]}],
        "volume_discount": {"steps": [{"from": "100", "percent": "5"}]},
        "management_fee": {"percent": "2", "month": "100"},
        "payment": {"credit_limit_cny": "1000000"}})"));
    for (std::int64_t c = 1; c <= contracts; ++c) {
        (void)must(create_contract(store,
                                   {.customer = code_of(c),
                                    .code = "CT-" + std::to_string(c),
                                    .first_day = must(parse_day("2026-01-01")),
                                    .terms = terms},
                                   change()));
    }
}

void fill(const std::string& url, std::int64_t customers, std::int64_t contracts) {
    const auto store = must(open_store(url));
    must(migrate(*store, all_migrations()));
    if (const Status prepared = prepare_settling(*store); !prepared.ok()) give_up(prepared.error());
    create_customers(*store, customers);
    Filler filler(store.get());
    const Stopwatch stopwatch;
    for (std::int64_t first = 1; first <= customers; first += kCustomersPerBatch)
        filler.fill(first, std::min<std::int64_t>(first + kCustomersPerBatch - 1, customers));
    stopwatch.print("fill", customers);
    create_contracts(*store, contracts);
    // As the server's own housekeeping does in a month.
    if (const Status analysed = store->execute_script("ANALYZE"); !analysed.ok())
        give_up(analysed.error());
}

void close(const std::string& url) {
    const auto store = must(open_store(url));
    Stopwatch whole;
    const BillRunReport report =
        must(run_bills(*store, {.month = kMonth, .terms = {}, .change = change()}));
    whole.print("draft", report.drafted);
    for (const BillRunReport::Problem& problem : report.problems)
        std::fprintf(stderr, "bench: %s: %s\n", problem.customer.c_str(), problem.reason.c_str());
    const Stopwatch finalising;
    (void)must(review_bills(*store, kMonth, change()));
    const BillRunReport final = must(finalise_bills(*store, kMonth, change()));
    finalising.print("finalise", final.done);
    whole.print("close", final.done);
}

void one(const std::string& url) {
    const auto store = must(open_store(url));
    std::vector<std::int64_t> took_us;
    for (int i = 0; i < kBills; ++i) {
        const std::int64_t begin_ns = system_clock().monotonic_ns();
        (void)must(current_bill(*store, code_of(i % 50 + 1), kMonth, {}));
        took_us.push_back((system_clock().monotonic_ns() - begin_ns) / 1000);
    }
    std::ranges::sort(took_us);
    std::printf("one events=%d us=%lld cpu_us=0\n", 1,
                static_cast<long long>(took_us[took_us.size() / 2]));
}

void credit(const std::string& url) {
    const auto store = must(open_store(url));
    CreditBook book{BillTerms{}};
    for (const char* const step : {"credit_anew", "credit_again"}) {
        const Stopwatch stopwatch;
        const auto standings =
            must(book.read(*store, parse_rfc3339("2026-03-31T00:00:00Z").value()));
        stopwatch.print(step, std::ssize(standings));
    }
}

}  // namespace
}  // namespace tg

int main(int argc, char** argv) {
    const std::string_view command = argc >= 3 ? argv[1] : "";
    if (command == "fill" && argc == 5)
        tg::fill(argv[2], std::atoll(argv[3]), std::atoll(argv[4]));
    else if (command == "close" && argc == 3)
        tg::close(argv[2]);
    else if (command == "one" && argc == 3)
        tg::one(argv[2]);
    else if (command == "credit" && argc == 3)
        tg::credit(argv[2]);
    else {
        std::fprintf(
            stderr,
            "usage: close_bench fill STORE CUSTOMERS CONTRACTS | close STORE | one STORE | "
            "credit STORE\n");
        return 2;
    }
    return 0;
}
