#include <algorithm>

#include "base/json_writer.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

constexpr std::int64_t kCreated = 1'760'000'000;
constexpr std::string_view kUsualModels[] = {
    "gpt-5.6-sol",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-3.5-turbo",
    "o3",
    "o4-mini",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "gpt-image-1",
    "gpt-4o-mini-tts",
    "gpt-4o-transcribe",
    "whisper-1",
    "tts-1",
    "omni-moderation-latest",
};

std::vector<std::string> models_of(const SimOptions& options) {
    if (!options.models.empty()) return options.models;
    return {std::begin(kUsualModels), std::end(kUsualModels)};
}

void append_model(JsonWriter& w, std::string_view id) {
    w.begin_object().field("id", id).field("object", "model").field("created", kCreated);
    w.field("owned_by", "system").end_object();
}

}  // namespace

Task<void> openai_models(Call* call, std::string /*argument*/) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("object", "list").key("data").begin_array();
    for (const std::string& model : models_of(call->state()->options)) append_model(w, model);
    w.end_array().end_object();
    co_await call->answer("application/json", std::move(body), {});
}

Task<void> openai_model(Call* call, std::string argument) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    const std::vector<std::string> models = models_of(call->state()->options);
    if (std::ranges::find(models, argument) == models.end()) {
        co_await call->refuse({.status = 404,
                               .message = "The model '" + argument + "' does not exist",
                               .param = "model",
                               .code = "model_not_found"});
        co_return;
    }
    std::string body;
    JsonWriter w(body);
    append_model(w, argument);
    co_await call->answer("application/json", std::move(body), {});
}

}  // namespace tg::sim
