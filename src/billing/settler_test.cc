#include "billing/settler.h"

#include <condition_variable>

#include "billing/test_billing.h"
#include "billing/test_fuse.h"
#include "billing/usage_report.h"
#include "ledger/balances.h"
#include "ledger/verify.h"

namespace tg {
namespace {

class SettlerTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(SettlerTest);

/// What has been settled, in a form that does not depend on how it was cut into batches.
std::string books(TestBooks& books) {
    std::string out;
    const auto add = [&](const char* sql, int columns) {
        out += books.rows(sql, columns) + "--\n";
    };
    add("SELECT sequence, id_high, id_low, customer_id, project_id, key_id, started_at, ended_at, "
        "local_day, endpoint, tier, source, outcome, http_status, flags, attempts, first_byte_ms, "
        "price_version, currency, charge_nano, charge_femto, input_tokens, output_tokens, usage, "
        "end_user, upstream_request_id, d.model, d.upstream_model, d.deployment, d.provider, "
        "d.region FROM usage_events JOIN usage_dimensions d ON d.id = dimension_id ORDER BY "
        "sequence",
        31);
    const std::string key =
        "customer_id, local_day, project_id, key_id, dimension_id, tier, "
        "currency";
    const std::string sums =
        "requests, errors, estimated, unconfirmed, unpriced, fallback, input_tokens, "
        "cached_tokens, output_tokens, reasoning_tokens, charge_nano + charge_femto / 1000000, "
        "charge_femto % 1000000";
    add(("SELECT " + key + ", " + sums + " FROM usage_daily ORDER BY " + key).c_str(), 19);
    add(("SELECT " + key + ", end_user, " + sums + " FROM usage_daily_end_users ORDER BY " + key +
         ", end_user")
            .c_str(),
        20);
    add(("SELECT " + key + ", meter, price_nano, quantity FROM usage_daily_lines ORDER BY " + key +
         ", meter, price_nano")
            .c_str(),
        10);
    add("SELECT customer_id, local_day, price_version FROM usage_daily_versions ORDER BY 1, 2, 3",
        3);
    add("SELECT customer_id, sequence FROM recent_calls ORDER BY 1, 2", 2);
    add("SELECT customer_id, first_sequence, time_zone FROM usage_zones ORDER BY 1, 2", 3);
    add("SELECT next_sequence FROM settle_position", 1);
    add("SELECT id, lsn FROM settle_journals ORDER BY 1", 2);
    add("SELECT a.customer_id, a.code, a.currency, a.project_id, a.subject, sum(amount_high) + "
        "CAST(sum(amount_low) AS BIGINT) / 1000000000, CAST(sum(amount_low) AS BIGINT) % "
        "1000000000 FROM ledger_postings JOIN ledger_accounts a ON a.id = account_id GROUP BY "
        "a.customer_id, a.code, a.currency, "
        "a.project_id, a.subject ORDER BY 1, 2, 3, 4, 5",
        7);
    return out;
}

TEST_P(SettlerTest, writes_an_event_as_it_was_and_what_it_costs) {
    TestBooks t(GetParam());
    UsageEvent event = t.event();
    event.usage[Meter::cache_read] = 7;
    event.end_user = "alice";
    event.attempts = 3;
    event.flags = kEventStream;
    t.append(event);
    ASSERT_EQ(t.settle(), 1);

    const Result<StoredEvent> found = find_event(t.connection(), event.id);
    ASSERT_TRUE(found.ok()) << found.error().text();
    EXPECT_EQ(found->sequence, 1);
    EXPECT_EQ(found->id, event.id);
    EXPECT_EQ(found->customer, "acme");
    EXPECT_EQ(found->project, "chat");
    EXPECT_EQ(found->department, "research");
    EXPECT_EQ(found->environment, "production");
    EXPECT_EQ(found->started_at, event.started_at);
    EXPECT_EQ(found->ended_at, event.ended_at);
    EXPECT_EQ(found->endpoint, "chat_completions");
    EXPECT_EQ(found->model, "gpt-4o");
    EXPECT_EQ(found->deployment, "east");
    EXPECT_EQ(found->provider, "openai");
    EXPECT_EQ(found->region, "eu");
    EXPECT_EQ(found->end_user, "alice");
    EXPECT_EQ(found->upstream_request_id, "req-1");
    EXPECT_EQ(found->tier, "standard");
    EXPECT_EQ(found->source, "provider");
    EXPECT_EQ(found->outcome, "ok");
    EXPECT_EQ(found->http_status, 200);
    EXPECT_EQ(found->attempts, 3);
    EXPECT_EQ(found->flags, kEventStream);
    EXPECT_EQ(found->first_byte_ms, 250U);
    EXPECT_EQ(found->price_version, PriceVersionId(1));
    EXPECT_EQ(found->usage, event.usage);
    // 1,007 tokens at 2.50 (nothing cheaper is listed for cached ones) and 100 at 10.
    EXPECT_EQ(format_amount(found->charge), "0.0035175");
}

TEST_P(SettlerTest, settles_once_however_often_it_runs_and_however_it_cuts_batches) {
    std::string expected;
    for (const std::size_t size : {20'000, 1, 3, 7, 99, 100}) {
        TestBooks t(GetParam());
        append_mixed_calls(t);
        SettlerOptions options = t.settler_options();
        options.batch_events_max = size;
        EXPECT_EQ(t.settle(options), 100) << size;
        EXPECT_EQ(t.settle(options), 0) << "nothing is left";
        EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 100);
        EXPECT_EQ(t.store().integer("SELECT SUM(requests) FROM usage_daily"), 100);
        EXPECT_EQ(t.store().integer("SELECT SUM(requests) FROM usage_daily_end_users"), 100);
        if (expected.empty()) expected = books(t);
        EXPECT_EQ(books(t), expected) << "batches of " << size;
    }
}

TEST_P(SettlerTest, goes_on_where_it_stopped) {
    TestBooks t(GetParam());
    Settler settler(t.settler_options());
    EXPECT_EQ(*settler.settle_until(kNoLimit), 0) << "an empty journal";
    t.append(t.event());
    const Lsn between = t.append_abandoned();
    t.append(t.event());
    EXPECT_EQ(*settler.settle_until(between), 1);
    EXPECT_EQ(settler.stats().position, between);
    EXPECT_EQ(*settler.settle_until(kNoLimit), 1);
    EXPECT_EQ(settler.stats().events, 2U);
    EXPECT_EQ(settler.stats().position, t.end);
    t.append_abandoned();
    EXPECT_EQ(*settler.settle_until(kNoLimit), 0) << "records that cost nothing move the position";
    EXPECT_EQ(settler.stats().position, t.end);
    EXPECT_EQ(t.rows("SELECT first_sequence, last_sequence, from_lsn FROM usage_chunks", 3),
              "1|2|0\n");
}

TEST_P(SettlerTest, chunks_follow_each_other_without_gaps) {
    TestBooks t(GetParam());
    SettlerOptions options = t.settler_options();
    options.batch_events_max = 9'000;
    Settler settler(options);
    const UsageEvent event = t.event();
    for (int i = 0; i < 30'000; ++i) t.append(event);
    ASSERT_EQ(*settler.settle_until(kNoLimit), 30'000);
    t.append_abandoned();
    ASSERT_EQ(*settler.settle_until(kNoLimit), 0);
    // The third batch fills the first chunk and begins the second.
    EXPECT_EQ(t.rows("SELECT first_sequence, last_sequence FROM usage_chunks ORDER BY 1", 2),
              "1|20000\n20001|30000\n");
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_chunks a JOIN usage_chunks b ON "
                                "b.from_lsn = a.to_lsn AND b.first_sequence = a.last_sequence + 1"),
              1);
    EXPECT_EQ(t.store().integer("SELECT MAX(to_lsn) FROM usage_chunks"),
              static_cast<std::int64_t>(t.end.value));
}

TEST_P(SettlerTest, a_batch_may_fill_several_chunks) {
    TestBooks t(GetParam());
    SettlerOptions options = t.settler_options();
    options.batch_events_max = 45'000;
    Settler settler(options);
    const UsageEvent event = t.event();
    for (int i = 0; i < 50'000; ++i) t.append(event);
    ASSERT_EQ(*settler.settle_until(kNoLimit), 50'000);
    EXPECT_EQ(settler.stats().batches, 2U);
    EXPECT_EQ(t.rows("SELECT first_sequence, last_sequence FROM usage_chunks ORDER BY 1", 2),
              "1|20000\n20001|40000\n40001|50000\n");
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_chunks a JOIN usage_chunks b ON "
                                "b.from_lsn = a.to_lsn AND b.first_sequence = a.last_sequence + 1"),
              2);
    EXPECT_EQ(t.store().integer("SELECT MAX(to_lsn) FROM usage_chunks"),
              static_cast<std::int64_t>(t.end.value));
    EXPECT_EQ(t.store().integer("SELECT lsn FROM settle_journals"),
              static_cast<std::int64_t>(t.end.value));
}

SettlerOptions fragile(const TestBooks& t, Fuse* fuse) {
    SettlerOptions options = t.settler_options();
    options.batch_events_max = 12;
    options.open = [fuse](const std::string& url) -> Result<std::unique_ptr<SqlConnection>> {
        TG_TRY(std::unique_ptr<SqlConnection> real, open_store(url));
        return std::unique_ptr<SqlConnection>(
            std::make_unique<FragileConnection>(std::move(real), fuse));
    };
    return options;
}

/// given: a settler whose store connection breaks at one call, any call
/// when:  it, or a new one after a crash, is run again
/// then:  the books are the same as without the break
TEST_P(SettlerTest, counts_every_event_once_wherever_the_store_fails) {
    constexpr int kCalls = 30;
    Fuse fuse;
    std::string expected;
    {
        TestBooks t(GetParam());
        append_mixed_calls(t, kCalls);
        ASSERT_EQ(t.settle(fragile(t, &fuse)), kCalls);
        expected = books(t);
    }
    const int calls = fuse.calls;
    ASSERT_GT(calls, 100) << "the fuse counts calls";
    TestBooks t(GetParam());
    append_mixed_calls(t, kCalls);
    unlock_ledger(t);
    const char* const tables[] = {
        "usage_events",         "usage_daily",    "usage_daily_lines", "usage_daily_end_users",
        "usage_daily_versions", "recent_calls",   "usage_zones",       "usage_chunks",
        "usage_dimensions",     "settle_journals"};
    // Each try opens three connections, which takes PostgreSQL its time.
    const int stride = GetParam() == Dialect::sqlite ? 1 : 3;
    for (int at = 0; at < calls; at += stride) {
        for (const bool is_after : {false, true}) {
            for (const char* table : tables)
                ASSERT_TRUE(t.connection().execute("DELETE FROM " + std::string(table)).ok());
            ASSERT_TRUE(
                t.connection().execute("UPDATE settle_position SET next_sequence = 1").ok());
            empty_ledger(t);
            fuse = {.calls_left = at, .is_after = is_after};
            Settler settler(fragile(t, &fuse));
            const Result<std::int64_t> broken = settler.settle_until(kNoLimit);
            ASSERT_FALSE(broken.ok()) << at;
            ASSERT_EQ(broken.error().code, ErrorCode::store_unavailable) << broken.error().text();
            if (at % 2 == 0) {
                ASSERT_TRUE(settler.settle_until(kNoLimit).ok()) << "the same settler goes on";
            } else {
                ASSERT_GE(t.settle(), 0) << "another one after a crash";
            }
            ASSERT_EQ(books(t), expected) << "call " << at << (is_after ? " after" : " before");
        }
    }
}

/// What a customer owes for usage that is in no bill yet.
Femto unbilled(TestBooks& t, const Payer& payer, Currency currency, const std::string& month) {
    const auto found = read_balance(t.connection(), {AccountCode::unbilled_receivable, currency,
                                                     payer.customer, payer.project, month});
    EXPECT_TRUE(found.ok()) << found.error().text();
    return found.ok() ? *found : Femto{};
}

void expect_sound_ledger(TestBooks& t) {
    const auto report = verify_ledger(t.connection(), {});
    ASSERT_TRUE(report.ok()) << report.error().text();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
}

/// 1,000 input and 100 output tokens: gpt-4o 2.50 and 10 USD for a million are 0.0035 USD, qwen-max
/// 2.4 and 9.6 CNY are 0.00336 CNY. The month ends at 16:00 UTC in Shanghai.
TEST_P(SettlerTest, charges_are_debts_in_the_ledger_by_project_and_month) {
    for (const std::size_t batch : {std::size_t{0}, std::size_t{2}}) {
        TestBooks t(GetParam());
        const Payer chat = t.payer(), search = t.payer("acme", "search"), other = t.payer("other");
        const auto call = [&](const Payer& payer, std::string_view at, std::string_view model) {
            UsageEvent event = t.event(at, model);
            event.payer = payer;
            t.append(event);
        };
        call(chat, "2026-03-31T15:59:59Z", "gpt-4o");
        call(chat, "2026-03-31T15:59:59Z", "gpt-4o");
        call(chat, "2026-03-31T16:00:00Z", "gpt-4o");
        call(search, "2026-03-05T10:00:00Z", "qwen-max");
        call(other, "2026-03-05T10:00:00Z", "gpt-4o");
        call(other, "2026-03-05T10:00:00Z", "no-such-model");
        SettlerOptions options = t.settler_options();
        options.batch_events_max = batch;
        ASSERT_EQ(t.settle(options), 6);
        const Femto usd{35 * kFemtoPerUnit / 10'000}, cny{336 * kFemtoPerUnit / 100'000};
        EXPECT_EQ(unbilled(t, chat, Currency::usd, "2026-03"), usd + usd);
        EXPECT_EQ(unbilled(t, chat, Currency::usd, "2026-04"), usd);
        EXPECT_EQ(unbilled(t, search, Currency::cny, "2026-03"), cny);
        EXPECT_EQ(unbilled(t, other, Currency::usd, "2026-03"), usd);
        // One entry a batch, customer and currency.
        EXPECT_EQ(t.rows("SELECT cause_id FROM ledger_entries ORDER BY number", 1),
                  batch == 0 ? "1-6/1/USD\n1-6/1/CNY\n1-6/2/USD\n"
                             : "1-2/1/USD\n3-4/1/USD\n3-4/1/CNY\n5-6/2/USD\n");
        expect_sound_ledger(t);
    }
}

TEST_P(SettlerTest, a_customer_with_very_many_projects_is_booked_in_pieces) {
    TestBooks t(GetParam());
    constexpr std::uint32_t kProjects = 6'000;
    UsageEvent event = t.event();
    for (std::uint32_t i = 0; i < kProjects; ++i) {
        event = t.event();
        event.payer.project = ProjectId(1'000 + i);
        t.append(event);
    }
    ASSERT_EQ(t.settle(), kProjects);
    EXPECT_EQ(t.rows("SELECT cause_id, count(*) FROM ledger_entries e JOIN ledger_postings p ON "
                     "p.number = e.number GROUP BY e.number, cause_id ORDER BY e.number",
                     2),
              "1-6000/1/USD|10000\n1-6000/1/USD/2|2000\n");
    expect_sound_ledger(t);
}

TEST_P(SettlerTest, usage_from_before_there_was_a_ledger_is_booked_once) {
    TestBooks t(GetParam());
    append_mixed_calls(t, 40);
    ASSERT_EQ(t.settle(), 40);
    const std::string expected = books(t);
    unlock_ledger(t);
    empty_ledger(t);
    ASSERT_NE(books(t), expected);
    ASSERT_EQ(t.settle(), 0);
    EXPECT_EQ(books(t), expected);
    ASSERT_EQ(t.settle(), 0);
    EXPECT_EQ(books(t), expected);
    expect_sound_ledger(t);
}

TEST_P(SettlerTest, a_second_settler_is_refused_and_leaves_no_trace) {
    TestBooks t(GetParam());
    t.append(t.event());
    Settler first(t.settler_options()), second(t.settler_options());
    ASSERT_EQ(*first.settle_until(kNoLimit), 1);
    ASSERT_EQ(*second.settle_until(kNoLimit), 0) << "it reads the position when it starts";
    t.append(t.event());
    ASSERT_EQ(*first.settle_until(kNoLimit), 1);
    t.append(t.event());
    const Result<std::int64_t> refused = second.settle_until(kNoLimit);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_NE(refused.error().detail.find("another process has settled journal "),
              std::string::npos)
        << refused.error().detail;
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 2);
    ASSERT_EQ(*first.settle_until(kNoLimit), 1);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 3);
    EXPECT_EQ(t.store().integer("SELECT SUM(requests) FROM usage_daily"), 3);
}

TEST_P(SettlerTest, a_customer_made_while_it_runs_is_known_at_its_first_call) {
    TestBooks t(GetParam());
    Settler settler(t.settler_options());
    t.append(t.event());
    ASSERT_EQ(*settler.settle_until(kNoLimit), 1);
    t.append(t.event());
    UsageEvent late = t.event("2026-03-05T23:30:00Z");
    late.payer = t.payer("late", "chat", "UTC");
    t.append(late);
    late.payer.customer = CustomerId(4711);  // of nobody
    t.append(late);
    t.append(t.event());
    const Result<std::int64_t> settled = settler.settle_until(kNoLimit);
    ASSERT_TRUE(settled.ok()) << settled.error().text();
    EXPECT_EQ(*settled, 4);
    const std::int64_t day = days_from_civil(2026, 3, 5);
    EXPECT_EQ(t.store().integer("SELECT local_day FROM usage_events WHERE sequence = 3"), day)
        << "in UTC";
    EXPECT_EQ(t.store().integer("SELECT local_day FROM usage_events WHERE sequence = 4"), day + 1)
        << "in the default zone";
}

TEST_P(SettlerTest, cuts_days_in_the_zone_the_customer_has_when_it_settles) {
    struct Case {
        const char* zone;
        const char* ended_at;
        const char* day;
    };
    const Case cases[] = {
        {"Asia/Shanghai", "2026-03-31T15:59:59.999999Z", "2026-03-31"},
        {"Asia/Shanghai", "2026-03-31T16:00:00Z", "2026-04-01"},
        {"UTC", "2026-03-31T23:59:59.999999Z", "2026-03-31"},
        {"UTC", "2026-04-01T00:00:00Z", "2026-04-01"},
        {"America/Los_Angeles", "2026-04-01T06:59:59Z", "2026-03-31"},
        {"America/Los_Angeles", "2026-04-01T07:00:00Z", "2026-04-01"},
        // The clocks go forward on 29 March 2026 at 01:00 UTC: a day of 23 hours.
        {"Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29"},
        {"Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-29"},
        {"Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30"},
        // And back on 25 October: a day of 25 hours.
        {"Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25"},
        {"Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-25"},
        {"Europe/Berlin", "2026-10-25T23:00:00Z", "2026-10-26"},
        {"Pacific/Kiritimati", "2026-02-28T10:00:00Z", "2026-03-01"},
        {"Asia/Kathmandu", "2028-02-28T18:15:00Z", "2028-02-29"},
    };
    TestBooks t(GetParam());
    std::vector<std::string> days;
    for (const Case& each : cases) {
        UsageEvent event = t.event(each.ended_at);
        std::string code = "c" + std::to_string(days.size());
        event.payer = t.payer(code, "chat", each.zone);
        t.append(event);
        days.emplace_back(each.day);
    }
    // The same calls once more in one customer a zone, so that neighbours share what is kept.
    for (const Case& each : cases) {
        UsageEvent event = t.event(each.ended_at);
        std::string code = each.zone;
        std::ranges::replace(code, '/', '-');
        std::ranges::replace(code, '_', '-');
        std::ranges::transform(code, code.begin(), [](char c) { return std::tolower(c); });
        event.payer = t.payer(code, "chat", each.zone);
        t.append(event);
        days.emplace_back(each.day);
    }
    ASSERT_EQ(t.settle(), static_cast<std::int64_t>(days.size()));
    for (std::size_t i = 0; i < days.size(); ++i) {
        const std::int64_t day = t.store().integer(
            "SELECT local_day FROM usage_events WHERE sequence = ?", {std::int64_t(i) + 1});
        EXPECT_EQ(format_rfc3339({day * 86'400'000'000}).substr(0, 10), days[i])
            << cases[i % std::size(cases)].zone << " " << cases[i % std::size(cases)].ended_at;
    }
}

TEST_P(SettlerTest, a_change_of_zone_holds_for_what_is_settled_after_it) {
    TestBooks t(GetParam());
    const UsageEvent event = t.event("2026-03-31T20:00:00Z");
    Settler settler(t.settler_options());
    t.append(event);
    ASSERT_EQ(*settler.settle_until(kNoLimit), 1);
    ASSERT_TRUE(
        t.identity.identity
            .update_customer(event.payer.customer, {.time_zone = "UTC"}, t.identity.change())
            .ok());
    t.append(event);
    ASSERT_EQ(*settler.settle_until(kNoLimit), 1);
    EXPECT_EQ(t.store().integer("SELECT SUM(local_day * (3 - 2 * sequence)) FROM usage_events"), 1)
        << "1 April, then 31 March";
    EXPECT_EQ(t.rows("SELECT first_sequence, time_zone FROM usage_zones ORDER BY 1", 2),
              "1|Asia/Shanghai\n2|UTC\n");
}

TEST_P(SettlerTest, what_has_no_price_is_written_shown_and_stops_nothing) {
    TestBooks t(GetParam());
    UsageEvent unknown = t.event("2026-03-05T10:00:00Z", "no-such-model");
    UsageEvent no_book = t.event();
    no_book.price_version = PriceVersionId(0);
    UsageEvent no_meter = t.event();
    no_meter.usage[Meter::image] = 2;
    UsageEvent claimed = t.event();
    claimed.flags = kEventUnpriced | kEventFallbackPrice;  // the gate was wrong
    UsageEvent nothing = t.event("2026-03-05T10:00:00Z", "no-such-model");
    nothing.usage = Usage{};
    nothing.outcome = Outcome::upstream_error;
    for (const UsageEvent& event : {unknown, no_book, no_meter, claimed, nothing, t.event()})
        t.append(event);
    Settler settler(t.settler_options());
    ASSERT_EQ(*settler.settle_until(kNoLimit), 6);
    EXPECT_EQ(settler.stats().unpriced, 3U);
    EXPECT_EQ(t.rows("SELECT sequence, flags, charge_nano FROM usage_events ORDER BY 1", 3),
              "1|4|0\n2|4|0\n3|4|0\n4|0|3500000\n5|0|0\n6|0|3500000\n");
    EXPECT_EQ(t.rows("SELECT SUM(requests), SUM(unpriced), SUM(errors), SUM(fallback) FROM "
                     "usage_daily",
                     4),
              "6|3|1|0\n");
    EXPECT_EQ(t.rows("SELECT meter, SUM(quantity) FROM usage_daily_lines WHERE price_nano = -1 "
                     "GROUP BY meter ORDER BY meter",
                     2),
              "0|3000\n8|300\n14|2\n");
}

TEST_P(SettlerTest, fallback_prices_are_flagged) {
    TestBooks t(GetParam());
    UnknownModelRule rule;
    rule.action = UnknownModelRule::Action::price_as;
    rule.price_as_model = "gpt-4o";
    t.publish(2, {test_model("gpt-4o", "2.50", "10")}, rule);
    UsageEvent event = t.event("2026-03-05T10:00:00Z", "gpt-9");
    event.price_version = PriceVersionId(2);
    t.append(event);
    ASSERT_EQ(t.settle(), 1);
    EXPECT_EQ(t.rows("SELECT flags, charge_nano FROM usage_events", 2), "2|3500000\n");
    EXPECT_EQ(t.store().integer("SELECT fallback FROM usage_daily"), 1);
}

/// given: quantities no call can have, which a broken provider reported
/// then:  they are kept as reported, enter no sum, and stop nothing
TEST_P(SettlerTest, impossible_quantities_stop_nothing) {
    TestBooks t(GetParam());
    t.publish(2, {test_model("gpt-4o", "1000", "1000")});
    UsageEvent huge = t.event(), negative = t.event(), dear = t.event();
    huge.usage[Meter::input] = huge.usage[Meter::cache_read] = INT64_MAX;
    huge.usage[Meter::output] = INT64_MAX;
    negative.usage[Meter::input] = -5;
    dear.price_version = PriceVersionId(2);
    dear.usage[Meter::input] = 999'999'999'999;  // a billion dollars
    for (const UsageEvent& event : {huge, huge, negative, dear, t.event()}) t.append(event);
    ASSERT_EQ(t.settle(), 5);
    EXPECT_EQ(t.rows("SELECT usage, charge_nano, input_tokens, flags FROM usage_events WHERE "
                     "sequence IN (1, 3, 4) ORDER BY sequence",
                     4),
              "input:9223372036854775807,cache_read:9223372036854775807,output:"
              "9223372036854775807|0|0|4\ninput:-5,output:100|0|0|4\n"
              "input:999999999999,output:100|0|999999999999|4\n");
    EXPECT_EQ(t.store().integer("SELECT SUM(unpriced) FROM usage_daily"), 4);
    EXPECT_EQ(t.store().integer("SELECT SUM(charge_nano) FROM usage_daily"), 3'500'000);
    const Result<StoredEvent> found = find_event(t.connection(), huge.id);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->usage, huge.usage);
}

TEST_P(SettlerTest, texts_of_any_bytes_stop_nothing) {
    using namespace std::string_view_literals;
    TestBooks t(GetParam());
    const std::string long_text(300, 'x');
    const std::string_view odd[] = {"a\0b"sv,       "\xff\xfe"sv, "\xed\xa0\x80"sv,
                                    "\x1f\x1f\n"sv, "\xe4\xb8"sv, "'; DROP TABLE usage_events"sv,
                                    "\\N\\."sv,     "模型😀"sv,   ""sv,
                                    long_text};
    int count = 0;
    for (const std::string_view text : odd) {
        for (int field = 0; field < 8; ++field) {
            UsageEvent event = t.event();
            std::string_view* const fields[] = {&event.model,
                                                &event.upstream_model,
                                                &event.deployment,
                                                &event.provider,
                                                &event.region,
                                                &event.end_user,
                                                &event.upstream_request_id,
                                                &event.asked_model};
            *fields[field] = text;
            t.append(event);
            ++count;
        }
    }
    ASSERT_EQ(t.settle(), count);
    EXPECT_EQ(t.store().integer("SELECT SUM(requests) FROM usage_daily_end_users"), count);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events WHERE end_user = 'a?b'"), 1);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events WHERE end_user = '"
                                "??"
                                "'"),
              2)
        << "\\xff\\xfe and a cut character";
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events WHERE end_user = '模型😀'"), 1);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_dimensions WHERE model = 'a?b'"), 1);
    // Two spellings that are stored alike are one: '??' of two invalid bytes and of a cut
    // character.
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_dimensions WHERE model = '"
                                "??"
                                "'"),
              1);
    EXPECT_EQ(t.settle(), 0);
}

