#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tg {

/// What the gate does with a request to a path of the OpenAI dialect.
enum class OpenAiRoute : std::uint8_t {
    chat,  ///< inspected JSON calls: the body is read, usage is taken from the answer
    completions,
    embeddings,
    responses,
    models_list,  ///< answered from the price book and the key's policy
    model_get,
    pass_through,  ///< known and forwarded as it is
    unsupported,   ///< needs a WebSocket or WebRTC, or hands out a key for going past the gate:
                   ///< refused, and said so
    admin,         ///< organisation administration: never forwarded, whatever the key
    unknown,       ///< OpenAI's 404
};

struct OpenAiPath {
    OpenAiRoute route = OpenAiRoute::unknown;
    /// The provider keeps what is sent or made there beyond the answer (files, batches, stored
    /// conversations, ...).
    bool retains = false;
    /// The path is known, the method is not: the route is `unknown`, OpenAI answers 405.
    bool is_wrong_method = false;
    /// Decoded from the path of models/{model} and of the old engines/{model}/..., empty otherwise.
    std::string model;
    /// The id of the object that the path speaks of, of `path`; empty: of none.
    std::string_view object = {};
};

/// Classifies a request. `path` is the target's path with its /v1 prefix and without a query; only
/// /v1 paths are known. A path that is not in plain form (empty, `.` or `..` segments, encoded
/// slashes or percent signs, control characters) is unknown, so that it cannot mean another path to
/// the upstream. Only a model's name in GET models/{model} may hold slashes. HEAD is GET.
OpenAiPath classify_openai_path(std::string_view method, std::string_view path);

/// May a customer's request to it be forwarded or answered at all?
bool is_known_openai_path(std::string_view method, std::string_view path);

/// OpenAI's 404 body for a path it does not know.
std::string openai_unknown_url_body(std::string_view method, std::string_view path);

}  // namespace tg
