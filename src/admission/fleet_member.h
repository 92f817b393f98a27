#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admission/fleet_types.h"
#include "base/result.h"

namespace tg {

/// What a process does whose lease has run out because the shared store is away.
enum class FleetLoss : std::uint8_t {
    /// Goes on with what it held, and takes an equal part of levels it did not hold.
    share,
    /// Admits nothing until the store is back: never more than the limit, whatever happens.
    refuse,
};

struct FleetOptions {
    /// Names this process; never used again by another or a later one (random, no ",;|").
    std::string member;
    std::string key_prefix = "tollgate:fleet";
    std::uint32_t groups = 16;  ///< all processes of a fleet have the same number
    std::int64_t window_us = 60'000'000;
    /// How long a process may use its shares after it was last heard.
    std::int64_t lease_us = 2'000'000;
    /// How often a level is looked at of which there is not enough, and a group otherwise.
    std::int64_t renew_us = 100'000;
    std::int64_t refresh_us = 1'000'000;  ///< and a level of which there is enough
    std::int64_t idle_us = 10'000'000;    ///< unused for so long, a level is given back
    /// By how much the clocks of the processes and the store may drift apart within a window and a
    /// lease. Whole milliseconds, as lease and window.
    std::int64_t margin_us = 500'000;
    FleetLoss on_loss = FleetLoss::share;
    /// With FleetLoss::share: what of a level's limit a process keeps at most while the store is
    /// away.
    std::int32_t loss_share_percent = 100;
};

/// Who enforces shares: the levels of Admission, or upstream accounts.
class FleetLevels {
  public:
    virtual ~FleetLevels() = default;
    virtual FleetReport report(LevelHandle level, std::int64_t now_us) = 0;
    virtual void set_share(LevelHandle level, const FleetShare& share, std::int64_t now_us) = 0;
    /// Nothing is held any more; the next use must be wanted again.
    virtual void drop_share(LevelHandle level, std::int64_t now_us) = 0;
    /// Shares are nothing after this time, unless it is moved on.
    virtual void set_shares_until(std::int64_t until_us) = 0;
};

/// One call of fleet_share_script(): one atomic step over levels of one group.
struct FleetCall {
    std::uint32_t group = 0;
    std::int64_t sent_us = 0;
    std::string key;
    /// ARGV; the caller puts the server's run id at kRunArgument.
    std::vector<std::string> arguments{};
    std::vector<std::uint32_t> levels{};  ///< the member's own numbers, in the order of arguments
    static constexpr std::size_t kRunArgument = 2;
};

/// The text of the script (Lua 5.1 as Redis has it); see there for its arguments.
std::string_view fleet_share_script();

struct FleetCounts {
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t epochs = 0;   ///< new epochs seen, the first of each group included
    std::uint32_t levels = 0;   ///< held now
    std::uint32_t pressed = 0;  ///< of those, with not enough for everybody
    std::uint32_t members = 1;  ///< processes known, at most over the groups
    bool is_attached = false;   ///< every group's lease is valid
    bool is_open = false;       ///< every group shares freely
};

/// One process of a fleet that shares limits: says what it uses and needs, and passes on what it is
/// left. Leases: requests are admitted against the share that this process holds already; the
/// store is asked between them. A pure state machine in the time of its caller (monotonic
/// microseconds); no I/O. Not thread-safe.
///
/// Levels of one customer, and each shared level (model, account), form groups by a hash; the
/// levels of a group are looked at in one atomic step. A group is one key, so one slot of a
/// cluster. See docs/decisions/0008-fleet-limits.md for the protocol and what it promises.
class FleetMember {
  public:
    explicit FleetMember(FleetOptions options);
    FleetMember(const FleetMember&) = delete;
    FleetMember& operator=(const FleetMember&) = delete;

    /// `where` enforces levels and outlives this.
    void add(FleetLevels* where) { all_levels_.push_back(where); }
    /// A level needs more than its share.
    void want(FleetLevels* where, const FleetWant& want, std::int64_t now_us);

    /// The calls to make now; each is answered by on_reply() or on_failure(). Also lets leases run
    /// out, so to be called at next_due_us() at the latest.
    std::vector<FleetCall> due(std::int64_t now_us);
    std::int64_t next_due_us() const;
    /// Errors: corrupt_data when the reply is not the script's; it then counts as a failure.
    Status on_reply(const FleetCall& call, const std::vector<std::string>& reply,
                    std::int64_t now_us);
    /// No answer, whatever became of the call.
    void on_failure(const FleetCall& call, std::int64_t now_us);
    /// The calls of a process that ends: gives back what it does not use any more. Admits nothing
    /// from now on.
    std::vector<FleetCall> leave(std::int64_t now_us);

    /// All shares had run out (AdmissionCounts::share_lapses), since nobody looked in time.
    void on_lapse(std::int64_t now_us);

    FleetCounts counts() const;

  private:
    enum class Lease : std::uint8_t { none, valid, lost };

    struct Level {
        FleetLevels* where = nullptr;
        LevelHandle handle{};
        std::string name{};
        std::uint32_t group = 0;
        FleetAmounts share{};     ///< as last told
        FleetAmounts limits{};    ///< as last reported
        FleetAmounts held{};      ///< as last reported
        FleetAmounts used{};      ///< as last reported
        std::int64_t gap_us = 0;  ///< until it is asked again while it is lacking
        std::int64_t due_us = 0;
        std::int64_t wanted_at_us = -1;
        std::int64_t used_at_us = 0;  ///< when it was last seen in use
        bool is_pressed = false;
        bool is_lacking = false;  ///< more should come, others hold it still
        bool is_said = false;     ///< named in this epoch
        bool is_leaving = false;  ///< given back, not yet confirmed
        bool is_in_use = false;   ///< this entry
    };
    struct Group {
        std::string epoch, others;
        std::vector<std::uint32_t> levels;
        std::uint64_t sequence = 0;
        std::int64_t due_us = 0;
        std::int64_t lease_until_us = 0;
        std::uint32_t failures_in_a_row = 0;
        Lease lease = Lease::none;
        bool is_calling = false;
        bool is_rejoining = true;  ///< has not named all its levels in this epoch
        bool is_open = false;
        std::uint32_t members = 1;
    };

    std::uint32_t group_of(const FleetWant& want) const;
    std::uint32_t make_level(FleetLevels* where, const FleetWant& want, std::int64_t now_us);
    void remove_level(std::uint32_t index);
    FleetCall make_call(std::uint32_t group, std::int64_t now_us, bool is_leaving);
    void add_level(FleetCall* call, std::uint32_t index, std::int64_t now_us);
    bool take_share(std::uint32_t index, const FleetCall& call, std::string_view text,
                    std::int64_t now_us);
    void end_leases(std::int64_t now_us);
    void lose_lease(Group* group, std::int64_t now_us);
    void give_alone(Level* level, std::int64_t now_us);
    void tell_shares_until();
    std::int64_t group_due_us(const Group& group) const;

    FleetOptions options_;
    std::vector<FleetLevels*> all_levels_;
    std::vector<Group> groups_;
    std::vector<Level> levels_;
    std::vector<std::uint32_t> free_levels_;
    std::map<std::pair<FleetLevels*, std::uint32_t>, std::uint32_t> index_of_;
    FleetCounts counts_;
};

}  // namespace tg
