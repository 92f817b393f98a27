// kill -9 of a real process that writes a journal, at random moments, again and again on the same
// directory.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <map>

#include "base/rng.h"
#include "metering/journal_text.h"
#include "metering/test_journal.h"

namespace tg {
namespace {

/// The tool as a child; its reports come through a pipe.
class Child {
  public:
    Child(const std::string& directory, std::uint64_t first_id, std::uint64_t seed) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        std::string program = TG_JOURNAL_CRASH_TOOL, dir = directory, id = std::to_string(first_id),
                    seed_text = std::to_string(seed);
        char* arguments[] = {program.data(), dir.data(), id.data(), seed_text.data(), nullptr};
        const int error =
            ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        reports_ = ends[0];
        if (error != 0) {
            ADD_FAILURE() << program << ": " << std::strerror(error);
            pid_ = -1;
        }
    }
    ~Child() {
        kill();
        ::close(reports_);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    /// False at the end of what the child has reported.
    bool read(char* what, std::uint64_t* n) {
        std::uint64_t word = 0;
        std::size_t size = 0;
        while (size < sizeof word) {
            const ssize_t got =
                ::read(reports_, reinterpret_cast<char*>(&word) + size, sizeof word - size);
            if (got <= 0) return false;
            size += static_cast<std::size_t>(got);
        }
        *what = static_cast<char>(word & 0xff);
        *n = word >> 8;
        return true;
    }
    /// Kills and waits; the reports in the pipe stay readable.
    void kill() {
        if (pid_ < 0) return;
        ::kill(pid_, SIGKILL);
        int status = 0;
        ::waitpid(pid_, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            << "the tool ended by itself: " << status;
        pid_ = -1;
    }

  private:
    pid_t pid_ = -1;
    int reports_ = -1;
};

struct Call {
    int reserved = 0, ended = 0;
    RecordKind end_kind{};
    UsageSource source{};
    Usage usage;
};

std::map<std::uint64_t, Call> calls_in(const std::string& directory) {
    std::map<std::uint64_t, Call> calls;
    const ReadResult read = read_all(directory);
    EXPECT_EQ(read.error, "");
    for (const OwnedRecord& record : read.records) {
        Call& call = calls[record.id.low];
        if (record.kind == RecordKind::reserved) {
            ++call.reserved;
            continue;
        }
        ++call.ended;
        call.end_kind = record.kind;
        call.source = record.source;
        call.usage = record.usage;
    }
    return calls;
}

int rounds() {
    const char* text = std::getenv("TG_JOURNAL_KILLS");
    return text != nullptr ? std::atoi(text) : 30;
}

TEST(JournalCrash, killed_at_random_moments_it_loses_and_doubles_nothing) {
    const TempDirectory dir;
    std::map<std::uint64_t, char> reported;
    std::uint64_t first_id = 1, unconfirmed = 0;
    for (int round = 0; round < rounds(); ++round) {
        const std::uint64_t seed = 20'260'101 + static_cast<std::uint64_t>(round);
        SCOPED_TRACE("round " + std::to_string(round) + ", seed " + std::to_string(seed));
        Rng rng(seed);
        {
            Child child(dir.path(), first_id, seed);
            char what = 0;
            std::uint64_t n = 0;
            for (std::uint64_t left = rng.below(2000); left > 0 && child.read(&what, &n); --left) {
                if (what != 'D') reported[n] = what;
                first_id = std::max(first_id, n + 1);
            }
            child.kill();
            while (child.read(&what, &n)) {
                if (what != 'D') reported[n] = what;
                first_id = std::max(first_id, n + 1);
            }
        }
        first_id += 1000;  // some numbers were taken but not reported
        if (rng.chance_per_mille(500)) {
            // Half of the time the next child recovers, else this process does.
            auto journal = must_open(small_journal(dir));
            ASSERT_NE(journal, nullptr);
            unconfirmed += journal->stats().recovered_unconfirmed;
        }
    }
    must_open(small_journal(dir))->close();
    const auto calls = calls_in(dir.path());
    EXPECT_GT(reported.size(), 1000u);
    std::uint64_t lost = 0;
    for (const auto& [n, call] : calls) {
        EXPECT_EQ(call.reserved, 1) << n;
        EXPECT_EQ(call.ended, 1) << n;
    }
    for (const auto& [n, what] : reported) {
        const auto found = calls.find(n);
        if (found == calls.end()) {
            ++lost;
            continue;
        }
        const Call& call = found->second;
        if (what == 'A') EXPECT_EQ(call.end_kind, RecordKind::abandoned) << n;
        if (what != 'S') continue;
        EXPECT_EQ(call.end_kind, RecordKind::settled) << n;
        EXPECT_EQ(call.source, UsageSource::provider) << n;
        EXPECT_EQ(call.usage, test_event(n).usage) << n;
    }
    EXPECT_EQ(lost, 0u);
    const JournalSummary summary = verify_journal(dir.path()).value();
    EXPECT_TRUE(summary.is_sound()) << to_json(summary);
    EXPECT_EQ(summary.open_reservations, 0u);
    EXPECT_GE(summary.unconfirmed, unconfirmed);
    EXPECT_GT(summary.unconfirmed, 0u);
}

TEST(JournalCrash, another_process_reads_while_one_writes) {
    const TempDirectory dir;
    Child child(dir.path(), 1, 7);
    char what = 0;
    std::uint64_t n = 0;
    ASSERT_TRUE(child.read(&what, &n));
    auto reader = JournalReader::open(dir.path(), {}).value();
    std::map<std::uint64_t, int> settled;
    std::uint64_t told = 0;
    JournalRecord record;
    for (std::uint64_t reports = 0; reports < 20'000; ++reports) {
        ASSERT_TRUE(child.read(&what, &n));
        if (what == 'S') ++told;
        if (reports % 16 != 0) continue;
        for (;;) {
            const Result<bool> more = reader->next(&record, kNoLimit);
            ASSERT_TRUE(more.ok()) << more.error().text();
            if (!*more) break;
            if (record.kind != RecordKind::settled) continue;
            ++settled[record.event.id.low];
            ASSERT_EQ(record.event.usage, test_event(record.event.id.low).usage);
        }
        // A record is there before its writer hears of it.
        ASSERT_GE(settled.size(), told);
    }
    for (const auto& [id, count] : settled) EXPECT_EQ(count, 1) << id;
    EXPECT_GT(told, 5000u);
    const auto second = UsageJournal::open(small_journal(dir));
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
}

}  // namespace
}  // namespace tg
