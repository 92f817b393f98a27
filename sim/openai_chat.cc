#include "base/json_writer.h"
#include "sim/openai_chunks.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

constexpr std::string_view kJson = "application/json";

void append_tool_calls(std::string& out, const Call& call, std::int64_t choice) {
    out.append(R"("content":null,"tool_calls":[{"id":"call_)").append(call.id().substr(0, 24));
    out.append(R"(","type":"function","function":{"name":")");
    append_json_escaped(out, call.request().tool_name);
    out.append(R"(","arguments":")");
    content_of(call, choice).append_to(out);
    out.append(R"("}}],"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":")");
}

void append_choice(std::string& out, const Call& call, std::int64_t choice) {
    out.append(R"({"index":)");
    append_number(out, choice);
    out.append(R"(,"message":{"role":"assistant",)");
    if (call.request().tool_name.empty()) {
        out.append(R"("content":")");
        if (choice == 0 && Directives::is_set(call.directives().big_event))
            out.append(static_cast<std::size_t>(call.directives().big_event), 'b');
        content_of(call, choice).append_to(out);
        out.append(R"(","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":")");
    } else {
        append_tool_calls(out, call, choice);
    }
    out.append(call.plan().finish_reason).append("\"}");
}

std::string chat_body(Call* call) {
    std::string out;
    out.reserve(640 + static_cast<std::size_t>(call->plan().visible) * 8);
    out.append(R"({"id":"chatcmpl-)").append(call->id());
    out.append(R"(","object":"chat.completion","created":)");
    append_number(out, call->created());
    out.append(R"(,"model":")");
    append_json_escaped(out, call->request().model);
    out.append(R"(","choices":[)");
    for (std::int64_t i = 0; i < call->request().choices; ++i) {
        if (i > 0) out.push_back(',');
        append_choice(out, *call, i);
    }
    out.push_back(']');
    if (call->reports_usage()) {
        out.append(R"(,"usage":)");
        call->append_usage_object(out, call->plan().usage, UsageForm::chat);
    }
    out.append(R"(,"service_tier":")").append(call->plan().service_tier);
    out.append(R"(","system_fingerprint":")").append(kFingerprint).append("\"}\n");
    return out;
}

std::string completions_body(Call* call) {
    std::string out;
    out.append(R"({"id":"cmpl-)").append(call->id());
    out.append(R"(","object":"text_completion","created":)");
    append_number(out, call->created());
    out.append(R"(,"model":")");
    append_json_escaped(out, call->request().model);
    out.append(R"(","choices":[)");
    for (std::int64_t i = 0; i < call->request().choices; ++i) {
        if (i > 0) out.push_back(',');
        out.append(R"({"text":")");
        content_of(*call, i).append_to(out);
        out.append(R"(","index":)");
        append_number(out, i);
        out.append(R"(,"logprobs":null,"finish_reason":")");
        out.append(call->plan().finish_reason).append("\"}");
    }
    out.push_back(']');
    if (call->reports_usage()) {
        out.append(R"(,"usage":)");
        call->append_usage_object(out, call->plan().usage, UsageForm::chat);
    }
    out.append("}\n");
    return out;
}

}  // namespace

Task<void> openai_chat(Call* call, std::string /*argument*/) {
    if (!co_await call->open_json(InputKey::messages)) co_return;
    call->set_answer_id("chatcmpl-");
    if (call->request().is_stream) {
        ChunkSource source(call, ChunkSource::Style::chat);
        co_await call->stream(&source);
        co_return;
    }
    co_await call->answer(std::string(kJson), chat_body(call), call->plan().usage);
}

Task<void> openai_completions(Call* call, std::string /*argument*/) {
    if (!co_await call->open_json(InputKey::prompt)) co_return;
    call->set_answer_id("cmpl-");
    if (call->request().is_stream) {
        ChunkSource source(call, ChunkSource::Style::completions);
        co_await call->stream(&source);
        co_return;
    }
    co_await call->answer(std::string(kJson), completions_body(call), call->plan().usage);
}

}  // namespace tg::sim
