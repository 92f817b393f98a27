#pragma once
// For tests: a whole gate on a loop of its own, behind a real server and before upstreams that the
// test plays by hand, byte for byte. Needs GoogleTest; never included by product code.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "metering/journal_text.h"
#include "metering/test_journal.h"
#include "net/test_net.h"

namespace tg {

inline constexpr std::string_view kTestKey = "sk-tg-good";
inline constexpr std::string_view kSecondKey = "sk-tg-second";
inline constexpr std::string_view kOtherKey = "sk-tg-other";
inline constexpr UtcMicros kGateTime{1'780'000'000'000'000};

/// "2.50" per million tokens.
inline NanoPerM gate_price(std::string_view per_m) {
    return {static_cast<std::int64_t>(*parse_scaled(per_m, 9))};
}

inline ModelPrice gate_model(std::string model, std::string_view input, std::string_view output,
                             std::string provider = "openai") {
    ModelPrice price;
    price.model = std::move(model);
    price.provider = std::move(provider);
    price.components = {{Meter::input, gate_price(input)}, {Meter::output, gate_price(output)}};
    return price;
}

inline std::vector<ModelPrice> gate_prices() {
    std::vector<ModelPrice> prices{gate_model("gpt-4o", "2.50", "10"),
                                   gate_model("gpt-4o", "5", "20", "azure"),
                                   gate_model("gpt-4o-mini", "0.15", "0.60")};
    prices[0].components.push_back(
        {Meter::input, gate_price("1.25"), ServiceTier::flex, std::nullopt});
    prices[0].components.push_back(
        {Meter::output, gate_price("5"), ServiceTier::flex, std::nullopt});
    return prices;
}

inline std::shared_ptr<const Catalogue> gate_catalogue(std::vector<ModelPrice> prices,
                                                       UnknownModelRule unknown = {},
                                                       std::uint32_t version = 7) {
    return Catalogue::build(PriceVersionId(version), std::move(prices), std::move(unknown)).value();
}

/// One customer with a project, keys for every refusal and a second good one; another customer with
/// a key.
inline std::shared_ptr<const Directory> gate_directory(DataPolicy policy = {}) {
    std::vector<Customer> customers{{.id = CustomerId(1), .code = "acme", .name = "Acme"},
                                    {.id = CustomerId(2), .code = "globex", .name = "Globex"}};
    std::vector<Project> projects{
        {.id = ProjectId(10), .customer = CustomerId(1), .code = "chat", .name = "Chat"},
        {.id = ProjectId(20), .customer = CustomerId(2), .code = "bot", .name = "Bot"}};
    projects[0].data_policy = std::move(policy);
    std::vector<ApiKey> keys;
    const auto add = [&](std::uint32_t id, std::string_view text, bool is_active) {
        keys.push_back({.id = KeyId(id),
                        .project = ProjectId(10),
                        .name = "key",
                        .hint = "sk-tg-" + std::to_string(id),
                        .hash = sha256(text),
                        .is_active = is_active,
                        .created_at = kGateTime});
    };
    add(100, kTestKey, true);
    add(101, "sk-tg-off", false);
    add(102, "sk-tg-old", true);
    keys.back().expires_at = kGateTime;
    add(103, "sk-tg-nobody", true);
    keys.back().project.reset();
    add(104, kSecondKey, true);
    add(200, kOtherKey, true);
    keys.back().project = ProjectId(20);
    return std::make_shared<const Directory>(std::move(customers), std::move(projects),
                                             std::move(keys), 1);
}

inline UpstreamOptions upstream_at(std::uint16_t port, std::string name = "east") {
    UpstreamOptions out;
    out.name = std::move(name);
    out.region = "eu";
    out.base_url = "http://127.0.0.1:" + std::to_string(port) + "/v1";
    out.api_key = "sk-account";
    out.models = {{"*", ""}};
    return out;
}

inline GatewayOptions gate_options(std::vector<UpstreamOptions> upstreams) {
    GatewayOptions out;
    out.upstreams = std::move(upstreams);
    out.drain_after_disconnect_ms = 20'000;
    // A test that plays one upstream by hand expects one call, unless it says otherwise.
    out.routing.retries_same_upstream = false;
    return out;
}

// --- what a client sends ---

inline std::string request_head(std::string_view method, std::string_view target,
                                std::string_view lines = {}) {
    return std::string(method) + " " + std::string(target) +
           " HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer " + std::string(kTestKey) + "\r\n" +
           std::string(lines);
}
inline std::string get(std::string_view target, std::string_view lines = {}) {
    return request_head("GET", target, lines) + "\r\n";
}
inline std::string post(std::string_view target, std::string_view body,
                        std::string_view lines = {}) {
    return request_head("POST", target, lines) +
           "content-type: application/json\r\ncontent-length: " + std::to_string(body.size()) +
           "\r\n\r\n" + std::string(body);
}
inline constexpr std::string_view kChatBody =
    R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]})";
