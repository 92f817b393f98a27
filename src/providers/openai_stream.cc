#include <array>
#include <cstring>
#include <list>

#include "base/block_pool.h"
#include "providers/internal/event_template.h"
#include "providers/internal/json_skim.h"
#include "providers/internal/openai_grammar.h"
#include "providers/internal/reply_collector.h"
#include "providers/internal/sse_parser.h"
#include "providers/internal/usage_strip.h"
#include "providers/openai_reply.h"

namespace tg {
namespace {

OpenAiDocument event_document(OpenAiCall call) {
    if (call == OpenAiCall::responses) return OpenAiDocument::responses_event;
    return call == OpenAiCall::other_json ? OpenAiDocument::other_event
                                          : OpenAiDocument::chat_event;
}

/// Buffers above this are given back instead of kept for the next event.
constexpr std::size_t kKeptCapacity = 4096;

}  // namespace

struct StreamScanner::State : Pooled {
    enum class Action : std::uint8_t { pass, drop, cut, rebuild };

    State(OpenAiCall c, bool strip)
        : call(c),
          // Only these put usage where the client did not ask for it.
          is_stripping(strip && (c == OpenAiCall::chat || c == OpenAiCall::completions)),
          skimmer(openai_grammar(event_document(c))),
          collector(c) {}

    void take_data(std::string_view data, std::size_t offset_in_event);
    Action decide(std::string_view event, Cut* cut) const;
    void end_event();
    void remember(std::string_view event, Action action, const Cut& cut);
    std::size_t take_repeated(const char* p, const char* end, const char** run, StreamPieces* out);
    void emit(std::string_view event, Action action, const Cut& cut, StreamPieces* out);
    Status scan(std::string_view bytes, StreamPieces* out);
    void emit_in_feed(std::string_view event, Action action, const Cut& cut, const char** run,
                      StreamPieces* out);
    void begin_feed();