TEST_P(SettlerTest, events_before_damage_in_the_journal_are_settled_and_the_damage_named) {
    TestBooks t(GetParam());
    t.append(t.event());
    const Lsn good = t.end;
    t.append(t.event());
    t.append(t.event());
    t.journal->close();
    const std::string file = segment_file(t.directory.path(), good.segment());
    Bytes bytes = read_file(file);
    bytes[good.offset() + 40] ^= 1;
    write_file(file, bytes);
    Settler settler(t.settler_options());
    for (int i = 0; i < 2; ++i) {
        const Result<std::int64_t> settled = settler.settle_until(kNoLimit);
        ASSERT_FALSE(settled.ok());
        EXPECT_EQ(settled.error().code, ErrorCode::corrupt_data);
        EXPECT_NE(settled.error().detail.find(file), std::string::npos) << settled.error().text();
        EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 1);
    }
    EXPECT_EQ(settler.stats().position, good);
}

TEST_P(SettlerTest, waits_for_a_price_book_that_cannot_be_read_now) {
    TestBooks t(GetParam());
    t.append(t.event());
    UsageEvent second = t.event();
    second.price_version = PriceVersionId(2);
    t.append(second);
    t.publish(2, {test_model("gpt-4o", "5", "20")});
    SettlerOptions options = t.settler_options();
    bool is_away = true;
    options.catalogue_of = [&, real = t.catalogue_of()](
                               PriceVersionId version) -> Result<std::shared_ptr<const Catalogue>> {
        if (is_away && version == PriceVersionId(2))
            return fail(ErrorCode::store_unavailable, "away");
        return real(version);
    };
    Settler settler(options);
    const Result<std::int64_t> settled = settler.settle_until(kNoLimit);
    ASSERT_FALSE(settled.ok());
    EXPECT_EQ(settled.error().code, ErrorCode::store_unavailable);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 1)
        << "what comes before is settled";
    is_away = false;
    EXPECT_EQ(*settler.settle_until(kNoLimit), 1);
    EXPECT_EQ(t.store().integer("SELECT charge_nano FROM usage_events WHERE sequence = 2"),
              7'000'000);
}

