#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"
#include "sim/api_request.h"
#include "sim/client_watch.h"
#include "sim/directives.h"
#include "sim/event_source.h"
#include "sim/plan.h"
#include "sim/state.h"

namespace tg::sim {

/// One call of the simulated API from its first check to its line in the served log.
class Call {
  public:
    Call(SimState* state, ServerExchange* exchange, std::string_view endpoint);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    SimState* state() const { return state_; }
    ServerExchange* exchange() const { return exchange_; }
    const ApiRequest& request() const { return request_; }
    const Directives& directives() const { return directives_; }
    const Plan& plan() const { return plan_; }
    std::int64_t created() const { return created_; }
    /// 32 hexadecimal digits, different for every call.
    std::string_view id() const { return {id_, sizeof id_}; }
    void set_answer_id(std::string_view prefix);  ///< for the served log: prefix and id()

    // Each of these answers the call itself when it returns false.
    /// Outage, key and directives of the header.
    Task<bool> open();
    /// The body as JSON, with the directives in it.
    Task<bool> read_json(InputKey input_key);
    /// Known model, rate limits, faults; decides the plan.
    Task<bool> admit();
    Task<bool> open_json(InputKey input_key);
    /// Faults only, for calls that no rate limit counts.
    Task<bool> admit_without_limits();

    // --- answers; each one ends the call ---
    /// `billed` goes to the served log whatever the answer shows.
    Task<void> answer(std::string content_type, std::string body, SimUsage billed);
    /// Pieces of `source` in time. nullopt as length: chunked, as server-sent events are.
    Task<void> stream(EventSource* source,
                      std::string content_type = "text/event-stream; charset=utf-8",
                      std::optional<std::uint64_t> length = std::nullopt);
    Task<void> refuse(ApiError error, std::string extra_headers = {});

    /// Appends a usage object, or a false one when the call asks for it.
    void append_usage_object(std::string& out, const SimUsage& usage, UsageForm form);
    /// For usage objects of other forms, which are never false.
    void note_usage_shown() { shows_usage_ = true; }
    bool reports_usage() const { return directives_.no_usage != 1; }

    // --- for endpoints that read their body themselves ---
    ApiRequest& mutable_request() { return request_; }
    Plan& mutable_plan() { return plan_; }
    /// Directives marked in `text`, then those of the header, which win. Answers and returns false
    /// when one is not understood.
    Task<bool> take_directives(std::string text);
    /// Answers what went wrong while a body was read.
    Task<void> refuse_body(Error error);
    std::string head_lines(std::string_view content_type) const;
    void record(int status, ServedCall::Sent sent, const SimUsage& billed);

  private:
    class StreamRun;
    Task<bool> take_limits();
    Status read_directives(std::string_view text);
    Task<bool> answer_status_directive();
    Task<void> send_broken(std::string head, std::string body, SimUsage billed);
    void stop_answer();
    ApiError limit_error(const LimitDecision& decision) const;

    SimState* state_;
    ServerExchange* exchange_;
    std::string_view endpoint_;
    char id_[32];
    std::string client_request_id_, key_hint_, answer_id_;
    std::uint64_t key_hash_ = 0;
    std::uint64_t number_;
    std::int64_t created_;
    std::size_t fault_ = kKnobCount;
    Directives directives_;
    ApiRequest request_;
    Plan plan_;
    LimitDecision limits_;
    bool is_recorded_ = false, shows_usage_ = false, is_usage_wrong_ = false, is_stream_ = false;
};

/// {"error":{"message":...,"type":...,"param":...,"code":...}}
std::string openai_error_body(const ApiError& error);

}  // namespace tg::sim
