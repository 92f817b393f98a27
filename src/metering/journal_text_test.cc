#include "metering/journal_text.h"

#include "metering/test_journal.h"

namespace tg {
namespace {

JournalOptions fast_journal(const TempDirectory& dir, TestFs& fs) {
    JournalOptions options = small_journal(dir);
    options.fs = &fs;
    return options;
}

TEST(JournalText, records_as_json_lines) {
    const TempDirectory dir;
    TestFs fs;
    ManualClock clock(kTestTime);
    JournalOptions options = fast_journal(dir, fs);
    options.clock = &clock;
    auto journal = must_open(options);
    ReservedRecord reserved = test_reserved(1);
    reserved.flags = kEventStream;
    reserved.end_user = "a \"quoted\" \xff name";
    UsageEvent event = test_event(1);
    event.flags = kEventStream | kEventUnpriced | 0x1000;
    event.attempts = 2;
    journal->settle(must_reserve(*journal, reserved), event);
    journal->abandon(must_reserve(*journal, test_reserved(2)), kTestTime);
    auto reader = JournalReader::open(dir.path(), {}).value();
    std::string lines;
    for (JournalRecord record; reader->next(&record, kNoLimit).value(); lines += '\n')
        append_json(lines, record);
    const std::string id1 = test_id(1).text(), id2 = test_id(2).text();
    EXPECT_EQ(
        lines,
        R"({"at":"1:4096","kind":"reserved","recorded_at":"2025-11-24T16:00:00Z","id":")" + id1 +
            R"(","started_at":"2025-11-24T16:00:00.000001Z","customer":7,"project":70,"key":700,)"
            R"("endpoint":"chat_completions","service_tier":"standard","flags":["stream"],"price_version":3,)"
            R"("estimated_input_tokens":1001,"estimated_output_tokens":256,"model":"gpt-4o-mini",)"
            R"("deployment":"eu-1","provider":"openai","region":"eu-west","end_user":"a \"quoted\" )"
            "\xef\xbf\xbd"
            R"( name"})"
            "\n"
            R"({"at":"1:4232","kind":"settled","recorded_at":"2025-11-24T16:00:00Z","id":")" +
            id1 +
            R"(","started_at":"2025-11-24T16:00:00.000001Z","ended_at":"2025-11-24T16:00:00.900001Z",)"
            R"("customer":7,"project":70,"key":700,"endpoint":"chat_completions","service_tier":"standard",)"
            R"("source":"provider","outcome":"ok","http_status":200,"flags":["stream","unpriced",4096],)"
            R"("attempts":2,"price_version":3,"first_byte_ms":321,"model":"gpt-4o-mini",)"
            R"("upstream_model":"gpt-4o-mini-2024-07-18","deployment":"eu-1","provider":"openai",)"
            R"("region":"eu-west","end_user":"user-42","upstream_request_id":"req_0123456789abcdef",)"
            R"("usage":{"input":901,"cache_read":128,"output":77}})"
            "\n"
            R"({"at":"1:4416","kind":"reserved","recorded_at":"2025-11-24T16:00:00Z","id":")" +
            id2 +
            R"(","started_at":"2025-11-24T16:00:00.000002Z","customer":7,"project":70,"key":700,)"
            R"("endpoint":"chat_completions","service_tier":"standard","flags":[],"price_version":3,)"
            R"("estimated_input_tokens":1002,"estimated_output_tokens":256,"model":"gpt-4o-mini",)"
            R"("deployment":"eu-1","provider":"openai","region":"eu-west","end_user":"user-42"})"
            "\n"
            R"({"at":"1:4544","kind":"abandoned","recorded_at":"2025-11-24T16:00:00Z","id":")" +
            id2 + R"(","abandoned_at":"2025-11-24T16:00:00Z"})" + "\n");
}

