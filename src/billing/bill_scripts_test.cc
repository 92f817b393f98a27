// Runs the bill scripts of tests/bills (see its README.md) through journal, settler, contracts and
// register, and compares every figure with what the script expects.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "billing/bill_adjustments.h"
#include "billing/bill_register.h"
#include "billing/contracts.h"
#include "billing/test_billing.h"
#include "billing/verify.h"
#include "ledger/verify.h"
#include "rating/price_text.h"

namespace tg {
namespace {

/// "1234567.5" -> "1,234,567.5".
std::string grouped(std::string text) {
    const std::size_t first = text.starts_with('-') ? 1 : 0;
    std::size_t at = std::min(text.find('.'), text.size());
    while (at > first + 3) {
        at -= 3;
        text.insert(at, ",");
    }
    return text;
}
std::string cents(std::int64_t amount) {
    return grouped(format_scaled(amount, 2, 2));
}
std::string money(std::int64_t usd_cents, std::int64_t cny_fen) {
    return cents(usd_cents) + " USD, " + cents(cny_fen) + " CNY";
}
std::string total_text(const BillTotal& total) {
    return cents(total.cny_fen) + " + " + cents(total.vat_fen) + " = " + cents(total.total_fen) +
           " CNY";
}

/// A bill as scripts write it.
std::string as_script(const Bill& bill) {
    std::string out;
    const auto add_lines = [&out](const std::vector<BillLine>& lines) {
        for (const BillLine& line : lines) {
            out += "    ";
            out += line.late_from ? "late " + to_string(*line.late_from) + " " : "line ";
            out += line.project + " " + line.model + " " + std::string(name(line.meter)) + " " +
                   grouped(std::to_string(line.quantity)) + " at " +
                   format_scaled(line.price.nano, 9, 2) + " " + std::string(code(line.currency)) +
                   " = " + money(line.usd_cents, line.cny_fen) + "\n";
        }
    };
    add_lines(bill.lines);
    add_lines(bill.late);
    for (const BillItem& item : bill.items)
        out += "    item " + item.project + " " + std::string(name(item.kind)) + " = " +
               money(item.usd_cents, item.cny_fen) + "\n";
    for (const BillCommitment& each : bill.commitments)
        out += "    commitment " + day_text(each.first_day) + " to " + day_text(each.last_day) +
               ": " + cents(each.committed_cents) + " " + std::string(code(each.currency)) +
               ", spent " + cents(each.spent_before_cents) + " + " + cents(each.spent_cents) +
               ", missing " + cents(each.missing_cents) + "\n";
    for (const BillTotal& project : bill.projects)
        out += "    project " + project.project + ": " + total_text(project) + "\n";
    return out + "    total: " + total_text(bill.total) + "\n";
}

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    return {std::istream_iterator<std::string>(in), {}};
}

/// One script, executed line by line; what it gets wrong is a test failure naming the line.
class ScriptRun {
  public:
    explicit ScriptRun(const std::string& file) : in_(file), t_(Dialect::sqlite) {}

    void run() {
        ASSERT_TRUE(in_.good());
        std::string line;
        while (next(&line)) {
            SCOPED_TRACE("line " + std::to_string(number_) + ": " + line);
            const std::vector<std::string> words = words_of(line);
            if (words.empty() || words[0].starts_with('#')) continue;
            ASSERT_NO_FATAL_FAILURE(execute(words));
        }
        expect_sound();
    }

  private:
    bool next(std::string* line) {
        ++number_;
        return static_cast<bool>(std::getline(in_, *line));
    }
    /// Lines to the one that says "end".
    std::string block() {
        std::string out, line;
        while (next(&line) && line != "end") out += line + "\n";
        return out;
    }
    /// The indented lines that follow.
    std::string indented() {
        std::string out, line;
        auto place = in_.tellg();
        while (next(&line) && line.starts_with("    ")) {
            out += line + "\n";
            place = in_.tellg();
        }
        --number_;
        in_.clear();
        in_.seekg(place);
        return out;
    }
    static Change at(const std::string& time) {
        return {.actor = "script", .at = parse_rfc3339(time).value()};
    }
    static std::int64_t integer(std::string text) {
        std::erase(text, ',');
        return static_cast<std::int64_t>(parse_scaled(text, 0).value());
    }
    template <typename T>
    static void must(const Result<T>& result) {
        ASSERT_TRUE(result.ok()) << result.error().text();
    }

