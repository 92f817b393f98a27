#include <algorithm>

#include "base/json_writer.h"
#include "sim/openai_chunks.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

/// Items and objects of one answer of /v1/responses. The call outlives it.
class ResponseObject {
  public:
    explicit ResponseObject(Call* call) : call_(call), content_(content_of(*call, 0)) {}

    bool is_tool_call() const { return !call_->request().tool_name.empty(); }
    bool has_reasoning() const { return call_->plan().usage.reasoning > 0; }
    bool is_incomplete() const { return call_->plan().finish_reason == "length"; }
    const Content& content() const { return content_; }
    /// Place of the message or function call among the items.
    int main_index() const { return has_reasoning() ? 1 : 0; }

    enum class State : std::uint8_t { in_progress, done };
    void append_main_id(std::string& out) const {
        out.append(is_tool_call() ? "fc_" : "msg_").append(call_->id());
    }
    void append_reasoning_item(std::string& out) const {
        out.append(R"({"id":"rs_)").append(call_->id());
        out.append(R"(","type":"reasoning","summary":[]})");
    }
    void append_main_item(std::string& out, State state) const;
    void append_part(std::string& out, State state) const;
    /// The whole object; in_progress has no output and no usage yet.
    void append(std::string& out, State state);

  private:
    Call* call_;
    Content content_;
};

void ResponseObject::append_part(std::string& out, State state) const {
    out.append(R"({"type":"output_text","text":")");
    if (state == State::done) content_.append_to(out);
    out.append(R"(","annotations":[],"logprobs":[]})");
}

