#include "sim/plan.h"

#include <algorithm>
#include <cmath>

namespace tg::sim {
namespace {

constexpr std::int64_t kCacheMin = 1024;
constexpr std::int64_t kCacheStep = 128;
constexpr std::int64_t kReasoningStep = 64;
constexpr std::uint64_t kFaultSalt = 0x66617573746e6f77;

bool is_reasoning_model(std::string_view model) {
    for (const std::string_view prefix : {"o1", "o3", "o4", "gpt-5"}) {
        if (model.starts_with(prefix)) return true;
    }
    return false;
}

/// Log-normal around `median`: most answers are short, a few are very long.
std::int64_t draw_length(Dice& dice, std::int64_t median, std::int64_t max) {
    double z = 0;
    for (int i = 0; i < 4; ++i) z += static_cast<double>(dice.next() >> 11) * 0x1p-53;
    z = (z - 2) * 1.7320508;
    const double length = static_cast<double>(median) * std::exp(0.8 * z);
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(length), 1, max);
}

void draw_prompt_classes(Dice& dice, const Knobs& knobs, SimUsage& usage) {
    if (usage.prompt >= kCacheMin) {
        if (dice.below(1000) < knobs.get(Knob::cached_per_mille)) {
            const std::int64_t reach = kCacheMin + dice.below(usage.prompt - kCacheMin + 1);
            usage.cached = reach / kCacheStep * kCacheStep;
        } else if (dice.below(2) == 0) {
            usage.cache_write = usage.prompt / kCacheStep * kCacheStep;
        }
    }
    if (knobs.get(Knob::every_class) == 0) return;
    const std::int64_t free = usage.prompt - usage.audio_in - usage.image_in;
    usage.cached = dice.below(free / 4 + 1);
    usage.cache_write = dice.below(free / 4 + 1);
    usage.audio_in += dice.below(free / 4 + 1);
}

void draw_output_classes(Dice& dice, const ApiRequest& request, const Knobs& knobs,
                         SimUsage& usage) {
    const bool draws_all = knobs.get(Knob::every_class) != 0;
    if ((is_reasoning_model(request.model) && !request.is_reasoning_off) || draws_all)
        usage.reasoning = kReasoningStep * dice.below(8);
    if (request.has_prediction || draws_all) {
        usage.accepted = dice.below(std::max<std::int64_t>(usage.completion / 2, 1));
        usage.rejected = dice.below(16);
    }
    if (request.wants_audio || draws_all)
        usage.audio_out = dice.below(std::max<std::int64_t>(usage.completion, 1));
}

void apply_usage_directives(const Directives& d, SimUsage& usage) {
    const auto set = [](std::int64_t value, std::int64_t& into) {
        if (Directives::is_set(value)) into = value;
    };
    set(d.cached, usage.cached);
    set(d.cache_write, usage.cache_write);
    set(d.cache_write_long, usage.cache_write_long);
    set(d.audio_in, usage.audio_in);
    set(d.reasoning, usage.reasoning);
    set(d.accepted, usage.accepted);
    set(d.rejected, usage.rejected);
    set(d.audio_out, usage.audio_out);
}

}  // namespace

