#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sim/call.h"
#include "sim/event_source.h"
#include "sim/words.h"

namespace tg::sim {

inline constexpr std::string_view kFingerprint = "fp_5109a7c0de";

/// The text of one choice of a call: prose, JSON, or the arguments of a tool call.
Content content_of(const Call& call, std::int64_t choice);

/// The chunks of /v1/chat/completions and /v1/completions. Views into the call, which outlives it.
class ChunkSource final : public EventSource {
  public:
    enum class Style : std::uint8_t { chat, completions };
    ChunkSource(Call* call, Style style);

    bool next(std::vector<std::string_view>* pieces) override;
    std::int64_t generated() const override { return generated_; }
    std::string_view trailer() const override { return "data: [DONE]\n\n"; }

  private:
    enum class Phase : std::uint8_t { roles, tokens, finish, usage, done };
    void role_event(std::vector<std::string_view>* pieces);
    bool token_event(std::vector<std::string_view>* pieces);
    void finish_event(std::vector<std::string_view>* pieces);
    void usage_event(std::vector<std::string_view>* pieces);
    void begin_choice(std::vector<std::string_view>* pieces);
    void end_event(std::vector<std::string_view>* pieces, std::size_t content_bytes);
    bool shows_extra_usage() const;
    std::string_view finish_reason() const;

    Call* call_;
    Style style_;
    Phase phase_ = Phase::roles;
    bool is_tool_call_;
    std::int64_t choices_, choice_ = 0;
    std::int64_t step_;    ///< tokens of one event
    std::int64_t at_ = 0;  ///< tokens of each choice sent so far
    std::int64_t generated_ = 0;
    bool is_big_sent_ = false;
    std::vector<Content> contents_;
    std::string prefix_;  ///< of every event, up to the choices
    std::string after_token_, scratch_;
    char index_[8];
    std::uint64_t padding_;
};

}  // namespace tg::sim
