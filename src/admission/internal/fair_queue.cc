#include "admission/internal/fair_queue.h"

#include <algorithm>

#include "base/check.h"

namespace tg::admission_internal {

FairQueue::FairQueue(SlotPool* slots, const AdmissionOptions& options)
    : slots_(slots), credit_max_(options.fair_credit_max * kTagScale) {
    for (std::size_t i = 0; i < kPriorityClassCount; ++i)
        classes_[i].share.weight = std::max<std::int64_t>(1, options.class_weights[i]);
}

std::size_t FairQueue::KeyHash::operator()(const Key& key) const noexcept {
    const std::uint64_t mixed = (key.customer + key.class_index) * 0x9e3779b97f4a7c15ULL ^ key.flow;
    return mixed * 0xff51afd7ed558ccdULL ^ (mixed >> 32);
}

Flow& FairQueue::flow_for(const AdmissionRequest& request) {
    const auto class_index = static_cast<std::uint8_t>(request.priority);
    auto& customer = customers_[Key{request.customer, 0, class_index}];
    if (!customer) {
        customer = std::make_unique<CustomerLine>();
        customer->id = request.customer;
        customer->class_index = class_index;
    }
    customer->share.weight = std::clamp<std::int64_t>(request.customer_weight, 1, 1000);
    auto& flow = flows_[Key{request.customer, request.flow, class_index}];
    if (!flow) {
        flow = std::make_unique<Flow>();
        flow->id = request.flow;
        flow->number = ++flows_made_;
        flow->customer = customer.get();
    }
    flow->share.weight = std::clamp<std::int64_t>(request.flow_weight, 1, 1000);
    return *flow;
}

/// Counts a request that joins; one that finds nobody of its own waiting starts at the present.
void FairQueue::attach(Flow& flow, std::uint32_t index) {
    Slot& slot = (*slots_)[index];
    slot.flow = &flow;
    CustomerLine& customer = *flow.customer;
    Class& cls = classes_[customer.class_index];
    if (cls.waiting++ == 0) cls.share.start = std::max(cls.share.start, virtual_time_);
    if (customer.waiting++ == 0) {
        customer.share.start = std::max(customer.share.start, cls.virtual_time);
        ++cls.customers_waiting;
    }
    if (flow.count++ == 0) {
        flow.share.start = std::max(flow.share.start, customer.virtual_time);
        ++flows_waiting_;
    }
    customer.waiting_tokens += slot.amounts.total_tokens() + 1;
    ++waiting_;
}

void FairQueue::push_back(Flow& flow, std::uint32_t index) {
    attach(flow, index);
    Slot& slot = (*slots_)[index];
    slot.previous = flow.tail;
    slot.next = kNoSlot;
    (flow.tail == kNoSlot ? flow.head : (*slots_)[flow.tail].next) = index;
    flow.tail = index;
}

void FairQueue::push_front(Flow& flow, std::uint32_t index) {
    attach(flow, index);
    Slot& slot = (*slots_)[index];
    slot.previous = kNoSlot;
    slot.next = flow.head;
    (flow.head == kNoSlot ? flow.tail : (*slots_)[flow.head].previous) = index;
    flow.head = index;
}

void FairQueue::remove(std::uint32_t index) {
    Slot& slot = (*slots_)[index];
    Flow& flow = *slot.flow;
    (slot.previous == kNoSlot ? flow.head : (*slots_)[slot.previous].next) = slot.next;
    (slot.next == kNoSlot ? flow.tail : (*slots_)[slot.next].previous) = slot.previous;
    slot.previous = slot.next = kNoSlot;
    slot.flow = nullptr;
    Class& cls = classes_[flow.customer->class_index];
    if (--flow.count == 0) --flows_waiting_;
    if (--flow.customer->waiting == 0) --cls.customers_waiting;
    --cls.waiting;
    flow.customer->waiting_tokens -= slot.amounts.total_tokens() + 1;
    --waiting_;
}

void FairQueue::forget_idle() {
    if (flows_.size() <= forget_above_ || flows_.size() <= 2 * std::size_t{flows_waiting_}) return;
    // A tag ahead of virtual time is a debt: it is forgotten only when nobody is there to whom it
    // would matter, else a client with one request at a time would always start afresh.
    std::erase_if(flows_, [](const auto& entry) {
        const Flow& flow = *entry.second;
        return flow.count == 0 && flow.place == Flow::Place::idle &&
               (flow.customer->waiting == 0 || flow.share.start <= flow.customer->virtual_time);
    });
    for (auto& [key, flow] : flows_) flow->customer->is_named = true;
    std::erase_if(customers_, [this](auto& entry) {
        CustomerLine& customer = *entry.second;
        const Class& cls = classes_[customer.class_index];
        if (std::exchange(customer.is_named, false)) return false;
        return cls.waiting == 0 || customer.share.start <= cls.virtual_time;
    });
    forget_above_ = std::max(kForgetAbove, 2 * std::max(flows_.size(), customers_.size()));
}

void FairQueue::make_ready(Flow& flow) {
    TG_ASSERT(flow.place == Flow::Place::idle && flow.count != 0);
    flow.place = Flow::Place::ready;
    ready_.push_back(&flow);
}

bool FairQueue::goes_before(const Flow& a, const Flow& b) const {
    const CustomerLine& of_a = *a.customer;
    const CustomerLine& of_b = *b.customer;
    return std::tuple(classes_[of_a.class_index].share.start, of_a.class_index, of_a.share.start,
                      of_a.id, a.share.start, a.number) <
           std::tuple(classes_[of_b.class_index].share.start, of_b.class_index, of_b.share.start,
                      of_b.id, b.share.start, b.number);
}

Flow* FairQueue::take_next_ready() {
    if (ready_.empty()) return nullptr;
    auto best = ready_.begin();
    for (auto at = best + 1; at != ready_.end(); ++at)
        if (goes_before(**at, **best)) best = at;
    Flow* flow = *best;
    *best = ready_.back();
    ready_.pop_back();
    flow->place = Flow::Place::idle;
    return flow;
}

ParkedFlow FairQueue::rank(Flow& flow) const {
    return {classes_[flow.customer->class_index].share.start, flow.customer->share.start,
            flow.share.start, flow.number, &flow};
}

void FairQueue::advance(FairShare& share, std::int64_t& virtual_time, std::int64_t tokens) {
    const std::int64_t start = std::max(share.start, virtual_time - credit_max_);
    virtual_time = std::max(virtual_time, start);
    share.start = start + tokens * kTagScale / share.weight;
}

void FairQueue::charge(Flow& flow, std::int64_t tokens) {
    CustomerLine& customer = *flow.customer;
    Class& cls = classes_[customer.class_index];
    advance(cls.share, virtual_time_, tokens);
    advance(customer.share, cls.virtual_time, tokens);
    advance(flow.share, customer.virtual_time, tokens);
}

std::uint32_t FairQueue::waiting_of(std::uint64_t customer) const {
    std::uint32_t waiting = 0;
    for (std::uint8_t i = 0; i < kPriorityClassCount; ++i)
        if (const auto at = customers_.find(Key{customer, 0, i}); at != customers_.end())
            waiting += at->second->waiting;
    return waiting;
}

std::int64_t FairQueue::shares(const Flow& flow) const {
    std::int64_t weights = 0;
    const Class& own = classes_[flow.customer->class_index];
    for (const Class& cls : classes_)
        if (cls.waiting != 0 || &cls == &own) weights += cls.share.weight;
    const std::int64_t customers = own.customers_waiting + (flow.customer->waiting == 0 ? 1 : 0);
    return customers * ((weights + own.share.weight - 1) / own.share.weight);
}

}  // namespace tg::admission_internal