std::uint64_t Dice::next() {
    // splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

std::string_view answered_tier(std::string_view requested) {
    if (requested.empty() || requested == "auto" || requested == "default") return "default";
    if (requested == "flex") return "flex";
    if (requested == "priority" || requested == "fast") return "priority";
    if (requested == "scale") return "scale";
    if (requested == "ultrafast") return "ultrafast";
    return "default";
}

Plan make_plan(const ApiRequest& request, const Directives& d, const Knobs& knobs,
               const TokenRing& ring) {
    Dice dice(request.hash);
    Plan plan;
    plan.start = ring.sentence_start(dice.next());
    SimUsage& usage = plan.usage;
    usage.prompt = Directives::either(d.input_tokens, request.prompt_tokens);
    usage.audio_in = std::min(request.audio_tokens, usage.prompt);
    usage.image_in = std::min(request.image_tokens, usage.prompt);
    draw_prompt_classes(dice, knobs, usage);

    const std::int64_t drawn =
        draw_length(dice, knobs.get(Knob::output_median), knobs.get(Knob::output_max));
    usage.completion = drawn;
    draw_output_classes(dice, request, knobs, usage);
    apply_usage_directives(d, usage);

    const std::int64_t hidden = usage.reasoning + usage.rejected;
    plan.finish_reason = request.tool_name.empty() ? "stop" : "tool_calls";
    if (Directives::is_set(d.output_tokens)) {
        usage.completion = d.output_tokens;
        if (!Directives::is_set(d.reasoning))
            usage.reasoning = std::min(usage.reasoning, usage.completion / 2);
        if (!Directives::is_set(d.rejected))
            usage.rejected = std::min(usage.rejected, usage.completion / 4);
    } else {
        std::int64_t per_choice = drawn;
        if (request.cap > 0 && per_choice + hidden > request.cap) {
            per_choice = std::max<std::int64_t>(request.cap - hidden, 0);
            if (!Directives::is_set(d.reasoning))
                usage.reasoning = std::min(usage.reasoning, request.cap);
            if (!Directives::is_set(d.rejected))
                usage.rejected =
                    std::min(usage.rejected, request.cap - std::min(usage.reasoning, request.cap));
            plan.finish_reason = "length";
        }
        usage.completion = per_choice * request.choices + usage.reasoning + usage.rejected;
    }
    plan.visible = std::max<std::int64_t>(usage.visible(), 0);
    if (!Directives::is_set(d.audio_out)) usage.audio_out = std::min(usage.audio_out, plan.visible);
    if (!Directives::is_set(d.accepted)) usage.accepted = std::min(usage.accepted, plan.visible);
    if (!d.finish_reason.empty()) plan.finish_reason = d.finish_reason;

    plan.service_tier =
        d.service_tier.empty() ? answered_tier(request.service_tier) : d.service_tier;
    const std::int64_t jitter = knobs.get(Knob::latency_jitter_ms);
    plan.first_byte_ms = Directives::either(
        d.first_byte_ms, knobs.get(Knob::latency_ms) + (jitter > 0 ? dice.below(jitter + 1) : 0));
    plan.token_interval_us =
        Directives::either(d.token_interval_us, knobs.get(Knob::token_interval_us));
    return plan;
}

std::size_t choose_fault(const Knobs& knobs, std::uint64_t seed, std::uint64_t number) {
    std::int64_t sum = 0;
    for (auto i = static_cast<std::size_t>(kFirstFault); i < kKnobCount; ++i)
        sum += knobs.get(static_cast<Knob>(i));
    if (sum == 0) return kKnobCount;
    std::int64_t draw = Dice(seed ^ kFaultSalt ^ (number * 0x9e3779b97f4a7c15)).below(1000);
    for (auto i = static_cast<std::size_t>(kFirstFault); i < kKnobCount; ++i) {
        draw -= knobs.get(static_cast<Knob>(i));
        if (draw < 0) return i;
    }
    return kKnobCount;
}

void apply_fault(std::size_t fault, const Knobs& knobs, std::uint64_t hash, Directives* directives,
                 Plan* plan) {
    if (fault >= kKnobCount) return;
    const std::int64_t somewhere = Dice(hash ^ kFaultSalt).below(plan->visible + 1);
    const auto set = [](std::int64_t& member, std::int64_t value) {
        if (!Directives::is_set(member)) member = value;
    };
    switch (static_cast<Knob>(fault)) {
        case Knob::fault_429:
            return set(directives->status, 429);
        case Knob::fault_500:
            return set(directives->status, 500);
        case Knob::fault_503:
            return set(directives->status, 503);
        case Knob::fault_slow:
            if (!Directives::is_set(directives->first_byte_ms))
                plan->first_byte_ms = knobs.get(Knob::slow_ms);
            return;
        case Knob::fault_stall:
            return set(directives->stall_after, somewhere);
        case Knob::fault_cut:
            return set(directives->cut_after, somewhere);
        case Knob::fault_malformed:
            return set(directives->malformed_after, somewhere);
        case Knob::fault_wrong_usage:
            return set(directives->wrong_usage, 1);
        case Knob::fault_no_usage:
            return set(directives->no_usage, 1);
        default:
            return;
    }
}

}  // namespace tg::sim