TEST(JournalVerify, counts_a_sound_journal_also_while_it_is_written) {
    const TempDirectory dir;
    TestFs fs;
    ManualClock clock(kTestTime);
    JournalOptions options = fast_journal(dir, fs);
    options.clock = &clock;
    auto journal = must_open(options);
    for (std::uint64_t n = 0; n < 700; ++n) {
        const Reservation reservation = must_reserve(*journal, test_reserved(n));
        if (n % 100 == 1) continue;
        if (n % 100 == 2) {
            journal->abandon(reservation, clock.now());
        } else {
            journal->settle(reservation, test_event(n));
        }
        clock.advance_micros(1000);
    }
    const auto check = [&](std::uint64_t open, std::uint64_t unconfirmed) {
        const JournalSummary summary = verify_journal(dir.path()).value();
        EXPECT_TRUE(summary.is_sound()) << to_json(summary);
        EXPECT_EQ(summary.reserved, 700u);
        EXPECT_EQ(summary.abandoned, 7u);
        EXPECT_EQ(summary.settled, 686 + unconfirmed);
        EXPECT_EQ(summary.unconfirmed, unconfirmed);
        EXPECT_EQ(summary.open_reservations, open);
        EXPECT_EQ(summary.first_segment, 1u);
        EXPECT_EQ(summary.first_recorded_at, kTestTime);
        EXPECT_GT(summary.last_recorded_at, kTestTime);
        EXPECT_GT(summary.segments, 2u);
        EXPECT_GT(summary.file_bytes, summary.record_bytes);
    };
    check(7, 0);
    journal->close();
    check(7, 0);
    journal = must_open(options);
    check(0, 7);
}

TEST(JournalVerify, reports_damage_and_reads_on_in_the_next_segment) {
    const TempDirectory dir;
    TestFs fs;
    auto journal = must_open(fast_journal(dir, fs));
    for (std::uint64_t n = 0; n < 700; ++n) {
        journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n));
    }
    journal->close();
    const ReadResult all = read_all(dir.path());
    const OwnedRecord* damaged = nullptr;
    for (const OwnedRecord& record : all.records) {
        if (damaged == nullptr && record.at.segment() == 2 && record.at.offset() > 30'000)
            damaged = &record;
    }
    ASSERT_NE(damaged, nullptr);
    const std::string file = segment_file(dir.path(), 2);
    Bytes bytes = read_file(file);
    bytes[damaged->at.offset() + 50] ^= 2;
    write_file(file, bytes);
    const JournalSummary summary = verify_journal(dir.path()).value();
    ASSERT_EQ(summary.problem_count, 1u) << to_json(summary);
    EXPECT_EQ(summary.problems[0].file, file);
    EXPECT_EQ(summary.problems[0].offset, damaged->at.offset());
    EXPECT_NE(summary.problems[0].what.find("checksum"), std::string::npos);
    EXPECT_EQ(summary.last_recorded_at, verify_journal(dir.path()).value().last_recorded_at);
    EXPECT_LT(summary.reserved, 700u);
    EXPECT_GT(summary.reserved, 350u);

    std::filesystem::remove(file);
    const JournalSummary without = verify_journal(dir.path()).value();
    ASSERT_EQ(without.problem_count, 1u) << to_json(without);
    EXPECT_EQ(without.problems[0].file, file);
    EXPECT_NE(to_json(without).find("\"sound\":false"), std::string::npos);
}

TEST(JournalVerify, torn_tail_says_what_the_next_start_will_do) {
    const TempDirectory dir;
    TestFs fs;
    auto journal = must_open(fast_journal(dir, fs));
    for (std::uint64_t n = 0; n < 4; ++n) {
        journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n));
    }
    journal->close();
    const OwnedRecord last = read_all(dir.path()).records.back();
    const std::string file = segment_file(dir.path(), 1);
    Bytes bytes = read_file(file);
    set_durable_end(bytes, 1, last.at.offset());
    bytes[last.at.offset() + 50] ^= 2;
    write_file(file, bytes);
    const JournalSummary summary = verify_journal(dir.path()).value();
    ASSERT_EQ(summary.problem_count, 1u);
    EXPECT_EQ(summary.problems[0].offset, last.at.offset());
    EXPECT_NE(summary.problems[0].what.find("next start"), std::string::npos);
    EXPECT_EQ(summary.open_reservations, 1u);
}

