#include "tokens/chat_count.h"

#include <simdjson.h>

#include <string>

#include "tokens/internal/body_json.h"
#include "tokens/internal/media_tokens.h"
#include "tokens/internal/model_name.h"
#include "tokens/internal/tool_tokens.h"

namespace tg {

namespace {

using bpe::PromptText;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// Source: OpenAI cookbook, "How to count tokens with tiktoken", num_tokens_from_messages.
constexpr std::int64_t kTokensPerMessage = 3;
constexpr std::int64_t kTokensPerName = 1;
constexpr std::int64_t kTokensToPrimeReply = 3;

// A parser that has grown beyond this is not kept for the thread's next request.
constexpr std::size_t kParserBytesKept = 1 << 20;

std::string_view string_in(object from, std::string_view key) {
    std::string_view found;
    return from[key].get_string().get(found) == simdjson::SUCCESS ? found : std::string_view();
}

bool has(object from, std::string_view key) {
    return from[key].error() == simdjson::SUCCESS;
}

class PromptCounter {
  public:
    PromptCounter(std::string_view model, Encoding encoding)
        : model_(model), text_(tokenizer(encoding)), tools_(text_, bpe::tool_layout(encoding)) {}

    std::int64_t count(object body, PromptKind kind) {
        switch (kind == PromptKind::any ? guess(body) : kind) {
            case PromptKind::chat:
                return chat(body);
            case PromptKind::completions:
                return list(body, "prompt") + text_.count(string_in(body, "suffix"));
            case PromptKind::embeddings:
                return list(body, "input");
            case PromptKind::responses:
                return responses(body);
            case PromptKind::any:
                return 0;
        }
        return 0;
    }

  private:
    PromptKind guess(object body) const {
        if (has(body, "messages")) return PromptKind::chat;
        element input;
        if (body["input"].get(input) != simdjson::SUCCESS) {
            // In /v1/responses a `prompt` is a stored template, an object.
            if (has(body, "prompt") && !body["prompt"].is_object()) return PromptKind::completions;
            return has(body, "instructions") || has(body, "prompt") ? PromptKind::responses
                                                                    : PromptKind::any;
        }
        if (array items; input.get_array().get(items) == simdjson::SUCCESS) {
            const bool has_objects = items.size() > 0 && items.at(0).is_object();
            return has_objects ? PromptKind::responses : PromptKind::embeddings;
        }
        const bool is_embedding = has(body, "encoding_format") || has(body, "dimensions") ||
                                  model_.find("embed") != std::string_view::npos;
        return is_embedding ? PromptKind::embeddings : PromptKind::responses;
    }

    // A text, a list of texts, a list of token ids, or a list of such lists.
    std::int64_t list(object body, std::string_view key) {
        element value;
        return body[key].get(value) == simdjson::SUCCESS ? list_tokens(value) : 0;
    }

    std::int64_t list_tokens(element value) {
        std::int64_t total = 0;
        if (std::string_view text; value.get_string().get(text) == simdjson::SUCCESS)
            return text_.count(text);
        array items;
        if (value.get_array().get(items) != simdjson::SUCCESS) return value.is_number() ? 1 : 0;
        for (const element item : items) total += list_tokens(item);
        return total;
    }

    std::int64_t chat(object body) {
        std::int64_t total =
            kTokensToPrimeReply + tools_.count(body["tools"]) + tools_.count(body["functions"]);
        if (array messages; body["messages"].get_array().get(messages) == simdjson::SUCCESS) {
            for (const element item : messages) {
                if (object message; item.get_object().get(message) == simdjson::SUCCESS)
                    total += chat_message(message);
            }
        }
        if (object format;
            body["response_format"]["json_schema"].get_object().get(format) == simdjson::SUCCESS) {
            total += tools_.output_schema(format);
        }
        return total;
    }

    std::int64_t chat_message(object message) {
        std::int64_t total = kTokensPerMessage;
        for (const auto& [key, value] : message) {
            if (std::string_view text; value.get_string().get(text) == simdjson::SUCCESS) {
                total += text_.count(text) + (key == "name" ? kTokensPerName : 0);
            } else if (key == "content") {
                total += parts(value);
            } else if (key == "tool_calls") {
                total += tool_calls(value);
            } else if (object call; key == "function_call" &&
                                    value.get_object().get(call) == simdjson::SUCCESS) {
                total += called(call);
            }
        }
        return total;
    }

    std::int64_t tool_calls(element value) {
        std::int64_t total = 0;
        array calls;
        if (value.get_array().get(calls) != simdjson::SUCCESS) return 0;
        for (const element item : calls) {
            object call;
            if (item["function"].get_object().get(call) == simdjson::SUCCESS ||
                item["custom"].get_object().get(call) == simdjson::SUCCESS) {
                total += called(call);
            }
        }
        return total;
    }

