#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/hedge_race.h"
#include "gateway/internal/route_policy.h"

namespace tg {
namespace {

/// A larger body is not sent twice: copying and sending it would cost more than the wait.
constexpr std::size_t kHedgedBodyBytesMax = 1U << 20;

/// A call of its own for the second try, as far as books go. Its exchange is nobody's.
std::unique_ptr<Call> books_of_second(const Call& call, RequestId id) {
    auto out = std::make_unique<Call>(call.gate, nullptr);
    out->snapshot = call.snapshot;
    out->id = id;
    out->id.write_text(out->id_text);
    out->started_at = call.started_at;
    out->started_ns = call.started_ns;
    out->caller = call.caller;
    out->narrowed_policy = call.narrowed_policy;
    out->data_policy =
        call.data_policy == &call.narrowed_policy ? &out->narrowed_policy : call.data_policy;
    out->kind = call.kind;
    out->endpoint = call.endpoint;
    out->is_post = call.is_post;
    out->is_inspected = call.is_inspected;
    out->body = call.body;
    out->reservation_bytes = call.reservation_bytes;
    out->facts = call.facts;
    out->asked_model = call.asked_model;
    out->price = call.price;
    out->price_provider = call.price_provider;
    out->routes = call.routes;
    out->is_hedged = true;
    out->attempts = 1;
    // As a client that has left: the provider is read on for a while, for its usage.
    out->is_client_gone = true;
    out->outcome = Outcome::client_gone;
    return out;
}

void interrupt(UpstreamTry* attempt) {
    if (attempt->connection) attempt->connection->socket().interrupt_read_once();
}

}  // namespace

bool Gateway::may_hedge(const Call& call, const UpstreamSearch& search) const {
    return call.snapshot->options->routing.hedge.is_enabled && call.is_inspected &&
           !search.is_bound && call.object == 0 && call.routes->size() > 1 &&
           call.body.size() <= kHedgedBodyBytesMax && !call.is_client_gone;
}

/// run_try() beside which a second try may run. The one that answers first is `attempt` afterwards;
/// the other is settled by itself.
Task<Status> Gateway::run_hedged(Call* call, UpstreamSearch* search, UpstreamTry* attempt) {
    const HedgeOptions& options = call->snapshot->options->routing.hedge;
    auto race = std::make_shared<HedgeRace>(loop_);
    race->body.reserve(call->body.size() + ServerExchange::kBodyPadding);
    race->body.assign(call->body);
    call->body = race->body;
    call->race = race;
    race->sides[0].attempt = std::move(*attempt);
    call->wait = &race->changed;
    start_side(call, race, 0);

    HedgeCall hedge;
    hedge.sent_ns = loop_->now_ns();
    hedge.deadline_ns = hedge.sent_ns + call->snapshot->options->first_byte_timeout_ms * 1'000'000;
    hedge.usual_ns =
        race->sides[0].attempt.state->usual_first_byte_ns(hedge.sent_ns, options.quantile);
    std::optional<std::int64_t> at = hedge_time(options, hedge);
    bool was_interrupted = false;
    while (!is_decided(*call, *race)) {
        // When the loop stops, the tries are interrupted, and both tell.
        if (loop_->is_stopping())
            co_await race->changed.woken();
        else
            co_await race->changed.until(at.value_or(hedge.deadline_ns));
        if (call->is_client_gone && !was_interrupted) {
            was_interrupted = true;
            at.reset();
            for (HedgeRace::Side& side : race->sides) interrupt(&side.attempt);
        }
        if (at && loop_->now_ns() >= *at && !race->sides[0].is_done) {
            at.reset();
            start_hedge(call, search, race, hedge);
        }
    }
    call->wait = nullptr;
    co_return end_race(call, search, race, attempt);
}

void Gateway::start_side(Call* call, const std::shared_ptr<HedgeRace>& race, std::size_t side) {
    race->sides[side].is_started = true;
    loop_->spawn(run_side(call, race, side));
}

Task<void> Gateway::run_side(Call* call, std::shared_ptr<HedgeRace> race, std::size_t index) {
    HedgeRace::Side& side = race->sides[index];
    side.status = co_await run_try(call, &side.attempt);
    side.is_done = true;
    if (side.attempt.is_lost)
        co_await settle_loser(race, index);
    else
        race->changed.wake_here();
}

/// Somebody has given an answer that is worth having, or nobody will.
bool Gateway::is_decided(const Call& call, const HedgeRace& race) const {
    bool is_waiting = false;
    for (const HedgeRace::Side& side : race.sides) {
        if (side.is_answer() && (call.is_client_gone || !is_worth_another_try(side.attempt)))
            return true;
        is_waiting = is_waiting || (side.is_started && !side.is_done);
    }
    return !is_waiting;
}

void Gateway::start_hedge(Call* call, UpstreamSearch* search,
                          const std::shared_ptr<HedgeRace>& race, HedgeCall hedge) {
    const std::int64_t now = loop_->now_ns();
    const auto first =
        static_cast<std::uint32_t>(race->sides[0].attempt.route - call->routes->data());
    search->tried.push_back(first);
    choose(call, search);
    search->tried.pop_back();
    hedge.has_free_candidate = !choice_.candidates.empty() &&
                               choice_.candidates.front().start_ns <= now &&
                               !choice_.candidates.front().is_last_resort;
    const HedgeDecision decision =
        decide_hedge(now, call->snapshot->options->routing.hedge, hedge, &hedge_budget_);
    if (!decision.is_hedge()) return;
    UpstreamTry& attempt = race->sides[1].attempt;
    const Route* route = &(*call->routes)[options_[choice_.candidates.front().option].index];
    attempt.aim(route, &call->snapshot->upstreams->state(route->deployment->index));
    if (!begin_now(*call, &attempt)) return;
    std::unique_ptr<Call> books = books_of_second(*call, ids_.next(call->started_at));
    books->deployment = &attempt.deployment();
    // Nothing goes upstream that is not in the journal.
    if (!make_reservation(books.get()).ok()) {
        attempt.state->fail(now, &attempt.ticket, ErrorCode::cancelled, false);
        return;
    }
    race->loser = std::move(books);
    call->is_hedged = true;
    shared_->metrics->hedges->add();
    log_debug("hedge", {{"id", call->id.text()},
                        {"second_id", race->loser->id.text()},
                        {"deployment", attempt.deployment().options.name}});
    start_side(call, race, 1);
}

/// Moves what won to `attempt`; what lost goes on alone.
Status Gateway::end_race(Call* call, UpstreamSearch* search, const std::shared_ptr<HedgeRace>& race,
                         UpstreamTry* attempt) {
    std::size_t won = 0;
    const auto is_good = [&](std::size_t side) {
        return race->sides[side].is_answer() && !is_worth_another_try(race->sides[side].attempt);
    };
    // An answer of any kind is better than none.
    if (!is_good(0) && (is_good(1) || (!race->sides[0].is_answer() && race->sides[1].is_answer())))
        won = 1;
    HedgeRace::Side &winner = race->sides[won], &other = race->sides[1 - won];
    if (won == 1) shared_->metrics->hedges_won->add();
    if (other.is_started) {
        other.attempt.is_lost = true;
        const bool has_failed = other.is_done && !other.is_answer();
        if (has_failed || (other.is_done && is_worth_another_try(other.attempt))) {
            search->tried.push_back(
                static_cast<std::uint32_t>(other.attempt.route - call->routes->data()));
        }
        if (race->loser) {
            race->loser->deployment = &other.attempt.deployment();
            race->loser->body = race->body;
            race->loser->has_reached_upstream = other.attempt.has_reached_upstream;
            // What failed by itself gave nobody anything, and is not estimated.
            if (other.is_done && !other.status.ok() && !call->is_client_gone) {
                race->loser->is_client_gone = false;
                race->loser->outcome = other.status.error().code == ErrorCode::upstream_broken
                                           ? Outcome::upstream_broken
                                           : Outcome::unreachable;
            }
        }
        if (other.is_done)
            loop_->spawn(settle_loser(race, 1 - won));
        else
            interrupt(&other.attempt);
    }
    call->deployment = &winner.attempt.deployment();
    Status status = std::move(winner.status);
    *attempt = std::move(winner.attempt);
    return status;
}

/// The try that nobody waits for has its answer's head, or failed: it is read on for its usage, and
/// settled as an event of its own.
Task<void> Gateway::settle_loser(std::shared_ptr<HedgeRace> race, std::size_t index) {
    HedgeRace::Side& side = race->sides[index];
    UpstreamTry& attempt = side.attempt;
    Call& call = *race->loser;
    call.has_reached_upstream = attempt.has_reached_upstream;
    find_price_of_deployment(&call);
    if (!call.has_reached_upstream) {
        abandon(&call);
        co_return;
    }
    if (side.status.ok()) {
        accept_try(&call, &attempt);
        if (call.upstream_status >= 400) call.outcome = Outcome::upstream_error;
        const bool is_stream =
            call.upstream->head().find("content-type").starts_with("text/event-stream");
        call.is_stream_answer = is_stream;
        if (is_stream) {
            call.stream = std::make_unique<StreamScanner>(call.kind, /*strip_usage=*/false);
            co_await drain_upstream(&call, nullptr);
            call.reply = call.stream->facts();
        } else {
            ReplyScanner scanner(call.kind);
            co_await drain_upstream(&call, &scanner);
            call.reply = scanner.finish();
        }
        call.has_reply = true;
    }
    co_await settle(&call);
    end_upstream(&call);
    if (call.upstream)
        call.snapshot->pools[call.deployment->index]->release(std::move(call.upstream));
}

}  // namespace tg
