// Random worlds of customers, keys and accounts in virtual time: what must hold whatever happens.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "admission/test_simulation.h"
#include "base/rng.h"

namespace tg {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

struct WorldOptions {
    bool has_concurrency_limits = false;
    bool may_overrun = false;
    bool may_edit_limits = false;
};

/// Clients that obey: whoever is promised a time comes back then, and whoever shares its key stays
/// away meanwhile.
class World {
  public:
    World(std::uint64_t seed, const WorldOptions& options)
        : options_(options), rng_(seed), simulation_(admission_options()) {
        const auto limit = [&](std::int64_t least, std::uint64_t spread) {
            return rng_.chance_per_mille(200) ? kUnlimited : least + below(spread);
        };
        account_ = intern(
            LevelKind::account, 0,
            {limit(20, 40), kUnlimited, limit(8'000, 8'000), limit(10'000, 20'000), slots(8)});
        for (std::uint64_t c = 0; c < kCustomers; ++c)
            customers_[c] = intern(
                LevelKind::customer, c,
                {limit(5, 30), limit(5'000, 8'000), kUnlimited, limit(8'000, 9'000), slots(6)});
        for (std::uint64_t k = 0; k < kKeys; ++k)
            keys_[k] =
                intern(LevelKind::key, k,
                       {limit(3, 12), kUnlimited, kUnlimited, limit(4'000, 9'000), slots(4)});
    }