/// Appends sealed records to a journal that is not open, as a faulty writer would.
void append_records(const std::string& directory,
                    const std::vector<journal::RecordBuffer*>& records) {
    const std::string file = segment_file(directory, 1);
    Bytes bytes = read_file(file);
    std::uint64_t sequence = 1 + read_all(directory).records.size();
    for (journal::RecordBuffer* record : records) {
        record->seal(sequence++, kTestTime);
        bytes.insert(bytes.end(), record->data(), record->data() + record->length());
    }
    write_file(file, bytes);
}

TEST(JournalVerify, finds_calls_ended_twice_or_never_begun) {
    const TempDirectory dir;
    TestFs fs;
    auto journal = must_open(fast_journal(dir, fs));
    journal->settle(must_reserve(*journal, test_reserved(1)), test_event(1));
    must_reserve(*journal, test_reserved(2));
    journal->close();
    journal::RecordBuffer twice, never, reserved_again, open_again;
    twice.encode(test_event(1));
    never.encode_abandoned(test_id(77), kTestTime);
    reserved_again.encode(test_reserved(1));
    open_again.encode(test_reserved(2));
    append_records(dir.path(), {&twice, &never, &reserved_again, &open_again});
    const JournalSummary summary = verify_journal(dir.path()).value();
    ASSERT_EQ(summary.problem_count, 4u) << to_json(summary);
    EXPECT_EQ(summary.problems[0].what, test_id(1).text() + " is ended a second time");
    EXPECT_EQ(summary.problems[1].what,
              test_id(77).text() + " is ended without having been reserved");
    EXPECT_EQ(summary.problems[2].what, test_id(1).text() + " is reserved again after it ended");
    EXPECT_EQ(summary.problems[3].what,
              test_id(2).text() + " is reserved a second time while it is open");
}

TEST(JournalVerify, sequence_numbers_show_a_record_left_out) {
    const TempDirectory dir;
    TestFs fs;
    auto journal = must_open(fast_journal(dir, fs));
    for (std::uint64_t n = 0; n < 4; ++n) {
        journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n));
    }
    journal->close();
    const ReadResult all = read_all(dir.path());
    const std::string file = segment_file(dir.path(), 1);
    Bytes bytes = read_file(file);
    bytes.erase(bytes.begin() + all.records[3].at.offset(),
                bytes.begin() + all.records[3].end.offset());
    write_file(file, bytes);
    const JournalSummary summary = verify_journal(dir.path()).value();
    ASSERT_EQ(summary.problem_count, 1u);
    EXPECT_NE(summary.problems[0].what.find("sequence"), std::string::npos);
    EXPECT_EQ(summary.problems[0].offset, all.records[3].at.offset());
    EXPECT_FALSE(UsageJournal::open(fast_journal(dir, fs)).ok());
}

TEST(JournalVerify, damaged_header_is_a_problem_no_journal_is_an_error) {
    const TempDirectory dir;
    TestFs fs;
    must_open(fast_journal(dir, fs))->close();
    const std::string file = segment_file(dir.path(), 1);
    Bytes bytes = read_file(file);
    bytes[3] = 'x';
    write_file(file, bytes);
    EXPECT_EQ(verify_journal(dir.path()).value().problem_count, 1u);
    std::filesystem::remove(file);
    EXPECT_EQ(verify_journal(dir.path()).error().code, ErrorCode::not_found);
    EXPECT_EQ(verify_journal(dir.path() + "/none").error().code, ErrorCode::io_error);
}

}  // namespace
}  // namespace tg
