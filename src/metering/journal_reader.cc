#include "metering/internal/segment_cursor.h"
#include "metering/usage_journal.h"

namespace tg {
namespace journal {
namespace {

class DirectoryReader final : public JournalReader {
  public:
    explicit DirectoryReader(std::string directory) : directory_(std::move(directory)) {}
    Status start(Lsn from);
    Result<bool> next(JournalRecord* record, Lsn limit) override;
    Lsn position() const override {
        return cursor_ == nullptr ? Lsn{}
                                  : Lsn{std::uint64_t{cursor_->number()} << 32 | cursor_->offset()};
    }

  private:
    Status enter_next_segment();
    Result<bool> has_ended(Lsn limit);
    Error missing(const std::string& reason) const {
        return damage(cursor_->path(), cursor_->offset(), reason);
    }

    std::string directory_;
    std::unique_ptr<SegmentCursor> cursor_;  ///< null until the journal has a segment
};

Status DirectoryReader::start(Lsn from) {
    TG_TRY(const auto numbers, list_segments(directory_));
    if (from == Lsn{} && numbers.empty()) return {};
    const std::uint32_t number = from == Lsn{} ? numbers.front() : from.segment();
    if (std::ranges::find(numbers, number) == numbers.end()) {
        return fail(ErrorCode::corrupt_data,
                    "the position to read from is in segment " + std::to_string(number) +
                        ", but '" + directory_ + "' has " +
                        (numbers.empty() ? "no segments"
                                         : "segments " + std::to_string(numbers.front()) + " to " +
                                               std::to_string(numbers.back())) +
                        "; was the journal removed or replaced?");
    }
    TG_TRY(cursor_, SegmentCursor::open(directory_, number));
    if (from.offset() == 0) return {};
    if (from.offset() < kHeaderBytes || from.offset() % 8 != 0) {
        return fail(damage(cursor_->path(), from.offset(), "no record can begin at this position"));
    }
    cursor_->seek(from.offset());
    return {};
}

Status DirectoryReader::enter_next_segment() {
    const std::uint64_t sequence = cursor_->expected_sequence();
    TG_TRY(const auto numbers, list_segments(directory_));
    if (!std::ranges::binary_search(numbers, cursor_->number() + 1)) {
        return fail(missing("the journal goes on in segment " +
                            std::to_string(cursor_->number() + 1) + ", whose file is missing"));
    }
    TG_TRY(cursor_, SegmentCursor::open(directory_, cursor_->number() + 1));
    cursor_->expect_sequence(sequence);
    return {};
}

/// No record begins at the cursor: is that the end, or is something missing? False when a second
/// look found more.
Result<bool> DirectoryReader::has_ended(Lsn limit) {
    const std::uint32_t at = cursor_->offset();
    TG_CHECK_OK(cursor_->refresh_header());
    const bool is_before_durable = at < cursor_->header().state.durable_end;
    bool has_successor = false;
    if (limit == kNoLimit) {
        TG_TRY(const auto numbers, list_segments(directory_));
        if (std::ranges::binary_search(numbers, cursor_->number() + 1)) {
            TG_TRY(const auto later, SegmentCursor::open(directory_, cursor_->number() + 1));
            has_successor = later->header().is_started();
        }
        if (!is_before_durable && !has_successor) return true;
    }
    // The writer may have gone on since; what it says about itself is newer than what was read
    // before.
    const std::uint64_t sequence = cursor_->expected_sequence();
    TG_TRY(const Found found, cursor_->next(0));
    if (found != Found::no_data) {
        cursor_->seek(at);
        cursor_->expect_sequence(sequence);
        return false;
    }
    return fail(missing(
        is_before_durable
            ? "no record is here, but the journal was durable beyond this point: records are lost"
        : has_successor ? "no record is here, but the journal goes on in the next segment"
                        : "the journal ends here, before the position it has to reach"));
}

Result<bool> DirectoryReader::next(JournalRecord* record, Lsn limit) {
    if (cursor_ == nullptr) TG_CHECK_OK(start({}));
    if (cursor_ == nullptr && limit != kNoLimit && limit > Lsn{}) {
        return fail(ErrorCode::corrupt_data, "'" + directory_ +
                                                 "' has no segments, but the journal reached into "
                                                 "segment " +
                                                 std::to_string(limit.segment()) +
                                                 "; was it removed?");
    }
    while (cursor_ != nullptr && position() < limit) {
        const std::uint32_t at = cursor_->offset();
        TG_TRY(
            const Found found,
            cursor_->next(cursor_->number() == limit.segment() ? limit.offset() : kNoLimit.value));
        if (found == Found::segment_end) {
            TG_CHECK_OK(enter_next_segment());
        } else if (found == Found::no_data) {
            TG_TRY(const bool is_end, has_ended(limit));
            if (is_end) return false;
        } else if (found == Found::damaged) {
            return fail(damage(cursor_->path(), at, cursor_->reason()));
        } else {
            record->at = Lsn{std::uint64_t{cursor_->number()} << 32 | at};
            record->end = position();
            if (const char* reason = decode_record(cursor_->frame(), record)) {
                return fail(damage(cursor_->path(), at, reason));
            }
            return true;
        }
    }
    return false;
}

}  // namespace
}  // namespace journal

Result<std::unique_ptr<JournalReader>> JournalReader::open(const std::string& directory, Lsn from) {
    auto reader = std::make_unique<journal::DirectoryReader>(directory);
    TG_CHECK_OK(reader->start(from));
    return std::unique_ptr<JournalReader>(std::move(reader));
}

}  // namespace tg
