// Limits in front of real sockets, with a clock that the test holds.
#include "admission/rate_headers.h"
#include "gateway/test_gateway.h"

namespace tg {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::string_view kNoWait = "x-tollgate-queue-timeout-ms: 0\r\n";
constexpr std::string_view kLongWait = "x-tollgate-queue-timeout-ms: 90000\r\n";

LimitAssignment limited(LimitSubject subject, LimitKind kind, std::int64_t limit) {
    LimitAssignment out{.subject = std::move(subject)};
    out.own.of(kind) = limit;
    return out;
}
LimitSubject key() {
    return LimitSubject::of(KeyId(100));
}
LimitSubject customer() {
    return LimitSubject::of(CustomerId(1));
}
LimitAssignment everybody() {
    return {.subject = {}, .tier = "unlimited"};
}

std::string as(std::string_view key_text, std::string request) {
    request.replace(request.find(kTestKey), kTestKey.size(), key_text);
    return request;
}
/// With the most output it may write: 8 tokens of prompt besides.
std::string chat_of(int max_tokens, std::string_view lines = kNoWait) {
    return chat(R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"max_tokens":)" +
                    std::to_string(max_tokens) + "}",
                lines);
}

struct LimitedGate : OneUpstream {
    explicit LimitedGate(std::vector<LimitAssignment> limits) {
        limits.push_back(everybody());
        gate.set_limits(std::move(limits));
    }
    std::int64_t used(const LimitSubject& subject, LimitKind kind) {
        GateAdmission& admission = gate.admission();
        return admission.core().used(admission.levels().level(subject), kind, admission.now_us());
    }
    bool has_waiting(std::uint32_t count) {
        return eventually([&] { return gate.admission().core().counts().waiting == count; });
    }
    /// The upstream's side of the next call, on whichever connection it comes.
    RawSocket* next() {
        RawSocket* found = nullptr;
        EXPECT_TRUE(eventually([&] {
            if (upstream.has_waiting())
                ups.push_back(std::make_unique<RawSocket>(upstream.accept()));
            for (const auto& up : ups)
                if (up->has_input()) found = up.get();
            return found != nullptr;
        }));
        read_request(found);
        return found;
    }
    std::vector<std::unique_ptr<RawSocket>> ups;
    /// An answer for a call that went up on a connection that is kept.
    void answer(RawSocket* up) { EXPECT_TRUE(up->send(json_reply(kChatReply))); }
};

std::string header(const RawAnswer& answer, std::string_view name) {
    return SeenRequest{answer.head, {}}.value(name);
}

TEST(AdmitTest, a_request_above_the_limit_is_refused_with_a_true_time) {
    LimitedGate it({limited(key(), LimitKind::requests, 2)});
    RawSocket up = it.pass(chat(kChatBody, kNoWait));
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    it.gate.advance_clock(10 * kSecond);
    it.client.send(chat(kChatBody, kNoWait));
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);

    it.client.send(chat(kChatBody, kNoWait));
    const RawAnswer refused = read_answer(&it.client);
    EXPECT_EQ(refused.status, 429);
    EXPECT_TRUE(refused.has("x-tollgate-error: rate_limited")) << refused.head;
    EXPECT_TRUE(refused.has("retry-after: 51")) << refused.head;
    EXPECT_TRUE(refused.has("retry-after-ms: 50001")) << "the window is cut to milliseconds";
    EXPECT_TRUE(refused.has("x-ratelimit-limit-requests: 2"));
    EXPECT_TRUE(refused.has("x-ratelimit-remaining-requests: 0"));
    EXPECT_NE(refused.body.find("Limit 2, Used 2, Requested 1. Please try again in 50.001s."),
              std::string::npos)
        << refused.body;
    EXPECT_TRUE(
        refused.body.ends_with(R"("type":"requests","param":null,"code":"rate_limit_exceeded"}})"))
        << refused.body;
    EXPECT_FALSE(up.has_input());

    it.gate.advance_clock(50'001'000);
    it.client.send(chat(kChatBody, kNoWait));
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.admission().core().counts().appointments_kept, 1U);
    EXPECT_EQ(it.gate.records(6).size(), 6U) << "what was refused is not journalled";
}

