#include "sim/served_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/json_writer.h"
#include "base/log.h"

namespace tg::sim {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

void text(std::string& out, std::string_view name_and_colon, std::string_view value) {
    if (value.empty()) return;
    out.append(name_and_colon).push_back('"');
    append_json_escaped(out, value);
    out.push_back('"');
}

std::string_view name(ServedCall::Sent sent) {
    switch (sent) {
        case ServedCall::Sent::complete:
            return "complete";
        case ServedCall::Sent::cut:
            return "cut";
        case ServedCall::Sent::client_gone:
            return "client_gone";
    }
    return {};
}

std::string_view name(ServedCall::Reported reported) {
    switch (reported) {
        case ServedCall::Reported::full:
            return "full";
        case ServedCall::Reported::none:
            return "none";
        case ServedCall::Reported::wrong:
            return "wrong";
        case ServedCall::Reported::not_applicable:
            return {};
    }
    return {};
}

}  // namespace

void append_served_line(std::string& out, const ServedCall& call) {
    out.append(R"({"time_us":)");
    append_number(out, call.time.micros);
    text(out, R"(,"request_id":)", call.request_id);
    text(out, R"(,"client_request_id":)", call.client_request_id);
    text(out, R"(,"answer_id":)", call.answer_id);
    text(out, R"(,"key":)", call.key_hint);
    text(out, R"(,"region":)", call.region);
    text(out, R"(,"model":)", call.model);
    text(out, R"(,"endpoint":)", call.endpoint);
    out.append(R"(,"status":)");
    append_number(out, call.status);
    out.append(call.is_stream ? R"(,"stream":true)" : R"(,"stream":false)");
    text(out, R"(,"sent":)", name(call.sent));
    text(out, R"(,"reported":)", name(call.reported));
    text(out, R"(,"service_tier":)", call.service_tier);
    text(out, R"(,"fault":)", call.fault);
    out.append(R"(,"billed":)");
    append_billed(out, call.billed);
    out.append("}\n");
}

ServedLog::~ServedLog() {
    flush();
    if (fd_ >= 0) ::close(fd_);
}

Status ServedLog::open(const std::string& path, Sync sync) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0)
        return fail(ErrorCode::io_error,
                    "cannot open the served log '" + path + "': " + std::strerror(errno));
    path_ = path;
    sync_ = sync;
    buffer_.reserve(kBufferBytes + 4096);
    return {};
}

void ServedLog::append(const ServedCall& call) {
    if (fd_ < 0) return;
    std::string line;
    line.reserve(512);
    append_served_line(line, call);
    const std::lock_guard lock(mutex_);
    buffer_.append(line);
    if (sync_ == Sync::each_call || buffer_.size() >= kBufferBytes) write_out();
}

void ServedLog::write_out() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t n = ::write(fd_, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            // The log is the truth others are checked with: a gap is told, and counted for
            // /sim/stats.
            log_error(
                "served_log_failed",
                {{"path", path_}, {"reason", std::strerror(errno)}, {"lost_bytes", rest.size()}});
            lost_bytes_ += rest.size();
            break;
        }
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    buffer_.clear();
}

void ServedLog::flush() {
    if (fd_ < 0) return;
    const std::lock_guard lock(mutex_);
    write_out();
}

void ServedLog::truncate() {
    if (fd_ < 0) return;
    const std::lock_guard lock(mutex_);
    buffer_.clear();
    if (::ftruncate(fd_, 0) != 0)
        log_error("served_log_truncate_failed",
                  {{"path", path_}, {"reason", std::strerror(errno)}});
}

std::string ServedLog::read_all() {
    std::string all;
    if (fd_ < 0) return all;
    const std::lock_guard lock(mutex_);
    write_out();
    char block[64 * 1024];
    for (;;) {
        const ssize_t n = ::pread(fd_, block, sizeof block, static_cast<off_t>(all.size()));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return all;
        all.append(block, static_cast<std::size_t>(n));
    }
}

}  // namespace tg::sim
