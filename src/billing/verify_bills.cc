// Bills once more, the slow way: from the journal's sums, with arithmetic of its own.
#include <algorithm>
#include <set>
#include <tuple>

#include "billing/internal/verify_parts.h"

namespace tg {
namespace {

/// amount / unit to the nearest whole, halves away from zero.
std::int64_t nearest(int128 amount, int128 unit) {
    if (amount < 0) return -nearest(-amount, unit);
    return static_cast<std::int64_t>((2 * amount + unit) / (2 * unit));
}

}  // namespace

std::pair<std::int64_t, std::int64_t> cents_and_fen(Femto exact, Currency currency,
                                                    const BillTerms& terms) {
    const int128 cent = 10 * int128{1'000'000'000'000};
    const int128 rate = terms.usd_cny_e8, one = 100'000'000;
    if (currency == Currency::usd)
        return {nearest(exact.value, cent), nearest(exact.value * rate, cent * one)};
    return {nearest(exact.value * one, cent * rate), nearest(exact.value, cent)};
}

std::int64_t tax_of(std::int64_t net_fen, std::int64_t vat_ppm) {
    return nearest(int128{net_fen} * vat_ppm, 1'000'000);
}

namespace {

struct ProjectText {
    std::string code, department, environment;
};
struct DimensionText {
    std::string model, provider;
};
/// The names that ids stand for.
struct Names {
    std::map<std::uint32_t, std::string> customers;
    std::map<std::uint32_t, ProjectText> projects;
    std::map<std::uint32_t, DimensionText> dimensions;
};

Result<Names> read_names(SqlConnection& store) {
    Names out;
    const auto id = [](const SqlRow& row) { return static_cast<std::uint32_t>(row.integer(0)); };
    TG_CHECK_OK(store.query("SELECT id, code FROM customers", {}, [&](const SqlRow& row) {
        out.customers[id(row)] = row.text(1);
        return true;
    }));
    TG_CHECK_OK(store.query(
        "SELECT id, code, department, environment FROM projects", {}, [&](const SqlRow& row) {
            out.projects[id(row)] = {std::string(row.text(1)), std::string(row.text(2)),
                                     std::string(row.text(3))};
            return true;
        }));
    TG_CHECK_OK(
        store.query("SELECT id, model, provider FROM usage_dimensions", {}, [&](const SqlRow& row) {
            out.dimensions[id(row)] = {std::string(row.text(1)), std::string(row.text(2))};
            return true;
        }));
    return out;
}

/// Everything a line is found by: project, department, environment, model, provider, tier, meter,
/// currency, price.
using LineKey = std::tuple<std::string, std::string, std::string, std::string, std::string,
                           ServiceTier, Meter, Currency, std::int64_t>;
struct ProjectSums {
    Totals counts;
    std::int64_t usd_cents = 0, cny_fen = 0, vat_fen = 0;
};
struct SlowBill {
    std::map<LineKey, std::int64_t> quantities;
    std::map<std::string, ProjectSums> projects;
    std::set<std::uint32_t> versions;
    Femto charge[2];  ///< by currency, summed event by event
    std::int64_t vat_fen = 0;
};
using CustomerMonth = std::pair<std::uint32_t, YearMonth>;

YearMonth month_of(std::int32_t day) {
    const Civil civil = to_civil({day * std::int64_t{86'400'000'000}});
    return {civil.year, civil.month};
}

std::map<CustomerMonth, SlowBill> collect(const JournalSums& sums, const Names& names) {
    std::map<CustomerMonth, SlowBill> out;
    for (const auto& [key, bucket] : sums.buckets()) {
        SlowBill& bill = out[{key.customer, month_of(key.day)}];
        const auto known = names.projects.find(key.project);
        ProjectText project;
        if (known != names.projects.end())
            project = known->second;
        else
            project.code = "(project " + std::to_string(key.project) + ")";
        const auto dimension = names.dimensions.find(key.dimension);
        const DimensionText texts =
            dimension == names.dimensions.end() ? DimensionText{} : dimension->second;
        bill.projects[project.code].counts += bucket.all;
        bill.charge[static_cast<std::size_t>(key.currency)] += bucket.all.charge;
        bill.versions.insert(bucket.versions.begin(), bucket.versions.end());
        for (const JournalSums::Line& line : bucket.lines) {
            if (line.price_nano < 0) continue;
            bill.quantities[{project.code, project.department, project.environment, texts.model,
                             texts.provider, key.tier, line.meter, key.currency,
                             line.price_nano}] += line.quantity;
        }
        bill.versions.erase(0);
    }
    return out;
}

/// VAT of the whole, then fen by fen to the project that is furthest below its exact share; of
/// equals, the first by code.
void tax(SlowBill& bill, const BillTerms& terms) {
    std::int64_t fen = 0;
    for (const auto& [code, project] : bill.projects) fen += project.cny_fen;
    bill.vat_fen = tax_of(fen, terms.vat_ppm);
    std::int64_t given = 0;
    for (auto& [code, project] : bill.projects) {
        project.vat_fen =
            static_cast<std::int64_t>(int128{project.cny_fen} * terms.vat_ppm / 1'000'000);
        given += project.vat_fen;
    }
    for (; given < bill.vat_fen; ++given) {
        ProjectSums* neediest = nullptr;
        int128 largest = 0;
        for (auto& [code, project] : bill.projects) {
            const int128 lacking =
                int128{project.cny_fen} * terms.vat_ppm - int128{project.vat_fen} * 1'000'000;
            if (neediest == nullptr || lacking > largest) {
                neediest = &project;
                largest = lacking;
            }
        }
        ++neediest->vat_fen;
    }
}

/// Compares one drafted bill with the slow one.
class BillCheck {
  public:
    BillCheck(const Bill& bill, SlowBill& slow, Problems* problems)
        : bill_(&bill), slow_(&slow), problems_(problems) {}
    void run() {
        check_lines();
        tax(*slow_, bill_->terms);
        check_projects();
        check_total();
    }

  private:
    void add(const std::string& what) { problems_->add("bills", bill_->id + ": " + what); }
    template <typename T>
    void expect(const std::string& what, T stored, T computed) {
        if (stored != computed) add(what + " is " + both(stored, computed));
    }
    void check_lines();
    void check_projects();
    void check_total();

    const Bill* bill_;
    SlowBill* slow_;
    Problems* problems_;
};

void BillCheck::check_lines() {
    auto left = slow_->quantities;
    for (const BillLine& line : bill_->lines) {
        const std::string what = "line of " + line.project + ", " + line.model + ", " +
                                 std::string(name(line.meter)) + " at " +
                                 format_scaled(line.price.nano, 9, 2);
        const LineKey key{line.project, line.department, line.environment,
                          line.model,   line.provider,   line.tier,
                          line.meter,   line.currency,   line.price.nano};
        const auto found = left.find(key);
        if (found == left.end()) {
            add(what + " stands on it, but nothing in the journal belongs to it");
            continue;
        }
        const Femto exact{int128{found->second} * line.price.nano};
        const auto [cents, fen] = cents_and_fen(exact, line.currency, bill_->terms);
        expect(what + ": quantity", line.quantity, found->second);
        expect(what + ": exact amount", line.exact, exact);
        expect(what + ": USD cents", line.usd_cents, cents);
        expect(what + ": CNY fen", line.cny_fen, fen);
        ProjectSums& project = slow_->projects[line.project];
        project.usd_cents += cents;
        project.cny_fen += fen;
        left.erase(found);
    }
    for (const auto& [key, quantity] : left) {
        add("a line of " + std::get<0>(key) + ", " + std::get<3>(key) + ", " +
            std::string(name(std::get<Meter>(key))) + " with quantity " + std::to_string(quantity) +
            " is missing");
    }
}

void BillCheck::check_projects() {
    for (const BillTotal& total : bill_->projects) {
        const std::string what = "project " + total.project;
        const ProjectSums& slow = slow_->projects[total.project];
        expect(what + ": requests", total.requests, slow.counts.counts[Totals::requests]);
        expect(what + ": USD cents", total.usd_cents, slow.usd_cents);
        expect(what + ": CNY fen", total.cny_fen, slow.cny_fen);
        expect(what + ": VAT fen", total.vat_fen, slow.vat_fen);
        expect(what + ": total fen", total.total_fen, slow.cny_fen + slow.vat_fen);
    }
    expect("number of projects", static_cast<std::int64_t>(bill_->projects.size()),
           static_cast<std::int64_t>(slow_->projects.size()));
}

void BillCheck::check_total() {
    Totals counts;
    std::int64_t cents = 0, fen = 0;
    for (const auto& [code, project] : slow_->projects) {
        counts += project.counts;
        cents += project.usd_cents;
        fen += project.cny_fen;
    }
    const BillTotal& total = bill_->total;
    expect("total: requests", total.requests, counts.counts[Totals::requests]);
    expect("total: exact USD", total.exact_usd, slow_->charge[0]);
    expect("total: exact CNY", total.exact_cny, slow_->charge[1]);
    expect("total: USD cents", total.usd_cents, cents);
    expect("total: CNY fen", total.cny_fen, fen);
    expect("total: VAT fen", total.vat_fen, slow_->vat_fen);
    expect("total: fen", total.total_fen, fen + slow_->vat_fen);
    expect("unpriced calls", bill_->unpriced_events, counts.counts[Totals::unpriced]);
    expect("estimated calls", bill_->estimated_events, counts.counts[Totals::estimated]);
    expect("unconfirmed calls", bill_->unconfirmed_events, counts.counts[Totals::unconfirmed]);
    expect("calls by fallback price", bill_->fallback_events, counts.counts[Totals::fallback]);
    const std::vector<std::uint32_t> versions(slow_->versions.begin(), slow_->versions.end());
    if (bill_->price_versions != versions) add("its price versions are not those of its events");
}

}  // namespace

Status check_bills(SqlConnection& store, const BillTerms& terms, const JournalSums& sums,
                   VerifyReport* report, Problems* problems) {
    TG_TRY(const Names names, read_names(store));
    for (auto& [where, slow] : collect(sums, names)) {
        const auto customer = names.customers.find(where.first);
        if (customer == names.customers.end()) {
            problems->add("bills", "usage of customer " + std::to_string(where.first) + " in " +
                                       to_string(where.second) +
                                       " is on no bill: the store does not have this customer");
            continue;
        }
        const Result<Bill> bill = draft_bill(store, customer->second, where.second, terms);
        if (!bill.ok() && bill.error().code != ErrorCode::corrupt_data) return fail(bill.error());
        ++report->bills;
        if (!bill.ok()) {
            problems->add("bills", "no bill of customer " + customer->second + " in " +
                                       to_string(where.second) +
                                       " can be made: " + bill.error().detail);
            continue;
        }
        BillCheck(*bill, slow, problems).run();
        report->lines += bill->lines.size();
    }
    return {};
}

}  // namespace tg
