// Any bytes as a request body under zero data retention: what passes says store: false where it
// must, keeps its prompt, and needs no second change.
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "providers/zero_retention.h"

namespace {

using namespace tg;

Result<RequestFacts> inspect(OpenAiCall call, const std::string& text) {
    std::string padded = text;
    padded.append(kJsonPadding, '\0');
    return inspect_request(call, std::string_view(padded).substr(0, text.size()));
}

std::string splice(const std::string& body, const std::vector<Splice>& splices) {
    std::string out;
    std::size_t at = 0;
    for (const Splice& one : splices) {
        TG_ASSERT(one.offset >= at && one.offset + one.remove <= body.size());
        out.append(body, at, one.offset - at).append(one.insert);
        at = one.offset + one.remove;
    }
    return out.append(body, at);
}

constexpr std::string_view kPaths[] = {"/chat/completions", "/responses", "/completions",
                                       "/images/generations", "/responses/compact"};
constexpr OpenAiCall kCalls[] = {OpenAiCall::chat, OpenAiCall::responses, OpenAiCall::completions,
                                 OpenAiCall::other_json, OpenAiCall::other_json};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t which = data[0] % std::size(kPaths);
    const std::string body(reinterpret_cast<const char*>(data + 1), size - 1);
    auto facts = inspect(kCalls[which], body);
    if (!facts.ok()) {
        (void)zero_retention_body(kPaths[which], body, {});  // must stand any bytes all the same
        return 0;
    }
    auto verdict = zero_retention_body(kPaths[which], body, {});
    if (!verdict.ok() || !verdict->is_allowed()) return 0;
    for (MemberEdit& edit : verdict->edits) facts->policy_edits.push_back(std::move(edit));
    const std::string sent = splice(body, rewrite_request(kCalls[which], *facts, body, {}));
    const auto again = inspect(kCalls[which], sent);
    TG_ASSERT(again.ok());
    TG_ASSERT(!again->store.value_or(kPaths[which] == "/responses"));
    TG_ASSERT(again->deployment_type.empty() && again->policy_edits.empty());
    TG_ASSERT(again->model == facts->model && again->is_stream == facts->is_stream);
    const auto second = zero_retention_body(kPaths[which], sent, {});
    TG_ASSERT(second.ok() && second->is_allowed() && second->edits.empty());
    return 0;
}
