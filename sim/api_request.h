#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tg::sim {

/// An error as a dialect shows it. Empty `param` and `code` are null.
struct ApiError {
    int status = 400;
    std::string message;
    std::string_view type = "invalid_request_error";
    std::string param, code;
};

/// What the simulator wants to know of a JSON request, whatever the endpoint.
struct ApiRequest {
    std::string model;
    std::string service_tier;
    std::string tool_name;  ///< the first function offered; empty when none may be called
    bool has_model = false, has_input = false;
    bool is_stream = false, includes_usage = false, includes_obfuscation = true;
    bool wants_json = false, wants_audio = false, wants_base64 = false;
    bool has_prediction = false, answers_tool = false, is_reasoning_off = false;
    std::optional<bool> store;
    std::string previous_response_id;
    std::string response_format;  ///< where it is a word: "srt", "b64_json"
    std::string quality, stream_format;
    std::int64_t choices = 1;
    std::int64_t cap = -1;  ///< most output tokens of a choice; -1: none
    std::int64_t dimensions = 0;

    /// Of the model and the input alone, so that a call gives the same answer streamed or not.
    std::uint64_t hash = 0;
    std::int64_t prompt_tokens = 0;                   ///< by the rule in sim/README.md
    std::int64_t audio_tokens = 0, image_tokens = 0;  ///< part of prompt_tokens
    std::int64_t characters = 0;                      ///< of the text input
    std::vector<std::uint64_t> input_hashes;          ///< of each input (embeddings, moderations)
};

/// What holds the prompt of an endpoint.
enum class InputKey : std::uint8_t { messages, prompt, input };

/// Reads `body`, which has 64 readable bytes behind it. nullopt: `out` is filled.
std::optional<ApiError> read_api_request(std::string_view body, InputKey input_key,
                                         std::uint64_t seed, ApiRequest* out);

}  // namespace tg::sim