void ResponseObject::append_main_item(std::string& out, State state) const {
    const std::string_view status = state == State::in_progress ? "in_progress"
                                    : is_incomplete()           ? "incomplete"
                                                                : "completed";
    out.append(R"({"id":")");
    append_main_id(out);
    if (is_tool_call()) {
        out.append(R"(","type":"function_call","status":")").append(status);
        out.append(R"(","arguments":")");
        if (state == State::done) content_.append_to(out);
        out.append(R"(","call_id":"call_)").append(call_->id().substr(0, 24));
        out.append(R"(","name":")");
        append_json_escaped(out, call_->request().tool_name);
        out.append("\"}");
        return;
    }
    out.append(R"(","type":"message","status":")").append(status);
    out.append(R"(","role":"assistant","content":[)");
    if (state == State::done) append_part(out, state);
    out.append("]}");
}

void ResponseObject::append(std::string& out, State state) {
    const ApiRequest& request = call_->request();
    const bool is_done = state == State::done;
    out.append(R"({"id":"resp_)").append(call_->id());
    out.append(R"(","object":"response","created_at":)");
    append_number(out, call_->created());
    out.append(R"(,"status":")");
    out.append(!is_done ? "in_progress" : is_incomplete() ? "incomplete" : "completed");
    out.append(R"(","background":false,"error":null,"incomplete_details":)");
    out.append(is_done && is_incomplete() ? R"({"reason":"max_output_tokens"})" : "null");
    out.append(R"(,"instructions":null,"max_output_tokens":)");
    if (request.cap > 0)
        append_number(out, request.cap);
    else
        out.append("null");
    out.append(R"(,"model":")");
    append_json_escaped(out, request.model);
    out.append(R"(","output":[)");
    if (is_done) {
        if (has_reasoning()) {
            append_reasoning_item(out);
            out.push_back(',');
        }
        append_main_item(out, state);
    }
    out.append(R"(],"parallel_tool_calls":true,"previous_response_id":)");
    if (request.previous_response_id.empty()) {
        out.append("null,");
    } else {
        out.push_back('"');
        append_json_escaped(out, request.previous_response_id);
        out.append("\",");
    }
    out.append(R"("reasoning":{"effort":null,"summary":null},"service_tier":")");
    out.append(is_done ? call_->plan().service_tier : "auto").append(R"(","store":)");
    out.append(request.store.value_or(true) ? "true" : "false");
    out.append(R"(,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto",)");
    out.append(R"("tools":[],"top_p":1.0,"truncation":"disabled","usage":)");
    if (is_done && call_->reports_usage())
        call_->append_usage_object(out, call_->plan().usage, UsageForm::responses);
    else
        out.append("null");
    out.append(R"(,"user":null,"metadata":{}})");
}

/// The events of a streamed answer.
class ResponseSource final : public EventSource {
  public:
    ResponseSource(Call* call, ResponseObject* object)
        : call_(call),
          object_(object),
          step_(std::max<std::int64_t>(
              1, Directives::either(call->directives().tokens_per_event,
                                    call->state()->knobs.get(Knob::tokens_per_event)))) {}

    bool next(std::vector<std::string_view>* pieces) override;
    std::int64_t generated() const override { return at_; }

  private:
    enum class Phase : std::uint8_t {
        created,
        in_progress,
        reasoning_added,
        reasoning_done,
        item_added,
        part_added,
        delta,
        text_done,
        part_done,
        item_done,
        completed,
        end
    };
    using State = ResponseObject::State;
    void write_event();
    void write_delta();
    void begin(std::string_view type);
    void item_place();
    bool applies(Phase phase) const;

    Call* call_;
    ResponseObject* object_;
    std::int64_t step_, at_ = 0, sequence_ = 0;
    Phase phase_ = Phase::created;
    std::string event_;
};

bool ResponseSource::applies(Phase phase) const {
    switch (phase) {
        case Phase::reasoning_added:
        case Phase::reasoning_done:
            return object_->has_reasoning();
        case Phase::part_added:
        case Phase::part_done:
            return !object_->is_tool_call();
        case Phase::delta:
            return at_ < object_->content().count();
        default:
            return true;
    }
}

bool ResponseSource::next(std::vector<std::string_view>* pieces) {
    while (!applies(phase_)) phase_ = static_cast<Phase>(static_cast<int>(phase_) + 1);
    if (phase_ == Phase::end) return false;
    event_.clear();
    write_event();
    event_.append(R"(,"sequence_number":)");
    append_number(event_, sequence_++);
    event_.append("}\n\n");
    pieces->push_back(event_);
    if (phase_ != Phase::delta) phase_ = static_cast<Phase>(static_cast<int>(phase_) + 1);
    return true;
}

void ResponseSource::begin(std::string_view type) {
    event_.append("event: ").append(type).append("\ndata: {\"type\":\"").append(type).append("\"");
}

/// The place of the main item's text, in every event about it.
void ResponseSource::item_place() {
    event_.append(R"(,"item_id":")");
    object_->append_main_id(event_);
    event_.append(R"(","output_index":)");
    append_number(event_, object_->main_index());
    if (!object_->is_tool_call()) event_.append(R"(,"content_index":0)");
}

void ResponseSource::write_delta() {
    begin(object_->is_tool_call() ? "response.function_call_arguments.delta"
                                  : "response.output_text.delta");
    item_place();
    event_.append(R"(,"delta":")");
    std::vector<std::string_view> tokens;
    object_->content().slice(at_, step_, &tokens);
    for (const std::string_view token : tokens) event_.append(token);
    if (at_ == 0 && Directives::is_set(call_->directives().big_event))
        event_.append(static_cast<std::size_t>(call_->directives().big_event), 'b');
    event_.append(object_->is_tool_call() ? "\"" : R"(","logprobs":[])");
    at_ = std::min(at_ + step_, object_->content().count());
}

void ResponseSource::write_event() {
    const auto whole = [this](std::string_view type, State state) {
        begin(type);
        event_.append(R"(,"response":)");
        object_->append(event_, state);
    };
    const auto item = [this](std::string_view type, int index) {
        begin(type);
        event_.append(R"(,"output_index":)");
        append_number(event_, index);
        event_.append(R"(,"item":)");
    };
    switch (phase_) {
        case Phase::created:
            return whole("response.created", State::in_progress);
        case Phase::in_progress:
            return whole("response.in_progress", State::in_progress);
        case Phase::reasoning_added:
        case Phase::reasoning_done:
            item(phase_ == Phase::reasoning_added ? "response.output_item.added"
                                                  : "response.output_item.done",
                 0);
            return object_->append_reasoning_item(event_);
        case Phase::item_added:
            item("response.output_item.added", object_->main_index());
            return object_->append_main_item(event_, State::in_progress);
        case Phase::part_added:
        case Phase::part_done: {
            const bool is_added = phase_ == Phase::part_added;
            begin(is_added ? "response.content_part.added" : "response.content_part.done");
            item_place();
            event_.append(R"(,"part":)");
            return object_->append_part(event_, is_added ? State::in_progress : State::done);
        }
        case Phase::delta:
            return write_delta();
        case Phase::text_done:
            begin(object_->is_tool_call() ? "response.function_call_arguments.done"
                                          : "response.output_text.done");
            item_place();
            event_.append(object_->is_tool_call() ? R"(,"arguments":")" : R"(,"text":")");
            object_->content().append_to(event_);
            event_.append(object_->is_tool_call() ? "\"" : R"(","logprobs":[])");
            return;
        case Phase::item_done:
            item("response.output_item.done", object_->main_index());
            return object_->append_main_item(event_, State::done);
        case Phase::completed:
            return whole(object_->is_incomplete() ? "response.incomplete" : "response.completed",
                         State::done);
        case Phase::end:
            return;
    }
}

/// A provider keeps a response unless it is told not to, or the account is under zero retention.
bool is_kept(const Call& call) {
    const Knobs& knobs = call.state()->knobs;
    if (knobs.get(Knob::zero_retention) == 1) return false;
    return call.request().store.value_or(true) || knobs.get(Knob::ignore_store_false) == 1;
}

ApiError no_such_response(const std::string& id) {
    return {.status = 404,
            .message = "Response with id '" + id + "' not found.",
            .param = {},
            .code = {}};
}

}  // namespace

Task<void> openai_responses(Call* call, std::string /*argument*/) {
    if (!co_await call->open_json(InputKey::input)) co_return;
    const std::string& previous = call->request().previous_response_id;
    if (!previous.empty() && !call->state()->responses.get(previous)) {
        co_await call->refuse({.status = 400,
                               .message = "Previous response with id '" + previous + "' not found.",
                               .param = "previous_response_id",
                               .code = "previous_response_not_found"});
        co_return;
    }
    call->set_answer_id("resp_");
    ResponseObject object(call);
    std::string body;
    object.append(body, ResponseObject::State::done);
    body.push_back('\n');
    if (is_kept(*call)) call->state()->responses.put("resp_" + std::string(call->id()), body);
    if (call->request().is_stream) {
        ResponseSource source(call, &object);
        co_await call->stream(&source);
        co_return;
    }
    co_await call->answer("application/json", std::move(body), call->plan().usage);
}

Task<void> openai_get_response(Call* call, std::string argument) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    std::optional<std::string> body = call->state()->responses.get(argument);
    if (!body) {
        co_await call->refuse(no_such_response(argument));
        co_return;
    }
    co_await call->answer("application/json", *std::move(body), {});
}

Task<void> openai_delete_response(Call* call, std::string argument) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    if (!call->state()->responses.remove(argument)) {
        co_await call->refuse(no_such_response(argument));
        co_return;
    }
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("id", argument)
        .field("object", "response")
        .field("deleted", true)
        .end_object();
    co_await call->answer("application/json", std::move(body), {});
}

}  // namespace tg::sim
