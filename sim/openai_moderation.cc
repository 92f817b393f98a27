#include "base/json_writer.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

constexpr std::string_view kCategories[] = {
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
};
constexpr std::int64_t kFlaggedOneIn = 50;

void append_result(JsonWriter& w, std::uint64_t hash) {
    Dice dice(hash);
    const bool is_flagged = dice.below(kFlaggedOneIn) == 0;
    const auto worst =
        static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(std::size(kCategories))));
    w.begin_object().field("flagged", is_flagged).key("categories").begin_object();
    for (std::size_t i = 0; i < std::size(kCategories); ++i)
        w.field(kCategories[i], is_flagged && i == worst);
    w.end_object().key("category_scores").begin_object();
    for (std::size_t i = 0; i < std::size(kCategories); ++i) {
        const bool is_high = is_flagged && i == worst;
        w.key(kCategories[i]).raw(is_high ? "0.91" : "0.000" + std::to_string(10 + dice.below(90)));
    }
    w.end_object().end_object();
}

}  // namespace

Task<void> openai_moderation(Call* call, std::string /*argument*/) {
    if (!co_await call->open()) co_return;
    call->mutable_request().model = "omni-moderation-latest";
    call->mutable_request().has_model = true;
    if (!co_await call->read_json(InputKey::input) || !co_await call->admit()) co_return;
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("id", "modr-" + std::string(call->id()));
    w.field("model", call->request().model).key("results").begin_array();
    for (const std::uint64_t hash : call->request().input_hashes) append_result(w, hash);
    w.end_array().end_object();
    call->set_answer_id("modr-");
    co_await call->answer("application/json", std::move(body), {});
}

}  // namespace tg::sim
