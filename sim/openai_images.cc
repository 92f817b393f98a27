#include <algorithm>

#include "base/json_writer.h"
#include "sim/openai_form.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

/// A grey PNG of one pixel.
constexpr std::string_view kPng =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";
constexpr std::int64_t kImageInTokens = 323;
constexpr std::int64_t kImagesMax = 10;

/// Tokens of one square image, by quality, as the price page of gpt-image-1 lists them.
std::int64_t output_tokens(std::string_view quality) {
    if (quality == "low") return 272;
    if (quality == "high") return 4160;
    return 1056;
}

void append_image_usage(std::string& out, Call* call) {
    const SimUsage& usage = call->plan().usage;
    call->note_usage_shown();
    out.append(R"({"input_tokens":)");
    append_number(out, usage.prompt);
    out.append(R"(,"input_tokens_details":{"text_tokens":)");
    append_number(out, usage.prompt - usage.image_in);
    out.append(R"(,"image_tokens":)");
    append_number(out, usage.image_in);
    out.append(R"(},"output_tokens":)");
    append_number(out, usage.completion);
    out.append(R"(,"output_tokens_details":{"text_tokens":0,"image_tokens":)");
    append_number(out, usage.completion);
    out.append(R"(},"total_tokens":)");
    append_number(out, usage.total());
    out.push_back('}');
}

/// One partial image, then image_generation.completed with the usage.
class ImageSource final : public EventSource {
  public:
    explicit ImageSource(Call* call) : call_(call) {}

    bool next(std::vector<std::string_view>* pieces) override {
        if (events_ == 2) return false;
        const std::string_view type =
            events_++ == 0 ? "image_generation.partial_image" : "image_generation.completed";
        event_.assign("event: ").append(type).append("\ndata: {\"type\":\"").append(type);
        event_.append(R"(","b64_json":")").append(kPng).append(R"(","created_at":)");
        append_number(event_, call_->created());
        event_.append(R"(,"size":"1024x1024","quality":"medium","background":"opaque",)");
        event_.append(R"("output_format":"png")");
        if (events_ == 1) {
            event_.append(R"(,"partial_image_index":0)");
        } else if (call_->reports_usage()) {
            event_.append(R"(,"usage":)");
            append_image_usage(event_, call_);
        }
        event_.append("}\n\n");
        pieces->push_back(event_);
        return true;
    }
    std::int64_t generated() const override {
        return events_ == 2 ? call_->plan().usage.completion : 0;
    }

  private:
    Call* call_;
    int events_ = 0;
    std::string event_;
};

Task<void> answer_images(Call* call, std::int64_t images_in) {
    const ApiRequest& request = call->request();
    if (request.choices > kImagesMax) {
        co_await call->refuse(
            {.status = 400,
             .message = "Invalid value for 'n': at most " + std::to_string(kImagesMax) + " images.",
             .param = "n",
             .code = "integer_above_max_value"});
        co_return;
    }
    const bool has_tokens = request.model.starts_with("gpt-image");
    SimUsage usage;
    usage.images = request.choices;
    if (has_tokens) {
        usage.image_in = images_in * kImageInTokens;
        usage.prompt = request.prompt_tokens + usage.image_in;
        usage.completion = request.choices * output_tokens(request.quality);
    }
    call->mutable_plan().usage = usage;
    call->mutable_plan().visible = 0;
    if (request.is_stream && has_tokens) {
        ImageSource source(call);
        co_await call->stream(&source);
        co_return;
    }
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("created", call->created()).key("data").begin_array();
    for (std::int64_t i = 0; i < request.choices; ++i) {
        w.begin_object();
        if (has_tokens || request.response_format == "b64_json")
            w.field("b64_json", kPng);
        else
            w.field("url", "https://images.example/" + std::string(call->id()) + "-" +
                               std::to_string(i) + ".png");
        w.end_object();
    }
    w.end_array();
    if (has_tokens && call->reports_usage()) {
        std::string object;
        append_image_usage(object, call);
        w.key("usage").raw(object);
    }
    w.end_object();
    co_await call->answer("application/json", std::move(body), usage);
}

}  // namespace

Task<void> openai_images(Call* call, std::string /*argument*/) {
    if (!co_await call->open_json(InputKey::prompt)) co_return;
    co_await answer_images(call, 0);
}

Task<void> openai_image_edits(Call* call, std::string /*argument*/) {
    Form form;
    if (!co_await call->open() || !co_await read_form(call, &form) || !co_await call->admit())
        co_return;
    co_await answer_images(call, form.files);
}

}  // namespace tg::sim
