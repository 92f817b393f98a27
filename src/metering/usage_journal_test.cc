#include "metering/usage_journal.h"

#include <fstream>
#include <thread>

#include "metering/test_journal.h"

namespace tg {
namespace {

std::string text_of(std::size_t size) {
    std::string out(size, 'x');
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + i % 26);
    return out;
}

TEST(UsageJournal, reads_back_every_field_of_a_reservation) {
    const TempDirectory dir;
    ManualClock clock(kTestTime);
    JournalOptions options = small_journal(dir);
    options.clock = &clock;
    auto journal = must_open(options);
    ReservedRecord in;
    in.id = {0x0123456789abcdef, 0xfedcba9876543210};
    in.payer = {CustomerId(0xffffffff), ProjectId(2), KeyId(3)};
    in.started_at = {-5};
    in.endpoint = Endpoint::realtime;
    in.tier = ServiceTier::scale;
    in.flags = 0xffff;
    in.price_version = PriceVersionId(4'000'000'000);
    in.estimated_input_tokens = std::numeric_limits<std::int64_t>::max();
    in.estimated_output_tokens = std::numeric_limits<std::int64_t>::min();
    in.model = "模型";
    in.deployment = "";
    in.provider = "p";
    in.region = std::string_view("a\0b", 3);
    in.end_user = "用户 \xf0\x9f\x98\x80";
    const Reservation reservation = must_reserve(*journal, in);
    EXPECT_EQ(reservation.id, in.id);

    auto reader = JournalReader::open(dir.path(), {}).value();
    JournalRecord out;
    ASSERT_TRUE(reader->next(&out, kNoLimit).value());
    EXPECT_EQ(out.kind, RecordKind::reserved);
    EXPECT_EQ(out.recorded_at, kTestTime);
    EXPECT_EQ(out.reserved.id, in.id);
    EXPECT_EQ(out.reserved.payer.customer, in.payer.customer);
    EXPECT_EQ(out.reserved.payer.project, in.payer.project);
    EXPECT_EQ(out.reserved.payer.key, in.payer.key);
    EXPECT_EQ(out.reserved.started_at, in.started_at);
    EXPECT_EQ(out.reserved.endpoint, in.endpoint);
    EXPECT_EQ(out.reserved.tier, in.tier);
    EXPECT_EQ(out.reserved.flags, in.flags);
    EXPECT_EQ(out.reserved.price_version, in.price_version);
    EXPECT_EQ(out.reserved.estimated_input_tokens, in.estimated_input_tokens);
    EXPECT_EQ(out.reserved.estimated_output_tokens, in.estimated_output_tokens);
    EXPECT_EQ(out.reserved.model, in.model);
    EXPECT_EQ(out.reserved.deployment, in.deployment);
    EXPECT_EQ(out.reserved.provider, in.provider);
    EXPECT_EQ(out.reserved.region, in.region);
    EXPECT_EQ(out.reserved.end_user, in.end_user);
    EXPECT_FALSE(reader->next(&out, kNoLimit).value());
}

TEST(UsageJournal, reads_back_every_field_of_an_event) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    UsageEvent in = test_event(1);
    in.ended_at = {std::numeric_limits<std::int64_t>::max()};
    in.endpoint = Endpoint::audio_speech;
    in.tier = ServiceTier::fast;
    in.source = UsageSource::estimated;
    in.outcome = Outcome::unreachable;
    in.http_status = 599;
    in.flags = kEventStream | kEventUsageMismatch;
    in.attempts = 65535;
    in.first_byte_ms = 0xffffffff;
    for (int i = 0; i < kMeterCount; ++i) {
        in.usage.quantity[static_cast<std::size_t>(i)] = std::int64_t{1}
                                                         << (i * 62 / (kMeterCount - 1));
    }
    const Lsn end = journal->settle(must_reserve(*journal, test_reserved(1)), in);

    auto reader = JournalReader::open(dir.path(), {}).value();
    JournalRecord out;
    ASSERT_TRUE(reader->next(&out, kNoLimit).value());
    ASSERT_TRUE(reader->next(&out, kNoLimit).value());
    EXPECT_EQ(out.kind, RecordKind::settled);
    EXPECT_EQ(out.end, end);
    EXPECT_EQ(out.event.id, in.id);
    EXPECT_EQ(out.event.payer.customer, in.payer.customer);
    EXPECT_EQ(out.event.payer.project, in.payer.project);
    EXPECT_EQ(out.event.payer.key, in.payer.key);
    EXPECT_EQ(out.event.started_at, in.started_at);
    EXPECT_EQ(out.event.ended_at, in.ended_at);
    EXPECT_EQ(out.event.endpoint, in.endpoint);
    EXPECT_EQ(out.event.tier, in.tier);
    EXPECT_EQ(out.event.source, in.source);
    EXPECT_EQ(out.event.outcome, in.outcome);
    EXPECT_EQ(out.event.http_status, in.http_status);
    EXPECT_EQ(out.event.flags, in.flags);
    EXPECT_EQ(out.event.attempts, in.attempts);
    EXPECT_EQ(out.event.price_version, in.price_version);
    EXPECT_EQ(out.event.first_byte_ms, in.first_byte_ms);
    EXPECT_EQ(out.event.model, in.model);
    EXPECT_EQ(out.event.upstream_model, in.upstream_model);
    EXPECT_EQ(out.event.deployment, in.deployment);
    EXPECT_EQ(out.event.provider, in.provider);
    EXPECT_EQ(out.event.region, in.region);
    EXPECT_EQ(out.event.end_user, in.end_user);
    EXPECT_EQ(out.event.upstream_request_id, in.upstream_request_id);
    EXPECT_EQ(out.event.asked_model, in.asked_model);
    EXPECT_EQ(out.event.usage, in.usage);
}

TEST(UsageJournal, every_enumerator_survives_the_journal) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    for (int i = 0; i < kEndpointCount; ++i) {
        const auto n = static_cast<std::uint64_t>(i);
        UsageEvent event = test_event(n);
        event.endpoint = static_cast<Endpoint>(i);
        event.outcome = static_cast<Outcome>(i % kOutcomeCount);
        event.tier = static_cast<ServiceTier>(i % kServiceTierCount);
        event.source = static_cast<UsageSource>(i % 4);
        journal->settle(must_reserve(*journal, test_reserved(n)), event);
    }
    auto reader = JournalReader::open(dir.path(), {}).value();
    JournalRecord out;
    for (int i = 0; i < kEndpointCount; ++i) {
        ASSERT_TRUE(reader->next(&out, kNoLimit).value());
        ASSERT_TRUE(reader->next(&out, kNoLimit).value());
        EXPECT_EQ(static_cast<int>(out.event.endpoint), i);
        EXPECT_EQ(static_cast<int>(out.event.outcome), i % kOutcomeCount);
        EXPECT_EQ(static_cast<int>(out.event.tier), i % kServiceTierCount);
        EXPECT_EQ(static_cast<int>(out.event.source), i % 4);
    }
}

