#include <openssl/evp.h>

#include <algorithm>

#include "base/json_writer.h"
#include "sim/byte_source.h"
#include "sim/openai_chunks.h"
#include "sim/openai_form.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

constexpr std::int64_t kBytesPerSecond = 16'000;  ///< MP3 at 128 kbit/s
constexpr std::int64_t kCharactersPerSecond = 15;
constexpr std::int64_t kTokensPerSecondIn = 10;
constexpr std::int64_t kTokensPerSecondOut = 20;
constexpr std::size_t kPieceBytes = 4096;

std::string_view media_type(std::string_view format) {
    if (format == "wav") return "audio/wav";
    if (format == "opus") return "audio/opus";
    if (format == "aac") return "audio/aac";
    if (format == "flac") return "audio/flac";
    if (format == "pcm") return "audio/pcm";
    return "audio/mpeg";
}

/// speech.audio.delta events with base64 audio, and speech.audio.done with the usage.
class SpeechSource final : public EventSource {
  public:
    SpeechSource(Call* call, ByteSource* audio) : call_(call), audio_(audio) {}

    bool next(std::vector<std::string_view>* pieces) override {
        if (is_done_) return false;
        std::vector<std::string_view> bytes;
        if (audio_->next(&bytes)) {
            std::string encoded(bytes[0].size() * 4 / 3 + 8, '\0');
            const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                          reinterpret_cast<const unsigned char*>(bytes[0].data()),
                                          static_cast<int>(bytes[0].size()));
            encoded.resize(static_cast<std::size_t>(n));
            event_.assign(R"(data: {"type":"speech.audio.delta","audio":")").append(encoded);
            event_.append("\"}\n\n");
        } else {
            is_done_ = true;
            const SimUsage& usage = call_->plan().usage;
            event_.assign(R"(data: {"type":"speech.audio.done","usage":{"input_tokens":)");
            append_number(event_, usage.prompt);
            event_.append(R"(,"output_tokens":)");
            append_number(event_, usage.completion);
            event_.append(R"(,"total_tokens":)");
            append_number(event_, usage.total());
            event_.append("}}\n\n");
            call_->note_usage_shown();
        }
        pieces->push_back(event_);
        return true;
    }
    std::int64_t generated() const override { return audio_->generated(); }

  private:
    Call* call_;
    ByteSource* audio_;
    bool is_done_ = false;
    std::string event_;
};

void append_transcription_usage(std::string& out, Call* call) {
    const SimUsage& usage = call->plan().usage;
    call->note_usage_shown();
    if (usage.completion == 0) {
        out.append(R"({"type":"duration","seconds":)");
        append_number(out, (usage.audio_ms + 999) / 1000);
        out.push_back('}');
        return;
    }
    out.append(R"({"type":"tokens","input_tokens":)");
    append_number(out, usage.prompt);
    out.append(R"(,"input_token_details":{"text_tokens":)");
    append_number(out, usage.prompt - usage.audio_in);
    out.append(R"(,"audio_tokens":)");
    append_number(out, usage.audio_in);
    out.append(R"(},"output_tokens":)");
    append_number(out, usage.completion);
    out.append(R"(,"total_tokens":)");
    append_number(out, usage.total());
    out.push_back('}');
}

class TranscriptSource final : public EventSource {
  public:
    TranscriptSource(Call* call, Content content) : call_(call), content_(content) {}

    bool next(std::vector<std::string_view>* pieces) override {
        if (is_done_) return false;
        if (at_ < content_.count()) {
            event_.assign(R"(data: {"type":"transcript.text.delta","delta":")");
            event_.append(content_.token(at_++)).append("\"}\n\n");
        } else {
            is_done_ = true;
            event_.assign(R"(data: {"type":"transcript.text.done","text":")");
            content_.append_to(event_);
            event_.push_back('"');
            if (call_->reports_usage()) {
                event_.append(R"(,"usage":)");
                append_transcription_usage(event_, call_);
            }
            event_.append("}\n\n");
        }
        pieces->push_back(event_);
        return true;
    }
    std::int64_t generated() const override { return at_; }

  private:
    Call* call_;
    Content content_;
    std::int64_t at_ = 0;
    bool is_done_ = false;
    std::string event_;
};