    void run(std::int64_t duration_us) {
        for (std::uint64_t k = 0; k < kKeys; ++k) schedule_arrival(k);
        if (options_.may_edit_limits) schedule_edit();
        simulation_.run_until(duration_us);
        is_over_ = true;
        simulation_.run_until(duration_us + 100'000 * kSecond);
    }

    std::uint64_t promises = 0;
    std::uint64_t kept = 0;
    std::uint64_t admitted = 0;
    std::uint64_t late_ends = 0;  ///< waiters that heard after their deadline
    std::uint64_t out_of_order = 0;
    test::Simulation& simulation() { return simulation_; }

    /// Is any window of 60 s over the account's limits, by what was reserved when it was taken and
    /// corrected since? Only without overruns and edits.
    bool was_ever_over_the_limit() {
        const Limits limits = simulation_.core().limits(account_);
        for (std::size_t i = 0; i < taken_.size(); ++i) {
            Amounts sum = kNoAmounts;
            for (std::size_t j = i; j < taken_.size(); ++j) {
                if (taken_[j].at_us - taken_[i].at_us >= 60 * kSecond) break;
                sum += taken_[j].amounts;
            }
            if (first_above(limits, sum)) return true;
        }
        return false;
    }

  private:
    static constexpr std::uint64_t kCustomers = 3;
    static constexpr std::uint64_t kKeys = 7;

    static AdmissionOptions admission_options() {
        return {.queue_max = 60, .queue_customer_max = 30};
    }
    std::int64_t below(std::uint64_t n) { return static_cast<std::int64_t>(rng_.below(n)); }
    std::int64_t slots(std::uint64_t most) {
        if (!options_.has_concurrency_limits || rng_.chance_per_mille(400)) return kUnlimited;
        return 1 + below(most);
    }
    LevelHandle intern(LevelKind kind, std::uint64_t id, const Limits& limits) {
        return simulation_.core().intern({kind, id}, limits);
    }

    void schedule_arrival(std::uint64_t key) {
        const std::int64_t pause_us = rng_.chance_per_mille(100) ? 60 * kSecond : 3 * kSecond;
        simulation_.after(below(static_cast<std::uint64_t>(pause_us)), [this, key] {
            if (is_over_) return;
            if (promised_[key] == 0) {
                const Amounts amounts{1, below(rng_.chance_per_mille(100) ? 4'000 : 600),
                                      below(rng_.chance_per_mille(100) ? 4'000 : 900)};
                send(key, amounts, rng_.chance_per_mille(300) ? 0 : below(40 * kSecond), false);
            }
            schedule_arrival(key);
        });
    }
    void schedule_edit() {
        simulation_.after(below(20 * kSecond), [this] {
            if (is_over_) return;
            const LevelHandle key = keys_[rng_.below(kKeys)];
            Limits limits = simulation_.core().limits(key);
            limits.requests = below(12);
            simulation_.core().set_limits(key, limits, simulation_.now_us);
            schedule_edit();
        });
    }

    void send(std::uint64_t key, const Amounts& amounts, std::int64_t max_wait_us,
              bool is_comeback) {
        const std::array<LevelHandle, 3> levels{keys_[key], customers_[key % kCustomers], account_};
        const std::int64_t sent_us = simulation_.now_us;
        const std::uint64_t order = ++sent_;
        const std::uint64_t claims = simulation_.core().counts().appointments_kept;
        const Decision decision = simulation_.send(
            {.levels = levels,
             .amounts = amounts,
             .priority = static_cast<PriorityClass>(key % kPriorityClassCount),
             .customer = key % kCustomers,
             .flow = key,
             .max_wait_us = max_wait_us},
            [this, key, amounts, sent_us, max_wait_us, order, is_comeback,
             claims](const WaitOutcome& outcome) {
                if (simulation_.now_us > sent_us + max_wait_us) ++late_ends;
                // Who takes an appointment that was not needed does not stand in line either.
                const bool is_kept = claims != simulation_.core().counts().appointments_kept &&
                                     simulation_.now_us == sent_us;
                if (outcome.is_admitted && !is_comeback && !is_kept) {
                    if (order < last_admitted_[key]) ++out_of_order;
                    last_admitted_[key] = order;
                }
                if (outcome.is_admitted)
                    begin(outcome.ticket, amounts);
                else
                    refused(key, amounts, outcome.refusal);
            });
        if (is_comeback && decision.verdict == Verdict::admitted) ++kept;
    }

    void begin(Ticket ticket, const Amounts& amounts) {
        ++admitted;
        const std::size_t index = taken_.size();
        taken_.push_back({simulation_.now_us, amounts});
        simulation_.after(below(8 * kSecond), [this, ticket, amounts, index] {
            if (rng_.chance_per_mille(50)) {
                taken_[index].amounts = kNoAmounts;
                simulation_.core().release(ticket, simulation_.now_us);
                return;
            }
            const std::uint64_t most = static_cast<std::uint64_t>(amounts.output_tokens) + 1;
            Amounts actual{1, amounts.input_tokens, below(most)};
            if (options_.may_overrun && rng_.chance_per_mille(100)) actual.output_tokens += 2'000;
            taken_[index].amounts = actual;
            simulation_.core().settle(ticket, actual, simulation_.now_us);
        });
    }

    void refused(std::uint64_t key, const Amounts& amounts, const Refusal& refusal) {
        if (!refusal.is_promised) return;
        ++promises;
        ++promised_[key];
        // Up to the grace late, as a client is that gets whole seconds and has a network before it.
        simulation_.after(refusal.retry_after_us + below(5 * kSecond), [this, key, amounts] {
            send(key, amounts, 0, true);
            --promised_[key];
        });
    }

    struct Taken {
        std::int64_t at_us;
        Amounts amounts;
    };
    WorldOptions options_;
    Rng rng_;
    test::Simulation simulation_;
    LevelHandle account_;
    std::array<LevelHandle, kCustomers> customers_;
    std::array<LevelHandle, kKeys> keys_;
    std::array<int, kKeys> promised_{};
    std::array<std::uint64_t, kKeys> last_admitted_{};
    std::vector<Taken> taken_;
    std::uint64_t sent_ = 0;
    bool is_over_ = false;
};

void expect_all_ended(World& world) {
    const AdmissionCounts counts = world.simulation().core().counts();
    RC_ASSERT(world.simulation().waiting() == 0U);
    RC_ASSERT(counts.waiting == 0U);
    RC_ASSERT(counts.in_flight == 0U);
    RC_ASSERT(counts.appointments == 0U);
    RC_ASSERT(world.late_ends == 0U);
}

// given calls that use at most what they reserved / when a refused client comes back at the time it
// was told, or within the grace / then it is admitted at once: every time
RC_GTEST_PROP(Promise, EveryObedientClientIsAdmitted, ()) {
    World world(*rc::gen::arbitrary<std::uint64_t>(), {});
    world.run(400 * kSecond);
    RC_ASSERT(world.promises > 0U);
    RC_ASSERT(world.kept == world.promises);
    RC_ASSERT(world.out_of_order == 0U);
    RC_ASSERT(!world.was_ever_over_the_limit());
    expect_all_ended(world);
}

// given slots of concurrency, of which nobody knows when they come free / when refused clients come
// back / then nearly all are admitted at once (the others would be first in line)
TEST(Promise, SlotsAreThereNearlyAlways) {
    std::uint64_t promises = 0;
    std::uint64_t kept = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        World world(seed, {.has_concurrency_limits = true});
        world.run(400 * kSecond);
        promises += world.promises;
        kept += world.kept;
    }
    EXPECT_GT(promises, 1'000U);
    EXPECT_GE(kept * 1000, promises * 940) << kept << " of " << promises;
}

// given whatever else / when time has passed / then nobody waits for ever, every ticket ended once
RC_GTEST_PROP(Promise, EverybodyHearsInTime, ()) {
    World world(*rc::gen::arbitrary<std::uint64_t>(),
                {.has_concurrency_limits = true, .may_overrun = true, .may_edit_limits = true});
    world.run(300 * kSecond);
    expect_all_ended(world);
}

}  // namespace
}  // namespace tg