inline constexpr std::string_view kStreamBody =
    R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hi"}]})";
/// As a chat completion counts it: 3 for the message, "user", "Hi", 3 for the answer's start.
inline constexpr int kHiTokens = 8;
inline std::string chat(std::string_view body = kChatBody, std::string_view lines = {}) {
    return post("/v1/chat/completions", body, lines);
}

// --- what an upstream gets and answers ---

struct SeenRequest {
    std::string head, body;
    bool has(std::string_view line) const {
        return head.find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
    }
    /// The value of a header; empty when it is not there.
    std::string value(std::string_view name) const {
        const std::size_t at = head.find("\r\n" + std::string(name) + ": ");
        if (at == std::string::npos) return {};
        const std::size_t begin = at + name.size() + 4;
        return head.substr(begin, head.find("\r\n", begin) - begin);
    }
};

inline SeenRequest read_request(RawSocket* socket) {
    SeenRequest out;
    out.head = socket->read_until("\r\n\r\n");
    if (const std::string length = out.value("content-length"); !length.empty()) {
        out.body = socket->read_bytes(std::stoull(length));
    } else if (out.has("transfer-encoding: chunked")) {
        for (;;) {
            const std::string line = socket->read_until("\r\n");
            const std::size_t size = line.size() < 3 ? 0 : std::stoull(line, nullptr, 16);
            out.body += socket->read_bytes(size);
            socket->read_bytes(2);
            if (size == 0) break;
        }
    }
    return out;
}

inline std::string reply(int status, std::string_view lines, std::string_view body) {
    return "HTTP/1.1 " + std::to_string(status) + " Said\r\n" + std::string(lines) +
           "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string json_reply(std::string_view body, int status = 200,
                              std::string_view lines = {}) {
    return reply(status, "content-type: application/json\r\n" + std::string(lines), body);
}
inline constexpr std::string_view kChatReply =
    R"({"id":"c1","model":"gpt-4o-2024-08-06","choices":[{"message":{"content":"Ho"}}],)"
    R"("usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}})";

inline std::string stream_head(std::string_view lines = {}) {
    return "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + std::string(lines) +
           "transfer-encoding: chunked\r\n\r\n";
}
inline std::string chunk(std::string_view bytes) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return size + std::string(bytes) + "\r\n";
}
inline std::string delta(std::string_view text, std::string_view more = {}) {
    return R"(data: {"choices":[{"delta":{"content":")" + std::string(text) + "\"}}]" +
           std::string(more) + "}\n\n";
}
inline std::string usage_event(int input, int output) {
    return R"(data: {"choices":[],"usage":{"prompt_tokens":)" + std::to_string(input) +
           R"(,"completion_tokens":)" + std::to_string(output) + R"(,"total_tokens":)" +
           std::to_string(input + output) + "}}\n\n";
}
inline constexpr std::string_view kDone = "data: [DONE]\n\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// --- what the journal holds ---

/// What matters of how a call was settled, as one line to compare: "ok provider 200 x1 east gpt-4o
/// input=1000 output=100", with the flags that are set.
inline std::string text_of(const UsageEvent& event) {
    std::string out;
    out.append(name(event.outcome)).append(" ").append(name(event.source)).append(" ");
    out.append(std::to_string(event.http_status))
        .append(" x")
        .append(std::to_string(event.attempts));
    out.append(" ").append(event.deployment).append(" ");
    out.append(event.model.empty() ? "-" : event.model);
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (event.usage[meter] == 0) continue;
        out.append(" ").append(name(meter)).append("=").append(std::to_string(event.usage[meter]));
    }
    if ((event.flags & kEventStream) != 0) out.append(" stream");
    if ((event.flags & kEventFallbackPrice) != 0) out.append(" fallback");
    if ((event.flags & kEventUnpriced) != 0) out.append(" unpriced");
    if ((event.flags & kEventUsageMismatch) != 0) out.append(" mismatch");
    if ((event.flags & kEventFallbackModel) != 0)
        out.append(" instead of ").append(event.asked_model);
    if ((event.flags & kEventHedged) != 0) out.append(" hedged");
    return out;
}

