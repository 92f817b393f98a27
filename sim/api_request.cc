#include "sim/api_request.h"

#include <simdjson.h>

#include <algorithm>

#include "base/hash.h"

namespace tg::sim {
namespace {

namespace od = simdjson::ondemand;

constexpr std::int64_t kReplyPriming = 3;
constexpr std::int64_t kPerMessage = 4;
constexpr std::int64_t kPerImage = 85;
constexpr std::size_t kAudioBytesPerToken = 4096;

std::int64_t tokens_of(std::size_t bytes) {
    return static_cast<std::int64_t>((bytes + 3) / 4);
}

/// Thrown nowhere: simdjson's errors are collected here and end the reading.
class Reader {
  public:
    Reader(ApiRequest* out, InputKey input_key, std::uint64_t seed)
        : out_(out), input_key_(input_key), seed_(seed) {}

    simdjson::error_code read(od::document& document);

  private:
    simdjson::error_code read_field(std::string_view key, od::value value);
    simdjson::error_code read_messages(od::value value);
    simdjson::error_code read_message(od::object message);
    simdjson::error_code read_content(od::value value);
    simdjson::error_code read_part(od::object part);
    simdjson::error_code read_input(od::value value);
    simdjson::error_code read_tools(od::value value);
    simdjson::error_code read_stream_options(od::value value);
    simdjson::error_code read_format(od::value value);
    simdjson::error_code read_modalities(od::value value);
    simdjson::error_code read_text(od::value value, std::string* into);
    void add_input(std::string_view raw, std::int64_t tokens);

