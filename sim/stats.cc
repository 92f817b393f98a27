#include "sim/stats.h"

#include "base/json_writer.h"

namespace tg::sim {

void Stats::reset() {
    for (Number* each : {&calls, &streams, &complete, &cut, &client_gone, &events, &body_bytes,
                         &prompt_tokens, &completion_tokens, &cached_tokens})
        each->store(0, std::memory_order_relaxed);
    for (Number& each : by_status) each.store(0, std::memory_order_relaxed);
}

std::string Stats::json() const {
    std::string out;
    JsonWriter w(out);
    const auto field = [&](std::string_view name, const Number& number) {
        w.field(name, number.load(std::memory_order_relaxed));
    };
    w.begin_object();
    field("calls", calls);
    w.field("in_flight", in_flight.load(std::memory_order_relaxed));
    field("streams", streams);
    field("complete", complete);
    field("cut", cut);
    field("client_gone", client_gone);
    field("events", events);
    field("body_bytes", body_bytes);
    field("prompt_tokens", prompt_tokens);
    field("completion_tokens", completion_tokens);
    field("cached_tokens", cached_tokens);
    w.key("by_status").begin_object();
    for (std::size_t i = 0; i < by_status.size(); ++i) {
        if (by_status[i].load(std::memory_order_relaxed) != 0)
            field(std::to_string(i), by_status[i]);
    }
    w.end_object().end_object();
    return out;
}

}  // namespace tg::sim
