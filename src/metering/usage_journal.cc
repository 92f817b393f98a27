#include "metering/usage_journal.h"

#include <filesystem>

#include "base/log.h"
#include "base/thread_name.h"
#include "metering/internal/journal.h"
#include "metering/internal/journal_name.h"

namespace tg {
namespace journal {
namespace {

/// What a crash leaves of a call: its reservation is all that is known. The gate was alive until
/// about the last record, so that is when the call ended; the time of the restart may be days, and
/// a billing month, later.
UsageEvent unconfirmed(const ReservedRecord& reserved, UtcMicros last_recorded_at) {
    UsageEvent event;
    event.id = reserved.id;
    event.payer = reserved.payer;
    event.started_at = reserved.started_at;
    event.ended_at = std::max(reserved.started_at, last_recorded_at);
    event.endpoint = reserved.endpoint;
    event.tier = reserved.tier;
    event.source = UsageSource::unconfirmed;
    event.outcome = Outcome::crash;
    event.flags = reserved.flags;
    event.price_version = reserved.price_version;
    event.model = reserved.model;
    event.deployment = reserved.deployment;
    event.provider = reserved.provider;
    event.region = reserved.region;
    event.end_user = reserved.end_user;
    event.usage[Meter::input] = std::max<std::int64_t>(reserved.estimated_input_tokens, 0);
    event.usage[Meter::output] = std::max<std::int64_t>(reserved.estimated_output_tokens, 0);
    return event;
}

}  // namespace

Journal::Journal(JournalOptions options, JournalLock lock)
    : options_(std::move(options)),
      fs_(options_.fs != nullptr ? *options_.fs : real_journal_fs()),
      clock_(options_.clock != nullptr ? *options_.clock : system_clock()),
      lock_file_(std::move(lock)) {}

Journal::~Journal() {
    close();
}

Status Journal::start() {
    TG_CHECK_OK(ensure_name(fs_, options_.directory));
    TG_TRY(const Recovered recovered, recover(fs_, options_.directory));
    next_segment_ = recovered.next_segment;
    next_sequence_ = recovered.next_sequence;
    stats_.cut_bytes = recovered.cut_bytes;
    if (recovered.current != 0) {
        TG_TRY(current_, Segment::reopen(fs_, options_.directory, recovered.header,
                                         options_.segment_bytes, recovered.end));
    } else {
        TG_CHECK_OK(add_segment());
        current_ = std::move(ready_.front());
        ready_.pop_front();
    }
    // Until the reservations found are settled durably, a crash has to find them again.
    first_counted_ =
        recovered.open.empty() ? current_->number() : recovered.open.front().at.segment();
    durable_first_open_ = first_counted_;
    open_counts_.assign(current_->number() - first_counted_ + 1, 0);
    if (!current_->is_started()) current_->start(next_sequence_, durable_first_open_);
    append_end_ = current_->end_lsn();
    TG_CHECK_OK(settle_recovered(recovered));
    // The state goes to disk with a sync of its own, so that from here on no damage before it
    // passes for a torn tail.
    for (int round = 0; round < 2; ++round) {
        if (const int error = fs_.sync(current_->fd()))
            return fail(io_error("cannot sync", current_->path(), error));
        current_->write_state(append_end_.offset(), current_->number());
    }
    first_counted_ = durable_first_open_ = current_->number();
    open_counts_.assign(1, 0);
    durable_end_ = append_end_.value;
    // A disk too full for the next segment is no reason not to start: the gate answers 503 and says
    // why.
    if (auto added = add_segment(); !added) {
        allocation_failure_ = added.error().detail;
        log_error("journal_allocation_failed", {{"reason", allocation_failure_}});
    }
    update_accepts();
    commit_thread_ = std::thread([this] {
        set_thread_name("tg-commit");
        commit_loop();
    });
    prepare_thread_ = std::thread([this] {
        set_thread_name("tg-segments");
        prepare_loop();
    });
    return {};
}

Status Journal::settle_recovered(const Recovered& recovered) {
    for (const OpenReservation& reservation : recovered.open) {
        JournalRecord record;
        const char* reason = decode_record(reservation.frame.data(), &record);
        TG_ASSERT(reason == nullptr);  // recovery decoded it before
        if (ready_.empty() && current_->room() < kSettledBytesMax) TG_CHECK_OK(add_segment());
        RecordBuffer out;
        out.encode(unconfirmed(record.reserved, recovered.last_recorded_at));
        append(out);
        ++stats_.recovered_unconfirmed;
    }
    for (; !retired_.empty(); retired_.pop_front()) {
        Segment& segment = *retired_.front();
        if (const int error = fs_.sync(segment.fd()))
            return fail(io_error("cannot sync", segment.path(), error));
        segment.write_state(segment.end(), durable_first_open_);
        TG_CHECK_OK(segment.trim(fs_));
    }
    if (stats_.recovered_unconfirmed != 0) {
        log_warn("journal_recovered_unconfirmed", {{"events", stats_.recovered_unconfirmed}});
    }
    return {};
}

std::string Journal::failure() const {
    const std::lock_guard lock(mutex_);
    if (!sync_failure_.empty()) return sync_failure_;
    if (!allocation_failure_.empty()) return allocation_failure_;
    return is_closed_ ? "the journal is closed" : "";
}

/// Appends and gives the record its sequence number and time. The room has been made sure of.
Lsn Journal::append(RecordBuffer& record) {
    if (current_->room() < record.length()) rotate();
    record.seal(next_sequence_++, clock_.now());
    current_->append(record);
    append_end_ = current_->end_lsn();
    ++stats_.records;
    stats_.bytes += record.length();
    return append_end_;
}

void Journal::rotate() {
    TG_ASSERT(!ready_.empty());
    RecordBuffer end;
    end.encode_segment_end();
    end.seal(next_sequence_++, clock_.now());
    current_->append(end);
    retired_.push_back(std::move(current_));
    current_ = std::move(ready_.front());
    ready_.pop_front();
    current_->start(next_sequence_, durable_first_open_);
    open_counts_.push_back(0);
    prepare_wake_.notify_one();
}

/// Bytes that are certain to take records, however these fall across segments.
std::uint64_t Journal::room() const {
    std::uint64_t sum = current_->certain_room();
    for (const auto& segment : ready_) sum += segment->certain_room();
    return sum;
}

/// One segment ahead, or more when the open reservations could fill half of what is ahead.
std::size_t Journal::wanted_ready() const {
    const std::uint64_t half = (options_.segment_bytes - kHeaderBytes) / 2;
    return 1 + static_cast<std::size_t>(open_total_ * kSettledBytesMax / half);
}

Result<Reservation> Journal::reserve(const ReservedRecord& record) {
    RecordBuffer out;
    out.encode(record);
    std::unique_lock lock(mutex_);
    if (!accepts_.load(std::memory_order_relaxed)) {
        lock.unlock();
        return fail(ErrorCode::journal_unavailable, failure());
    }
    if (room() < out.length() + (open_total_ + 1) * kSettledBytesMax) {
        const std::uint64_t open = open_total_;
        prepare_wake_.notify_one();
        lock.unlock();
        return fail(ErrorCode::journal_unavailable,
                    "the usage journal has no room set aside for one more request beside the " +
                        std::to_string(open) +
                        " open ones until its next segment is allocated; retry");
    }
    append(out);
    ++open_counts_.back();
    ++open_total_;
    const Reservation reservation{record.id, current_->number()};
    if (ready_.size() < wanted_ready()) prepare_wake_.notify_one();
    wake_commit(lock);
    return reservation;
}

Lsn Journal::settle(const Reservation& reservation, const UsageEvent& event) {
    TG_ASSERT(event.id == reservation.id);
    RecordBuffer out;
    out.encode(event);
    return end_reservation(reservation, out);
}

Lsn Journal::abandon(const Reservation& reservation, UtcMicros at) {
    RecordBuffer out;
    out.encode_abandoned(reservation.id, at);
    return end_reservation(reservation, out);
}

Lsn Journal::end_reservation(const Reservation& reservation, RecordBuffer& record) {
    std::unique_lock lock(mutex_);
    TG_ASSERT(!is_closed_);
    const std::size_t at = reservation.segment - first_counted_;
    // Ending a reservation twice would bill a call twice.
    TG_ASSERT(reservation.segment >= first_counted_ && at < open_counts_.size() &&
              open_counts_[at] > 0);
    const Lsn end = append(record);
    --open_counts_[at];
    --open_total_;
    for (; open_counts_.size() > 1 && open_counts_.front() == 0; ++first_counted_)
        open_counts_.pop_front();
    wake_commit(lock);
    return end;
}

/// Unlocks. A commit thread that is busy sees the new records by itself.
void Journal::wake_commit(std::unique_lock<std::mutex>& lock) {
    const bool is_idle = std::exchange(is_commit_idle_, false);
    lock.unlock();
    if (is_idle) commit_wake_.notify_one();
}

/// Allocates the next segment. Takes the lock only to hand it over. Errors: io_error.
Status Journal::add_segment() {
    TG_TRY(auto segment, Segment::create(fs_, options_.directory, next_segment_,
                                         options_.segment_bytes, clock_.now()));
    const std::lock_guard lock(mutex_);
    ++next_segment_;
    ready_.push_back(std::move(segment));
    return {};
}

void Journal::push(WaiterList& list, DurableWaiter* waiter) {
    next_of(*waiter) = nullptr;
    (list.last != nullptr ? next_of(*list.last) : list.first) = waiter;
    list.last = waiter;
}

void Journal::notify_when_durable(Lsn lsn, DurableWaiter* waiter) {
    if (options_.sync == JournalOptions::Sync::durable && lsn > durable_end()) {
        std::unique_lock lock(mutex_);
        TG_ASSERT(lsn <= append_end_);
        if (sync_failure_.empty() && lsn > durable_end()) {
            lsn_of(*waiter) = lsn;
            push(waiters_, waiter);
            const bool is_waiting =
                std::exchange(is_commit_lazy_, false) || std::exchange(is_commit_idle_, false);
            lock.unlock();
            if (is_waiting) commit_wake_.notify_one();
            return;
        }
    }
    tell(*waiter, lsn <= durable_end() || options_.sync == JournalOptions::Sync::relaxed);
}

Lsn Journal::wait_for_more(Lsn after, std::int64_t timeout_us) {
    std::unique_lock lock(mutex_);
    ++blocked_readers_;
    more_durable_.wait_for(lock, std::chrono::microseconds(timeout_us),
                           [&] { return durable_end() > after || is_stopping_; });
    --blocked_readers_;
    return durable_end();
}

UsageJournal::Stats Journal::stats() const {
    const std::lock_guard lock(mutex_);
    Stats out = stats_;
    out.open_reservations = open_total_;
    return out;
}

}  // namespace journal

Result<std::unique_ptr<UsageJournal>> UsageJournal::open(const JournalOptions& options) {
    using journal::kSegmentBytesMax;
    using journal::kSegmentBytesMin;
    if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax) {
        return fail(ErrorCode::invalid_config,
                    "a journal segment of " + std::to_string(options.segment_bytes) +
                        " bytes is not possible; choose " + std::to_string(kSegmentBytesMin) +
                        " to " + std::to_string(kSegmentBytesMax));
    }
    std::error_code error;
    std::filesystem::create_directories(options.directory, error);
    if (error) {
        return fail(journal::io_error("cannot create the journal directory", options.directory,
                                      error.value()));
    }
    TG_TRY(auto lock, journal::JournalLock::take(options.directory));
    JournalOptions rounded = options;
    rounded.segment_bytes = (options.segment_bytes + 4095U) & ~4095U;
    auto opened = std::make_unique<journal::Journal>(std::move(rounded), std::move(lock));
    TG_CHECK_OK(opened->start());
    return std::unique_ptr<UsageJournal>(std::move(opened));
}

}  // namespace tg
