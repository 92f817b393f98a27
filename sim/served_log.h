#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "sim/usage.h"

namespace tg::sim {

/// One call as the provider saw it: the truth that meters and bills are compared with.
struct ServedCall {
    UtcMicros time;  ///< when the call ended
    std::string_view request_id;
    std::string_view client_request_id;  ///< what the caller sent as x-client-request-id
    std::string_view answer_id;          ///< chatcmpl-..., resp_...
    std::string_view key_hint;
    std::string_view region;
    std::string_view model;
    std::string_view endpoint;
    int status = 0;
    bool is_stream = false;
    /// complete: all of the answer went to the socket. cut: the simulator broke it off on purpose.
    /// client_gone: the caller closed first.
    enum class Sent : std::uint8_t { complete, cut, client_gone } sent = Sent::complete;
    /// How the answer told its usage: in full, not at all, falsely, or the call has none.
    enum class Reported : std::uint8_t {
        full,
        none,
        wrong,
        not_applicable
    } reported = Reported::not_applicable;
    std::string_view service_tier;
    std::string_view fault;
    SimUsage billed;
};
void append_served_line(std::string& out, const ServedCall& call);

/// The served log: one JSON line a call, appended to a file. Thread-safe.
class ServedLog {
  public:
    enum class Sync : std::uint8_t { buffered, each_call };
    ServedLog() = default;
    ~ServedLog();
    ServedLog(const ServedLog&) = delete;
    ServedLog& operator=(const ServedLog&) = delete;

    /// Errors: io_error naming the file.
    Status open(const std::string& path, Sync sync);
    bool is_open() const { return fd_ >= 0; }
    void append(const ServedCall& call);
    /// Everything appended so far is in the file (not on the disk) when it returns.
    void flush();
    /// Forgets every line, in the file too.
    void truncate();
    std::string read_all();
    std::uint64_t lost_bytes() const { return lost_bytes_; }

  private:
    void write_out();  ///< with the lock held
    std::mutex mutex_;
    std::string buffer_;
    std::string path_;
    int fd_ = -1;
    Sync sync_ = Sync::buffered;
    std::uint64_t lost_bytes_ = 0;
};

}  // namespace tg::sim