TEST(UsageJournal, abandoned_reservation_is_read_back) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    journal->abandon(must_reserve(*journal, test_reserved(5)), {kTestTime.micros + 77});
    auto reader = JournalReader::open(dir.path(), {}).value();
    JournalRecord out;
    ASSERT_TRUE(reader->next(&out, kNoLimit).value());
    ASSERT_TRUE(reader->next(&out, kNoLimit).value());
    EXPECT_EQ(out.kind, RecordKind::abandoned);
    EXPECT_EQ(out.abandoned_id, test_id(5));
    EXPECT_EQ(out.abandoned_at.micros, kTestTime.micros + 77);
    EXPECT_EQ(journal->stats().open_reservations, 0u);
}

struct TextCase {
    const char* what;
    std::string in, out;
};

TEST(UsageJournal, long_texts_are_cut_at_a_character) {
    const std::string han = "\xe6\xa8\xa1", smile = "\xf0\x9f\x98\x80";
    const TextCase cases[] = {
        {"empty", "", ""},
        {"just fits", text_of(255), text_of(255)},
        {"one too long", text_of(256), text_of(255)},
        {"very long", text_of(100'000), text_of(255)},
        {"fits with its last character", text_of(252) + han, text_of(252) + han},
        {"last character over by one byte", text_of(253) + han, text_of(253)},
        {"last character over by two bytes", text_of(254) + han, text_of(254)},
        {"character begins at the limit", text_of(255) + han, text_of(255)},
        {"four bytes over by three", text_of(254) + smile + "z", text_of(254)},
        {"four bytes over by one", text_of(252) + smile + "z", text_of(252)},
        {"only tail bytes, which is no UTF-8", std::string(300, '\x80'), std::string(255, '\x80')},
    };
    for (const TextCase& c : cases) {
        SCOPED_TRACE(c.what);
        const TempDirectory dir;
        auto journal = must_open(small_journal(dir));
        UsageEvent event = test_event(1);
        event.model = event.upstream_model = event.deployment = event.provider = event.region =
            event.end_user = event.upstream_request_id = event.asked_model = c.in;
        journal->settle(must_reserve(*journal, test_reserved(1)), event);
        auto reader = JournalReader::open(dir.path(), {}).value();
        JournalRecord out;
        ASSERT_TRUE(reader->next(&out, kNoLimit).value());
        ASSERT_TRUE(reader->next(&out, kNoLimit).value());
        for (const std::string_view text :
             {out.event.model, out.event.upstream_model, out.event.deployment, out.event.provider,
              out.event.region, out.event.end_user, out.event.upstream_request_id,
              out.event.asked_model}) {
            EXPECT_EQ(text, c.out);
        }
    }
}

TEST(UsageJournal, largest_possible_record_fits_the_room_set_aside) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    const std::string longest = text_of(255);
    UsageEvent event = test_event(1);
    event.model = event.upstream_model = event.deployment = event.provider = event.region =
        event.end_user = event.upstream_request_id = event.asked_model = longest;
    event.usage.quantity.fill(-1);  // the longest varint there is
    const Lsn before = must_open(small_journal(TempDirectory()))->durable_end();
    const Reservation reservation = must_reserve(*journal, test_reserved(1));
    const Lsn end = journal->settle(reservation, event);
    const ReadResult read = read_all(dir.path());
    EXPECT_EQ(read.error, "");
    ASSERT_EQ(read.records.size(), 2u);
    EXPECT_EQ(read.records[0].at, before);
    EXPECT_EQ(read.records[1].usage, event.usage);
    EXPECT_LE(end.value - read.records[1].at.value, journal::kSettledBytesMax);
}

/// A fallback's record is of version 2, all others stay as programs of version 1 read them.
TEST(UsageJournal, the_asked_model_is_kept_and_records_without_one_stay_version_1) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    UsageEvent fallback = test_event(1);
    fallback.asked_model = "gpt-4o";
    fallback.flags = kEventFallbackModel;
    journal->settle(must_reserve(*journal, test_reserved(1)), fallback);
    journal->settle(must_reserve(*journal, test_reserved(2)), test_event(2));
    auto reader = JournalReader::open(dir.path(), {}).value();
    std::vector<std::string> asked;
    std::vector<Lsn> at;
    for (JournalRecord out; reader->next(&out, kNoLimit).value();) {
        if (out.kind != RecordKind::settled) continue;
        asked.emplace_back(out.event.asked_model);
        at.push_back(out.at);
    }
    EXPECT_EQ(asked, (std::vector<std::string>{"gpt-4o", ""}));
    std::ifstream file(dir.path() + "/journal-00000001.tgj", std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(bytes[at[0].offset() + 9], 2);
    EXPECT_EQ(bytes[at[1].offset() + 9], 1);
}

TEST(UsageJournal, rotates_with_reservations_open_across_segments) {
    const TempDirectory dir;
    constexpr std::uint64_t kCalls = 2000;
    auto journal = must_open(small_journal(dir));
    std::vector<Reservation> open;
    for (std::uint64_t n = 0; n < kCalls; ++n) {
        open.push_back(must_reserve(*journal, test_reserved(n)));
        // The first one stays open to the end, so recovery would have to begin at the first
        // segment.
        if (open.size() == 7) {
            journal->settle(open[3], test_event(open[3].id.low));
            open.erase(open.begin() + 3);
        }
    }
    EXPECT_EQ(journal->stats().open_reservations, open.size());
    Lsn last;
    for (const Reservation& reservation : open)
        last = journal->settle(reservation, test_event(reservation.id.low));
    EXPECT_GT(last.segment(), 5u);
    EXPECT_TRUE(wait_durable(*journal, last));
    EXPECT_EQ(journal->durable_end(), last);

    const ReadResult read = read_all(dir.path(), {}, journal->durable_end());
    EXPECT_EQ(read.error, "");
    ASSERT_EQ(read.records.size(), 2 * kCalls);
    std::vector<int> reserved(kCalls), settled(kCalls);
    Lsn before;
    for (const OwnedRecord& record : read.records) {
        EXPECT_LT(before, record.end);
        before = record.end;
        ++(record.kind == RecordKind::reserved ? reserved : settled)[record.id.low];
    }
    EXPECT_EQ(reserved, std::vector<int>(kCalls, 1));
    EXPECT_EQ(settled, std::vector<int>(kCalls, 1));

    // Every position a reader stops at is one to begin at.
    for (std::size_t i = 0; i < read.records.size(); i += 37) {
        EXPECT_EQ(read_all(dir.path(), read.records[i].end).records.size(),
                  read.records.size() - i - 1);
    }
    journal->close();
    journal = must_open(small_journal(dir));
    EXPECT_EQ(journal->stats().recovered_unconfirmed, 0u);
    EXPECT_EQ(read_all(dir.path()).records.size(), 2 * kCalls);
}

TEST(UsageJournal, goes_on_after_reopening_with_another_segment_size) {
    const TempDirectory dir;
    JournalOptions options = small_journal(dir);
    std::uint64_t n = 0;
    for (const std::uint32_t size : {64U << 10, 256U << 10, 65U << 10, 64U << 10, 1U << 20}) {
        options.segment_bytes = size;
        auto journal = must_open(options);
        for (int i = 0; i < 300; ++i, ++n)
            journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n));
    }
    const ReadResult read = read_all(dir.path());
    EXPECT_EQ(read.error, "");
    ASSERT_EQ(read.records.size(), 2 * n);
    for (std::size_t i = 0; i < read.records.size(); ++i)
        EXPECT_EQ(read.records[i].id, test_id(i / 2));
}

