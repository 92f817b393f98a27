#include "sim/openai_form.h"

#include <charconv>

#include "base/hash.h"

namespace tg::sim {
namespace {

void fill_request(const Form& form, std::uint64_t seed, ApiRequest& request) {
    request.model = form.field("model");
    request.response_format = form.field("response_format");
    request.is_stream = form.field("stream") == "true";
    request.service_tier = form.field("service_tier");
    const std::string_view prompt = form.field("prompt");
    request.characters = static_cast<std::int64_t>(prompt.size());
    request.prompt_tokens = static_cast<std::int64_t>((prompt.size() + 3) / 4);
    const std::string_view n = form.field("n");
    std::int64_t choices = 1;
    std::from_chars(n.data(), n.data() + n.size(), choices);
    request.choices = std::clamp<std::int64_t>(choices, 1, 10);
    request.hash =
        hash64(prompt, form.file_bytes ^ static_cast<std::uint64_t>(form.file_crc32c) << 32);
    request.hash = hash64(request.model, request.hash ^ seed);
}

}  // namespace

Task<bool> read_form(Call* call, Form* form) {
    ServerExchange* exchange = call->exchange();
    Result<MultipartReader> reader =
        MultipartReader::make(exchange->request().find("content-type"));
    if (!reader.ok()) {
        co_await call->refuse_body(reader.error());
        co_return false;
    }
    std::vector<std::string_view> pieces;
    for (;;) {
        pieces.clear();
        const Result<bool> more = co_await exchange->read_body(&pieces);
        Status status = more.ok() ? Status() : Status(fail(more.error()));
        for (const std::string_view piece : pieces) {
            Stats::add(call->state()->stats.body_bytes, piece.size());
            if (status.ok()) status = reader->feed(piece);
        }
        if (!status.ok()) {
            co_await call->refuse_body(status.error());
            co_return false;
        }
        if (!*more) break;
    }
    Result<Form> done = reader->finish();
    if (!done.ok()) {
        co_await call->refuse_body(done.error());
        co_return false;
    }
    *form = *std::move(done);
    fill_request(*form, call->state()->options.seed, call->mutable_request());
    std::string marked;
    for (const auto& [name, value] : form->fields) marked.append(value).push_back('\n');
    co_return co_await call->take_directives(std::move(marked));
}

}  // namespace tg::sim
