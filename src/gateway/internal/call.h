#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "gateway/gateway.h"
#include "gateway/internal/admission_wait.h"
#include "gateway/internal/limit_wait.h"
#include "gateway/internal/upstream_try.h"
#include "identity/directory.h"
#include "metering/usage_event.h"
#include "metering/usage_journal.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "providers/openai_paths.h"
#include "providers/openai_reply.h"
#include "providers/openai_request.h"
#include "rating/catalogue.h"

namespace tg {

/// One request on its way through the gate. Lives in the frame of Gateway::handle(); everything
/// below points at it.
struct Call final : PeerGoneListener {
    Call(Gateway* g, ServerExchange* e) : gate(g), exchange(e) {}

    Gateway* gate;
    ServerExchange* exchange;
    std::shared_ptr<const LoopSnapshot> snapshot;
    RequestId id;
    char id_text[RequestId::kTextSize];
    UtcMicros started_at;
    std::int64_t started_ns = 0;
    std::string path;  ///< of the client's target, without the query; a copy, for the head moves as
                       ///< the body arrives

    Caller caller;
    /// What the project allows, narrowed by the request's headers (then it points at
    /// `narrowed_policy`).
    const DataPolicy* data_policy = nullptr;
    DataPolicy narrowed_policy;
    /// Complete header lines of ours for the answer or the refusal: x-ratelimit-* and the like.
    std::string own_headers;
    /// When a refused client may come back; 0: the error's default.
    std::int64_t retry_after_us = 0;
    bool is_retry_useless = false;  ///< whatever the error's code says in general
    std::string_view error_type;    ///< of OpenAI's error object; empty: by status

    Ticket admission_ticket{};         ///< what the call holds of its limits; none: nothing
    Amounts reserved{};                ///< by it
    bool has_token_limits = false;     ///< among its levels
    AdmissionWait* waiting = nullptr;  ///< while it stands in line
    OpenAiCall kind = OpenAiCall::other_json;
    Endpoint endpoint = Endpoint::other;
    bool is_post = false;       ///< only a POST makes usage
    bool is_inspected = false;  ///< the whole body was read before it is forwarded
    std::string_view body;
    std::string_view upstream_path;  ///< what follows /v1
    RequestFacts facts;
    /// object_key() of what only the account that keeps it can serve; 0: the call speaks of none.
    std::uint64_t object = 0;
    std::vector<Splice> splices;
    Catalogue::Found price;
    std::string_view price_provider;          ///< whose price it is; of the snapshot
    std::int64_t prompt_tokens_counted = -1;  ///< counted before the body was let go

    const std::vector<Route>* routes = nullptr;
    std::vector<Route> permitted_routes;  ///< what `routes` points at when the policy left some out
    std::string asked_model;              ///< set when facts.model is a fallback for it
    // The try that answered, or the last one.
    const Deployment* deployment = nullptr;
    std::unique_ptr<ClientConnection> upstream;
    UpstreamTicket ticket;
    std::string early_body;  ///< the whole body of a refusal that was read to learn its reason
    bool has_early_body = false;
    UpstreamTry* trying = nullptr;           ///< under way
    std::shared_ptr<struct HedgeRace> race;  ///< keeps the copy of `body`
    WakeableSleep* wait = nullptr;           ///< for a limit, or for something to happen in a race
    bool is_hedged = false;  ///< a second call was made beside the one that answered
    int attempts = 0;
    bool has_reached_upstream =
        false;                    ///< a request was written to a connection: the provider may bill
    bool is_body_unsent = false;  ///< the upstream answered before all of the body was sent
    int upstream_status = 0;
    std::string upstream_request_id;
    std::int64_t first_byte_ns = 0;

    std::size_t reservation_bytes = 0;  ///< of the body, for learning tokens per byte
    bool has_reservation = false;
    Reservation reservation;

    // How the answer went.
    ReplyFacts reply;
    bool has_reply = false;
    bool has_charge = false;
    Femto charge;  ///< of reply.usage, when has_charge
    Currency charge_currency = Currency::usd;
    bool is_stream_answer = false;
    bool is_client_gone = false;
    Outcome outcome = Outcome::ok;
    std::unique_ptr<StreamScanner> stream;
    bool is_settled = false;
    int answered_status = 0;

    void on_peer_gone() override {
        is_client_gone = true;
        if (waiting != nullptr) waiting->on_client_gone();
        if (upstream) upstream->socket().interrupt_read_once();
        if (trying != nullptr && trying->connection)
            trying->connection->socket().interrupt_read_once();
        if (wait != nullptr) wait->wake_here();
    }

    std::string_view id_view() const { return {id_text, sizeof id_text}; }
    std::string_view model() const { return facts.model; }
    /// What decides the price: the tier the provider says it served, else the one asked for.
    ServiceTier tier() const {
        return reply.has_tier ? reply.tier : parse_service_tier(facts.service_tier);
    }
    /// No content of it may be kept anywhere: not in caches, logs, fingerprints or files.
    bool is_zero_retention() const {
        return data_policy != nullptr && data_policy->is_zero_retention;
    }
    bool is_metered() const { return has_reservation; }
};

/// Waits, on a loop, for the journal's commit thread.
class DurableWait final : public DurableWaiter, public Posted {
  public:
    DurableWait(UsageJournal* journal, Loop* loop, Lsn lsn)
        : journal_(journal), loop_(loop), lsn_(lsn) {}

    bool await_ready() const { return false; }
    template <typename Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiter) {
        handle_ = waiter;
        frame_ = detail::promise_of(waiter);
        is_asking_ = true;
        journal_->notify_when_durable(lsn_, this);
        is_asking_ = false;
        return !was_told_at_once_;
    }
    bool await_resume() const { return is_ok_; }

    void on_durable(bool is_ok) noexcept override {
        is_ok_ = is_ok;
        if (Loop::current() == loop_ && is_asking_) {
            was_told_at_once_ = true;
            return;
        }
        loop_->post(this);
    }
    void run() override { handle_.resume(); }

  private:
    UsageJournal* journal_;
    Loop* loop_;
    Lsn lsn_;
    std::coroutine_handle<> handle_;
    bool is_ok_ = false, is_asking_ = false, was_told_at_once_ = false;
};

}  // namespace tg