TEST(AdmitTest, a_promise_holds_whatever_is_learned_in_the_meantime) {
    LimitAssignment both = limited(key(), LimitKind::requests, 1);
    both.own.of(LimitKind::total_tokens) = 1'000'000;
    LimitedGate it({both});
    RawSocket up = it.pass(chat());
    it.answer(&up);
    read_answer(&it.client);
    it.client.send(chat(kChatBody, kNoWait));
    EXPECT_EQ(read_answer(&it.client).status, 429);
    // A thousand tokens for so short a body: the learned ratio is many times what it was.
    for (int i = 0; i < 20; ++i) {
        it.client.send(as(kSecondKey, chat()));
        read_request(&up);
        it.answer(&up);
        EXPECT_EQ(read_answer(&it.client).status, 200);
    }
    it.gate.advance_clock(60 * kSecond + 1'000);
    it.client.send(chat(kChatBody, kNoWait));
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.admission().core().counts().appointments_kept, 1U);
}

TEST(AdmitTest, what_fits_the_deadline_waits_and_is_admitted_when_the_window_moves_on) {
    LimitedGate it({limited(customer(), LimitKind::requests, 1)});
    RawSocket up = it.pass(chat());
    it.answer(&up);
    read_answer(&it.client);
    it.client.send(chat(kChatBody, kLongWait));
    EXPECT_TRUE(it.has_waiting(1));
    it.gate.advance_clock(60 * kSecond - 1);
    it.gate.settle();
    EXPECT_FALSE(up.has_input());
    it.gate.advance_clock(1'001);
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.admission().core().counts().waited, 1U);
}

TEST(AdmitTest, what_does_not_fit_the_deadline_is_refused_at_once) {
    LimitedGate it({limited(customer(), LimitKind::requests, 1)});
    RawSocket up = it.pass(chat());
    it.answer(&up);
    read_answer(&it.client);
    it.client.send(chat(kChatBody, "prefer: wait=59\r\n"));
    const RawAnswer refused = read_answer(&it.client);
    EXPECT_EQ(refused.status, 429);
    EXPECT_NE(refused.body.find("number 1 in line and wait about 1m0.001s, longer than the 59s"),
              std::string::npos)
        << refused.body;
}