TEST(UsageJournal, closing_gives_back_the_space_allocated_ahead) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    const Lsn end = journal->settle(must_reserve(*journal, test_reserved(1)), test_event(1));
    EXPECT_TRUE(std::filesystem::exists(segment_file(dir.path(), 2)));
    journal->close();
    EXPECT_EQ(std::filesystem::file_size(segment_file(dir.path(), 1)), end.offset());
    EXPECT_FALSE(std::filesystem::exists(segment_file(dir.path(), 2)));
    EXPECT_EQ(journal->durable_end(), end);
    EXPECT_FALSE(journal->accepts_requests());
    EXPECT_EQ(journal->failure(), "the journal is closed");
    const auto refused = journal->reserve(test_reserved(2));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::journal_unavailable);
}

TEST(UsageJournal, full_segments_are_trimmed) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    for (std::uint64_t n = 0; n < 1000; ++n) {
        journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n));
    }
    journal->close();
    for (std::uint32_t number = 1; std::filesystem::exists(segment_file(dir.path(), number + 1));
         ++number) {
        const Bytes bytes = read_file(segment_file(dir.path(), number));
        ASSERT_GE(bytes.size(), journal::kHeaderBytes + journal::kFrameBytes);
        const auto last = journal::frame_header(bytes.data() + bytes.size() - journal::kFrameBytes);
        EXPECT_EQ(last.kind(), journal::kKindSegmentEnd);
        EXPECT_EQ(last.length, journal::kFrameBytes);
    }
}

