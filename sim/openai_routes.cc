#include "sim/openai_routes.h"

#include "sim/admin.h"
#include "sim/call.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

struct Route {
    std::string_view method;
    std::string_view path;  ///< ends in "/{id}" or "/{id}/..." for one variable part
    Task<void> (*handler)(Call*, std::string);
};
constexpr Route kRoutes[] = {
    {"POST", "/v1/chat/completions", openai_chat},
    {"POST", "/v1/embeddings", openai_embeddings},
    {"POST", "/v1/completions", openai_completions},
    {"POST", "/v1/responses", openai_responses},
    {"GET", "/v1/responses/{id}", openai_get_response},
    {"DELETE", "/v1/responses/{id}", openai_delete_response},
    {"GET", "/v1/models", openai_models},
    {"GET", "/v1/models/{id}", openai_model},
    {"POST", "/v1/files", openai_upload_file},
    {"GET", "/v1/files", openai_list_files},
    {"GET", "/v1/files/{id}", openai_get_file},
    {"DELETE", "/v1/files/{id}", openai_delete_file},
    {"GET", "/v1/files/{id}/content", openai_file_content},
    {"POST", "/v1/audio/speech", openai_speech},
    {"POST", "/v1/audio/transcriptions", openai_transcription},
    {"POST", "/v1/audio/translations", openai_transcription},
    {"POST", "/v1/moderations", openai_moderation},
    {"POST", "/v1/images/generations", openai_images},
    {"POST", "/v1/images/edits", openai_image_edits},
};
constexpr std::string_view kVariable = "{id}";

/// true: `path` fits `pattern`, and `argument` is what stands for {id}.
bool fits(std::string_view pattern, std::string_view path, std::string_view* argument) {
    const std::size_t at = pattern.find(kVariable);
    if (at == std::string_view::npos) return pattern == path;
    const std::string_view before = pattern.substr(0, at);
    const std::string_view after = pattern.substr(at + kVariable.size());
    if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
        !path.ends_with(after))
        return false;
    *argument = path.substr(before.size(), path.size() - before.size() - after.size());
    return argument->find('/') == std::string_view::npos;
}

ApiError not_found(std::string_view method, std::string_view path) {
    return {.status = 404,
            .message = "Invalid URL (" + std::string(method) + " " + std::string(path) + ")",
            .param = {},
            .code = {}};
}

ApiError method_not_allowed(std::string_view method, std::string_view path) {
    return {.status = 405,
            .message = "Not allowed to " + std::string(method) + " on " + std::string(path) +
                       ". (HINT: Perhaps you meant to use a different HTTP method?)",
            .param = {},
            .code = "method_not_supported"};
}

}  // namespace

Task<void> OpenAiHandler::handle(ServerExchange* exchange) {
    const std::string_view path = path_of(exchange->request().target());
    const std::string_view method = exchange->request().method();
    if (path.starts_with("/sim/")) {
        co_await answer_admin(state_, exchange, std::string(path));
        co_return;
    }
    bool is_known_path = false;
    for (const Route& route : kRoutes) {
        std::string_view argument;
        if (!fits(route.path, path, &argument)) continue;
        is_known_path = true;
        if (route.method != method) continue;
        Call call(state_, exchange, route.path);
        co_await route.handler(&call, std::string(argument));
        co_return;
    }
    Call call(state_, exchange, "other");
    co_await call.refuse(is_known_path ? method_not_allowed(method, path)
                                       : not_found(method, path));
}

std::string OpenAiHandler::error_body(int /*status*/, const Error& error) {
    return openai_error_body({.status = 400,
                              .message = error.detail,
                              .param = {},
                              .code = std::string(name(error.code))});
}

}  // namespace tg::sim
