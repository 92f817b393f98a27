#include "billing/verify.h"

#include <algorithm>

#include "billing/test_billing.h"

namespace tg {
namespace {

/// Copies of the tables that are tampered with.
class TestBooksBackup {
  public:
    explicit TestBooksBackup(TestBooks& t) : t_(&t) {
        for (const char* table : kTables) {
            must("DROP TABLE IF EXISTS saved_" + std::string(table));
            must("CREATE TABLE saved_" + std::string(table) + " AS SELECT * FROM " + table);
        }
    }
    ~TestBooksBackup() {
        for (const char* table : kTables) {
            must("DELETE FROM " + std::string(table));
            must("INSERT INTO " + std::string(table) + " SELECT * FROM saved_" + table);
        }
    }

  private:
    static constexpr const char* kTables[] = {
        "usage_events",         "usage_daily",     "usage_daily_lines", "usage_daily_end_users",
        "usage_daily_versions", "recent_calls",    "usage_zones",       "usage_chunks",
        "usage_dimensions",     "settle_position", "settle_journals"};
    void must(const std::string& sql) {
        const Status status = t_->connection().execute_script(sql);
        ASSERT_TRUE(status.ok()) << status.error().text();
    }
    TestBooks* t_;
};

class VerifyTest : public DialectTest {
  protected:
    static VerifyOptions options(const TestBooks& t) {
        VerifyOptions out;
        out.journal_directories = {t.directory.path()};
        out.store_url = t.identity.store.url();
        out.catalogue_of = t.catalogue_of();
        return out;
    }
    static VerifyReport verify(TestBooks& t) {
        const Result<VerifyReport> report = verify_books(t.connection(), options(t));
        EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
        return report.ok() ? *report : VerifyReport{};
    }
    static std::string text(const VerifyReport& report) {
        std::string out;
        for (const std::string& problem : report.problems) out += problem + "\n";
        return out;
    }
    static void run(TestBooks& t, const std::string& sql) {
        const auto result = t.connection().execute(sql);
        ASSERT_TRUE(result.ok()) << result.error().text();
        ASSERT_GT(*result, 0) << "nothing was changed by " << sql;
    }
    /// Changes the books, expects a problem that says `says`, and puts everything back.
    static void expect_found(TestBooks& t, const std::string& sql, const std::string& says) {
        TestBooksBackup backup(t);
        run(t, sql);
        const std::string found = text(verify(t));
        EXPECT_NE(found, "") << sql;
        EXPECT_NE(found.find(says), std::string::npos) << sql << "\nfound:\n" << found;
    }
};
TG_INSTANTIATE_DIALECTS(VerifyTest);

TEST_P(VerifyTest, empty_books_are_right) {
    TestBooks t(GetParam());
    const VerifyReport report = verify(t);
    EXPECT_TRUE(report.ok()) << text(report);
    EXPECT_EQ(report.events, 0U);
}

TEST_P(VerifyTest, what_the_settler_wrote_is_right) {
    TestBooks t(GetParam());
    append_mixed_calls(t);
    ASSERT_EQ(t.settle(), 100);
    t.append_abandoned();
    t.append(t.event());
    const VerifyReport report = verify(t);
    EXPECT_TRUE(report.ok()) << text(report);
    EXPECT_EQ(report.events, 100U);
    EXPECT_EQ(report.unsettled_events, 1U);
    EXPECT_EQ(report.journal_records, 2 * (100U + 10 + 1 + 1));
    // Each of three customers in March and April, where the month's end in its zone falls between.
    EXPECT_EQ(report.bills, 4U);
    EXPECT_GT(report.lines, 10U);
    EXPECT_EQ(text(verify(t)), "") << "looking changes nothing";
}

TEST_P(VerifyTest, usage_in_the_ledger_is_that_of_the_journal_to_the_last_digit) {
    TestBooks t(GetParam());
    append_mixed_calls(t);
    ASSERT_EQ(t.settle(), 100);
    unlock_ledger(t);
    const std::string first = " WHERE number = 1 AND line = 1";
    run(t, "UPDATE ledger_postings SET amount_low = amount_low + 1" + first);
    const std::string found = text(verify(t));
    EXPECT_NE(found.find("usage of customer 1, project "), std::string::npos) << found;
    EXPECT_NE(found.find(" in the ledger, "), std::string::npos) << found;
    run(t, "UPDATE ledger_postings SET amount_low = amount_low - 1" + first);
    EXPECT_EQ(text(verify(t)), "");
    run(t, "DELETE FROM ledger_postings WHERE number = 1");
    EXPECT_NE(text(verify(t)).find(": is not in the ledger, "), std::string::npos);
}

TEST_P(VerifyTest, odd_events_are_right) {
    TestBooks t(GetParam());
    UnknownModelRule rule;
    rule.action = UnknownModelRule::Action::price_as;
    rule.price_as_model = "gpt-4o";
    t.publish(2, {test_model("gpt-4o", "2.50", "10")}, rule);
    UsageEvent huge = t.event(), negative = t.event(), fallback = t.event(), no_book = t.event(),
               bytes = t.event(), failed = t.event();
    huge.usage[Meter::output] = INT64_MAX;
    negative.usage[Meter::input] = -5;
    fallback.model = "gpt-9";
    fallback.price_version = PriceVersionId(2);
    no_book.price_version = PriceVersionId(77);
    bytes.end_user = std::string_view("\xff\0x", 3);
    bytes.upstream_model = "\xfe";
    bytes.upstream_request_id = "\xc3";
    bytes.asked_model = "\xc3";
    failed.usage = Usage{};
    failed.outcome = Outcome::unreachable;
    failed.source = UsageSource::none;
    for (const UsageEvent& event : {huge, negative, fallback, no_book, bytes, failed})
        t.append(event);
    ASSERT_EQ(t.settle(), 6);
    const VerifyReport report = verify(t);
    EXPECT_TRUE(report.ok()) << text(report);
    EXPECT_EQ(report.events, 6U);
}

TEST_P(VerifyTest, a_customers_new_zone_leaves_the_past_right) {
    TestBooks t(GetParam());
    const UsageEvent event = t.event("2026-03-31T20:00:00Z");
    t.append(event);
    ASSERT_EQ(t.settle(), 1);
    ASSERT_TRUE(
        t.identity.identity
            .update_customer(event.payer.customer, {.time_zone = "UTC"}, t.identity.change())
            .ok());
    t.append(event);
    ASSERT_EQ(t.settle(), 1);
    EXPECT_EQ(text(verify(t)), "");
}

/// Every column of every event: what was changed afterwards is found and named.
TEST_P(VerifyTest, a_changed_event_is_found_and_named) {
    TestBooks t(GetParam());
    append_mixed_calls(t, 20);
    ASSERT_EQ(t.settle(), 20);
    const char* const integers[] = {"id_high",       "id_low",        "customer_id",  "project_id",
                                    "key_id",        "dimension_id",  "started_at",   "ended_at",
                                    "local_day",     "endpoint",      "tier",         "source",
                                    "outcome",       "http_status",   "flags",        "attempts",
                                    "first_byte_ms", "price_version", "currency",     "charge_nano",
                                    "charge_femto",  "input_tokens",  "output_tokens"};
    for (const std::string column : integers) {
        expect_found(
            t, "UPDATE usage_events SET " + column + " = " + column + " + 1 WHERE sequence = 17",
            ": " + column + " is ");
    }
    // A number that differs in its upper half only, or in its sign.
    for (const std::string column :
         {"id_high", "id_low", "started_at", "ended_at", "first_byte_ms", "charge_nano",
          "charge_femto", "input_tokens", "output_tokens"}) {
        for (const std::string change : {" + 4294967296", " - 9223372036854775807 - 1"}) {
            if (column == "id_high" && change != " + 4294967296") continue;
            expect_found(t,
                         "UPDATE usage_events SET " + column + " = " + column + change +
                             " WHERE sequence = 17",
                         ": " + column + " is ");
        }
    }
    for (const std::string column : {"usage", "end_user", "upstream_request_id", "asked_model"}) {
        for (const std::string& change :
             {column + " || 'x'", "'x' || " + column, std::string("'?'"), column + " || ' '"}) {
            expect_found(
                t, "UPDATE usage_events SET " + column + " = " + change + " WHERE sequence = 17",
                ": " + column + " is '");
        }
    }
    expect_found(t, "UPDATE usage_events SET charge_nano = 5 WHERE sequence = 3", "event 3 (req_");
    EXPECT_EQ(text(verify(t)), "") << "all is as before";
}

TEST_P(VerifyTest, lost_added_and_swapped_events_are_found_and_named) {
    TestBooks t(GetParam());
    append_mixed_calls(t, 20);
    ASSERT_EQ(t.settle(), 20);
    for (const std::string at : {"1", "9", "20"}) {
        expect_found(t, "DELETE FROM usage_events WHERE sequence = " + at,
                     "event " + at + " (req_");
    }
    expect_found(t, "DELETE FROM usage_events", "event 20 (req_");
    for (const std::string at : {"0", "-4", "21", "1000"}) {
        expect_found(t, "UPDATE usage_events SET sequence = " + at + " WHERE sequence = 20",
                     "event " + at + ": has a row in usage_events");
    }
    expect_found(t, "UPDATE usage_events SET sequence = -sequence WHERE sequence IN (4, 5)",
                 "event 5 (req_");
    // Two calls of the same price and day, exchanged: no sum changes.
    expect_found(t, "UPDATE usage_events SET id_low = 2 + 8 - id_low WHERE id_low IN (2, 8)",
                 ": id_low is 2 in the store, 8 by the journal");
}

TEST_P(VerifyTest, a_changed_roll_up_is_found_and_named) {
    TestBooks t(GetParam());
    append_mixed_calls(t, 20);
    ASSERT_EQ(t.settle(), 20);
    const std::vector<std::string> keys = {"customer_id",  "local_day", "project_id", "key_id",
                                           "dimension_id", "tier",      "currency"};
    const std::vector<std::string> sums = {"requests",         "errors",        "estimated",
                                           "unconfirmed",      "unpriced",      "fallback",
                                           "input_tokens",     "cached_tokens", "output_tokens",
                                           "reasoning_tokens", "charge_nano",   "charge_femto"};
    struct Table {
        const char* name;
        std::vector<std::string> columns;
    };
    std::vector<std::string> all = keys;
    all.insert(all.end(), sums.begin(), sums.end());
    std::vector<std::string> lines = keys;
    lines.insert(lines.end(), {"meter", "price_nano", "quantity"});
    const Table tables[] = {{"usage_daily", all},
                            {"usage_daily_lines", lines},
                            {"usage_daily_end_users", all},
                            {"usage_daily_versions", {"customer_id", "local_day", "price_version"}},
                            {"recent_calls", {"customer_id", "sequence"}}};
    for (const Table& table : tables) {
        const std::string name = table.name;
        const std::string one = name == "recent_calls" ? " WHERE sequence = 20" : "";
        for (const std::string& column : table.columns) {
            // Far enough not to meet another row.
            expect_found(t, "UPDATE " + name + " SET " + column + " = " + column + " + 1000" + one,
                         name + " of customer ");
        }
        expect_found(t, "DELETE FROM " + name + one, name + " of customer ");
    }
    expect_found(t, "UPDATE usage_daily_end_users SET end_user = end_user || 'x'",
                 "end user 'user-2x': is in the store, but no event");
    expect_found(t,
                 "UPDATE usage_daily SET requests = requests + 1 WHERE customer_id = 1 AND "
                 "project_id = 1 AND dimension_id = 1",
                 ": requests is ");
    expect_found(t, "UPDATE usage_daily SET charge_femto = charge_femto + 1", ": charge is ");
    // The same amount in other words is no difference.
    run(t,
        "UPDATE usage_daily SET charge_nano = charge_nano - 1, charge_femto = charge_femto + "
        "1000000");
    EXPECT_EQ(text(verify(t)), "");
}

/// given: tables that somebody took the constraints of
/// then:  a row that is there twice is found, and a NULL is never taken for 0 or ''
TEST_P(VerifyTest, rows_that_the_schema_forbids_are_found) {
    if (GetParam() == Dialect::sqlite) return;  // which cannot drop constraints
    for (const std::string table :
         {"usage_daily", "usage_daily_lines", "usage_daily_end_users", "usage_daily_versions"}) {
        TestBooks t(GetParam());
        append_mixed_calls(t, 20);
        ASSERT_EQ(t.settle(), 20);
        ASSERT_TRUE(t.connection()
                        .execute_script("ALTER TABLE " + table + " DROP CONSTRAINT " + table +
                                        "_pkey; INSERT INTO " + table + " SELECT * FROM " + table +
                                        " LIMIT 1")
                        .ok());
        EXPECT_NE(text(verify(t)).find(table + " of customer "), std::string::npos) << table;
    }
    for (const std::string column : {"outcome", "charge_femto", "end_user"}) {
        TestBooks t(GetParam());
        t.append(t.event());
        ASSERT_EQ(t.settle(), 1);
        ASSERT_TRUE(t.connection()
                        .execute_script("ALTER TABLE usage_events ALTER COLUMN " + column +
                                        " DROP NOT NULL; UPDATE usage_events SET " + column +
                                        " = NULL")
                        .ok());
        const Result<VerifyReport> report = verify_books(t.connection(), options(t));
        ASSERT_FALSE(report.ok()) << column;
        EXPECT_EQ(report.error().code, ErrorCode::corrupt_data);
        EXPECT_NE(report.error().detail.find("column " + column + " of usage_events holds NULL"),
                  std::string::npos)
            << report.error().detail;
    }
}

TEST_P(VerifyTest, what_belongs_to_the_events_is_checked_too) {
    TestBooks t(GetParam());
    append_mixed_calls(t, 20);
    ASSERT_EQ(t.settle(), 20);
    expect_found(t, "UPDATE usage_dimensions SET model = 'cheap' WHERE model = 'gpt-4o'",
                 "no row of usage_dimensions has the event's model 'gpt-4o'");
    expect_found(t, "DELETE FROM usage_zones WHERE customer_id = 1",
                 "usage_zones has no zone for customer 1");
    expect_found(t, "UPDATE usage_zones SET time_zone = 'Pacific/Kiritimati' WHERE customer_id = 1",
                 ": local_day is ");
    expect_found(t, "DELETE FROM usage_chunks", "usage_chunks: they do not end where");
    expect_found(t, "UPDATE usage_chunks SET last_sequence = 19",
                 "usage_chunks: they do not end where");
    expect_found(t, "UPDATE usage_chunks SET first_sequence = 2", "does not follow the one before");
    expect_found(t, "UPDATE settle_position SET next_sequence = 20",
                 "event 20: has a row in usage_events, but only events 1 to 19 are settled");
    expect_found(t, "UPDATE settle_position SET next_sequence = 1",
                 "event 1: has a row in usage_events");
}

TEST_P(VerifyTest, other_prices_than_those_of_then_are_found) {
    TestBooks t(GetParam());
    t.append(t.event());
    ASSERT_EQ(t.settle(), 1);
    t.publish(1, {test_model("gpt-4o", "2.50", "10.01")});
    const std::string found = text(verify(t));
    EXPECT_NE(found.find("charge_nano is 3500000 in the store, 3501000 by the journal"),
              std::string::npos)
        << found;
    EXPECT_NE(found.find("usage_daily of customer 1, 2026-03-05, project 1, key 1, dimension 1, "
                         "tier 0, USD: charge is 0.0035 in the store, 0.003501 by the journal"),
              std::string::npos)
        << found;
    EXPECT_NE(found.find("BILL-acme-202603: "), std::string::npos) << found;
}

TEST_P(VerifyTest, usage_that_no_bill_can_be_made_of_is_a_problem) {
    TestBooks t(GetParam());
    UsageEvent event = t.event();
    event.payer.customer = CustomerId(4711);
    t.append(event);
    ASSERT_EQ(t.settle(), 1);
    EXPECT_EQ(text(verify(t)),
              "usage of customer 4711 in 2026-03 is on no bill: the store does "
              "not have this customer\n");
}

TEST_P(VerifyTest, usage_of_an_unknown_project_is_billed_under_its_number) {
    TestBooks t(GetParam());
    UsageEvent event = t.event();
    event.payer.project = ProjectId(99);
    t.append(event);
    t.append(t.event());
    ASSERT_EQ(t.settle(), 2);
    EXPECT_EQ(text(verify(t)), "");
    const Result<Bill> bill = draft_bill(t.connection(), "acme", {2026, 3}, {});
    ASSERT_TRUE(bill.ok());
    ASSERT_EQ(bill->projects.size(), 2U);
    EXPECT_EQ(bill->projects[0].project, "(project 99)");
    EXPECT_EQ(format_amount(bill->projects[0].exact_usd), "0.0035");
}

TEST_P(VerifyTest, a_damaged_journal_is_a_problem_with_its_place) {
    TestBooks t(GetParam());
    for (int i = 0; i < 5; ++i) t.append(t.event());
    const Lsn good = t.end;
    for (int i = 0; i < 5; ++i) t.append(t.event());
    ASSERT_EQ(t.settle(), 10);
    t.journal->close();
    const std::string file = segment_file(t.directory.path(), good.segment());
    Bytes bytes = read_file(file);
    bytes[good.offset() + 40] ^= 1;
    write_file(file, bytes);
    const VerifyReport report = verify(t);
    const std::string found = text(report);
    EXPECT_EQ(report.events, 5U);
    EXPECT_NE(found.find(file + " at offset"), std::string::npos) << found;
    EXPECT_NE(found.find("roll-ups and bills are not compared"), std::string::npos) << found;
    std::filesystem::remove(file);
    const std::string gone = text(verify(t));
    EXPECT_NE(gone.find("roll-ups and bills are not compared"), std::string::npos) << gone;
}

TEST_P(VerifyTest, names_a_hundred_problems_of_a_kind_and_counts_the_rest) {
    TestBooks t(GetParam());
    for (int i = 0; i < 150; ++i) t.append(t.event());
    ASSERT_EQ(t.settle(), 150);
    run(t, "UPDATE usage_events SET attempts = 9");
    const VerifyReport report = verify(t);
    ASSERT_EQ(report.problems.size(), 101U);
    EXPECT_EQ(report.problems.back(), "and 50 more problems of events");
}

TEST_P(VerifyTest, many_chunks_on_many_threads_are_like_one) {
    TestBooks t(GetParam());
    const Payer payers[] = {t.payer("a"), t.payer("b"), t.payer("c")};
    std::string user;
    for (int i = 0; i < 65'000; ++i) {
        UsageEvent event = t.event("2026-03-05T10:00:00Z", i % 3 == 0 ? "gpt-4o" : "gpt-4o-mini");
        event.ended_at.micros += i * std::int64_t{100'000'000};
        event.payer = payers[i % 3];
        user = "u" + std::to_string(i % 100);
        if (i % 20 == 0) event.end_user = user;
        t.append(event);
    }
    ASSERT_EQ(t.settle(), 65'000);
    ASSERT_EQ(t.store().integer("SELECT count(*) FROM usage_chunks"), 4);
    run(t, "UPDATE usage_events SET http_status = 201 WHERE sequence IN (19999, 40001, 65000)");
    const VerifyReport many = verify(t);
    VerifyOptions alone = options(t);
    alone.store_url.clear();
    const Result<VerifyReport> one = verify_books(t.connection(), alone);
    ASSERT_TRUE(one.ok()) << one.error().text();
    EXPECT_EQ(text(many), text(*one));
    EXPECT_EQ(many.problems.size(), 3U);
    EXPECT_EQ(many.events, 65'000U);
    EXPECT_EQ(one->events, 65'000U);
    EXPECT_EQ(many.lines, one->lines);
    EXPECT_EQ(many.journal_records, one->journal_records);
}

/// given: a settler that goes on while verify runs
/// then:  verify sees the books as of one moment, which are right
TEST_P(VerifyTest, may_run_beside_the_settler) {
    TestBooks t(GetParam());
    append_mixed_calls(t);
    ASSERT_EQ(t.settle(), 100);
    VerifyOptions during = options(t);
    int more = 0;
    during.catalogue_of = [&, real = t.catalogue_of()](PriceVersionId version) {
        append_mixed_calls(t, 20);
        EXPECT_EQ(t.settle(), 20);
        ++more;
        return real(version);
    };
    const Result<VerifyReport> report = verify_books(t.connection(), during);
    ASSERT_TRUE(report.ok()) << report.error().text();
    EXPECT_EQ(more, 1);
    EXPECT_EQ(text(*report), "");
    EXPECT_EQ(report->events, 100U);
    EXPECT_EQ(report->unsettled_events, 20U);
    const VerifyReport after = verify(t);
    EXPECT_EQ(text(after), "");
    EXPECT_EQ(after.events, 120U);
}

TEST_P(VerifyTest, an_unreadable_price_book_is_an_error_not_a_difference) {
    TestBooks t(GetParam());
    t.append(t.event());
    ASSERT_EQ(t.settle(), 1);
    VerifyOptions away = options(t);
    away.catalogue_of = [](PriceVersionId) -> Result<std::shared_ptr<const Catalogue>> {
        return fail(ErrorCode::store_unavailable, "away");
    };
    const Result<VerifyReport> report = verify_books(t.connection(), away);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::store_unavailable);
    EXPECT_EQ(text(verify(t)), "") << "the connection can be used again";
}

}  // namespace
}  // namespace tg
