#include "sim/admin.h"

#include <simdjson.h>

#include <charconv>

#include "base/json_writer.h"
#include "sim/client_watch.h"

namespace tg::sim {
namespace {

constexpr std::string_view kJson = "content-type: application/json\r\n";
constexpr std::size_t kBodyBytesMax = 64 * 1024;
constexpr std::int64_t kRefuseMsMax = 600'000;

struct Answer {
    int status = 200;
    std::string body;
};

Answer error(int status, std::string_view message) {
    Answer answer{status, {}};
    JsonWriter(answer.body)
        .begin_object()
        .key("error")
        .begin_object()
        .field("message", message)
        .field("type", "simulator_error")
        .key("param")
        .null()
        .key("code")
        .null()
        .end_object()
        .end_object();
    return answer;
}

std::string config_json(const Knobs& knobs) {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    for (std::size_t i = 0; i < kKnobCount; ++i)
        w.field(info(static_cast<Knob>(i)).name, knobs.get(static_cast<Knob>(i)));
    w.end_object();
    return out;
}

/// {"rpm":100,"fault_429":20}: all of it or nothing.
Answer set_config(SimState* state, std::string_view body) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (parser.parse(body.data(), body.size()).get(object))
        return error(400, "send a JSON object of numbers, such as {\"fault_429\":20}");
    std::vector<std::pair<Knob, std::int64_t>> changes;
    for (const auto& [key, value] : object) {
        std::int64_t number = 0;
        std::size_t i = 0;
        while (i < kKnobCount && info(static_cast<Knob>(i)).name != key) ++i;
        if (i == kKnobCount)
            return error(
                400, "no setting is called '" + std::string(key) + "'; GET /sim/config lists them");
        const KnobInfo& knob = info(static_cast<Knob>(i));
        if (value.get_int64().get(number) || number < knob.min || number > knob.max)
            return error(400, std::string(key) + " is a whole number from " +
                                  std::to_string(knob.min) + " to " + std::to_string(knob.max));
        changes.emplace_back(static_cast<Knob>(i), number);
    }
    for (const auto& [knob, number] : changes) state->knobs.set(knob, number);
    return {200, config_json(state->knobs)};
}

/// {"on":true,"mode":"error"}: error answers 500 to every call, reset breaks every call's
/// connection;
/// {"on":true,"mode":"refuse","for_ms":500} closes the port for a while.
Answer set_outage(SimState* state, std::string_view body) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    bool is_on = false;
    std::string_view mode = "error";
    if (parser.parse(body.data(), body.size()).get(object) || object["on"].get(is_on))
        return error(400, R"(send {"on":true} or {"on":false})");
    const simdjson::error_code no_mode = object["mode"].get(mode);
    if (no_mode == simdjson::INCORRECT_TYPE ||
        (mode != "error" && mode != "reset" && mode != "refuse"))
        return error(400, "mode is error, reset or refuse");
    if (mode == "refuse" && is_on) {
        std::int64_t ms = 0;
        if (object["for_ms"].get(ms) || ms < 1 || ms > kRefuseMsMax)
            return error(400,
                         "mode refuse needs for_ms, from 1 to " + std::to_string(kRefuseMsMax));
        state->refuse_connections(ms);
        return {200, R"({"on":true})"};
    }
    state->outage = !is_on ? Outage::none : mode == "reset" ? Outage::reset : Outage::error;
    return {200, is_on ? R"({"on":true})" : R"({"on":false})"};
}

Answer reset(SimState* state) {
    state->knobs.reset();
    state->stats.reset();
    state->limiter.reset();
    state->files.reset();
    state->responses.reset();
    state->served.truncate();
    state->outage = Outage::none;
    state->call_number = 0;
    return {200, R"({"reset":true})"};
}

/// Calls that have been answered may still be about to write their line: waits until none is in
/// flight, at most `ms`.
Task<void> wait_until_idle(SimState* state, ServerExchange* exchange, std::int64_t ms) {
    ClientWatch watch(exchange);
    const std::int64_t until = exchange->loop()->now_ns() + ms * 1'000'000;
    while (state->stats.in_flight.load() > 0 && exchange->loop()->now_ns() < until) {
        if (!co_await watch.pause_ms(5)) co_return;
    }
}

std::int64_t idle_ms_of(std::string_view query) {
    constexpr std::string_view kName = "idle_ms=";
    std::int64_t ms = 0;
    if (query.starts_with(kName))
        std::from_chars(query.data() + kName.size(), query.data() + query.size(), ms);
    return std::clamp<std::int64_t>(ms, 0, 60'000);
}

}  // namespace

Task<void> answer_admin(SimState* state, ServerExchange* exchange, std::string path) {
    const bool is_post = exchange->request().method() == "POST";
    const std::int64_t idle_ms = idle_ms_of(query_of(exchange->request().target()));
    const Result<std::string_view> body = co_await exchange->read_full_body(kBodyBytesMax);
    if (!body.ok()) {
        exchange->abort();
        co_return;
    }
    Answer answer;
    std::string head(kJson);
    if (path == "/sim/stats") {
        answer.body = state->stats.json();
    } else if (path == "/sim/config") {
        answer = is_post ? set_config(state, *body) : Answer{200, config_json(state->knobs)};
    } else if (path == "/sim/outage" && is_post) {
        answer = set_outage(state, *body);
    } else if (path == "/sim/reset" && is_post) {
        answer = reset(state);
    } else if (path == "/sim/flush" || path == "/sim/served") {
        co_await wait_until_idle(state, exchange, idle_ms);
        state->served.flush();
        if (!state->served.is_open()) {
            answer = error(404, "there is no served log; start with --served-log FILE");
        } else if (path == "/sim/served") {
            head = "content-type: application/x-ndjson\r\n";
            answer.body = state->served.read_all();
        } else {
            JsonWriter(answer.body)
                .begin_object()
                .field("flushed", true)
                .field("lost_bytes", state->served.lost_bytes())
                .end_object();
        }
    } else {
        answer = error(404,
                       "the simulator has GET /sim/stats, /sim/config, /sim/flush, /sim/served and "
                       "POST /sim/config, /sim/outage, /sim/reset");
    }
    (void)(co_await exchange->respond(answer.status, head, answer.body)).ok();
}

}  // namespace tg::sim
