#include "app/zdr_probe.h"

#include <simdjson.h>

#include <algorithm>

#include "base/json_writer.h"
#include "net/http_call.h"
#include "providers/zero_retention.h"

namespace tg {
namespace {

std::string probe_body(const std::string& model) {
    std::string out;
    JsonWriter(out)
        .begin_object()
        .field("model", model)
        .field("input", "This is a probe of data retention. Answer with one word.")
        .field("max_output_tokens", 16)
        .field("store", true)
        .end_object();
    return out;
}

/// What the gate makes of the body under zero retention; the very code that the gate runs.
Result<std::string> rewritten(std::string body, const std::string& upstream_model) {
    const std::size_t size = body.size();
    body.append(kJsonPadding, '\0');
    const std::string_view text = std::string_view(body).substr(0, size);
    TG_TRY(RequestFacts facts, inspect_request(OpenAiCall::responses, text));
    TG_TRY(RetentionVerdict verdict, zero_retention_body("/responses", text, {}));
    if (!verdict.is_allowed()) return fail(ErrorCode::internal, verdict.explanation);
    for (MemberEdit& edit : verdict.edits) facts.policy_edits.push_back(std::move(edit));
    std::string out;
    std::size_t at = 0;
    for (const Splice& splice :
         rewrite_request(OpenAiCall::responses, facts, text, {.upstream_model = upstream_model})) {
        out.append(text.substr(at, splice.offset - at)).append(splice.insert);
        at = splice.offset + splice.remove;
    }
    return out.append(text.substr(at));
}

std::string credentials(const UpstreamOptions& account) {
    std::string out = "authorization: Bearer " + account.api_key + "\r\n";
    if (!account.organization.empty())
        out += "openai-organization: " + account.organization + "\r\n";
    if (!account.project.empty()) out += "openai-project: " + account.project + "\r\n";
    return out;
}

std::string id_of(const std::string& body) {
    simdjson::dom::parser parser;
    std::string_view id;
    if (parser.parse(body)["id"].get_string().get(id) != simdjson::SUCCESS) return {};
    // It becomes part of a URL.
    const bool is_plain = std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
    return is_plain ? std::string(id) : std::string();
}

/// Makes the response; false when there is none to read back, with the reason noted.
bool store(const HttpCall& call, Clock* clock, ProbeResult* out, HttpReply* reply) {
    Result<HttpReply> made = http_call(call);
    out->stored_at = clock->now();
    if (!made.ok()) {
        out->note = made.error().text();
        return false;
    }
    *reply = std::move(*made);
    out->store_status = reply->status;
    out->response_id = id_of(reply->body);
    if (reply->status == 200 && !out->response_id.empty()) return true;
    out->note = "making a response was answered " + std::to_string(reply->status) +
                (reply->status == 200 ? " without an id" : "");
    return false;
}

void read_back(const UpstreamOptions& account, Clock* clock, ProbeResult* out) {
    HttpCall call{.url = account.base_url + "/responses/" + out->response_id,
                  .header_lines = credentials(account),
                  .ca_file = account.ca_file};
    const Result<HttpReply> read = http_call(call);
    out->read_at = clock->now();
    if (!read.ok()) {
        out->note = "reading back: " + read.error().text();
        return;
    }
    out->read_status = read->status;
    out->read_request_id = read->header("x-request-id");
    if (read->status == 404) {
        out->verdict = ProbeResult::Verdict::passed;
        return;
    }
    if (read->status != 200) {
        out->note = "reading back was answered " + std::to_string(read->status);
        return;
    }
    out->verdict = ProbeResult::Verdict::failed;
    call.method = "DELETE";
    const Result<HttpReply> deleted = http_call(call);
    out->note = deleted.ok() && deleted->status == 200
                    ? "the account had kept the response; it was deleted"
                    : "the account had kept the response, and it could not be deleted";
}

std::string upstream_model(const UpstreamOptions& account, const std::string& model) {
    for (const UpstreamModel& known : account.models) {
        if ((known.name == model || known.name == "*") && !known.upstream_name.empty())
            return known.upstream_name;
    }
    return model;
}

}  // namespace

std::string_view name(ProbeResult::Verdict verdict) {
    switch (verdict) {
        case ProbeResult::Verdict::passed:
            return "PASSED";
        case ProbeResult::Verdict::failed:
            return "FAILED";
        case ProbeResult::Verdict::no_answer:
            return "NO ANSWER";
    }
    return "unknown";
}

ProbeResult probe_gate(const ProbeGate& gate, const std::vector<UpstreamOptions>& accounts,
                       const std::string& model, Clock* clock) {
    ProbeResult out{.way = "gate", .model = model};
    HttpCall call{.method = "POST",
                  .url = gate.url + "/v1/responses",
                  .header_lines = "authorization: Bearer " + gate.api_key + "\r\n",
                  .body = probe_body(model),
                  .ca_file = gate.ca_file};
    if (gate.asks_for_zero_retention) call.header_lines += "x-tollgate-zero-retention: true\r\n";
    HttpReply reply;
    const bool is_stored = store(call, clock, &out, &reply);
    out.account = reply.header("x-tollgate-upstream");
    out.gate_request_id = reply.header("x-request-id");
    out.store_request_id = reply.header("x-tollgate-upstream-request-id");
    if (!is_stored) return out;
    if (reply.header("x-tollgate-data-policy").find("zero-retention") == std::string::npos) {
        out.verdict = ProbeResult::Verdict::failed;
        out.note = "the gate did not serve the call under zero retention";
        return out;
    }
    const auto account = std::ranges::find(accounts, out.account, &UpstreamOptions::name);
    if (account == accounts.end()) {
        out.note = "the account '" + out.account + "' is not in this configuration";
        return out;
    }
    read_back(*account, clock, &out);
    return out;
}

ProbeResult probe_account(const UpstreamOptions& account, const std::string& model, Clock* clock) {
    ProbeResult out{.way = "account", .account = account.name, .model = model};
    Result<std::string> body = rewritten(probe_body(model), upstream_model(account, model));
    if (!body.ok()) {
        out.note = body.error().text();
        return out;
    }
    const HttpCall call{.method = "POST",
                        .url = account.base_url + "/responses",
                        .header_lines = credentials(account),
                        .body = std::move(*body),
                        .ca_file = account.ca_file};
    HttpReply reply;
    const bool is_stored = store(call, clock, &out, &reply);
    out.store_request_id = reply.header("x-request-id");
    if (is_stored) read_back(account, clock, &out);
    return out;
}

}  // namespace tg
