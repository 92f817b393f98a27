#include "providers/internal/reply_collector.h"

#include <algorithm>

#include "base/hash.h"
#include "base/money.h"
#include "providers/internal/json_cursor.h"
#include "providers/internal/openai_grammar.h"
#include "providers/openai_usage.h"

namespace tg {
namespace {

constexpr std::size_t kUsageMax = 16U << 10;
constexpr std::size_t kStringMax = 768;  // a model's name of 128 bytes, escaped throughout
constexpr std::size_t kModelMax = 128;

constexpr Meter kToolMeters[] = {Meter::web_search_medium, Meter::file_search,
                                 Meter::code_interpreter};

/// Cuts at `max` bytes, before a UTF-8 character rather than inside it.
void truncate_utf8(std::string& text, std::size_t max) {
    if (text.size() <= max) return;
    std::size_t end = max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
}

}  // namespace

ReplyCollector::Rare& ReplyCollector::rare() const {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
}

void ReplyCollector::on_value(SkimNodeId node, char first, std::uint64_t key_offset,
                              std::uint64_t value_offset) {
    switch (node) {
        case node_usage:
            ++event_.usage_members;
            event_.usage_key = static_cast<std::uint32_t>(key_offset);
            event_.usage_value = static_cast<std::uint32_t>(value_offset);
            event_.usage_end = 0;
            event_.usage_first = first;
            break;
        case node_error:
            event_.has_error = event_.has_error || first != 'n';
            break;
        case node_choice:
            event_.has_choice = true;
            break;
        case node_output:
            // A later list stands for the whole answer.
            if (first != '[') break;
            in_output_ = true;
            for (const Meter meter : kToolMeters) facts_.usage[meter] = 0;
            if (rare_) rare_->containers.clear();
            break;
        case node_item:
            item_ = Item();
            break;
        case node_sequence:
            // Where its digits end is seen when the whole event is.
            if (first >= '0' && first <= '9') {
                add_hole(EventHole::Kind::digits, value_offset, value_offset);
            } else {
                event_.is_repeatable = false;
            }
            break;
        default:
            break;
    }
}

void ReplyCollector::on_end(SkimNodeId node) {
    if (node == node_output) in_output_ = false;
    if (node != node_item) return;
    if (in_output_) {
        count_item(item_);
    } else {
        event_.has_item = true;
    }
}

void ReplyCollector::on_bytes(SkimNodeId node, std::string_view part, bool is_last,
                              std::uint64_t end_offset) {
    const bool is_text =
        node == node_text || node == node_reasoning_content || node == node_reasoning;
    if (is_text || node == node_obfuscation) {
        string_size_ += static_cast<std::uint32_t>(part.size());
        if (is_last) {
            const auto kind = is_text ? EventHole::Kind::text : EventHole::Kind::string;
            add_hole(kind, end_offset - string_size_, end_offset);
            string_size_ = 0;
        }
        // Whether `reasoning` counts depends on what came before.
        if (node == node_reasoning) event_.is_repeatable = false;
        if (node == node_reasoning_content) has_reasoning_content_ = true;
        if (is_text && (node != node_reasoning || !has_reasoning_content_))
            take_text(part, is_last);
        return;
    }
    const std::size_t max = node == node_usage ? kUsageMax : kStringMax;
    if (is_last && node == node_usage) event_.usage_end = static_cast<std::uint32_t>(end_offset);
    std::string_view whole = part;
    if (!is_last || (rare_ && !rare_->partial.empty())) {
        std::string& partial = rare().partial;
        partial.append(part.substr(0, max + 1 - std::min(partial.size(), max + 1)));
        if (!is_last) return;
        whole = partial;
    }
    if (whole.size() <= max) take_string(node, whole);
    if (rare_) rare_->partial.clear();
}

void ReplyCollector::add_hole(EventHole::Kind kind, std::uint64_t begin, std::uint64_t end) {
    if (event_.hole_count == kEventHolesMax) {
        event_.is_repeatable = false;
        return;
    }
    event_.holes[event_.hole_count++] = {static_cast<std::uint32_t>(begin),
                                         static_cast<std::uint32_t>(end), kind};
}

void ReplyCollector::take_repeated(const EventTemplate& pattern,
                                   const EventTemplate::Match& match) {
    for (std::size_t i = 0; i < pattern.hole_count(); ++i) {
        if (pattern.kind(i) == EventHole::Kind::text) take_text(match.filled[i], true);
    }
    event_mark_ = text_.size();
    event_mark_beyond_ = text_beyond_;
}

void ReplyCollector::take_text(std::string_view part, bool is_last) {
    if (!is_collecting_text_) part = {};
    if (!is_text_open_) {
        mark_ = text_.size();
        mark_beyond_ = text_beyond_;
    }
    is_text_open_ = !is_last;
    const std::string_view kept = part.substr(0, StreamScanner::kMaxKeptText - text_.size());
    text_.append(kept);
    text_beyond_ += static_cast<std::int64_t>(part.size() - kept.size());
}

void ReplyCollector::take_string(SkimNodeId node, std::string_view raw) {
    switch (node) {
        case node_usage:
            take_usage(raw);
            break;
        case node_model:
            take_model(raw);
            break;
        case node_tier: {
            bool is_known = false;
            const ServiceTier tier = parse_service_tier(raw, &is_known);
            // "auto" is what was asked for, not what was served.
            if (is_known && raw != "auto") {
                facts_.has_tier = true;
                facts_.tier = tier;
            }
            break;
        }
        case node_type:
            event_.type = parse_event_type(raw);
            break;
        case node_item_type:
            item_.type = raw == "web_search_call"         ? ItemType::web_search
                         : raw == "file_search_call"      ? ItemType::file_search
                         : raw == "code_interpreter_call" ? ItemType::code_interpreter
                                                          : ItemType::other;
            break;
        case node_id:
            facts_.object = object_key(raw);
            break;
        case node_container:
            item_.container = hash64(raw) | 1;  // 0 is "none"
            break;
        case node_action_type:
            // Only searches cost: OpenAI, guide "Web search", output and citations.
            item_.is_free = raw == "open_page" || raw == "find_in_page" || raw == "find";
            break;
        default:
            break;
    }
}

void ReplyCollector::take_usage(std::string_view json) {
    const OpenAiUsage parsed = parse_openai_usage(call_, json);
    if (!parsed.is_usage) return;
    Usage usage = parsed.usage;
    for (const Meter meter : kToolMeters) usage[meter] = facts_.usage[meter];
    facts_.usage = usage;
    facts_.has_usage = true;
    facts_.is_mismatch = parsed.is_mismatch;
}

void ReplyCollector::take_model(std::string_view raw) {
    if (raw == facts_.model) return;
    facts_.model.clear();
    append_json_unescaped(facts_.model, raw);
    truncate_utf8(facts_.model, kModelMax);
}

void ReplyCollector::count_item(const Item& item) {
    if (item.type == ItemType::web_search && !item.is_free)
        ++facts_.usage[Meter::web_search_medium];
    if (item.type == ItemType::file_search) ++facts_.usage[Meter::file_search];
    if (item.type != ItemType::code_interpreter) return;
    // A session is a container: calls into the same one are paid for once.
    std::vector<std::uint64_t>& containers = rare().containers;
    if (item.container != 0 && std::ranges::find(containers, item.container) != containers.end())
        return;
    if (item.container != 0) containers.push_back(item.container);
    ++facts_.usage[Meter::code_interpreter];
}

ReplyCollector::EventType ReplyCollector::parse_event_type(std::string_view type) {
    constexpr std::string_view kEnds[] = {"response.completed",   "response.incomplete",
                                          "response.cancelled",   "image_generation.completed",
                                          "image_edit.completed", "transcript.text.done"};
    // Sound, and what a tool printed, is no text of the model.
    constexpr std::string_view kNoText[] = {"response.audio.delta", "response.output_audio.delta",
                                            "speech.audio.delta",
                                            "response.shell_call_output_content.delta"};
    if (type == "response.output_text.delta") return EventType::text_delta;
    if (type.ends_with(".delta")) {
        return std::ranges::find(kNoText, type) == std::end(kNoText) ? EventType::text_delta
                                                                     : EventType::other;
    }
    if (type == "response.output_item.done") return EventType::item_done;
    if (type == "error" || type == "response.failed") return EventType::failed;
    if (type == "speech.audio.done") return EventType::speech_done;
    return std::ranges::find(kEnds, type) == std::end(kEnds) ? EventType::other : EventType::end;
}

void ReplyCollector::roll_back_text(std::size_t size, std::int64_t beyond) {
    if (text_.size() == size && text_beyond_ == beyond) return;
    text_.resize(size);
    text_beyond_ = beyond;
    if (rare_) rare_->decoded_size = 0;
}

void ReplyCollector::end_event() {
    if (is_text_open_) roll_back_text(mark_, mark_beyond_);  // the string never ended
    is_text_open_ = false;
    const bool is_typed = call_ == OpenAiCall::responses || call_ == OpenAiCall::other_json;
    if (is_typed && event_.type != EventType::text_delta) {
        roll_back_text(event_mark_, event_mark_beyond_);
    }
    event_mark_ = text_.size();
    event_mark_beyond_ = text_beyond_;
    if (event_.type == EventType::item_done && event_.has_item) count_item(item_);
    if (event_.type == EventType::speech_done && event_.usage_end != 0) {
        // Speech is all it puts out.
        facts_.usage[Meter::output_audio] += facts_.usage[Meter::output];
        facts_.usage[Meter::output] = 0;
    }
    if (rare_) rare_->partial.clear();
    in_output_ = false;
    string_size_ = 0;
    event_ = Event();
}

std::string_view ReplyCollector::delivered_text() const {
    if (text_.find('\\') == std::string::npos) return text_;
    Rare& r = rare();
    if (r.decoded_size != text_.size()) {
        r.decoded.clear();
        append_json_unescaped(r.decoded, text_);
        r.decoded_size = text_.size();
    }
    return r.decoded;
}

std::int64_t ReplyCollector::delivered_bytes() const {
    const auto kept = static_cast<std::int64_t>(delivered_text().size());
    if (text_beyond_ == 0) return kept;
    const auto raw = static_cast<std::int64_t>(text_.size());
    return kept + static_cast<std::int64_t>(static_cast<int128>(text_beyond_) * kept / raw);
}

}  // namespace tg