    ApiRequest* out_;
    InputKey input_key_;
    std::uint64_t seed_;
    bool is_tool_refused_ = false;
};

simdjson::error_code Reader::read(od::document& document) {
    od::object root;
    if (const auto error = document.get_object().get(root)) return error;
    for (auto field : root) {
        std::string_view key;
        if (const auto error = field.unescaped_key().get(key)) return error;
        od::value value;
        if (const auto error = field.value().get(value)) return error;
        if (const auto error = read_field(key, value)) return error;
    }
    if (is_tool_refused_) out_->tool_name.clear();
    out_->hash = hash64(out_->model, out_->hash ^ seed_);
    // At the end of the document there is no location any more.
    return document.current_location().error() ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
}

/// A string; null and a missing value leave `into` empty.
simdjson::error_code Reader::read_text(od::value value, std::string* into) {
    bool is_null = false;
    if (const auto error = value.is_null().get(is_null); error || is_null) return error;
    std::string_view text;
    if (const auto error = value.get_string().get(text)) return error;
    into->assign(text);
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_field(std::string_view key, od::value value) {
    const std::string_view input = input_key_ == InputKey::messages ? "messages"
                                   : input_key_ == InputKey::prompt ? "prompt"
                                                                    : "input";
    const auto read_number = [&](std::int64_t* into) -> simdjson::error_code {
        bool is_null = false;
        if (const auto error = value.is_null().get(is_null); error || is_null) return error;
        return value.get_int64().get(*into);
    };
    if (key == input)
        return input_key_ == InputKey::messages ? read_messages(value) : read_input(value);
    if (key == "model") {
        out_->has_model = true;
        return value.get_string().get(key) ? simdjson::INCORRECT_TYPE
                                           : (out_->model.assign(key), simdjson::SUCCESS);
    }
    if (key == "stream") {
        bool is_null = false;
        if (const auto error = value.is_null().get(is_null); error || is_null) return error;
        return value.get_bool().get(out_->is_stream);
    }
    if (key == "stream_options") return read_stream_options(value);
    if (key == "max_tokens" || key == "max_completion_tokens" || key == "max_output_tokens")
        return read_number(&out_->cap);
    if (key == "n") return read_number(&out_->choices);
    if (key == "dimensions") return read_number(&out_->dimensions);
    if (key == "service_tier") return read_text(value, &out_->service_tier);
    if (key == "tools") return read_tools(value);
    if (key == "tool_choice") {
        std::string_view choice;
        is_tool_refused_ = !value.get_string().get(choice) && choice == "none";
        return simdjson::SUCCESS;
    }
    if (key == "quality") return read_text(value, &out_->quality);
    if (key == "stream_format") return read_text(value, &out_->stream_format);
    if (key == "previous_response_id") return read_text(value, &out_->previous_response_id);
    if (key == "response_format" || key == "text") return read_format(value);
    if (key == "modalities") return read_modalities(value);
    if (key == "instructions") {
        std::string text;
        if (const auto error = read_text(value, &text)) return error;
        out_->prompt_tokens += text.empty() ? 0 : kPerMessage + tokens_of(text.size());
        return simdjson::SUCCESS;
    }
    if (key == "store") {
        bool is_stored = false;
        if (!value.get_bool().get(is_stored)) out_->store = is_stored;
    } else if (key == "encoding_format") {
        std::string_view format;
        out_->wants_base64 = !value.get_string().get(format) && format == "base64";
    } else if (key == "prediction") {
        bool is_null = false;
        if (const auto error = value.is_null().get(is_null)) return error;
        out_->has_prediction = !is_null;
    } else if (key == "reasoning_effort") {
        std::string_view effort;
        out_->is_reasoning_off =
            !value.get_string().get(effort) && (effort == "none" || effort == "minimal");
    }
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_stream_options(od::value value) {
    bool is_null = false;
    if (const auto error = value.is_null().get(is_null); error || is_null) return error;
    od::object options;
    if (const auto error = value.get_object().get(options)) return error;
    for (auto field : options) {
        std::string_view key;
        if (const auto error = field.unescaped_key().get(key)) return error;
        bool flag = false;
        if (field.value().get_bool().get(flag)) continue;
        if (key == "include_usage") out_->includes_usage = flag;
        if (key == "include_obfuscation") out_->includes_obfuscation = flag;
    }
    return simdjson::SUCCESS;
}

/// response_format of chat, the word of images and audio, or the `text` object of /v1/responses,
/// which holds a `format`.
simdjson::error_code Reader::read_format(od::value value) {
    od::json_type json_type{};
    if (const auto error = value.type().get(json_type)) return error;
    if (json_type == od::json_type::null) return simdjson::SUCCESS;
    if (json_type == od::json_type::string) return read_text(value, &out_->response_format);
    od::object format;
    if (const auto error = value.get_object().get(format)) return error;
    for (auto field : format) {
        std::string_view key;
        if (const auto error = field.unescaped_key().get(key)) return error;
        od::value inner;
        if (const auto error = field.value().get(inner)) return error;
        if (key == "format") {
            if (const auto error = read_format(inner)) return error;
        } else if (key == "type") {
            std::string_view type;
            if (const auto error = inner.get_string().get(type)) return error;
            out_->wants_json = type == "json_object" || type == "json_schema";
        }
    }
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_modalities(od::value value) {
    od::array modalities;
    if (value.get_array().get(modalities)) return simdjson::SUCCESS;
    for (auto each : modalities) {
        std::string_view modality;
        if (const auto error = each.get_string().get(modality)) return error;
        if (modality == "audio") out_->wants_audio = true;
    }
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_tools(od::value value) {
    od::array tools;
    if (value.get_array().get(tools)) return simdjson::SUCCESS;
    std::string_view raw;
    if (const auto error = tools.raw_json().get(raw)) return error;
    out_->prompt_tokens += tokens_of(raw.size());
    if (const auto error = tools.reset().error()) return error;
    for (auto each : tools) {
        od::object tool;
        if (each.get_object().get(tool)) return simdjson::INCORRECT_TYPE;
        for (auto field : tool) {
            std::string_view key, name;
            if (const auto error = field.unescaped_key().get(key)) return error;
            if (!out_->tool_name.empty()) break;
            // {"type":"function","function":{"name":...}} in chat, {"type":"function","name":...}
            // in responses.
            if (key == "function") {
                if (!field.value().find_field_unordered("name").get_string().get(name))
                    out_->tool_name.assign(name);
            } else if (key == "name") {
                if (!field.value().get_string().get(name)) out_->tool_name.assign(name);
            }
        }
    }
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_messages(od::value value) {
    od::array messages;
    if (const auto error = value.get_array().get(messages)) return error;
    std::string_view raw;
    if (const auto error = messages.raw_json().get(raw)) return error;
    out_->hash = hash64(raw, out_->hash);
    if (const auto error = messages.reset().error()) return error;
    out_->prompt_tokens += kReplyPriming;
    for (auto each : messages) {
        od::object message;
        if (const auto error = each.get_object().get(message)) return error;
        out_->has_input = true;
        if (const auto error = read_message(message)) return error;
    }
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_message(od::object message) {
    out_->prompt_tokens += kPerMessage;
    out_->answers_tool = false;
    for (auto field : message) {
        std::string_view key;
        if (const auto error = field.unescaped_key().get(key)) return error;
        od::value value;
        if (const auto error = field.value().get(value)) return error;
        if (key == "content") {
            if (const auto error = read_content(value)) return error;
        } else if (key == "role") {
            std::string_view role;
            if (const auto error = value.get_string().get(role)) return error;
            out_->answers_tool = role == "tool";
        } else if (key == "type") {
            std::string_view type;
            if (!value.get_string().get(type) && type == "function_call_output")
                out_->answers_tool = true;
        } else if (key == "tool_calls") {
            od::array calls;
            std::string_view raw;
            if (!value.get_array().get(calls) && !calls.raw_json().get(raw))
                out_->prompt_tokens += tokens_of(raw.size());
        } else if (key == "output" || key == "arguments") {
            std::string_view text;
            if (!value.get_string().get(text)) out_->prompt_tokens += tokens_of(text.size());
        }
    }
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_content(od::value value) {
    od::json_type type{};
    if (const auto error = value.type().get(type)) return error;
    if (type == od::json_type::string) {
        std::string_view text;
        if (const auto error = value.get_string().get(text)) return error;
        out_->prompt_tokens += tokens_of(text.size());
        out_->characters += static_cast<std::int64_t>(text.size());
        return simdjson::SUCCESS;
    }
    if (type != od::json_type::array)
        return type == od::json_type::null ? simdjson::SUCCESS : simdjson::INCORRECT_TYPE;
    for (auto each : value.get_array()) {
        od::object part;
        if (const auto error = each.get_object().get(part)) return error;
        if (const auto error = read_part(part)) return error;
    }
    return simdjson::SUCCESS;
}

simdjson::error_code Reader::read_part(od::object part) {
    for (auto field : part) {
        std::string_view key, text;
        if (const auto error = field.unescaped_key().get(key)) return error;
        if (key == "text") {
            if (const auto error = field.value().get_string().get(text)) return error;
            out_->prompt_tokens += tokens_of(text.size());
            out_->characters += static_cast<std::int64_t>(text.size());
        } else if (key == "image_url") {
            out_->image_tokens += kPerImage;
            out_->prompt_tokens += kPerImage;
        } else if (key == "input_audio") {
            if (field.value().find_field_unordered("data").get_string().get(text)) continue;
            const auto tokens = static_cast<std::int64_t>(1 + text.size() / kAudioBytesPerToken);
            out_->audio_tokens += tokens;
            out_->prompt_tokens += tokens;
        }
    }
    return simdjson::SUCCESS;
}

void Reader::add_input(std::string_view raw, std::int64_t tokens) {
    out_->has_input = true;
    out_->prompt_tokens += tokens;
    out_->input_hashes.push_back(hash64(raw, seed_));
    out_->hash = hash64(raw, out_->hash);
}

/// A string, strings, token numbers, lists of token numbers, or the items of /v1/responses.
simdjson::error_code Reader::read_input(od::value value) {
    od::json_type type{};
    if (const auto error = value.type().get(type)) return error;
    const auto add_text = [&](std::string_view text) {
        out_->characters += static_cast<std::int64_t>(text.size());
        add_input(text, tokens_of(text.size()));
    };
    std::string_view text;
    if (type == od::json_type::string) {
        if (const auto error = value.get_string().get(text)) return error;
        add_text(text);
        return simdjson::SUCCESS;
    }
    od::array items;
    if (const auto error = value.get_array().get(items)) return error;
    std::string_view raw;
    if (const auto error = items.raw_json().get(raw)) return error;
    if (const auto error = items.reset().error()) return error;
    std::int64_t numbers = 0;
    for (auto each : items) {
        od::value item;
        if (const auto error = each.get(item)) return error;
        if (const auto error = item.type().get(type)) return error;
        if (type == od::json_type::string) {
            if (const auto error = item.get_string().get(text)) return error;
            add_text(text);
        } else if (type == od::json_type::number) {
            ++numbers;
        } else if (type == od::json_type::object) {
            out_->has_input = true;
            if (const auto error = read_message(item.get_object())) return error;
        } else {
            od::array tokens;
            std::string_view list;
            if (const auto error = item.get_array().get(tokens)) return error;
            if (const auto error = tokens.raw_json().get(list)) return error;
            add_input(list, 1 + std::count(list.begin(), list.end(), ','));
        }
    }
    if (numbers > 0) add_input(raw, numbers);
    out_->hash = hash64(raw, out_->hash);
    return simdjson::SUCCESS;
}

ApiError unparsable() {
    return {.status = 400,
            .message =
                "We could not parse the JSON body of your request. (HINT: This likely means you "
                "aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, "
                "but what was sent was not valid JSON.)",
            .type = "invalid_request_error",
            .param = {},
            .code = {}};
}

}  // namespace

std::optional<ApiError> read_api_request(std::string_view body, InputKey input_key,
                                         std::uint64_t seed, ApiRequest* out) {
    thread_local od::parser parser;
    od::document document;
    if (parser.iterate(body.data(), body.size(), body.size() + simdjson::SIMDJSON_PADDING)
            .get(document))
        return unparsable();
    if (Reader(out, input_key, seed).read(document)) return unparsable();
    const std::string_view input = input_key == InputKey::messages ? "messages"
                                   : input_key == InputKey::prompt ? "prompt"
                                                                   : "input";
    if (!out->has_model)
        return ApiError{.message = "you must provide a model parameter", .param = {}, .code = {}};
    if (!out->has_input)
        return ApiError{.message = "Missing required parameter: '" + std::string(input) + "'.",
                        .param = std::string(input),
                        .code = "missing_required_parameter"};
    if (out->choices < 1 || out->choices > 128)
        return ApiError{.message =
                            "Invalid value for 'n': expected an integer from 1 to 128, but "
                            "got " +
                            std::to_string(out->choices) + " instead.",
                        .param = "n",
                        .code = "integer_out_of_range"};
    if (out->cap == 0 || out->cap < -1)
        return ApiError{.message =
                            "Invalid 'max_tokens': integer below minimum value. Expected a "
                            "value >= 1, but got " +
                            std::to_string(out->cap) + " instead.",
                        .param = "max_tokens",
                        .code = "integer_below_min_value"};
    if (out->answers_tool) out->tool_name.clear();
    return std::nullopt;
}

}  // namespace tg::sim
