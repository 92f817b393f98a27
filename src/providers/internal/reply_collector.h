#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "providers/internal/event_template.h"
#include "providers/internal/json_skim.h"
#include "providers/openai_reply.h"

namespace tg {

/// Makes ReplyFacts, and the delivered text of a stream, of what a JsonSkimmer finds in the
/// documents of one answer: the one body of a unary reply, or the data of each event of a stream.
class ReplyCollector final : public SkimSink {
  public:
    enum class EventType : std::uint8_t {
        none,
        other,
        text_delta,
        item_done,
        speech_done,
        end,
        failed
    };

    /// What one event is, for the stream scanner. Offsets are in the event's data.
    struct Event {
        std::uint32_t usage_members = 0;
        std::uint32_t usage_key = 0;  ///< opening quote of the last `usage` key
        std::uint32_t usage_value = 0;
        std::uint32_t usage_end = 0;  ///< end of its object; 0 when it is no object
        char usage_first = 0;         ///< first byte of its value
        bool has_choice = false;
        bool has_error = false;
        bool has_item = false;
        EventType type = EventType::none;
        /// Other events may differ from this one in the holes and mean the same.
        bool is_repeatable = true;
        std::uint8_t hole_count = 0;
        std::array<EventHole, kEventHolesMax> holes{};
    };

    explicit ReplyCollector(OpenAiCall call) : call_(call) {}

    void on_value(SkimNodeId node, char first, std::uint64_t key_offset,
                  std::uint64_t value_offset) override;
    void on_bytes(SkimNodeId node, std::string_view part, bool is_last,
                  std::uint64_t end_offset) override;
    void on_end(SkimNodeId node) override;

    const Event& event() const { return event_; }
    /// Books what can be told only when the whole event is known, and gets ready for the next.
    void end_event();
    /// The event was a repetition of the one before: only its text is new.
    void take_repeated(const EventTemplate& pattern, const EventTemplate::Match& match);

    const ReplyFacts& facts() const { return facts_; }
    ReplyFacts take_facts() { return std::move(facts_); }
    void stop_collecting_text() { is_collecting_text_ = false; }
    std::string_view delivered_text() const;
    std::int64_t delivered_bytes() const;

  private:
    enum class ItemType : std::uint8_t { other, web_search, file_search, code_interpreter };
    struct Item {
        ItemType type = ItemType::other;
        bool is_free =
            false;  // a web search call that opens or searches a page it has already paid for
        std::uint64_t container = 0;
    };
    /// What few streams need.
    struct Rare {
        std::string partial;  // a string or usage object that was split between pieces
        std::vector<std::uint64_t> containers;
        std::string decoded;
        std::size_t decoded_size = 0;  // raw bytes that `decoded` stands for
    };

    Rare& rare() const;
    void take_text(std::string_view part, bool is_last);
    void add_hole(EventHole::Kind kind, std::uint64_t begin, std::uint64_t end);
    void roll_back_text(std::size_t size, std::int64_t beyond);
    void take_string(SkimNodeId node, std::string_view raw);
    void take_usage(std::string_view json);
    void take_model(std::string_view raw);
    void count_item(const Item& item);
    static EventType parse_event_type(std::string_view type);

    OpenAiCall call_;
    bool in_output_ = false;
    bool is_text_open_ = false;
    bool is_collecting_text_ = true;
    bool has_reasoning_content_ = false;
    Item item_;
    Event event_;
    std::string text_;              // delivered text, JSON escapes kept
    std::int64_t text_beyond_ = 0;  // bytes of it beyond kMaxKeptText
    std::size_t mark_ =
        0;  // text_ and text_beyond_ at the beginning of the event, then of the open string
    std::int64_t mark_beyond_ = 0;
    std::uint32_t string_size_ = 0;  // bytes so far of a string that may become a hole
    std::size_t event_mark_ = 0;
    std::int64_t event_mark_beyond_ = 0;
    mutable std::unique_ptr<Rare> rare_;
    ReplyFacts facts_;
};

}  // namespace tg