    OpenAiCall call;
    bool is_stripping;
    bool has_ended = false;
    bool has_error = false;
    bool has_failed = false;   // an event was too long: nothing more is read
    bool swallows_lf = false;  // the last event went without its line ends, and so goes the LF that
                               // may follow its CR
    bool is_finished = false;
    SseParser parser;
    std::array<char, 8> head{};  // how the event's data begins
    std::uint32_t data_lines = 0;
    std::size_t data_size = 0;
    std::size_t data_begin = 0;  // of the first data line's value, in the event
    std::size_t event_size = 0;  // bytes of the event so far
    JsonSkimmer skimmer;
    ReplyCollector collector;
    std::string held;   // the beginning of an event that may have to be changed
    std::string spent;  // the held event that was passed on last
    std::unique_ptr<std::list<std::string>> rebuilt;
    EventTemplate pattern;     // of the last event that had data
    std::uint32_t misses = 0;  // events since one was like the one before
};

namespace {

void push(StreamPieces* out, const char* begin, const char* end) {
    if (begin < end) out->emplace_back(begin, static_cast<std::size_t>(end - begin));
}

}  // namespace

void StreamScanner::State::take_data(std::string_view data, std::size_t offset_in_event) {
    if (parser.is_line_start()) {
        if (data_lines == 0) {
            data_begin = offset_in_event;
        } else {
            skimmer.feed("\n", collector);
            ++data_size;
        }
        ++data_lines;
    }
    if (data_size < head.size()) {
        std::memcpy(head.data() + data_size, data.data(),
                    std::min(data.size(), head.size() - data_size));
    }
    data_size += data.size();
    skimmer.feed(data, collector);
}

StreamScanner::State::Action StreamScanner::State::decide(std::string_view event, Cut* cut) const {
    const ReplyCollector::Event& found = collector.event();
    // What is no whole JSON object is none of ours to mend.
    if (!is_stripping || found.usage_members == 0 || !skimmer.is_complete()) return Action::pass;
    if (found.usage_end != 0 && !found.has_choice && !found.has_error) return Action::drop;
    if (found.usage_members > 1 || data_lines > 1) return Action::rebuild;
    *cut = find_usage_member(event.substr(data_begin, data_size), found);
    cut->begin += data_begin;
    cut->end += data_begin;
    return cut->is_empty() ? Action::pass : Action::cut;
}

/// Books the event and gets ready for the next.
void StreamScanner::State::end_event() {
    using Type = ReplyCollector::EventType;
    const ReplyCollector::Event& found = collector.event();
    const bool is_failure = found.type == Type::failed;
    has_error = has_error || found.has_error || is_failure || parser.is_error_event();
    has_ended = has_ended || is_failure || found.type == Type::end ||
                found.type == Type::speech_done ||
                (data_size == 6 && std::memcmp(head.data(), "[DONE]", 6) == 0);
    if (data_lines != 0) {
        collector.end_event();
        skimmer.reset();
    }
    parser.begin_event();
    data_lines = 0;
    data_size = event_size = 0;
}

/// Keeps the event as a pattern for those to come, when they may be like it. `event` is empty when
/// its bytes are not at hand any more.
void StreamScanner::State::remember(std::string_view event, Action action, const Cut& cut) {
    constexpr std::uint32_t kMissesMax = 8, kTryEvery = 64;
    using Type = ReplyCollector::EventType;
    if (data_lines == 0) return;  // a comment changes nothing
    const ReplyCollector::Event& found = collector.event();
    // Where events have types, only a delta's text counts.
    const bool is_typed = call == OpenAiCall::responses || call == OpenAiCall::other_json;
    const bool is_plain = found.type == (is_typed ? Type::text_delta : Type::none) &&
                          found.usage_end == 0 && !found.has_error && !found.has_item &&
                          found.is_repeatable && !parser.is_error_event();
    const bool is_kept_as_it_is = action == Action::pass || action == Action::cut;
    const bool is_worth_it = misses < kMissesMax || misses % kTryEvery == 0;
    ++misses;
    // A byte order mark means something only once; a CR leaves open whether its line has ended.
    if (!is_plain || !is_kept_as_it_is || !is_worth_it || data_lines > 1 ||
        !skimmer.is_complete() || event.size() > EventTemplate::kSizeMax ||
        !event.ends_with('\n') || event.starts_with('\xef')) {
        pattern.clear();
        return;
    }
    std::array<EventHole, kEventHolesMax> holes = found.holes;
    for (std::size_t i = 0; i < found.hole_count; ++i) {
        holes[i].begin += static_cast<std::uint32_t>(data_begin);
        holes[i].end += static_cast<std::uint32_t>(data_begin);
        if (holes[i].kind != EventHole::Kind::digits) continue;
        while (event[holes[i].end] >= '0' && event[holes[i].end] <= '9') ++holes[i].end;
    }
    pattern.set(event, holes.data(), found.hole_count, cut.begin, cut.end);
}

/// The size of the event at `p` when it is like the one before, which is then booked; else 0.
std::size_t StreamScanner::State::take_repeated(const char* p, const char* end, const char** run,
                                                StreamPieces* out) {
    EventTemplate::Match match;
    const std::size_t size = pattern.match(p, end, &match);
    if (size == 0 || size > kMaxEventBytes) return 0;
    misses = 0;
    collector.take_repeated(pattern, match);
    if (match.cut_begin != match.cut_end) {
        push(out, *run, p + match.cut_begin);
        *run = p + match.cut_end;
    }
    swallows_lf = false;
    return size;
}

/// Passes on an event that stands in a buffer of the scanner.
void StreamScanner::State::emit(std::string_view event, Action action, const Cut& cut,
                                StreamPieces* out) {
    switch (action) {
        case Action::pass:
            out->push_back(event);
            break;
        case Action::drop:
            break;
        case Action::cut:
            out->push_back(event.substr(0, cut.begin));
            out->push_back(event.substr(cut.end));
            break;
        case Action::rebuild:
            if (!rebuilt) rebuilt = std::make_unique<std::list<std::string>>();
            out->emplace_back(rebuilt->emplace_back(rebuild_without_usage(call, event)));
            break;
    }
}

/// An event that stands whole in the fed bytes; [*run, event) before it was found fit to pass.
void StreamScanner::State::emit_in_feed(std::string_view event, Action action, const Cut& cut,
                                        const char** run, StreamPieces* out) {
    if (action == Action::pass) return;
    const char* const begin = &event.front();
    if (action == Action::cut) {
        push(out, *run, begin + cut.begin);
        *run = begin + cut.end;
        return;
    }
    push(out, *run, begin);
    *run = begin + event.size();
    if (action == Action::rebuild) emit(event, action, cut, out);
}

void StreamScanner::State::begin_feed() {
    if (!spent.empty()) spent.clear();
    if (spent.capacity() > kKeptCapacity) spent.shrink_to_fit();
    if (is_finished) held.clear();
    rebuilt.reset();
}

Status StreamScanner::State::scan(std::string_view bytes, StreamPieces* out) {
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    const char* run = begin;          // not passed on yet, from here
    const char* event_begin = begin;  // of the event at hand, or of its part in this feed
    bool is_event_whole = event_size == 0;
    for (const char* p = begin; p < end;) {
        if (event_size == 0 && pattern.is_set() && parser.is_at_line_start()) {
            if (const std::size_t size = take_repeated(p, end, &run, out); size != 0) {
                p += size;
                event_begin = p;
                continue;
            }
        }
        const char* const before = p;
        std::string_view data;
        const SseParser::Token token = parser.next(&p, end, &data);
        event_size += static_cast<std::size_t>(p - before);
        if (event_size > kMaxEventBytes) {
            has_failed = true;
            return fail(ErrorCode::upstream_broken,
                        "the provider sent a stream event of more than " +
                            std::to_string(kMaxEventBytes) + " bytes; the stream was given up");
        }
        if (token == SseParser::Token::data) {
            // The offset in the event of the first byte of `data`, which ends before its line end
            // at p.
            take_data(data, event_size - static_cast<std::size_t>(p - data.data()));
        } else if (token == SseParser::Token::late_lf) {
            if (swallows_lf) run = p;
            event_begin = p;
            event_size = 0;
        } else if (token == SseParser::Token::event_end) {
            std::string_view event;
            if (is_event_whole) {
                event = {event_begin, static_cast<std::size_t>(p - event_begin)};
            } else if (is_stripping) {
                held.append(begin, p);
                spent.swap(held);
                held.clear();
                event = spent;
                run = p;
            }
            Cut cut;
            const Action action = decide(event, &cut);
            swallows_lf = action == Action::drop || action == Action::rebuild;
            remember(event, action, cut);
            if (is_stripping && is_event_whole) emit_in_feed(event, action, cut, &run, out);
            if (is_stripping && !is_event_whole) emit(event, action, cut, out);
            is_event_whole = true;
            end_event();
            event_begin = p;
        }
    }
    if (is_stripping) {
        push(out, run, event_begin);
        held.append(event_begin, end);
    }
    return {};
}

StreamScanner::StreamScanner(OpenAiCall call, bool strip_usage)
    : state_(std::make_unique<State>(call, strip_usage)) {}
StreamScanner::~StreamScanner() = default;
StreamScanner::StreamScanner(StreamScanner&&) noexcept = default;

Status StreamScanner::feed(std::string_view bytes, StreamPieces* out) {
    state_->begin_feed();
    if (state_->has_failed)
        return fail(ErrorCode::upstream_broken,
                    "the stream was given up at an event that was too long");
    if (bytes.empty()) return {};
    if (!state_->is_stripping) out->push_back(bytes);
    return state_->scan(bytes, out);
}

void StreamScanner::finish(StreamPieces* out) {
    State& s = *state_;
    if (s.has_failed || s.is_finished) return;
    s.is_finished = true;
    if (!s.held.empty()) {
        Cut cut;
        const State::Action action = s.decide(s.held, &cut);
        s.emit(s.held, action, cut,
               out);  // pieces of the last feed stay valid: `spent` is not touched
    }
    s.end_event();
}

bool StreamScanner::saw_end() const {
    return state_->has_ended;
}
bool StreamScanner::saw_error() const {
    return state_->has_error;
}
void StreamScanner::stop_collecting_text() {
    state_->collector.stop_collecting_text();
}

std::string_view StreamScanner::delivered_text() const {
    return state_->collector.delivered_text();
}
std::int64_t StreamScanner::delivered_bytes() const {
    return state_->collector.delivered_bytes();
}
const ReplyFacts& StreamScanner::facts() const {
    return state_->collector.facts();
}

}  // namespace tg