std::string transcription_json(Call* call, const Content& content) {
    const bool is_verbose = call->request().response_format == "verbose_json";
    std::string out = R"({"text":")";
    content.append_to(out);
    out.push_back('"');
    if (is_verbose) {
        const std::int64_t ms = call->plan().usage.audio_ms;
        out.append(R"(,"task":"transcribe","language":"english","duration":)");
        append_number(out, ms / 1000);
        out.append(".").append(std::to_string(1000 + ms % 1000).substr(1));
        out.append(R"(,"segments":[])");
    }
    if (call->reports_usage()) {
        out.append(R"(,"usage":)");
        append_transcription_usage(out, call);
    }
    return out.append("}\n");
}

/// text, srt and vtt carry no usage.
std::string transcription_text(const std::string& format, const Content& content) {
    std::string out;
    if (format == "srt") out = "1\n00:00:00,000 --> 00:00:05,000\n";
    if (format == "vtt") out = "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\n";
    content.append_to(out);
    return out.append("\n");
}

}  // namespace

Task<void> openai_speech(Call* call, std::string /*argument*/) {
    if (!co_await call->open_json(InputKey::input)) co_return;
    const ApiRequest& request = call->request();
    const std::int64_t ms = request.characters * 1000 / kCharactersPerSecond;
    SimUsage usage;
    usage.characters = request.characters;
    usage.audio_ms = ms;
    const bool has_tokens = !request.model.starts_with("tts-");
    if (has_tokens) {
        usage.prompt = request.prompt_tokens;
        usage.completion = usage.audio_out =
            std::max<std::int64_t>(ms * kTokensPerSecondOut / 1000, 1);
    }
    Plan& plan = call->mutable_plan();
    plan.usage = usage;
    plan.visible = usage.completion;
    const auto bytes =
        static_cast<std::uint64_t>(std::max<std::int64_t>(ms * kBytesPerSecond / 1000, 1));
    ByteSource audio(bytes, request.hash, usage.completion, kPieceBytes);
    if (request.stream_format == "sse" && has_tokens) {
        SpeechSource source(call, &audio);
        co_await call->stream(&source);
        co_return;
    }
    co_await call->stream(&audio, std::string(media_type(request.response_format)));
}

Task<void> openai_transcription(Call* call, std::string /*argument*/) {
    Form form;
    if (!co_await call->open() || !co_await read_form(call, &form)) co_return;
    if (!form.has_file || call->request().model.empty()) {
        const std::string name = form.has_file ? "model" : "file";
        co_await call->refuse({.status = 400,
                               .message = "Missing required parameter: '" + name + "'.",
                               .param = name,
                               .code = "missing_required_parameter"});
        co_return;
    }
    const bool has_tokens = call->request().model != "whisper-1";
    const std::int64_t ms = static_cast<std::int64_t>(form.file_bytes) * 1000 / kBytesPerSecond;
    const std::int64_t audio_tokens = std::max<std::int64_t>(ms * kTokensPerSecondIn / 1000, 1);
    call->mutable_request().prompt_tokens += audio_tokens;
    call->mutable_request().wants_json = true;  // words without escapes, for the plain formats
    if (!co_await call->admit()) co_return;
    Plan& plan = call->mutable_plan();
    SimUsage usage;
    usage.audio_ms = ms;
    if (has_tokens) {
        usage.prompt = call->request().prompt_tokens;
        usage.audio_in = audio_tokens;
        usage.completion = std::max<std::int64_t>(plan.visible, 1);
    }
    plan.usage = usage;
    plan.visible = std::max<std::int64_t>(plan.visible, 1);
    const Content content(&call->state()->plain, plan.start, plan.visible);
    const std::string format(call->request().response_format);
    if (call->request().is_stream && has_tokens) {
        TranscriptSource source(call, content);
        co_await call->stream(&source);
    } else if (format == "text" || format == "srt" || format == "vtt") {
        co_await call->answer("text/plain; charset=utf-8", transcription_text(format, content),
                              usage);
    } else {
        co_await call->answer("application/json", transcription_json(call, content), usage);
    }
}

}  // namespace tg::sim
