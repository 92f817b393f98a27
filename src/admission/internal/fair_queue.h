#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "admission/internal/level.h"
#include "admission/internal/slot_pool.h"

namespace tg::admission_internal {

/// Start-time fair queueing (Goyal, Vin and Cheng, 1996): who is served next is who has the
/// smallest start tag; being served moves the tag on by cost / weight. Here three deep: class,
/// customer, flow. Tags are in 1/kTagScale tokens.
struct FairShare {
    std::int64_t start = 0;
    std::int64_t weight = 1;
};

struct Class {
    FairShare share{};
    std::int64_t virtual_time = 0;  ///< of its customers
    std::uint32_t waiting = 0;
    std::uint32_t customers_waiting = 0;
};

struct CustomerLine {
    std::uint64_t id = 0;
    std::uint8_t class_index = 0;
    FairShare share{};
    std::int64_t virtual_time = 0;  ///< of its flows
    std::uint32_t waiting = 0;
    std::int64_t waiting_tokens = 0;
    bool is_named = false;  ///< by a flow; only within forget_idle()
};

/// Requests of one flow and class, first in, first out. Only the head competes.
struct Flow {
    enum class Place : std::uint8_t { idle, ready, parked };

    std::uint64_t id = 0;
    std::uint64_t number = 0;  ///< order of creation: breaks ties
    CustomerLine* customer = nullptr;
    FairShare share{};
    std::uint32_t head = kNoSlot;
    std::uint32_t tail = kNoSlot;
    std::uint32_t count = 0;
    Place place = Place::idle;
    std::uint32_t parked_level = 0xffff'ffff;  ///< where it is or was parked last
    ParkedFlow parked_as{};
};

/// Who waits, and who is next among those that may be tried. Not synchronised.
class FairQueue {
  public:
    FairQueue(SlotPool* slots, const AdmissionOptions& options);

    /// The flow of this request, made when there is none, with its weights as of now.
    Flow& flow_for(const AdmissionRequest& request);

    void push_back(Flow& flow, std::uint32_t index);
    void push_front(Flow& flow, std::uint32_t index);
    /// Takes a request out, wherever in its flow it is.
    void remove(std::uint32_t index);
    /// Forgets flows and customers that have nobody waiting, once they are the majority. Call when
    /// no reference to an idle flow is held.
    void forget_idle();

    void make_ready(Flow& flow);  ///< an idle one
    Flow* take_next_ready();      ///< leaves it idle; null when none is ready
    bool has_ready() const { return !ready_.empty(); }
    ParkedFlow rank(Flow& flow) const;
    /// Accounts for the head of `flow` being served.
    void charge(Flow& flow, std::int64_t tokens);

    std::uint32_t waiting() const { return waiting_; }
    std::uint32_t waiting_of(std::uint64_t customer) const;
    /// Over how many equal parts a level's line is shared, from this flow's point of view: an upper
    /// bound on what goes before it for each token that is its own customer's.
    std::int64_t shares(const Flow& flow) const;

  private:
    struct Key {
        std::uint64_t customer;
        std::uint64_t flow;
        std::uint8_t class_index;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept;
    };
    static constexpr std::int64_t kTagScale = 1024;
    static constexpr std::size_t kForgetAbove = 64;

    bool goes_before(const Flow& a, const Flow& b) const;
    void advance(FairShare& share, std::int64_t& virtual_time, std::int64_t tokens);
    void attach(Flow& flow, std::uint32_t index);

    SlotPool* slots_;
    std::int64_t credit_max_;
    std::array<Class, kPriorityClassCount> classes_{};
    std::int64_t virtual_time_ = 0;  ///< of the classes
    std::unordered_map<Key, std::unique_ptr<Flow>, KeyHash> flows_;
    std::unordered_map<Key, std::unique_ptr<CustomerLine>, KeyHash> customers_;
    std::vector<Flow*> ready_;
    std::uint64_t flows_made_ = 0;
    std::uint32_t flows_waiting_ = 0;
    std::size_t forget_above_ = kForgetAbove;
    std::uint32_t waiting_ = 0;
};

}  // namespace tg::admission_internal