TEST(UsageJournal, second_opener_is_told_who_holds_it) {
    const TempDirectory dir;
    const auto journal = must_open(small_journal(dir));
    const auto second = UsageJournal::open(small_journal(dir));
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
    EXPECT_NE(second.error().detail.find("process " + std::to_string(::getpid())),
              std::string::npos)
        << second.error().text();
}

TEST(UsageJournal, impossible_options_are_refused) {
    const TempDirectory dir;
    JournalOptions options = small_journal(dir);
    for (const std::uint32_t size : {0U, 4096U, (64U << 10) - 1, (1U << 30) + 1}) {
        options.segment_bytes = size;
        const auto journal = UsageJournal::open(options);
        ASSERT_FALSE(journal.ok());
        EXPECT_EQ(journal.error().code, ErrorCode::invalid_config);
    }
    options = small_journal(dir);
    options.directory = "/proc/no/such/place";
    const auto journal = UsageJournal::open(options);
    ASSERT_FALSE(journal.ok());
    EXPECT_EQ(journal.error().code, ErrorCode::io_error);
    EXPECT_NE(journal.error().detail.find("/proc/no/such/place"), std::string::npos);
}

TEST(UsageJournal, relaxed_waiters_are_told_at_once_on_this_thread) {
    const TempDirectory dir;
    JournalOptions options = small_journal(dir);
    options.sync = JournalOptions::Sync::relaxed;
    auto journal = must_open(options);
    const Lsn end = journal->settle(must_reserve(*journal, test_reserved(1)), test_event(1));
    TestWaiter waiter;
    journal->notify_when_durable(end, &waiter);
    EXPECT_EQ(waiter.calls(), 1);
    // It becomes durable all the same.
    Lsn durable = journal->durable_end();
    while (durable < end) durable = journal->wait_for_more(durable, 60'000'000);
    EXPECT_EQ(durable, end);
}

