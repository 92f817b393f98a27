// Any bytes as a request body: inspection never reads beyond them, and what is sent upstream
// instead is JSON that says the same, asks for usage and names the model.
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "providers/openai_request.h"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto call = static_cast<OpenAiCall>(data[0] % 5);
    const std::string body(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto facts = inspect(call, body);
    if (!facts.ok()) {
        TG_ASSERT(facts.error().code == ErrorCode::invalid_request &&
                  !facts.error().detail.empty());
        return 0;
    }
    TG_ASSERT(body[facts->last_brace] == '}');
    const RewriteOptions options{.inject_usage = true, .upstream_model = "up\"stream"};
    const std::string sent = splice(body, rewrite_request(call, *facts, body, options));
    const auto again = inspect(call, sent);
    TG_ASSERT(again.ok());
    TG_ASSERT(again->model == "up\"stream");
    const bool is_last_chunk_call = call == OpenAiCall::chat || call == OpenAiCall::completions;
    if (facts->is_stream && is_last_chunk_call) TG_ASSERT(again->asks_usage);
    TG_ASSERT(again->is_stream == facts->is_stream && again->choices == facts->choices &&
              again->max_output_tokens == facts->max_output_tokens &&
              again->store == facts->store && again->end_user == facts->end_user &&
              again->metadata == facts->metadata);
    TG_ASSERT(rewrite_request(call, *again, sent, options).empty());
    return 0;
}
