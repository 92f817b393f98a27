#include "providers/openai_reply.h"

#include "base/block_pool.h"
#include "base/json_writer.h"
#include "providers/internal/json_skim.h"
#include "providers/internal/openai_grammar.h"
#include "providers/internal/reply_collector.h"

namespace tg {

struct ReplyScanner::State : Pooled {
    explicit State(OpenAiCall call)
        : skimmer(openai_grammar(call == OpenAiCall::responses ? OpenAiDocument::responses_reply
                                                               : OpenAiDocument::reply)),
          collector(call) {}
    JsonSkimmer skimmer;
    ReplyCollector collector;
};

ReplyScanner::ReplyScanner(OpenAiCall call) : state_(std::make_unique<State>(call)) {}
ReplyScanner::~ReplyScanner() = default;
ReplyScanner::ReplyScanner(ReplyScanner&&) noexcept = default;

void ReplyScanner::feed(std::string_view bytes) {
    state_->skimmer.feed(bytes, state_->collector);
}

ReplyFacts ReplyScanner::finish() {
    return state_->collector.take_facts();
}

std::string openai_error_body(std::string_view message, std::string_view type,
                              std::string_view code, std::string_view param) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().key("error").begin_object().field("message", message).field("type", type);
    const auto text_or_null = [&](std::string_view name, std::string_view text) {
        writer.key(name);
        if (text.empty()) {
            writer.null();
        } else {
            writer.value(text);
        }
    };
    text_or_null("param", param);
    text_or_null("code", code);
    writer.end_object().end_object();
    return out;
}

std::string_view openai_error_type(int http_status) {
    switch (http_status) {
        case 401:
            return "authentication_error";
        case 403:
            return "permission_error";
        case 429:
            return "requests";
        default:
            return http_status >= 500 ? "server_error" : "invalid_request_error";
    }
}

}  // namespace tg