TEST(UsageJournal, already_durable_waiter_is_told_at_once) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    const Lsn end = journal->settle(must_reserve(*journal, test_reserved(1)), test_event(1));
    EXPECT_TRUE(wait_durable(*journal, end));
    TestWaiter waiter;
    journal->notify_when_durable(end, &waiter);
    EXPECT_EQ(waiter.calls(), 1);
}

TEST(UsageJournal, wait_for_more_returns_after_its_timeout_and_on_close) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    const Lsn before = journal->durable_end();
    EXPECT_EQ(journal->wait_for_more(before, 1000), before);
    std::thread closer([&] { journal->close(); });
    EXPECT_EQ(journal->wait_for_more(before, 600'000'000), before);
    closer.join();
}

TEST(JournalReader, position_that_is_not_there_is_refused) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    journal->reserve(test_reserved(1)).value();
    for (const Lsn from : {Lsn{std::uint64_t{9} << 32}, Lsn{(std::uint64_t{1} << 32) + 100},
                           Lsn{(std::uint64_t{1} << 32) + journal::kHeaderBytes + 3}}) {
        const auto reader = JournalReader::open(dir.path(), from);
        ASSERT_FALSE(reader.ok());
        EXPECT_EQ(reader.error().code, ErrorCode::corrupt_data);
    }
    const auto nowhere = JournalReader::open(dir.path() + "/none", {});
    ASSERT_FALSE(nowhere.ok());
    EXPECT_EQ(nowhere.error().code, ErrorCode::io_error);
}

TEST(JournalReader, stops_at_its_limit) {
    const TempDirectory dir;
    auto journal = must_open(small_journal(dir));
    for (std::uint64_t n = 0; n < 10; ++n) {
        journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n));
    }
    const ReadResult all = read_all(dir.path());
    ASSERT_EQ(all.records.size(), 20u);
    for (std::size_t i = 0; i < all.records.size(); ++i) {
        EXPECT_EQ(read_all(dir.path(), {}, all.records[i].end).records.size(), i + 1);
        EXPECT_EQ(read_all(dir.path(), {}, all.records[i].at).records.size(), i);
    }
}

TEST(JournalReader, empty_directory_has_no_records_until_a_writer_comes) {
    const TempDirectory dir;
    std::filesystem::create_directory(dir.path());
    auto reader = JournalReader::open(dir.path(), {}).value();
    JournalRecord record;
    EXPECT_FALSE(reader->next(&record, kNoLimit).value());
    EXPECT_EQ(reader->position(), Lsn{});
    auto journal = must_open(small_journal(dir));
    EXPECT_FALSE(reader->next(&record, kNoLimit).value());
    journal->reserve(test_reserved(1)).value();
    EXPECT_TRUE(reader->next(&record, kNoLimit).value());
    EXPECT_EQ(record.reserved.id, test_id(1));
}

TEST(JournalReader, a_journal_that_is_gone_is_damage_to_who_knows_how_far_it_reached) {
    const TempDirectory dir;
    std::filesystem::create_directory(dir.path());
    auto reader = JournalReader::open(dir.path(), {}).value();
    JournalRecord record;
    const Result<bool> next = reader->next(&record, Lsn{(std::uint64_t{1} << 32) + 4096});
    ASSERT_FALSE(next.ok());
    EXPECT_EQ(next.error().code, ErrorCode::corrupt_data);
    EXPECT_NE(next.error().detail.find("has no segments"), std::string::npos);
    EXPECT_FALSE(reader->next(&record, Lsn{}).value()) << "nothing was ever written";
}

TEST(UsageEvent, names_are_stable) {
    EXPECT_EQ(name(Endpoint::other), "other");
    EXPECT_EQ(name(Endpoint::chat_completions), "chat_completions");
    EXPECT_EQ(name(Endpoint::realtime), "realtime");
    EXPECT_EQ(name(Outcome::ok), "ok");
    EXPECT_EQ(name(Outcome::crash), "crash");
}

}  // namespace
}  // namespace tg