/// One line a record: "reserved gpt-4o", "settled ...", "abandoned".
inline std::vector<std::string> journal_lines(const std::string& directory) {
    std::vector<std::string> out;
    auto reader = JournalReader::open(directory, {});
    if (!reader.ok()) return {reader.error().text()};
    for (JournalRecord record;;) {
        const Result<bool> more = (*reader)->next(&record, kNoLimit);
        if (!more.ok()) out.push_back(more.error().text());
        if (!more.ok() || !*more) return out;
        if (record.kind == RecordKind::reserved) {
            out.push_back("reserved " + std::string(record.reserved.model));
        } else if (record.kind == RecordKind::abandoned) {
            out.emplace_back("abandoned");
        } else {
            out.push_back("settled " + text_of(record.event));
        }
    }
}

/// The record settled last; of its texts only those below are kept.
struct LastEvent {
    explicit LastEvent(const std::string& directory) {
        auto reader = JournalReader::open(directory, {}).value();
        for (JournalRecord record; reader->next(&record, kNoLimit).value();) {
            if (record.kind != RecordKind::settled) continue;
            tier = record.event.tier;
            price_version = record.event.price_version;
            first_byte_ms = record.event.first_byte_ms;
            upstream_request_id = record.event.upstream_request_id;
        }
    }
    ServiceTier tier{};
    PriceVersionId price_version;
    std::uint32_t first_byte_ms = 0;
    std::string upstream_request_id;
};

enum class Metering : std::uint8_t { on, off };

class TestGate {
  public:
    explicit TestGate(GatewayOptions options, Metering metering = Metering::on,
                      std::shared_ptr<const Catalogue> catalogue = gate_catalogue(gate_prices()),
                      const AdmissionOptions& admission = {})
        : fs(TestFs::Syncs::fast), clock_(kGateTime), metrics(&registry_) {
        set_log_level(LogLevel::error);
        if (metering == Metering::on) {
            JournalOptions journal = small_journal(directory_);
            journal.segment_bytes = 1U << 20;
            journal.commit_interval_us = 0;
            journal.fs = &fs;
            journal_ = must_open(journal);
        }
        shared_.clock = &clock_;
        shared_.journal = journal_.get();
        shared_.blocking = &blocking_;
        shared_.metrics = &metrics;
        admission_ = std::make_unique<GateAdmission>(
            GateAdmission::Parts{.clock = &clock_, .metrics = &registry_, .options = admission});
        shared_.admission = admission_.get();
        snapshot.directory = gate_directory();
        snapshot.catalogue = std::move(catalogue);
        snapshot.routes = RouteTable::build(options.upstreams).value();
        snapshot.options = std::make_shared<const GatewayOptions>(std::move(options));
        const int fd = listen_on(parse_address("127.0.0.1:0").value(), 128).value();
        port_ = local_address(fd).port();
        thread_.call([&] {
            gateway_ = std::make_unique<Gateway>(thread_.loop(), &shared_, snapshot);
            server_ = std::make_unique<HttpServer>(thread_.loop(), fd, HttpServerOptions{},
                                                   gateway_.get());
            server_->start();
        });
    }
    /// However a test ends, every call was settled or abandoned, once.
    ~TestGate() {
        stop();
        server_.reset();
        gateway_.reset();
        EXPECT_EQ(metrics.in_flight->value(), 0);
        EXPECT_EQ(admission_->core().counts().in_flight, 0U) << "given back";
        EXPECT_EQ(admission_->core().counts().waiting, 0U);
        if (journal_ == nullptr) return;
        EXPECT_EQ(journal_->stats().open_reservations, 0U);
        journal_->close();
        const Result<JournalSummary> summary = verify_journal(directory_.path());
        EXPECT_TRUE(summary.ok() && summary->is_sound());
    }
    TestGate(const TestGate&) = delete;
    TestGate& operator=(const TestGate&) = delete;