TEST_P(SettlerTest, keeps_the_newest_hundred_calls_of_each_customer) {
    for (const std::size_t batch : {20'000, 30, 1}) {
        TestBooks t(GetParam());
        SettlerOptions options = t.settler_options();
        options.batch_events_max = batch;
        const Payer few = t.payer("few");
        std::vector<RequestId> ids;
        for (int i = 0; i < 250; ++i) {
            UsageEvent event = t.event();
            if (i % 50 == 0) event.payer = few;
            if (i % 50 != 0) ids.push_back(event.id);
            t.append(event);
            if (i == 80) ASSERT_EQ(t.settle(options), 81);
        }
        ASSERT_EQ(t.settle(options), 169);
        EXPECT_EQ(t.store().integer("SELECT count(*) FROM recent_calls"), 105);
        const auto recent = recent_events(t.connection(), t.payer().customer, 100);
        ASSERT_TRUE(recent.ok()) << recent.error().text();
        ASSERT_EQ(recent->size(), 100U);
        for (std::size_t i = 0; i < 100; ++i)
            ASSERT_EQ((*recent)[i].id, ids[ids.size() - 1 - i]) << i;
        EXPECT_EQ(recent_events(t.connection(), few.customer, 3)->size(), 3U);
        EXPECT_EQ(recent_events(t.connection(), few.customer, 100)->size(), 5U);
        EXPECT_TRUE(recent_events(t.connection(), CustomerId(999), 100)->empty());
        EXPECT_FALSE(recent_events(t.connection(), few.customer, 0).ok());
        EXPECT_FALSE(recent_events(t.connection(), few.customer, 101).ok());
    }
}

TEST_P(SettlerTest, keeps_the_newest_calls_of_more_customers_than_one_statement_names) {
    TestBooks t(GetParam());
    constexpr int kCustomers = 1'200;
    UsageEvent event = t.event();
    for (int i = 0; i < 2 * kCustomers; ++i) {
        event.payer.customer = CustomerId(static_cast<std::uint32_t>(1'000 + i % kCustomers));
        t.append(event);
    }
    ASSERT_EQ(t.settle(), 2 * kCustomers);
    for (const std::uint32_t busy : {1'000U, 2'199U}) {
        event.payer.customer = CustomerId(busy);
        for (int i = 0; i < 99; ++i) t.append(event);
    }
    ASSERT_EQ(t.settle(), 198);
    EXPECT_EQ(t.rows("SELECT customer_id, count(*), min(sequence) FROM recent_calls WHERE "
                     "customer_id IN (1000, 1001, 2199) GROUP BY customer_id ORDER BY customer_id",
                     3),
              "1000|100|1201\n1001|2|2\n2199|100|2400\n");
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM recent_calls"), 2 * kCustomers + 196);
}

TEST_P(SettlerTest, finds_every_call_by_its_id) {
    TestBooks t(GetParam());
    SettlerOptions options = t.settler_options();
    options.batch_events_max = 10'000;
    // A call that started days before the others, between them.
    UsageEvent old = t.event("2026-03-05T10:00:00Z");
    old.id.high = static_cast<std::uint64_t>(old.started_at.micros / 1000 - 400'000'000) << 16;
    const UsageEvent first = t.event("2026-03-05T10:00:00Z");
    const UsageEvent last = t.event("2026-04-05T10:00:00Z");
    t.append(first);
    const UsageEvent filler = t.event("2026-03-20T10:00:00Z");
    for (int i = 0; i < 25'000; ++i) {
        t.append(filler);
        if (i == 22'000) t.append(old);
    }
    t.append(last);
    ASSERT_EQ(t.settle(options), 25'003);
    ASSERT_EQ(t.store().integer("SELECT count(*) FROM usage_chunks"), 2);
    for (const UsageEvent& each : {first, old, last}) {
        const Result<StoredEvent> found = find_event(t.connection(), each.id);
        ASSERT_TRUE(found.ok()) << found.error().text();
        EXPECT_EQ(found->id, each.id);
        EXPECT_EQ(found->ended_at, each.ended_at);
    }
    RequestId unknown = first.id;
    ++unknown.low;
    unknown.low += 1'000'000;
    const Result<StoredEvent> none = find_event(t.connection(), unknown);
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().code, ErrorCode::not_found);
    EXPECT_NE(none.error().detail.find(unknown.text()), std::string::npos);
}

TEST_P(SettlerTest, follows_the_journal_and_settles_the_rest_when_stopped) {
    TestBooks t(GetParam(), JournalOptions::Sync::durable);
    SettlerOptions options = t.settler_options();
    options.batch_interval_ms = 1;
    Settler settler(options);
    settler.start(t.journal.get());
    t.append(t.event());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (settler.stats().events < 1 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    EXPECT_EQ(settler.stats().events, 1U) << settler.stats().last_error;
    for (int i = 0; i < 500; ++i) t.append(t.event());
    ASSERT_TRUE(wait_durable(*t.journal, t.end));
    settler.stop();
    EXPECT_EQ(settler.stats().last_error, "");
    EXPECT_EQ(settler.stats().events, 501U);
    EXPECT_EQ(settler.stats().position, t.end);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 501);
}

TEST_P(SettlerTest, tries_again_when_the_store_comes_back) {
    TestBooks t(GetParam(), JournalOptions::Sync::durable);
    Fuse fuse{.calls_left = 3};
    SettlerOptions options = fragile(t, &fuse);
    options.batch_interval_ms = 1;
    t.append(t.event());
    Settler settler(options);
    settler.start(t.journal.get());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (settler.stats().events < 1 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    settler.stop();
    EXPECT_EQ(settler.stats().events, 1U);
    EXPECT_EQ(settler.stats().last_error, "") << "of the past";
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 1);
}

}  // namespace
}  // namespace tg
