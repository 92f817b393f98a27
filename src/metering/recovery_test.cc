// What open() makes of a journal that was not closed, was torn by a power cut, or is damaged.
#include <cerrno>
#include <map>

#include "metering/journal_text.h"
#include "metering/test_journal.h"

namespace tg {
namespace {

using journal::kFrameBytes;
using journal::kHeaderBytes;

class RecoveryTest : public testing::Test {
  protected:
    JournalOptions options(const std::string& directory) {
        JournalOptions out;
        out.directory = directory;
        out.segment_bytes = 64U << 10;
        out.fs = &fs_;
        out.clock = &clock_;
        return out;
    }
    std::unique_ptr<UsageJournal> open() { return must_open(options(dir_.path())); }
    std::string path() const { return dir_.path(); }
    std::string file(std::uint32_t number = 1) const { return segment_file(dir_.path(), number); }

    void settle_calls(UsageJournal& journal, std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t n = from; n < to; ++n) {
            journal.settle(must_reserve(journal, test_reserved(n)), test_event(n));
        }
    }
    std::string open_error() {
        auto journal = UsageJournal::open(options(dir_.path()));
        if (journal.ok()) return "opened";
        EXPECT_EQ(journal.error().code, ErrorCode::corrupt_data);
        return journal.error().detail;
    }

