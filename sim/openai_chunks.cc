#include "sim/openai_chunks.h"

#include <algorithm>
#include <charconv>

#include "base/json_writer.h"

namespace tg::sim {
namespace {

constexpr std::string_view kJsonOpen = R"({\"answer\":\")";
constexpr std::string_view kJsonClose = R"(\"})";
constexpr std::string_view kArgumentsOpen = R"({\"query\":\")";
constexpr std::uint64_t kChoiceSalt = 0x63686f6963650000;

// Random characters that make the sizes of events alike, as OpenAI's include_obfuscation does.
constexpr std::string_view kPadding =
    "Xk29sLqPz0vTnB4aRcE7yWfU1mGhJdO5iQ8tK3uZxVbN6CwSeYpDgHrA2lFoMj9IvTqL0sXz7RkPnB4yEuWcGa1fmJh";
constexpr std::size_t kPaddedBytes = 16;

}  // namespace

Content content_of(const Call& call, std::int64_t choice) {
    const ApiRequest& request = call.request();
    const Plan& plan = call.plan();
    const std::int64_t count = plan.share(choice, request.choices);
    const bool is_tool = !request.tool_name.empty();
    const bool is_plain = is_tool || request.wants_json;
    const TokenRing& ring = is_plain ? call.state()->plain : call.state()->rich;
    const std::uint64_t start =
        choice == 0
            ? plan.start
            : ring.sentence_start(
                  Dice(request.hash ^ kChoiceSalt ^ static_cast<std::uint64_t>(choice)).next());
    if (!is_plain) return {&ring, start, count};
    return {&ring, start, count, is_tool ? kArgumentsOpen : kJsonOpen, kJsonClose};
}

ChunkSource::ChunkSource(Call* call, Style style)
    : call_(call),
      style_(style),
      is_tool_call_(style == Style::chat && !call->request().tool_name.empty()),
      choices_(call->request().choices),
      step_(std::max<std::int64_t>(
          1, Directives::either(call->directives().tokens_per_event,
                                call->state()->knobs.get(Knob::tokens_per_event)))),
      padding_(call->request().hash) {
    const bool is_chat = style == Style::chat;
    for (std::int64_t i = 0; i < choices_; ++i) contents_.push_back(content_of(*call, i));
    prefix_.reserve(256);
    prefix_.append(R"(data: {"id":")").append(is_chat ? "chatcmpl-" : "cmpl-").append(call->id());
    prefix_.append(is_chat ? R"(","object":"chat.completion.chunk","created":)"
                           : R"(","object":"text_completion","created":)");
    append_number(prefix_, call->created());
    prefix_.append(R"(,"model":")");
    append_json_escaped(prefix_, call->request().model);
    if (is_chat) prefix_.append(R"(","service_tier":")").append(call->plan().service_tier);
    prefix_.append(R"(","system_fingerprint":")").append(kFingerprint).append(R"(","choices":[)");

    after_token_ = is_chat ? (is_tool_call_ ? R"("}}]},"logprobs":null,"finish_reason":null}])"
                                            : R"("},"logprobs":null,"finish_reason":null}])")
                           : R"(","logprobs":null,"finish_reason":null}])";
    if (call->request().includes_usage) after_token_.append(R"(,"usage":null)");
    if (!is_chat) phase_ = Phase::tokens;
}

bool ChunkSource::shows_extra_usage() const {
    return call_->request().includes_usage && call_->reports_usage() &&
           call_->directives().usage_in_last_choice != 1;
}

void ChunkSource::begin_choice(std::vector<std::string_view>* pieces) {
    char* end = std::to_chars(index_, index_ + sizeof index_, choice_).ptr;
    pieces->push_back(prefix_);
    pieces->push_back(R"({"index":)");
    pieces->emplace_back(index_, static_cast<std::size_t>(end - index_));
}

void ChunkSource::end_event(std::vector<std::string_view>* pieces, std::size_t content_bytes) {
    if (style_ == Style::chat && call_->state()->options.has_obfuscation &&
        call_->request().includes_obfuscation) {
        padding_ = padding_ * 6364136223846793005 + 1442695040888963407;
        const std::size_t from = (padding_ >> 33) % (kPadding.size() - kPaddedBytes);
        const std::size_t size = kPaddedBytes - std::min(content_bytes, kPaddedBytes);
        pieces->push_back(R"(,"obfuscation":")");
        pieces->push_back(kPadding.substr(from, size));
        pieces->push_back("\"}\n\n");
    } else {
        pieces->push_back("}\n\n");
    }
}

