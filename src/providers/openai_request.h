#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg {

/// The OpenAI JSON endpoints whose bodies the gate reads before it forwards them.
enum class OpenAiCall : std::uint8_t { chat, completions, embeddings, responses, other_json };

/// Where a value stands in the request body; `size` 0: not there.
struct JsonSpan {
    std::size_t offset = 0, size = 0;
    bool is_set() const { return size != 0; }
};

/// A change to a member of a body's top level that a policy demands.
struct MemberEdit {
    enum class Kind : std::uint8_t { remove, replace, add } kind = Kind::remove;
    /// remove: the member, from its key's quote to its value's end. replace: its value.
    JsonSpan span{};
    std::string text{};  ///< replace: the new value. add: the whole member, `"store":false`
};

/// What the gate must know of a request. The whole top level is walked, because with a doubled key
/// the provider takes the last one: a doubled `model`, `stream`, `stream_options`, `max_*tokens`,
/// `store`, `deployment_type` or `user` is refused.
struct RequestFacts {
    std::string model;
    bool is_stream = false;
    bool asks_usage = false;     ///< stream_options.include_usage is true
    bool is_background = false;  ///< responses: background
    std::optional<bool> store;
    std::optional<std::int64_t>
        max_output_tokens;     ///< max_completion_tokens, max_tokens or max_output_tokens
    std::int64_t choices = 1;  ///< n
    std::string end_user;      ///< user or safety_identifier, at most 256 bytes
    std::string service_tier;
    /// responses: object_key() of previous_response_id, or else of the conversation; 0: neither.
    std::uint64_t stored_object = 0;
    /// Ours, not a provider's: always taken out of what is sent upstream (A4).
    std::string deployment_type;
    /// Applied by rewrite_request(). inspect_request() puts the removal of `deployment_type` here,
    /// a policy adds its own.
    std::vector<MemberEdit> policy_edits;
    std::vector<std::pair<std::string, std::string>> metadata;  ///< string values only, at most 16
    JsonSpan model_value;                                       ///< the string with its quotes
    JsonSpan stream_options_value;                              ///< the object with its braces
    std::size_t last_brace = 0;  ///< offset of the top level's closing brace
};

/// `body` must be followed by at least kJsonPadding readable bytes (simdjson). Errors:
/// invalid_request that says what is wrong and where; nothing of the content is in the message.
inline constexpr std::size_t kJsonPadding = 64;
Result<RequestFacts> inspect_request(OpenAiCall call, std::string_view body);

/// One change to a body: `remove` bytes at `offset` give way to `insert`.
struct Splice {
    std::size_t offset = 0, remove = 0;
    std::string insert;
};

/// The splices, in ascending order of offset, that make the body what is sent upstream: usage asked
/// for on a chat or completions stream when the client did not, the model's name replaced when the
/// deployment calls it otherwise, and what policy_edits ask for. Everything else passes byte for
/// byte.
struct RewriteOptions {
    bool inject_usage = true;           ///< false for upstreams that reject stream_options
    std::string_view upstream_model{};  ///< empty: keep the client's
};
std::vector<Splice> rewrite_request(OpenAiCall call, const RequestFacts& facts,
                                    std::string_view body, const RewriteOptions& options);

}  // namespace tg
