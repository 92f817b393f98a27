#include "api/test_api.h"

namespace tg {
namespace {

UpstreamStatus east() {
    UpstreamStatus out;
    out.name = "east";
    out.provider = "openai";
    out.region = "eu";
    out.pool = "acme";
    out.is_zero_retention_covered = true;
    out.breaker = BreakerState::open;
    out.breaker_open_ms = 4'000;
    out.breaker_opened = 2;
    out.ejected = OutlierReason::latency;
    out.is_healthy = false;
    out.in_flight = 3;
    out.waiting = 1;
    out.first_byte_peak_ms = 812.4;
    out.first_byte_p95_ms = 950;
    out.attempts = 20;
    out.failures = 4;
    out.limited = 1;
    UpstreamLimitsStatus limits;
    limits.model = "gpt-4o";
    limits.waiting = 1;
    limits.pacer.meters[0] = {500, 0.93, 120, 4.6, 0.75, 30};
    limits.pacer.refusals = 1;
    out.limits.push_back(limits);
    return out;
}

TEST(UpstreamsApiTest, tells_what_the_gateway_knows) {
    TestApi t(Dialect::sqlite, [](AdminApi::Options& options) {
        options.upstreams = [](std::int64_t) {
            return std::vector<UpstreamStatus>{east(), UpstreamStatus{.name = "west"}};
        };
    });
    const ApiReply reply = t.send("GET", "/upstreams");
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.body.starts_with(
        R"({"data":[{"name":"east","provider":"openai","region":"eu","pool":"acme",)"
        R"("is_zero_retention_covered":true,"breaker":"open","breaker_open_ms":4000,)"
        R"("breaker_opened":2,"ejected":"latency","is_healthy":false,"in_flight":3,"waiting":1,)"
        R"("first_byte_peak_ms":812,"first_byte_mean_ms":0,"first_byte_p95_ms":950,"attempts":20,)"
        R"("failures":4,"limited":1,"limits":[{"model":"gpt-4o","waiting":1,"in_flight":0,)"
        R"("refusals":1,"is_exhausted":false,"blocked_ms":0,"meters":[{"meter":"requests",)"
        R"("limit_per_minute":500,"used":120,"excess":5,"remaining_ppm":750000,)"
        R"("share_ppm":930000,"burst_ms":30000}]}]},{"name":"west")"))
        << reply.body;
}

TEST(UpstreamsApiTest, a_process_without_a_data_plane_says_so) {
    TestApi t(Dialect::sqlite);
    EXPECT_EQ(t.error("GET", "/upstreams", "", "ask a gateway"), "unsupported");
}

}  // namespace
}  // namespace tg