TEST(AdmitTest, a_client_that_leaves_frees_its_place_and_is_not_journalled) {
    LimitedGate it({limited(customer(), LimitKind::concurrency, 1)});
    it.client.send(chat());
    RawSocket* up = it.next();
    RawSocket second = it.gate.connect(), third = it.gate.connect();
    second.send(chat());
    EXPECT_TRUE(it.has_waiting(1));
    third.send(chat());
    EXPECT_TRUE(it.has_waiting(2));
    second.close();
    EXPECT_TRUE(it.has_waiting(1));
    it.answer(up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    it.answer(it.next());
    EXPECT_EQ(read_answer(&third).status, 200);
    EXPECT_EQ(it.gate.admission().core().counts().cancelled, 1U);
    EXPECT_EQ(it.gate.records().size(), 4U);
}

TEST(AdmitTest, the_end_of_a_call_frees_its_slot_for_who_waits) {
    LimitedGate it({limited(customer(), LimitKind::concurrency, 1)});
    it.client.send(chat());
    RawSocket* up = it.next();
    RawSocket second = it.gate.connect();
    second.send(chat());
    EXPECT_TRUE(it.has_waiting(1));
    EXPECT_EQ(it.used(customer(), LimitKind::concurrency), 1);
    it.answer(up);
    up = it.next();
    EXPECT_TRUE(it.has_waiting(0));
    it.answer(up);
    EXPECT_EQ(read_answer(&second).status, 200);
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(AdmitTest, tokens_are_corrected_to_what_was_used_when_the_call_ends) {
    LimitedGate it({limited(customer(), LimitKind::total_tokens, 3'000)});
    it.client.send(chat_of(2'500));
    RawSocket* up = it.next();
    EXPECT_GE(it.used(customer(), LimitKind::total_tokens), 2'508);
    RawSocket second = it.gate.connect();
    second.send(chat_of(1'000));
    EXPECT_EQ(read_answer(&second).status, 429) << "the reservation stands";
    it.answer(up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.used(customer(), LimitKind::total_tokens), 1'100);
    second.send(chat_of(1'000));
    it.answer(it.next());
    EXPECT_EQ(read_answer(&second).status, 200);
}

TEST(AdmitTest, a_stream_is_corrected_at_its_end) {
    LimitedGate it({limited(key(), LimitKind::total_tokens, 100'000)});
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head() + chunk(delta("one")));
    it.client.read_until(delta("one"));
    EXPECT_GT(it.used(key(), LimitKind::output_tokens), 1'000) << "not known: the estimate";
    up.send(chunk(usage_event(12, 34)) + chunk(kDone) + std::string(kLastChunk));
    it.client.read_until(kLastChunk);
    EXPECT_EQ(it.used(key(), LimitKind::input_tokens), 12);
    EXPECT_EQ(it.used(key(), LimitKind::output_tokens), 34);
}

TEST(AdmitTest, near_a_limit_the_prompt_is_counted_exactly) {
    LimitedGate it({limited(key(), LimitKind::total_tokens, kHiTokens + 10)});
    RawSocket up = it.pass(chat_of(10));
    EXPECT_EQ(it.used(key(), LimitKind::total_tokens), kHiTokens + 10);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.used(key(), LimitKind::total_tokens), 1'100) << "more than was reserved counts";
}

TEST(AdmitTest, what_can_never_pass_is_told_not_to_come_back) {
    LimitedGate it({limited(key(), LimitKind::total_tokens, 5'000)});
    it.client.send(chat_of(10'000, kLongWait));
    const RawAnswer refused = read_answer(&it.client);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(header(refused, "retry-after"), "");
    EXPECT_TRUE(refused.has("x-should-retry: false"));
    EXPECT_NE(refused.body.find("Request too large for API key sk-tg-100"), std::string::npos);
    EXPECT_TRUE(
        refused.body.ends_with(R"("type":"tokens","param":null,"code":"rate_limit_exceeded"}})"));
}

TEST(AdmitTest, headers_tell_what_is_left_to_the_token) {
    LimitedGate it({limited(key(), LimitKind::requests, 5),
                    limited(customer(), LimitKind::total_tokens, 400)});
    RawSocket up = it.pass(chat_of(100));
    it.gate.advance_clock(10 * kSecond);
    it.answer(&up);
    const RawAnswer first = read_answer(&it.client);
    EXPECT_EQ(header(first, "x-ratelimit-limit-requests"), "5");
    EXPECT_EQ(header(first, "x-ratelimit-remaining-requests"), "4");
    EXPECT_EQ(header(first, "x-ratelimit-reset-requests"), "1m0.001s");
    EXPECT_EQ(header(first, "x-ratelimit-limit-tokens"), "400");
    const std::int64_t left = std::stoll(header(first, "x-ratelimit-remaining-tokens"));
    EXPECT_LE(left, 400 - 100 - kHiTokens);
    EXPECT_GT(left, 200);
    EXPECT_EQ(header(first, "x-ratelimit-reset-tokens"), "1m0.001s");
}

TEST(AdmitTest, without_limits_there_are_no_headers_but_all_is_counted) {
    LimitedGate it({});
    RawSocket up = it.pass(chat());
    it.answer(&up);
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.head.find("x-ratelimit"), std::string::npos);
    for (const LimitSubject& subject : {key(), LimitSubject::of(ProjectId(10)), customer()}) {
        EXPECT_EQ(it.used(subject, LimitKind::requests), 1) << subject.text();
        EXPECT_EQ(it.used(subject, LimitKind::total_tokens), 1'100) << subject.text();
    }
    // A limit that is set now finds the running window.
    it.gate.set_limits({everybody(), limited(customer(), LimitKind::requests, 1)});
    it.client.send(chat(kChatBody, kNoWait));
    EXPECT_EQ(read_answer(&it.client).status, 429);
}

TEST(AdmitTest, a_keys_cap_binds_that_key_alone) {
    LimitedGate it({limited(key(), LimitKind::requests, 1)});
    RawSocket up = it.pass(chat());
    it.answer(&up);
    read_answer(&it.client);
    it.client.send(chat(kChatBody, kNoWait));
    const RawAnswer refused = read_answer(&it.client);
    EXPECT_NE(refused.body.find("API key sk-tg-100 on requests per minute"), std::string::npos)
        << refused.body;
    it.client.send(as(kSecondKey, chat(kChatBody, kNoWait)));
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(AdmitTest, models_have_limits_of_all_and_of_one_customer) {
    LimitedGate it(
        {limited(LimitSubject::of_model("gpt-4o"), LimitKind::requests, 2),
         limited(LimitSubject::of_model(CustomerId(1), "gpt-4o"), LimitKind::requests, 1)});
    RawSocket up = it.pass(chat());
    it.answer(&up);
    read_answer(&it.client);
    it.client.send(chat(kChatBody, kNoWait));
    EXPECT_NE(read_answer(&it.client).body.find("customer 'acme' on model 'gpt-4o'"),
              std::string::npos);
    it.client.send(as(kOtherKey, chat(kChatBody, kNoWait)));
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    it.client.send(as(kOtherKey, chat(kChatBody, kNoWait)));
    EXPECT_NE(read_answer(&it.client).body.find("for model 'gpt-4o' on requests"),
              std::string::npos);
    it.client.send(chat(R"({"model":"gpt-4o-mini","messages":[]})", kNoWait));
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200) << "another model";
}

TEST(AdmitTest, customers_take_turns_whatever_one_of_them_piles_up) {
    LimitedGate it({limited(LimitSubject::of_model("gpt-4o"), LimitKind::concurrency, 1)});
    it.client.send(chat());
    RawSocket* up = it.next();
    std::vector<RawSocket> flood;
    for (std::uint32_t i = 1; i <= 5; ++i) {
        flood.push_back(it.gate.connect());
        flood.back().send(chat());
        EXPECT_TRUE(it.has_waiting(i));
    }
    RawSocket other = it.gate.connect();
    other.send(as(kOtherKey, chat()));
    EXPECT_TRUE(it.has_waiting(6));
    // It came last of six, and is served first or second.
    for (int i = 0; i < 2; ++i) {
        it.answer(up);
        up = it.next();
    }
    EXPECT_EQ(it.used(LimitSubject::of(CustomerId(2)), LimitKind::requests), 1);
    for (int i = 0; i < 4; ++i) {
        it.answer(up);
        up = it.next();
    }
    it.answer(up);
    EXPECT_EQ(read_answer(&other).status, 200);
    for (RawSocket& client : flood) EXPECT_EQ(read_answer(&client).status, 200);
}

TEST(AdmitTest, a_raised_limit_lets_those_in_who_wait) {
    LimitedGate it({limited(customer(), LimitKind::requests, 1)});
    RawSocket up = it.pass(chat());
    it.answer(&up);
    read_answer(&it.client);
    it.client.send(chat(kChatBody, kLongWait));
    EXPECT_TRUE(it.has_waiting(1));
    it.gate.set_limits({everybody(), limited(customer(), LimitKind::requests, 2)});
    read_request(&up);
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(AdmitTest, who_waits_beyond_its_deadline_is_refused_as_such) {
    LimitedGate it({limited(customer(), LimitKind::concurrency, 1)});
    RawSocket up = it.pass(chat());
    RawSocket second = it.gate.connect();
    second.send(chat(kChatBody, "x-tollgate-queue-timeout-ms: 1500\r\n"));
    EXPECT_TRUE(it.has_waiting(1));
    it.gate.advance_clock(1'500'000);
    const RawAnswer refused = read_answer(&second);
    EXPECT_EQ(refused.status, 429);
    EXPECT_TRUE(refused.has("x-tollgate-error: queue_timeout")) << refused.head;
    EXPECT_NE(refused.body.find("within the 1.5s that it may wait"), std::string::npos);
    EXPECT_NE(header(refused, "retry-after"), "");
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(AdmitTest, the_line_is_bounded) {
    RawListener upstream;
    TestGate gate(gate_options({upstream_at(upstream.port())}), Metering::on,
                  gate_catalogue(gate_prices()), {.queue_customer_max = 1});
    gate.set_limits({everybody(), limited(customer(), LimitKind::concurrency, 1)});
    RawSocket first = gate.connect(), second = gate.connect(), third = gate.connect();
    first.send(chat());
    RawSocket up = upstream.accept();
    read_request(&up);
    second.send(chat());
    EXPECT_TRUE(eventually([&] { return gate.admission().core().counts().waiting == 1; }));
    third.send(chat());
    const RawAnswer refused = read_answer(&third);
    EXPECT_EQ(refused.status, 429);
    EXPECT_TRUE(refused.has("x-tollgate-error: queue_full")) << refused.head;
    EXPECT_TRUE(refused.body.ends_with(R"("code":"rate_limit_exceeded"}})"));
}

TEST(AdmitTest, at_shutdown_who_waits_is_told_so) {
    LimitedGate it({limited(customer(), LimitKind::concurrency, 1)});
    RawSocket up = it.pass(chat());
    RawSocket second = it.gate.connect(), third = it.gate.connect();
    second.send(chat());
    EXPECT_TRUE(it.has_waiting(1));
    it.gate.admission().shut_down();
    const RawAnswer refused = read_answer(&second);
    EXPECT_EQ(refused.status, 503);
    EXPECT_TRUE(refused.has("x-tollgate-error: shutting_down"));
    third.send(chat());
    EXPECT_EQ(read_answer(&third).status, 503) << "nobody waits any more";
    it.answer(&up);
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(AdmitTest, what_never_reached_an_upstream_is_given_back) {
    LimitedGate it({limited(customer(), LimitKind::requests, 5)});
    it.upstream.close();
    it.client.send(chat());
    EXPECT_EQ(read_answer(&it.client).status, 502);
    EXPECT_EQ(it.used(customer(), LimitKind::requests), 0);
    EXPECT_EQ(it.used(customer(), LimitKind::total_tokens), 0);
}

TEST(AdmitTest, an_error_of_the_upstreams_counts_as_a_request_without_tokens) {
    LimitedGate it({limited(customer(), LimitKind::total_tokens, 100'000)});
    it.call(chat(), json_reply(R"({"error":{"message":"no"}})", 400));
    EXPECT_EQ(it.used(customer(), LimitKind::requests), 1);
    EXPECT_EQ(it.used(customer(), LimitKind::total_tokens), 0);
}

TEST(AdmitTest, calls_that_pass_through_count_a_request) {
    LimitedGate it({limited(key(), LimitKind::requests, 1)});
    RawAnswer answer = it.call(get("/v1/files"), json_reply(R"({"data":[]})"));
    EXPECT_EQ(header(answer, "x-ratelimit-remaining-requests"), "0");
    it.client.send(get("/v1/files", kNoWait));
    EXPECT_EQ(read_answer(&it.client).status, 429);
}

TEST(AdmitTest, without_metering_tokens_are_corrected_all_the_same) {
    OneUpstream it(Metering::off);
    it.gate.set_limits({everybody(), limited(customer(), LimitKind::total_tokens, 100'000)});
    it.call(chat(), json_reply(kChatReply));
    GateAdmission& admission = it.gate.admission();
    EXPECT_EQ(admission.core().used(admission.levels().level(customer()), LimitKind::total_tokens,
                                    admission.now_us()),
              1'100);
}

TEST(AdmitTest, bad_headers_are_refused_by_name) {
    LimitedGate it({limited(customer(), LimitKind::requests, 5)});
    it.client.send(chat(kChatBody, "x-tollgate-queue-timeout-ms: soon\r\n"));
    const RawAnswer refused = read_answer(&it.client);
    EXPECT_EQ(refused.status, 400);
    EXPECT_NE(refused.body.find("x-tollgate-queue-timeout-ms is 'soon'"), std::string::npos);
    EXPECT_EQ(it.used(customer(), LimitKind::requests), 0);
}

TEST(AdmitTest, a_customer_without_any_tier_may_do_nothing) {
    OneUpstream it;
    it.gate.set_limits({});
    it.client.send(chat());
    const RawAnswer refused = read_answer(&it.client);
    EXPECT_EQ(refused.status, 429);
    EXPECT_NE(refused.body.find("customer 'acme' on"), std::string::npos) << refused.body;
    EXPECT_NE(refused.body.find("Nothing is allowed there"), std::string::npos);
}

}  // namespace
}  // namespace tg