bool ChunkSource::next(std::vector<std::string_view>* pieces) {
    for (;;) {
        switch (phase_) {
            case Phase::roles:
                role_event(pieces);
                return true;
            case Phase::tokens:
                if (token_event(pieces)) return true;
                phase_ = Phase::finish;
                choice_ = 0;
                break;
            case Phase::finish:
                finish_event(pieces);
                return true;
            case Phase::usage:
                phase_ = Phase::done;
                if (!shows_extra_usage()) return false;
                usage_event(pieces);
                return true;
            case Phase::done:
                return false;
        }
    }
}

void ChunkSource::role_event(std::vector<std::string_view>* pieces) {
    begin_choice(pieces);
    if (is_tool_call_) {
        scratch_.assign(R"(,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,)");
        scratch_.append(R"("id":"call_)").append(call_->id().substr(0, 24));
        scratch_.append(R"(","type":"function","function":{"name":")");
        append_json_escaped(scratch_, call_->request().tool_name);
        scratch_.append(R"(","arguments":""}}],"refusal":null},"logprobs":null)");
        pieces->push_back(scratch_);
    } else {
        pieces->push_back(
            R"(,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null)");
    }
    pieces->push_back(R"(,"finish_reason":null}])");
    if (call_->request().includes_usage) pieces->push_back(R"(,"usage":null)");
    end_event(pieces, 0);
    if (++choice_ == choices_) {
        choice_ = 0;
        phase_ = Phase::tokens;
    }
}

/// The choices take turns; false when all are through.
bool ChunkSource::token_event(std::vector<std::string_view>* pieces) {
    for (;;) {
        if (choice_ == choices_) {
            choice_ = 0;
            at_ += step_;
        }
        // The first choice has the most tokens.
        if (at_ >= contents_[0].count()) return false;
        if (at_ < contents_[static_cast<std::size_t>(choice_)].count()) break;
        ++choice_;
    }
    const Content& content = contents_[static_cast<std::size_t>(choice_)];
    begin_choice(pieces);
    pieces->push_back(style_ == Style::completions ? R"(,"text":")"
                      : is_tool_call_
                          ? R"(,"delta":{"tool_calls":[{"index":0,"function":{"arguments":")"
                          : R"(,"delta":{"content":")");
    const std::size_t first = pieces->size();
    content.slice(at_, step_, pieces);
    if (Directives::is_set(call_->directives().big_event) && !is_big_sent_) {
        is_big_sent_ = true;
        scratch_.assign(static_cast<std::size_t>(call_->directives().big_event), 'b');
        pieces->push_back(scratch_);
    }
    std::size_t bytes = 0;
    for (std::size_t i = first; i < pieces->size(); ++i) bytes += (*pieces)[i].size();
    pieces->push_back(after_token_);
    end_event(pieces, bytes);
    generated_ += std::min(step_, content.count() - at_);
    ++choice_;
    return true;
}

std::string_view ChunkSource::finish_reason() const {
    const std::string_view reason = call_->plan().finish_reason;
    return style_ == Style::completions && reason == "tool_calls" ? "stop" : reason;
}

void ChunkSource::finish_event(std::vector<std::string_view>* pieces) {
    begin_choice(pieces);
    pieces->push_back(style_ == Style::chat ? R"(,"delta":{},"logprobs":null,"finish_reason":")"
                                            : R"(,"text":"","logprobs":null,"finish_reason":")");
    pieces->push_back(finish_reason());
    pieces->push_back(R"("}])");
    const bool is_last = ++choice_ == choices_;
    if (is_last && call_->directives().usage_in_last_choice == 1 && call_->reports_usage()) {
        scratch_.assign(R"(,"usage":)");
        call_->append_usage_object(scratch_, call_->plan().usage, UsageForm::chat);
        pieces->push_back(scratch_);
    } else if (call_->request().includes_usage) {
        pieces->push_back(R"(,"usage":null)");
    }
    end_event(pieces, 0);
    if (is_last) phase_ = Phase::usage;
}

void ChunkSource::usage_event(std::vector<std::string_view>* pieces) {
    scratch_.assign(R"(],"usage":)");
    call_->append_usage_object(scratch_, call_->plan().usage, UsageForm::chat);
    pieces->push_back(prefix_);
    pieces->push_back(scratch_);
    end_event(pieces, kPaddedBytes);
}

}  // namespace tg::sim
