// Regions and dedicated pools: which account a call may go to, and that no failure changes it.
#include "gateway/test_policy.h"

namespace tg {
namespace {

using Regions = std::vector<std::string>;

DataPolicy pinned(Regions regions) {
    return {.regions = std::move(regions)};
}

TEST(ResidencyTest, a_pinned_project_goes_to_its_region_though_another_comes_first) {
    PolicyGate it(pinned({"us"}));
    RawAnswer answer;
    EXPECT_EQ(it.pass(chat(), &it.west, kChatReply, &answer).body, kChatBody);
    EXPECT_TRUE(answer.has("x-tollgate-data-policy: regions=us"));
    EXPECT_FALSE(it.east.has_waiting());
    EXPECT_EQ(record_flags(it.gate.journal_directory()),
              (std::vector<std::string>{"reserved 32", "settled 32"}));
}

TEST(ResidencyTest, a_failure_in_the_region_does_not_leave_it) {
    for (const int status : {429, 500, 503}) {
        PolicyGate it(pinned({"us"}));
        it.client.send(chat());
        RawSocket up = it.west.accept();
        read_request(&up);
        up.send(json_reply(R"({"error":{}})", status));
        EXPECT_EQ(read_answer(&it.client).status, status);
        it.gate.settle();
        EXPECT_FALSE(it.east.has_waiting());
    }
    PolicyGate it(pinned({"us"}));
    it.client.send(chat());
    it.west.accept();  // and closes
    EXPECT_EQ(read_answer(&it.client).status, 502);
    EXPECT_FALSE(it.east.has_waiting());
}

TEST(ResidencyTest, failover_goes_on_inside_the_allowed_regions) {
    RawListener north;
    PolicyGate it(pinned({"us"}));
    GatewayOptions options = *it.gate.snapshot.options;
    options.upstreams.push_back(upstream_at(north.port(), "north"));
    options.upstreams.back().region = "us";
    it.gate.publish(options);
    it.client.send(chat());
    RawSocket west = it.west.accept();
    read_request(&west);
    west.send(json_reply("{}", 503));
    RawSocket up = north.accept();
    read_request(&up);
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_FALSE(it.east.has_waiting());
}

TEST(ResidencyTest, no_account_in_the_region_is_a_refusal_that_names_no_account) {
    PolicyGate it(pinned({"cn"}));
    const RawAnswer answer = it.refused(chat());
    EXPECT_EQ(answer.status, 403);
    EXPECT_TRUE(answer.has("x-tollgate-error: policy_refused"));
    EXPECT_TRUE(answer.has("x-should-retry: false"));
    EXPECT_EQ(
        answer.body,
        R"({"error":{"message":"the project's data policy (regions cn) leaves no account for )"
        R"(the model 'gpt-4o': of the accounts that serve it, none is known to be in an )"
        R"(allowed region; ask whoever runs this gateway for an account that is allowed, or )"
        R"(use another model","type":"permission_error","param":"model",)"
        R"("code":"policy_refused"}})");
    EXPECT_EQ(record_flags(it.gate.journal_directory()),
              (std::vector<std::string>{"reserved 544", "abandoned"}));
    EXPECT_EQ(it.gate.metrics.refused_policy->value(), 1U);
}

TEST(ResidencyTest, nowhere_is_nowhere_and_an_account_without_a_region_is_in_none) {
    PolicyGate nowhere(pinned({}));
    EXPECT_EQ(nowhere.refused(chat()).status, 403);
    PolicyGate unstated(pinned({"eu"}), [](GatewayOptions* o) { o->upstreams[0].region.clear(); });
    EXPECT_EQ(unstated.refused(chat()).status, 403);
}

TEST(ResidencyTest, a_request_narrows_the_regions) {
    PolicyGate it(pinned({"eu", "us"}));
    const SeenRequest seen = it.pass(chat(kChatBody, "X-Tollgate-Regions: cn, us\r\n"), &it.west);
    EXPECT_EQ(seen.head.find("egions"), std::string::npos) << seen.head;
    EXPECT_FALSE(it.east.has_waiting());
    it.pass(chat(), &it.east);
    PolicyGate free({});
    free.pass(chat(kChatBody, "x-tollgate-regions: us\r\n"), &free.west);
    EXPECT_EQ(record_flags(free.gate.journal_directory())[0], "reserved 32");
}

TEST(ResidencyTest, a_request_that_would_widen_or_cannot_be_read_is_refused) {
    struct Case {
        const char *lines, *says;
        int status;
    };
    const Case cases[] = {
        {"x-tollgate-regions: us\r\n",
         "asks for us, and allowed are only eu; a request can narrow the policy, not widen it",
         403},
        {"x-tollgate-regions: \r\n", "is no name", 400},
        {"x-tollgate-regions: e u\r\n", "is no name", 400},
        {"x-tollgate-regions: eu\r\nx-tollgate-regions: us\r\n", "asks for us", 403},
        {"x-tollgate-deployment-type: private\r\n", "'private' is neither", 400},
        {"x-tollgate-deployment-type: dedicated\r\n", "has no dedicated pool", 403},
    };
    for (const Case& each : cases) {
        PolicyGate it(pinned({"eu"}));
        const RawAnswer answer = it.refused(chat(kChatBody, each.lines));
        EXPECT_EQ(answer.status, each.status) << each.lines;
        EXPECT_NE(answer.body.find(each.says), std::string::npos) << answer.body;
    }
}

TEST(ResidencyTest, a_call_without_a_model_goes_to_an_account_of_the_region) {
    PolicyGate it(pinned({"us"}), [](GatewayOptions* o) {
        for (UpstreamOptions& upstream : o->upstreams) upstream.models = {{"gpt-4o", ""}};
    });
    EXPECT_EQ(it.pass(get("/v1/files"), &it.west).head.substr(0, 22), "GET /v1/files HTTP/1.1");
    PolicyGate nowhere(pinned({"cn"}));
    EXPECT_EQ(nowhere.refused(get("/v1/files")).status, 403);
}

TEST(ResidencyTest, only_models_that_can_be_called_are_listed) {
    PolicyGate it(pinned({"us"}), [](GatewayOptions* o) {
        o->upstreams[0].models = {{"gpt-4o", ""}};
        o->upstreams[1].models = {{"gpt-4o-mini", ""}};
    });
    const RawAnswer list = it.gate.ask(get("/v1/models"));
    EXPECT_NE(list.body.find("gpt-4o-mini"), std::string::npos);
    EXPECT_EQ(list.body.find(R"("gpt-4o")"), std::string::npos) << list.body;
    EXPECT_EQ(it.gate.ask(get("/v1/models/gpt-4o")).status, 404);
    EXPECT_EQ(it.gate.ask(get("/v1/models/gpt-4o-mini")).status, 200);
}

TEST(ResidencyTest, a_change_of_policy_holds_for_the_next_request) {
    PolicyGate it({});
    it.pass(chat(), &it.east);
    it.gate.snapshot.directory = directory_with(pinned({"us"}));
    it.gate.publish();
    it.pass(chat(), &it.west);
}

constexpr std::string_view kDedicatedBody =
    R"({"model":"gpt-4o","deployment_type":"dedicated","messages":[{"role":"user","content":"Hi"}]})";

void make_west_a_pool(GatewayOptions* options) {
    options->upstreams[1].pool = "acme-gpu";
}

TEST(DedicatedPoolTest, a_project_with_a_pool_uses_it_alone) {
    PolicyGate it({.pool = "acme-gpu"}, make_west_a_pool);
    RawAnswer answer;
    it.pass(chat(), &it.west, kChatReply, &answer);
    EXPECT_TRUE(answer.has("x-tollgate-data-policy: dedicated"));
    it.client.send(chat());
    RawSocket up = it.west.accept();
    read_request(&up);
    up.send(json_reply("{}", 503));
    EXPECT_EQ(read_answer(&it.client).status, 503);
    EXPECT_FALSE(it.east.has_waiting());
    EXPECT_EQ(record_flags(it.gate.journal_directory())[1], "settled 64");
}

TEST(DedicatedPoolTest, nobody_else_uses_the_pool) {
    PolicyGate it({}, make_west_a_pool);
    it.client.send(chat());
    RawSocket up = it.east.accept();
    read_request(&up);
    up.send(json_reply("{}", 503));
    EXPECT_EQ(read_answer(&it.client).status, 503);
    EXPECT_FALSE(it.west.has_waiting());
    PolicyGate other({.pool = "other"}, make_west_a_pool);
    EXPECT_NE(other.refused(chat()).body.find("none belongs to the project's dedicated pool"),
              std::string::npos);
}

TEST(DedicatedPoolTest, a_request_asks_for_it_in_its_body_or_by_a_header) {
    const DataPolicy policy{.pool_on_request = "acme-gpu"};
    PolicyGate it(policy, make_west_a_pool);
    it.pass(chat(), &it.east);
    EXPECT_EQ(it.pass(chat(kDedicatedBody), &it.west).body, kChatBody)
        << "the provider does not know the member";
    it.pass(chat(kChatBody, "x-tollgate-deployment-type: dedicated\r\n"), &it.west);
    it.pass(chat(kChatBody, "x-tollgate-deployment-type: shared\r\n"), &it.east);
    EXPECT_EQ(it.pass(post("/v1/images/generations",
                           R"({"model":"gpt-4o","prompt":"x","deployment_type":"dedicated"})"),
                      &it.west)
                  .body,
              R"({"model":"gpt-4o","prompt":"x"})");
}

TEST(DedicatedPoolTest, what_cannot_be_had_is_refused) {
    PolicyGate without({}, make_west_a_pool);
    RawAnswer answer = without.refused(chat(kDedicatedBody));
    EXPECT_EQ(answer.status, 403);
    EXPECT_NE(answer.body.find(R"("param":"deployment_type")"), std::string::npos) << answer.body;
    PolicyGate with({.pool = "acme-gpu"}, make_west_a_pool);
    answer = with.refused(chat(kChatBody, "x-tollgate-deployment-type: shared\r\n"));
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(with.pass(chat(kDedicatedBody), &with.west).body, kChatBody);
    answer = with.refused(chat(R"({"model":"gpt-4o","deployment_type":"fast","messages":[]})"));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(with.refused(chat(R"({"model":"gpt-4o","deployment_type":7})")).status, 400);
}

}  // namespace
}  // namespace tg
