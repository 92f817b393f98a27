// The sliding windows against a naive exact model, over random schedules.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>

#include "admission/admission_core.h"
#include "admission/internal/sliding_window.h"
#include "base/rng.h"

namespace tg {
namespace {

using admission_internal::SlidingWindow;

/// Everything ever taken, summed anew for each question.
struct NaiveWindow {
    struct Taken {
        std::int64_t tick;
        Amounts amounts;
    };
    std::vector<Taken> taken;

    Amounts used_at(std::int64_t tick, std::int64_t span) const {
        Amounts sum = kNoAmounts;
        for (const Taken& t : taken)
            if (tick - t.tick <= span) sum += t.amounts;
        return sum;
    }
};

// given a window that is filled, corrected and left alone at random / when it is asked about now
// and about any later time / then it answers as the sum over everything ever taken does
RC_GTEST_PROP(SlidingWindow, AgreesWithTheNaiveModel, ()) {
    const std::int64_t span = *rc::gen::inRange(1, 400);
    Rng rng(*rc::gen::arbitrary<std::uint64_t>());
    SlidingWindow window;
    NaiveWindow naive;
    std::vector<std::uint32_t> sequences;
    std::int64_t tick = 0;
    const std::uint64_t steps = 50 + rng.below(1000);
    const std::uint64_t pace = 1 + rng.below(4);
    for (std::uint64_t step = 0; step < steps; ++step) {
        if (!rng.chance_per_mille(300)) tick += static_cast<std::int64_t>(rng.below(pace + 1));
        if (rng.chance_per_mille(5)) tick += static_cast<std::int64_t>(rng.below(2 * span));
        window.expire(tick, span);
        const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(rng.below(n)); };
        if (!naive.taken.empty() && rng.chance_per_mille(400)) {
            const std::size_t which = rng.below(naive.taken.size());
            auto& taken = naive.taken[which];
            if (tick - taken.tick > span) continue;
            const Amounts actual{below(2), below(200), below(200)};
            window.correct(sequences[which], taken.tick, actual - taken.amounts);
            taken.amounts = actual;
        } else {
            const Amounts amounts{1, below(100), below(100)};
            sequences.push_back(window.add(tick, amounts));
            naive.taken.push_back({tick, amounts});
        }
        if (window.is_empty() && rng.chance_per_mille(500)) window.free_storage();
        RC_ASSERT(window.used() == naive.used_at(tick, span));
        const std::int64_t later = tick + below(span + 10);
        RC_ASSERT(window.used_at(later, span) == naive.used_at(later, span));
        const std::int64_t room = below(5000);
        const auto fits = [&](const Amounts& left) { return left.total_tokens() <= room; };
        const std::int64_t found = window.first_tick(later, span, fits);
        RC_ASSERT(found >= later);
        RC_ASSERT(fits(naive.used_at(found, span)));
        if (found > later) RC_ASSERT(!fits(naive.used_at(found - 1, span)));
    }
}

// given limits of every kind on several levels / when requests come, end and are corrected at
// random times, the clock standing still and jumping / then each is admitted exactly when the naive
// model says that every level has room, and no real window ever holds more than the limit
RC_GTEST_PROP(Admission, AdmitsExactlyWhatTheNaiveModelAdmits, ()) {
    Rng rng(*rc::gen::arbitrary<std::uint64_t>());
    const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(rng.below(n)); };
    AdmissionOptions options;
    options.window_us = 1'000 * (1 + below(100));
    options.granularity_us = 1 + below(2'000);
    options.appointments_flow_max = 0;  // nothing is held for anybody
    AdmissionCore core(options);

    constexpr std::size_t kLevels = 3;
    struct Entry {
        std::int64_t at_us;
        Amounts amounts;
    };
    struct Model {
        Limits limits;
        std::int64_t in_flight = 0;
    };
    std::vector<Entry> taken;
    std::array<Model, kLevels> models;
    std::array<LevelHandle, kLevels> levels;
    const auto limit = [&](std::uint64_t most) {
        return rng.chance_per_mille(300) ? kUnlimited : below(most);
    };
    for (std::size_t i = 0; i < kLevels; ++i) {
        models[i].limits = {limit(20), limit(1000), limit(1000), limit(1500), limit(10)};
        levels[i] = core.intern({LevelKind::other, i}, models[i].limits);
    }
    const std::int64_t span =
        (options.window_us + options.granularity_us - 1) / options.granularity_us;
    struct Running {
        Ticket ticket;
        std::size_t entry;
    };
    std::vector<Running> running;
    std::int64_t now_us = 0;
    for (int step = 0; step < 300; ++step) {
        if (rng.chance_per_mille(600)) now_us += below(3'000);
        if (rng.chance_per_mille(20)) now_us += below(3 * options.window_us);
        const std::int64_t tick = now_us / options.granularity_us;
        if (!running.empty() && rng.chance_per_mille(400)) {
            const std::size_t which = rng.below(running.size());
            Entry& entry = taken[running[which].entry];
            if (rng.chance_per_mille(200)) {
                entry.amounts = kNoAmounts;
                core.release(running[which].ticket, now_us);
            } else {
                entry.amounts = {1, below(200), below(200)};
                core.settle(running[which].ticket, entry.amounts, now_us);
            }
            for (Model& model : models) --model.in_flight;
            running.erase(running.begin() + static_cast<std::ptrdiff_t>(which));
            continue;
        }
        if (rng.chance_per_mille(30)) {
            const std::size_t which = rng.below(kLevels);
            models[which].limits.total_tokens = limit(1500);
            core.set_limits(levels[which], models[which].limits, now_us);
        }
        const Amounts amounts{1, below(150), below(150)};
        Amounts used = kNoAmounts;
        for (const Entry& entry : taken)
            if (tick - entry.at_us / options.granularity_us <= span) used += entry.amounts;
        bool has_room = true;
        for (const Model& model : models)
            has_room = has_room && model.in_flight < model.limits.concurrency &&
                       !first_above(model.limits, used + amounts);
        const Decision decision = core.reserve({.levels = levels, .amounts = amounts}, now_us);
        RC_ASSERT((decision.verdict == Verdict::admitted) == has_room);
        RC_ASSERT(decision.verdict != Verdict::queued);
        if (!has_room) continue;
        running.push_back({decision.ticket, taken.size()});
        taken.push_back({now_us, amounts});
        for (Model& model : models) ++model.in_flight;
    }
}

}  // namespace
}  // namespace tg