    TempDirectory dir_;
    TestFs fs_;
    ManualClock clock_{kTestTime};
};

/// How often each id was reserved and ended; the test fails where it is not once.
void expect_each_ended_once(const std::vector<OwnedRecord>& records) {
    std::map<RequestId, std::pair<int, int>> seen;
    for (const OwnedRecord& record : records) {
        auto& [reserved, ended] = seen[record.id];
        ++(record.kind == RecordKind::reserved ? reserved : ended);
    }
    for (const auto& [id, counts] : seen)
        EXPECT_EQ(counts, (std::pair<int, int>{1, 1})) << id.text();
}

TEST_F(RecoveryTest, reservation_without_end_is_settled_as_unconfirmed) {
    auto journal = open();
    settle_calls(*journal, 0, 3);
    must_reserve(*journal, test_reserved(10));
    clock_.advance_micros(5'000'000);
    const UtcMicros last = clock_.now();
    must_reserve(*journal, test_reserved(11));
    journal->close();

    clock_.advance_micros(40LL * 86'400 * 1'000'000);
    const int syncs = fs_.syncs;
    journal = open();
    EXPECT_EQ(journal->stats().recovered_unconfirmed, 2u);
    EXPECT_EQ(journal->stats().open_reservations, 0u);
    EXPECT_GT(fs_.syncs, syncs);
    const ReadResult read = read_all(path(), {}, journal->durable_end());
    ASSERT_EQ(read.records.size(), 10u) << read.error;
    for (const std::uint64_t n : {10, 11}) {
        const OwnedRecord& record = read.records[n - 2];
        EXPECT_EQ(record.kind, RecordKind::settled);
        EXPECT_EQ(record.id, test_id(n));
        EXPECT_EQ(record.source, UsageSource::unconfirmed);
        EXPECT_EQ(record.outcome, Outcome::crash);
        EXPECT_EQ(record.usage[Meter::input], test_reserved(n).estimated_input_tokens);
        EXPECT_EQ(record.usage[Meter::output], test_reserved(n).estimated_output_tokens);
        EXPECT_EQ(record.model, "gpt-4o-mini");
        // The month the gate died in, not the one it was started again in.
        EXPECT_EQ(record.ended_at, last);
    }
    journal->close();
    journal = open();
    EXPECT_EQ(journal->stats().recovered_unconfirmed, 0u);
}

TEST_F(RecoveryTest, open_reservations_of_old_segments_are_found) {
    auto journal = open();
    std::vector<std::uint64_t> open_ids;
    for (std::uint64_t n = 0; n < 900; ++n) {
        const Reservation reservation = must_reserve(*journal, test_reserved(n));
        if (n % 97 == 5) {
            open_ids.push_back(n);
        } else if (n % 10 == 3) {
            journal->abandon(reservation, clock_.now());
        } else {
            journal->settle(reservation, test_event(n));
        }
    }
    journal->close();
    const TempDirectory copy;
    copy_journal(path(), copy.path());
    auto recovered = must_open(options(copy.path()));
    EXPECT_EQ(recovered->stats().recovered_unconfirmed, open_ids.size());
    const ReadResult read = read_all(copy.path());
    EXPECT_EQ(read.error, "");
    expect_each_ended_once(read.records);
    std::vector<std::uint64_t> unconfirmed;
    for (const OwnedRecord& record : read.records) {
        if (record.source == UsageSource::unconfirmed) unconfirmed.push_back(record.id.low);
    }
    EXPECT_EQ(unconfirmed, open_ids);
}

TEST_F(RecoveryTest, recovery_that_needs_new_segments_makes_them) {
    auto journal = open();
    std::uint64_t n = 0;
    // As many open reservations as the journal lets in: their ends do not fit the current segment.
    while (journal->reserve(test_reserved(n)).ok()) ++n;
    ASSERT_GT(n, 20u);
    for (; n < 4000; ++n) {
        if (auto reservation = journal->reserve(test_reserved(n)); !reservation.ok()) break;
    }
    journal->close();
    const TempDirectory copy;
    copy_journal(path(), copy.path());
    auto recovered = must_open(options(copy.path()));
    const ReadResult read = read_all(copy.path());
    EXPECT_EQ(read.error, "");
    expect_each_ended_once(read.records);
}

TEST_F(RecoveryTest, interrupted_recovery_is_taken_up_again) {
    auto journal = open();
    for (std::uint64_t n = 0; n < 40; ++n) must_reserve(*journal, test_reserved(n));
    journal->close();
    const TempDirectory image, copy;
    copy_journal(path(), image.path());
    int attempts = 0;
    for (bool is_through = false; !is_through; ++attempts) {
        SCOPED_TRACE("failing from sync " + std::to_string(attempts) + " on");
        copy_journal(image.path(), copy.path());
        fs_.fail_from_sync = fs_.syncs + attempts + 1;
        fs_.sync_error = EIO;
        {
            auto broken = UsageJournal::open(options(copy.path()));
            is_through = broken.ok();
            if (!is_through) {
                EXPECT_EQ(broken.error().code, ErrorCode::io_error);
            } else {
                EXPECT_TRUE(
                    eventually([&] { return !(*broken)->failure().empty() || attempts > 4; }));
            }
        }
        fs_.sync_error = 0;
        auto recovered = must_open(options(copy.path()));
        const ReadResult read = read_all(copy.path());
        EXPECT_EQ(read.error, "");
        EXPECT_EQ(read.records.size(), 80u);
        expect_each_ended_once(read.records);
    }
    EXPECT_GE(attempts, 3);
}

TEST_F(RecoveryTest, torn_tail_is_cut_at_every_byte_of_the_last_record) {
    auto journal = open();
    settle_calls(*journal, 0, 5);
    const Lsn end = journal->settle(must_reserve(*journal, test_reserved(5)), test_event(5));
    journal->close();
    const std::uint32_t last = read_all(path()).records.back().at.offset();
    Bytes whole = read_file(file());
    ASSERT_EQ(whole.size(), end.offset());
    set_durable_end(whole, 1, last);
    enum class Tear : std::uint8_t { zero, garbage, missing };
    for (const Tear tear : {Tear::zero, Tear::garbage, Tear::missing}) {
        for (std::uint32_t from = last; from < end.offset(); ++from) {
            SCOPED_TRACE("tear " + std::to_string(static_cast<int>(tear)) + " at " +
                         std::to_string(from));
            Bytes torn = whole;
            if (tear == Tear::missing) torn.resize(from);
            for (std::uint32_t i = from; i < torn.size(); ++i) {
                torn[i] = tear == Tear::zero ? 0 : static_cast<std::uint8_t>(whole[i] ^ (0x5a + i));
            }
            write_file(file(), torn);
            const bool is_whole = torn == whole;
            // What is not zero and is cut; a reader in another process sees the same records, or
            // names the damage.
            std::size_t written = torn.size();
            while (written > last && torn[written - 1] == 0) --written;
            const ReadResult before = read_all(path());
            EXPECT_EQ(before.records.size(), is_whole ? 12u : 11u);

            auto recovered = open();
            ASSERT_NE(recovered, nullptr);
            EXPECT_EQ(recovered->stats().cut_bytes, is_whole ? 0 : written - last);
            EXPECT_EQ(recovered->stats().recovered_unconfirmed, is_whole ? 0u : 1u);
            settle_calls(*recovered, 6, 7);
            const ReadResult after = read_all(path());
            EXPECT_EQ(after.error, "");
            ASSERT_EQ(after.records.size(), 14u);
            EXPECT_EQ(after.records[11].at.offset(), last);
            EXPECT_EQ(after.records[11].source,
                      is_whole ? UsageSource::provider : UsageSource::unconfirmed);
            expect_each_ended_once(after.records);
            if (testing::Test::HasFailure()) return;
        }
    }
}

TEST_F(RecoveryTest, whole_records_after_a_torn_one_are_cut_too) {
    auto journal = open();
    settle_calls(*journal, 0, 5);
    journal->close();
    const ReadResult all = read_all(path());
    Bytes bytes = read_file(file());
    const std::uint32_t torn = all.records[6].at.offset();
    set_durable_end(bytes, 1, torn);
    bytes[torn + 40] ^= 1;
    const std::size_t cut = bytes.size() - torn - 7;  // the last record ends with padding
    write_file(file(), bytes);
    auto recovered = open();
    EXPECT_GE(recovered->stats().cut_bytes, cut);
    EXPECT_LE(recovered->stats().cut_bytes, bytes.size() - torn);
    const ReadResult read = read_all(path());
    ASSERT_EQ(read.records.size(), 6u);
    EXPECT_EQ(read.records.back().end.offset(), torn);
}

TEST_F(RecoveryTest, flipped_bit_before_the_durable_end_is_reported_with_its_place) {
    auto journal = open();
    settle_calls(*journal, 0, 4);
    journal->close();
    const ReadResult all = read_all(path());
    const Bytes whole = read_file(file());
    std::size_t record = 0;
    for (std::uint32_t at = 0; at < whole.size(); at += at < kHeaderBytes ? 3 : 1) {
        SCOPED_TRACE("bit flipped at " + std::to_string(at));
        // A damaged copy of the state gives way to the other one.
        if ((at >= 1024 && at < 1056) || (at >= 2048 && at < 2080)) continue;
        Bytes bytes = whole;
        bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
        write_file(file(), bytes);
        const std::string error = open_error();
        EXPECT_NE(error.find(file()), std::string::npos) << error;
        EXPECT_EQ(read_file(file()), bytes) << "a damaged file is left as it is";
        if (at >= kHeaderBytes) {
            if (at >= all.records[record].end.offset()) ++record;
            const std::string place =
                "at offset " + std::to_string(all.records[record].at.offset()) + ":";
            EXPECT_NE(error.find(place), std::string::npos) << error;
            const ReadResult read = read_all(path());
            EXPECT_EQ(read.records.size(), record);
            EXPECT_NE(read.error.find(place), std::string::npos) << read.error;
        }
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_EQ(record, all.records.size() - 1);
}

TEST_F(RecoveryTest, one_damaged_copy_of_the_state_gives_way_to_the_other) {
    auto journal = open();
    settle_calls(*journal, 0, 4);
    journal->close();
    const Bytes whole = read_file(file());
    for (const std::uint32_t copy : journal::kStateOffsets) {
        for (std::uint32_t at = copy; at < copy + sizeof(journal::SegmentState); ++at) {
            Bytes bytes = whole;
            bytes[at] ^= 0x10;
            write_file(file(), bytes);
            auto recovered = open();
            ASSERT_NE(recovered, nullptr);
            EXPECT_EQ(read_all(path()).records.size(), 8u);
        }
    }
    Bytes bytes = whole;
    for (const std::uint32_t copy : journal::kStateOffsets) bytes[copy + 9] ^= 0x10;
    write_file(file(), bytes);
    EXPECT_NE(open_error().find("both copies"), std::string::npos);
}

TEST_F(RecoveryTest, zeroed_page_before_the_durable_end_is_damage_not_the_end) {
    auto journal = open();
    settle_calls(*journal, 0, 60);
    journal->close();
    Bytes bytes = read_file(file());
    std::fill(bytes.begin() + 8192, bytes.begin() + 12288, std::uint8_t{0});
    write_file(file(), bytes);
    EXPECT_NE(open_error().find("corrupt"), 0u);
    EXPECT_NE(open_error().find("durable beyond"), std::string::npos);
    EXPECT_NE(read_all(path()).error, "");
}

class ManySegmentsTest : public RecoveryTest {
  protected:
    /// A journal of at least three segments with one open reservation, in `image_`.
    void SetUp() override {
        auto journal = open();
        settle_calls(*journal, 0, 500);
        must_reserve(*journal, test_reserved(500));
        TestWaiter waiter;
        const Lsn end =
            journal->settle(must_reserve(*journal, test_reserved(501)), test_event(501));
        journal->notify_when_durable(end, &waiter);
        ASSERT_TRUE(waiter.wait());
        last_ = end.segment();
        ASSERT_GE(last_, 3u);
        journal->close();
        copy_journal(path(), image_.path());
    }
    std::string image(std::uint32_t number) const { return segment_file(image_.path(), number); }
    Result<std::unique_ptr<UsageJournal>> open_image() {
        return UsageJournal::open(options(image_.path()));
    }
    /// Takes back what the segment knows of its syncs.
    static void set_never_synced(Bytes& bytes, std::uint32_t number) {
        set_durable_end(bytes, number, 0);
    }

    TempDirectory image_;
    std::uint32_t last_ = 0;
};

TEST_F(ManySegmentsTest, missing_segment_is_reported) {
    std::filesystem::remove(image(2));
    const auto journal = open_image();
    ASSERT_FALSE(journal.ok());
    EXPECT_EQ(journal.error().code, ErrorCode::corrupt_data);
    EXPECT_NE(journal.error().detail.find(image(2)), std::string::npos) << journal.error().text();
    EXPECT_NE(read_all(image_.path()).error.find("segment 2"), std::string::npos);
}

TEST_F(ManySegmentsTest, missing_last_segment_is_reported) {
    for (std::uint32_t number = last_; std::filesystem::exists(image(number)); ++number) {
        std::filesystem::remove(image(number));
    }
    const auto journal = open_image();
    ASSERT_FALSE(journal.ok());
    EXPECT_EQ(journal.error().code, ErrorCode::corrupt_data);
    EXPECT_NE(journal.error().detail.find(image(last_)), std::string::npos)
        << journal.error().text();
    EXPECT_NE(read_all(image_.path()).error.find("segment " + std::to_string(last_)),
              std::string::npos);
    const JournalSummary summary = verify_journal(image_.path()).value();
    ASSERT_EQ(summary.problem_count, 1u);
    EXPECT_EQ(summary.problems[0].file, image(last_));
}

TEST_F(ManySegmentsTest, segment_under_a_wrong_name_is_reported) {
    std::filesystem::copy_file(image(1), image(2),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_NE(read_all(image_.path()).error.find("differs from the file's name"),
              std::string::npos);
}

TEST_F(ManySegmentsTest, old_segments_may_be_archived_when_nothing_in_them_is_open) {
    for (std::uint32_t number = 1; number < last_; ++number) std::filesystem::remove(image(number));
    const auto journal = open_image();
    ASSERT_TRUE(journal.ok()) << journal.error().text();
    EXPECT_EQ((*journal)->stats().recovered_unconfirmed, 1u);
}

TEST_F(ManySegmentsTest, segment_recovery_begins_at_must_be_there) {
    Bytes bytes = read_file(image(last_));
    journal::SegmentHeader header;
    std::uint32_t offset = 0;
    ASSERT_EQ(journal::parse_header(bytes.data(), last_, &header, &offset), nullptr);
    header.state.generation += 1;
    header.state.first_open = 1;
    header.state.crc = journal::crc_of(header.state, last_);
    std::memcpy(bytes.data() + journal::kStateOffsets[header.state.generation % 2], &header.state,
                sizeof header.state);
    write_file(image(last_), bytes);
    std::filesystem::remove(image(1));
    const auto journal = open_image();
    ASSERT_FALSE(journal.ok());
    EXPECT_NE(journal.error().detail.find("segment 1,"), std::string::npos)
        << journal.error().text();
}

// A power cut before segment N was synced whole, although N + 1 had been begun: nothing of N + 1
// was acknowledged.
TEST_F(ManySegmentsTest, tail_torn_across_two_segments_is_cut) {
    const ReadResult all = read_all(image_.path());
    const std::uint32_t torn_segment = last_ - 1;
    std::vector<OwnedRecord> kept;
    for (const OwnedRecord& record : all.records) {
        if (record.at.segment() < torn_segment ||
            (record.at.segment() == torn_segment && record.at.offset() < 20'000)) {
            kept.push_back(record);
        }
    }
    const std::uint32_t torn = kept.back().end.offset();
    Bytes bytes = read_file(image(torn_segment));
    set_durable_end(bytes, torn_segment, torn);
    bytes[torn + 30] ^= 4;
    // Recovery must not begin after the tear, so the later segment's state must not say so.
    journal::SegmentHeader header;
    std::uint32_t offset = 0;
    ASSERT_EQ(journal::parse_header(bytes.data(), torn_segment, &header, &offset), nullptr);
    write_file(image(torn_segment), bytes);
    Bytes later = read_file(image(last_));
    std::fill_n(later.begin() + journal::kStateOffsets[0], sizeof(journal::SegmentState),
                std::uint8_t{0});
    std::fill_n(later.begin() + journal::kStateOffsets[1], sizeof(journal::SegmentState),
                std::uint8_t{0});
    write_file(image(last_), later);

    auto journal = open_image();
    ASSERT_TRUE(journal.ok()) << journal.error().text();
    EXPECT_GT((*journal)->stats().cut_bytes, 40'000u);
    const ReadResult read = read_all(image_.path());
    EXPECT_EQ(read.error, "");
    ASSERT_GE(read.records.size(), kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(read.records[i].at, kept[i].at);
    expect_each_ended_once(read.records);
    settle_calls(**journal, 1000, 1500);
    const ReadResult after = read_all(image_.path());
    EXPECT_EQ(after.error, "");
    EXPECT_EQ(after.records.size(), read.records.size() + 1000);
}

TEST_F(ManySegmentsTest, damage_in_an_earlier_segment_is_reported_once_a_later_one_was_synced) {
    // Recovery scans only from the first open reservation on; make that the first segment.
    Bytes last = read_file(image(last_));
    journal::SegmentHeader header;
    std::uint32_t offset = 0;
    ASSERT_EQ(journal::parse_header(last.data(), last_, &header, &offset), nullptr);
    ASSERT_GT(header.state.durable_end, 0u);
    header.state.generation += 1;
    header.state.first_open = 1;
    header.state.crc = journal::crc_of(header.state, last_);
    std::memcpy(last.data() + journal::kStateOffsets[header.state.generation % 2], &header.state,
                sizeof header.state);
    write_file(image(last_), last);
    const Bytes whole = read_file(image(2));
    for (std::uint32_t at = kHeaderBytes; at < whole.size(); at += 997) {
        Bytes bytes = whole;
        bytes[at] ^= 0x40;
        set_never_synced(bytes, 2);
        write_file(image(2), bytes);
        const auto journal = open_image();
        ASSERT_FALSE(journal.ok()) << at;
        EXPECT_EQ(journal.error().code, ErrorCode::corrupt_data);
        EXPECT_NE(journal.error().detail.find(image(2)), std::string::npos)
            << journal.error().text();
    }
    write_file(image(2), whole);
    EXPECT_TRUE(open_image().ok());
}

TEST_F(ManySegmentsTest, end_record_missing_before_a_later_segment_is_damage_for_a_reader) {
    Bytes bytes = read_file(image(1));
    std::fill(bytes.end() - kFrameBytes, bytes.end(), std::uint8_t{0});
    write_file(image(1), bytes);
    EXPECT_NE(read_all(image_.path()).error.find("journal-00000001.tgj at offset"),
              std::string::npos);
}

TEST_F(RecoveryTest, leftovers_of_an_interrupted_allocation_are_removed) {
    open()->close();
    write_file(file(2) + ".new", Bytes(100, 1));
    auto journal = open();
    EXPECT_FALSE(std::filesystem::exists(file(2) + ".new"));
    settle_calls(*journal, 0, 400);
    EXPECT_EQ(read_all(path()).records.size(), 800u);
}

TEST_F(RecoveryTest, files_that_are_no_segments_are_left_alone) {
    open()->close();
    for (const char* name :
         {"/journal-1.tgj", "/journal-000000001.tgj", "/journal-x.tgj", "/notes.txt"}) {
        write_file(path() + name, Bytes(10, 1));
    }
    auto journal = open();
    settle_calls(*journal, 0, 3);
    EXPECT_EQ(read_all(path()).records.size(), 6u);
    EXPECT_TRUE(std::filesystem::exists(path() + "/notes.txt"));
}

TEST_F(RecoveryTest, record_of_a_newer_version_is_refused_not_guessed) {
    auto journal = open();
    settle_calls(*journal, 0, 1);
    journal->close();
    const OwnedRecord record = read_all(path()).records.back();
    const Bytes whole = read_file(file());
    struct Case {
        const char* what;
        std::size_t byte;
        std::uint8_t value;
    };
    // Places after the record's start: its version, and within the payload the endpoint, the tier
    // and the outcome.
    for (const Case& c :
         {Case{"version", 9, 3}, Case{"kind", 8, 77}, Case{"endpoint", 24 + 58, 200},
          Case{"tier", 24 + 59, 9}, Case{"source", 24 + 60, 4}, Case{"outcome", 24 + 61, 6}}) {
        SCOPED_TRACE(c.what);
        Bytes bytes = whole;
        std::uint8_t* const frame = bytes.data() + record.at.offset();
        frame[c.byte] = c.value;
        journal::fix_frame_crc(frame);
        write_file(file(), bytes);
        const std::string error = open_error();
        EXPECT_NE(error.find("newer"), std::string::npos) << error;
        EXPECT_NE(read_all(path()).error.find("newer"), std::string::npos);
    }
}

}  // namespace
}  // namespace tg
