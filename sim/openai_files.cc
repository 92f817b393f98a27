#include <charconv>

#include "base/json_writer.h"
#include "sim/byte_source.h"
#include "sim/openai_form.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

constexpr std::string_view kMadeUp = "file-bytes-";  ///< file-bytes-N has N bytes of noise
constexpr std::uint64_t kMadeUpBytesMax = std::uint64_t{1} << 40;
constexpr std::size_t kPieceBytes = 32 * 1024;

void append_file(JsonWriter& w, const StoredFile& file) {
    w.begin_object().field("id", file.id).field("object", "file").field("bytes", file.bytes);
    w.field("created_at", file.created).key("expires_at").null();
    w.field("filename", file.filename).field("purpose", file.purpose).field("status", "processed");
    w.field("crc32c", static_cast<std::uint64_t>(file.crc32c)).end_object();
}

ApiError no_such_file(std::string_view id) {
    return {.status = 404,
            .message = "No such File object: " + std::string(id),
            .param = "id",
            .code = {}};
}

ApiError missing(std::string_view name) {
    return {.status = 400,
            .message = "Missing required parameter: '" + std::string(name) + "'.",
            .param = std::string(name),
            .code = "missing_required_parameter"};
}

}  // namespace

Task<void> openai_upload_file(Call* call, std::string /*argument*/) {
    Form form;
    if (!co_await call->open() || !co_await read_form(call, &form) ||
        !co_await call->admit_without_limits())
        co_return;
    if (!form.has_file || form.field("purpose").empty()) {
        co_await call->refuse(missing(form.has_file ? "purpose" : "file"));
        co_return;
    }
    StoredFile file;
    file.id.append("file-").append(call->id());
    file.filename = form.filename;
    file.purpose = form.field("purpose");
    file.bytes = static_cast<std::int64_t>(form.file_bytes);
    file.created = call->created();
    file.crc32c = form.file_crc32c;
    if (form.file_bytes == form.file_head.size()) file.content = std::move(form.file_head);
    std::string body;
    JsonWriter w(body);
    append_file(w, file);
    call->set_answer_id("file-");
    call->state()->files.put(std::move(file));
    co_await call->answer("application/json", std::move(body), {});
}

Task<void> openai_list_files(Call* call, std::string /*argument*/) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("object", "list").key("data").begin_array();
    for (const StoredFile& file : call->state()->files.list()) append_file(w, file);
    w.end_array().field("has_more", false).end_object();
    co_await call->answer("application/json", std::move(body), {});
}

Task<void> openai_get_file(Call* call, std::string argument) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    const std::optional<StoredFile> file = call->state()->files.get(argument);
    if (!file) {
        co_await call->refuse(no_such_file(argument));
        co_return;
    }
    std::string body;
    JsonWriter w(body);
    append_file(w, *file);
    co_await call->answer("application/json", std::move(body), {});
}

Task<void> openai_delete_file(Call* call, std::string argument) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    if (!call->state()->files.remove(argument)) {
        co_await call->refuse(no_such_file(argument));
        co_return;
    }
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("id", argument).field("object", "file").field("deleted", true);
    w.end_object();
    co_await call->answer("application/json", std::move(body), {});
}

Task<void> openai_file_content(Call* call, std::string argument) {
    if (!co_await call->open() || !co_await call->admit_without_limits()) co_return;
    std::uint64_t bytes = 0;
    std::uint64_t hash = 0;
    if (argument.starts_with(kMadeUp)) {
        const char* end = argument.data() + argument.size();
        const auto parsed = std::from_chars(argument.data() + kMadeUp.size(), end, bytes);
        if (parsed.ec != std::errc{} || parsed.ptr != end || bytes > kMadeUpBytesMax) {
            co_await call->refuse(no_such_file(argument));
            co_return;
        }
    } else {
        std::optional<StoredFile> file = call->state()->files.get(argument);
        if (!file) {
            co_await call->refuse(no_such_file(argument));
            co_return;
        }
        if (static_cast<std::size_t>(file->bytes) == file->content.size()) {
            co_await call->answer("application/octet-stream", std::move(file->content), {});
            co_return;
        }
        bytes = static_cast<std::uint64_t>(file->bytes);
        hash = file->crc32c;
    }
    ByteSource source(bytes, hash, 0, kPieceBytes);
    co_await call->stream(&source, "application/octet-stream", bytes);
}

}  // namespace tg::sim