    std::int64_t called(object call) {
        return kTokensPerMessage + text_.count(string_in(call, "name")) +
               text_.count(string_in(call, "arguments")) + text_.count(string_in(call, "input"));
    }

    // Content: a text or a list of parts, in the Chat or in the Responses spelling.
    std::int64_t parts(element content) {
        if (std::string_view text; content.get_string().get(text) == simdjson::SUCCESS)
            return text_.count(text);
        std::int64_t total = 0;
        array items;
        if (content.get_array().get(items) != simdjson::SUCCESS) return 0;
        for (const element item : items) {
            if (object part; item.get_object().get(part) == simdjson::SUCCESS) {
                total += one_part(part);
            } else if (std::string_view text; item.get_string().get(text) == simdjson::SUCCESS) {
                total += text_.count(text);
            }
        }
        return total;
    }

    std::int64_t one_part(object part) {
        const std::string_view type = string_in(part, "type");
        if (type == "image_url" || type == "input_image" || type == "computer_screenshot")
            return image(part);
        if (type == "input_audio") {
            object audio;
            if (part["input_audio"].get_object().get(audio) != simdjson::SUCCESS) return 0;
            return bpe::audio_tokens(string_in(audio, "data"));
        }
        if (type == "file" || type == "input_file") {
            object file = part;
            if (object nested; part["file"].get_object().get(nested) == simdjson::SUCCESS)
                file = nested;
            return text_.count(string_in(file, "filename")) +
                   bpe::file_tokens(string_in(file, "file_data"));
        }
        return text_.count(string_in(part, "text")) + text_.count(string_in(part, "refusal"));
    }

    std::int64_t image(object part) {
        if (object nested; part["image_url"].get_object().get(nested) == simdjson::SUCCESS) {
            return bpe::image_tokens(model_, string_in(nested, "url"), string_in(nested, "detail"));
        }
        return bpe::image_tokens(model_, string_in(part, "image_url"), string_in(part, "detail"));
    }

    std::int64_t responses(object body) {
        std::int64_t total = kTokensToPrimeReply + tools_.count(body["tools"]);
        if (const std::string_view text = string_in(body, "instructions"); !text.empty()) {
            total += kTokensPerMessage + text_.count("system") + text_.count(text);
        }
        element input;
        if (body["input"].get(input) == simdjson::SUCCESS) total += response_input(input);
        if (object variables;
            body["prompt"]["variables"].get_object().get(variables) == simdjson::SUCCESS) {
            for (const auto& [key, value] : variables) {
                object part;
                total += value.get_object().get(part) == simdjson::SUCCESS ? one_part(part)
                                                                           : parts(value);
            }
        }
        object format;
        const bool has_schema =
            body["text"]["format"].get_object().get(format) == simdjson::SUCCESS &&
            string_in(format, "type") == "json_schema";
        return has_schema ? total + tools_.output_schema(format) : total;
    }

    std::int64_t response_input(element input) {
        if (std::string_view text; input.get_string().get(text) == simdjson::SUCCESS) {
            return kTokensPerMessage + text_.count("user") + text_.count(text);
        }
        std::int64_t total = 0;
        array items;
        if (input.get_array().get(items) != simdjson::SUCCESS) return 0;
        for (const element item : items) {
            if (object member; item.get_object().get(member) == simdjson::SUCCESS)
                total += response_item(member);
        }
        return total;
    }

    // Messages, calls, outputs and reasoning differ only in which of these members they have.
    std::int64_t response_item(object item) {
        std::int64_t total = kTokensPerMessage;
        for (const auto& [key, value] : item) {
            if (key == "role" || key == "name" || key == "arguments" || key == "code" ||
                key == "query") {
                if (std::string_view text; value.get_string().get(text) == simdjson::SUCCESS) {
                    total += text_.count(text);
                }
            } else if (key == "content" || key == "output" || key == "input" || key == "summary") {
                object part;
                total += value.get_object().get(part) == simdjson::SUCCESS ? one_part(part)
                                                                           : parts(value);
            }
        }
        return total;
    }

    std::string_view model_;
    PromptText text_;
    bpe::ToolCounter tools_;
};

}  // namespace

Result<std::int64_t> count_prompt_tokens(std::string_view body_json, std::string_view model,
                                         PromptKind kind) {
    thread_local simdjson::dom::parser parser;
    object body;
    const simdjson::error_code error = bpe::parse_body(&parser, body_json).get_object().get(body);
    if (error != simdjson::SUCCESS) {
        return fail(ErrorCode::invalid_request,
                    std::string("the request body is no JSON object (") +
                        simdjson::error_message(error) + "); send one");
    }
    PromptCounter counter(bpe::bare_model_name(model), encoding_for_model(model).encoding);
    const std::int64_t total = counter.count(body, kind);
    if (parser.capacity() > kParserBytesKept) parser = simdjson::dom::parser();
    return total;
}

}  // namespace tg