    RawSocket connect(int receive_buffer = 0) const {
        return RawSocket::connect(port_, receive_buffer);
    }
    /// One request whose answer needs no upstream, on a connection of its own.
    RawAnswer ask(std::string_view request) const {
        RawSocket client = connect();
        EXPECT_TRUE(client.send(request));
        return read_answer(&client, request.starts_with("HEAD "));
    }
    /// Ends the loop, and with it every call under way.
    void stop() {
        fs.release();
        admission_->shut_down();
        thread_.stop();
    }
    /// Returns when everything that has reached the loop so far was handled.
    void settle() {
        for (int i = 0; i < 2; ++i) thread_.call([] {});
    }
    void publish(GatewayOptions options) {
        snapshot.routes = RouteTable::build(options.upstreams).value();
        snapshot.options = std::make_shared<const GatewayOptions>(std::move(options));
        publish();
    }
    void publish() {
        thread_.call([this] { gateway_->publish(snapshot); });
    }
    /// As the server does when its limits have changed.
    void set_limits(std::vector<LimitAssignment> assignments) {
        const auto tiers = default_tiers();
        snapshot.limits =
            LimitTable::build({tiers.begin(), tiers.end()}, std::move(assignments)).value();
        admission_->set_limits(snapshot.limits);
        publish();
    }
    GateAdmission& admission() { return *admission_; }
    void set_draining() { shared_.is_draining = true; }
    void drain_server() {
        set_draining();
        thread_.call([this] { server_->drain(); });
    }
    void advance_clock(std::int64_t micros) {
        thread_.call([this, micros] { clock_.advance_micros(micros); });
        admission_->tell();
    }
    std::vector<UpstreamStatus> upstreams() const {
        return shared_.upstreams.current()->status(system_clock().monotonic_ns());
    }
    Loop* loop() { return thread_.loop(); }
    UsageJournal* journal() { return journal_.get(); }
    std::string journal_directory() const { return directory_.path(); }

    std::vector<std::string> records() const { return journal_lines(directory_.path()); }
    /// The records, once there are so many.
    std::vector<std::string> records(std::size_t count) const {
        EXPECT_TRUE(eventually([&] { return records().size() >= count; }));
        return records();
    }

    TestFs fs;
    GateSnapshot snapshot;

  private:
    TempDirectory directory_;
    ManualClock clock_;
    MetricsRegistry registry_;

  public:
    GatewayMetrics metrics;

  private:
    GatewayShared shared_;
    // The loop goes last of all that may post to it or lives on it.
    LoopThread thread_;
    BlockingPool blocking_{1};
    std::unique_ptr<GateAdmission> admission_;
    std::unique_ptr<UsageJournal> journal_;
    std::unique_ptr<Gateway> gateway_;
    std::unique_ptr<HttpServer> server_;
    std::uint16_t port_ = 0;
};

/// A gate before one upstream, with a client connected to it.
struct OneUpstream {
    explicit OneUpstream(Metering metering = Metering::on) : OneUpstream(nullptr, metering) {}
    /// `change` mends the options before the gate is made.
    explicit OneUpstream(void (*change)(GatewayOptions*), Metering metering = Metering::on,
                         std::shared_ptr<const Catalogue> catalogue = gate_catalogue(gate_prices()))
        : gate(options(change), metering, std::move(catalogue)), client(gate.connect()) {}

    /// Sends the client's request and gives the upstream's side of it.
    RawSocket pass(std::string_view request, SeenRequest* seen = nullptr) {
        EXPECT_TRUE(client.send(request));
        RawSocket out = upstream.accept();
        SeenRequest got = read_request(&out);
        if (seen != nullptr) *seen = std::move(got);
        return out;
    }
    /// The whole way: the request goes up, `answer` comes down.
    RawAnswer call(std::string_view request, std::string_view answer, SeenRequest* seen = nullptr) {
        RawSocket up = pass(request, seen);
        EXPECT_TRUE(up.send(answer));
        return read_answer(&client, request.starts_with("HEAD "));
    }

    RawListener upstream;
    TestGate gate;
    RawSocket client;

  private:
    GatewayOptions options(void (*change)(GatewayOptions*)) const {
        GatewayOptions out = gate_options({upstream_at(upstream.port())});
        if (change != nullptr) change(&out);
        return out;
    }
};

}  // namespace tg