    void execute(const std::vector<std::string>& words) {
        const std::string& verb = words[0];
        if (verb == "zone")
            zone_ = words.at(1);
        else if (verb == "rate")
            terms_.usd_cny_e8 = static_cast<std::int64_t>(parse_scaled(words.at(1), 8).value());
        else if (verb == "vat")
            terms_.vat_ppm = static_cast<std::int64_t>(parse_scaled(words.at(1), 4).value());
        else if (verb == "price")
            price(words);
        else if (verb == "usage")
            usage(words);
        else if (verb == "bill")
            compare(words);
        else if (verb == "final")
            finalise(words);
        else if (verb == "adjust" || verb == "sla_credit")
            adjust(words);
        else
            contract(words);
    }
    void price(const std::vector<std::string>& words) {
        const Currency currency = parse_currency(words.at(4)).value();
        auto known = std::ranges::find(prices_, words[1], &ModelPrice::model);
        if (known == prices_.end()) {
            ModelPrice& price = prices_.emplace_back();
            price.model = words[1];
            price.provider = "openai";
            price.currency = currency;
            known = prices_.end() - 1;
        }
        const Meter meter = parse_meter(words[2]).value();
        known->components.push_back({meter, parse_price(meter, words[3]).value()});
        t_.publish(++book_, prices_);
    }
    void usage(const std::vector<std::string>& words) {
        const Payer payer = t_.payer("acme", words.at(2), zone_);
        UsageEvent event = t_.event(words.at(1), words.at(3));
        event.payer = payer;
        event.price_version = PriceVersionId(book_);
        event.usage = Usage{};
        event.usage[parse_meter(words.at(4)).value()] = integer(words.at(5));
        t_.append(event);
        ASSERT_EQ(t_.settle(), 1);
    }
    void contract(const std::vector<std::string>& words) {
        (void)t_.payer("acme", "chat", zone_);
        const std::string& verb = words[0];
        if (verb == "stop") {  // stop CODE after DAY
            must(end_contract(t_.connection(), words.at(1), parse_day(words.at(3)).value(),
                              "script", at("2020-01-01T00:00:00Z")));
            return;
        }
        const Result<ContractTerms> terms = parse_contract_terms(block());
        ASSERT_TRUE(terms.ok()) << terms.error().text();
        if (verb == "amend") {  // amend CODE from DAY
            must(amend_contract(
                t_.connection(), words.at(1),
                {.from_day = parse_day(words.at(3)).value(), .terms = *terms, .reason = "script"},
                at("2020-01-01T00:00:00Z")));
            return;
        }
        ASSERT_EQ(verb, "contract") << "a line begins with zone, rate, vat, price, usage, "
                                       "contract, amend, stop, adjust, sla_credit, bill or final";
        must(create_contract(t_.connection(),  // contract CODE KIND from DAY
                             {.customer = "acme",
                              .code = words.at(1),
                              .kind = parse_contract_kind(words.at(2)).value(),
                              .first_day = parse_day(words.at(4)).value(),
                              .terms = *terms},
                             at("2020-01-01T00:00:00Z")));
    }
    /// adjust MONTH PROJECT AMOUNT CURRENCY; the project "*" is the whole customer.
    void adjust(const std::vector<std::string>& words) {
        (void)t_.payer("acme", "chat", zone_);
        must(add_adjustment(
            t_.connection(),
            {.customer = "acme",
             .month = parse_year_month(words.at(1)).value(),
             .kind = parse_adjustment_kind(words[0] == "adjust" ? "adjustment" : words[0]).value(),
             .project = words.at(2) == "*" ? "" : words[2],
             .currency = parse_currency(words.at(4)).value(),
             .cents = static_cast<std::int64_t>(parse_scaled(words.at(3), 2).value()),
             .text = "script"},
            at("2020-01-01T00:00:00Z")));
    }
    void compare(const std::vector<std::string>& words) {
        const std::string expected = indented();
        const Result<Bill> bill =
            current_bill(t_.connection(), "acme", parse_year_month(words.at(1)).value(), terms_);
        ASSERT_TRUE(bill.ok()) << bill.error().text();
        EXPECT_EQ(as_script(*bill), expected);
        expect_parts_add_up(*bill);
    }
    /// What every bill must be, whatever is on it.
    static void expect_parts_add_up(const Bill& bill) {
        BillTotal sum;
        for (const BillTotal& project : bill.projects) {
            sum.usd_cents += project.usd_cents;
            sum.cny_fen += project.cny_fen;
            sum.vat_fen += project.vat_fen;
            sum.total_fen += project.total_fen;
            Bill part = bill;
            keep_project(project.project, &part);
            std::int64_t fen = 0;
            for (const BillLine& line : part.lines) fen += line.cny_fen;
            for (const BillLine& line : part.late) fen += line.cny_fen;
            for (const BillItem& item : part.items) fen += item.cny_fen;
            EXPECT_EQ(fen, project.cny_fen) << "the bill of project " << project.project;
            EXPECT_EQ(part.total.total_fen, project.total_fen);
        }
        EXPECT_EQ(sum.usd_cents, bill.total.usd_cents);
        EXPECT_EQ(sum.cny_fen, bill.total.cny_fen);
        EXPECT_EQ(sum.vat_fen, bill.total.vat_fen);
        EXPECT_EQ(sum.total_fen, bill.total.total_fen);
    }
    void finalise(const std::vector<std::string>& words) {
        const YearMonth month = parse_year_month(words.at(1)).value();
        const Change change = at("2040-01-01T00:00:00Z");
        const Result<BillHead> draft =
            draft_into_register(t_.connection(), "acme", month, terms_, change);
        ASSERT_TRUE(draft.ok()) << draft.error().text();
        must(review_bill(t_.connection(), draft->id, change));
        must(finalise_bill(t_.connection(), draft->id, change));
    }
    void expect_sound() {
        VerifyOptions options;
        options.journal_directories = {t_.directory.path()};
        options.catalogue_of = t_.catalogue_of();
        const Result<VerifyReport> report = verify_books(t_.connection(), options);
        ASSERT_TRUE(report.ok()) << report.error().text();
        for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
        const auto ledger = verify_ledger(t_.connection(), {});
        ASSERT_TRUE(ledger.ok()) << ledger.error().text();
        for (const std::string& problem : ledger->problems) ADD_FAILURE() << problem;
    }

    std::ifstream in_;
    int number_ = 0;
    TestBooks t_;
    std::string zone_ = "Asia/Shanghai";
    BillTerms terms_;
    std::vector<ModelPrice> prices_;
    std::uint32_t book_ = 1;
};

/// Those of the project, or of the directory in TG_BILL_SCRIPTS.
std::vector<std::string> scripts() {
    const char* directory = std::getenv("TG_BILL_SCRIPTS");
    std::vector<std::string> out;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory != nullptr ? directory : TG_BILLS_DIR)) {
        if (entry.path().extension() == ".bill") out.push_back(entry.path().string());
    }
    std::ranges::sort(out);
    return out;
}

class BillScript : public testing::TestWithParam<std::string> {};

TEST_P(BillScript, is_billed_as_it_says) {
    ScriptRun(GetParam()).run();
}

INSTANTIATE_TEST_SUITE_P(all, BillScript, testing::ValuesIn(scripts()),
                         [](const testing::TestParamInfo<std::string>& info) {
                             return std::filesystem::path(info.param).stem().string();
                         });

}  // namespace
}  // namespace tg
