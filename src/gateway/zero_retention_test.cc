// Zero data retention, through real sockets: what arrives upstream, what is refused, which account
// is used, and that content is nowhere afterwards.
#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "gateway/test_policy.h"

namespace tg {
namespace {

constexpr std::string_view kResponsesBody = R"({"model":"gpt-4o","input":"Hi"})";
constexpr std::string_view kResponsesSent = R"({"model":"gpt-4o","input":"Hi","store":false})";
constexpr std::string_view kResponsesReply =
    R"({"id":"resp_1","model":"gpt-4o","output":[],)"
    R"("usage":{"input_tokens":10,"output_tokens":1,"total_tokens":11}})";

void cover_both(GatewayOptions* options) {
    for (UpstreamOptions& upstream : options->upstreams) upstream = covered(upstream);
}
void cover_east(GatewayOptions* options) {
    options->upstreams[0] = covered(options->upstreams[0]);
}

std::string responses(std::string_view body, std::string_view lines = {}) {
    return post("/v1/responses", body, lines);
}

TEST(ZeroRetentionTest, a_response_is_told_not_to_be_stored) {
    PolicyGate it(zero_retention_policy(), cover_both);
    RawAnswer answer;
    EXPECT_EQ(it.pass(responses(kResponsesBody), &it.east, kResponsesReply, &answer).body,
              kResponsesSent);
    EXPECT_TRUE(answer.has("x-tollgate-data-policy: zero-retention; rules=1"));
    EXPECT_EQ(it.pass(responses(R"({"model":"gpt-4o","store":true,"input":"Hi"})"), &it.east,
                      kResponsesReply)
                  .body,
              R"({"model":"gpt-4o","store":false,"input":"Hi"})");
    EXPECT_EQ(record_flags(it.gate.journal_directory()),
              (std::vector<std::string>{"reserved 16", "settled 16", "reserved 16", "settled 16"}));
}

TEST(ZeroRetentionTest, a_body_that_asks_for_nothing_passes_byte_for_byte) {
    PolicyGate it(zero_retention_policy(), cover_both);
    EXPECT_EQ(it.pass(chat(R"({ "messages" :[ ],"model":"gpt-4o" } )"), &it.east).body,
              R"({ "messages" :[ ],"model":"gpt-4o" } )");
    EXPECT_EQ(
        it.pass(post("/v1/embeddings", R"({"model":"gpt-4o-mini","input":["a", "b"]})"), &it.east)
            .body,
        R"({"model":"gpt-4o-mini","input":["a", "b"]})");
}

TEST(ZeroRetentionTest, without_the_policy_nothing_changes) {
    PolicyGate it({});
    RawAnswer answer;
    EXPECT_EQ(it.pass(responses(kResponsesBody), &it.east, kResponsesReply, &answer).body,
              kResponsesBody);
    EXPECT_EQ(answer.head.find("x-tollgate-data-policy"), std::string::npos);
    const std::string stored = R"({"model":"gpt-4o","store":true,"background":true,"input":"Hi"})";
    EXPECT_EQ(it.pass(responses(stored), &it.east, kResponsesReply).body, stored);
    EXPECT_EQ(record_flags(it.gate.journal_directory())[0], "reserved 0");
}

TEST(ZeroRetentionTest, each_of_three_headers_asks_for_it_and_none_goes_upstream) {
    for (const char* line :
         {"OpenAI-Zero-Data-Retention: true\r\n", "openai-data-processing-opt-out: True\r\n",
          "x-tollgate-zero-retention: 1\r\n"}) {
        PolicyGate it({}, cover_both);
        const SeenRequest seen =
            it.pass(responses(kResponsesBody, line), &it.east, kResponsesReply);
        EXPECT_EQ(seen.body, kResponsesSent) << line;
        EXPECT_EQ(seen.head.find("etention"), std::string::npos) << seen.head;
        EXPECT_EQ(seen.head.find("opt-out"), std::string::npos) << seen.head;
        EXPECT_EQ(record_flags(it.gate.journal_directory())[1], "settled 16");
        EXPECT_EQ(it.pass(responses(kResponsesBody), &it.east, kResponsesReply).body,
                  kResponsesBody)
            << "the next request did not ask";
    }
}

TEST(ZeroRetentionTest, headers_that_contradict_or_cannot_be_read_are_refused) {
    struct Case {
        const char *lines, *says;
        int status;
        bool has_policy;
    };
    const Case cases[] = {
        {"openai-zero-data-retention: yes\r\n", "'yes' is neither true nor false", 400, false},
        {"openai-zero-data-retention: \r\n", "'' is neither true nor false", 400, false},
        {"openai-zero-data-retention: true\r\nx-tollgate-zero-retention: false\r\n",
         "contradict each other", 400, false},
        {"openai-zero-data-retention: true\r\nopenai-zero-data-retention: 0\r\n",
         "contradict each other", 400, true},
        {"openai-zero-data-retention: false\r\n", "would lift the zero data retention", 403, true},
    };
    for (const Case& each : cases) {
        PolicyGate it(each.has_policy ? zero_retention_policy() : DataPolicy{}, cover_both);
        const RawAnswer answer = it.refused(chat(kChatBody, each.lines));
        EXPECT_EQ(answer.status, each.status) << each.lines;
        EXPECT_NE(answer.body.find(each.says), std::string::npos) << answer.body;
    }
    PolicyGate it({});
    it.pass(chat(kChatBody, "openai-zero-data-retention: false\r\n"), &it.east);
}

TEST(ZeroRetentionTest, features_that_need_stored_state_are_refused_with_the_member_and_a_way_out) {
    PolicyGate it(zero_retention_policy(), cover_both);
    struct Case {
        std::string request;
        const char *param, *says;
    };
    const Case cases[] = {
        {responses(R"({"model":"gpt-4o","background":true})"), "background", "stream the answer"},
        {responses(R"({"model":"gpt-4o","previous_response_id":"resp_1"})"), "previous_response_id",
         "reasoning.encrypted_content"},
        {responses(R"({"model":"gpt-4o","conversation":"conv_1"})"), "conversation",
         "keep the conversation on your side"},
        {responses(R"({"model":"gpt-4o","tools":[{"type":"code_interpreter"}]})"), "tools",
         "function tool"},
        {responses(R"({"model":"gpt-4o","tools":[{"type":"web_search"}]})"), "tools",
         "allow_web_search"},
        {responses(R"({"model":"gpt-4o","tools":[{"type":"mcp"}]})"), "tools", "third party"},
        {chat(R"({"model":"gpt-4o","messages":[{"content":[{"file":{"file_id":"f"}}]}]})"),
         "messages", "file_data"},
        {post("/v1/images/generations", R"({"model":"dall-e-3","prompt":"x"})"), "model",
         "gpt-image"},
        {chat(R"({"model":"a prompt, by mistake","messages":[]})"), "model", "is no name"},
    };
    for (const Case& each : cases) {
        const RawAnswer answer = it.refused(each.request);
        EXPECT_EQ(answer.status, 403) << each.request;
        EXPECT_NE(answer.body.find(R"("code":"policy_refused")"), std::string::npos);
        EXPECT_NE(answer.body.find("\"param\":\"" + std::string(each.param) + "\""),
                  std::string::npos)
            << answer.body;
        EXPECT_NE(answer.body.find("zero data retention: "), std::string::npos) << answer.body;
        EXPECT_NE(answer.body.find(each.says), std::string::npos) << answer.body;
    }
    EXPECT_EQ(it.gate.metrics.refused_policy->value(), std::size(cases));
    const auto flags = record_flags(it.gate.journal_directory());
    EXPECT_EQ(flags.size(), 2 * std::size(cases));
    EXPECT_EQ(flags[0], "reserved 528");
    EXPECT_EQ(flags[1], "abandoned");
}

TEST(ZeroRetentionTest, endpoints_that_retain_are_refused_before_their_body_is_read) {
    PolicyGate it(zero_retention_policy(), cover_both);
    const std::vector<std::pair<const char*, const char*>> paths = {
        {"POST", "/v1/files"},
        {"GET", "/v1/files/file-1/content"},
        {"POST", "/v1/uploads"},
        {"POST", "/v1/batches"},
        {"POST", "/v1/fine_tuning/jobs"},
        {"POST", "/v1/evals"},
        {"POST", "/v1/assistants"},
        {"POST", "/v1/threads"},
        {"POST", "/v1/vector_stores"},
        {"POST", "/v1/conversations"},
        {"POST", "/v1/containers"},
        {"POST", "/v1/audio/voices"},
        {"GET", "/v1/responses/resp_1"},
        {"DELETE", "/v1/responses/resp_1"},
        {"GET", "/v1/chat/completions"},
        {"POST", "/v1/skills"},
        {"POST", "/v1/agents"},
        {"POST", "/v1/videos"},
        {"GET", "/v1/webhook_event_types"}};
    for (const auto& [method, path] : paths) {
        RawSocket client = it.gate.connect();
        client.send(request_head(method, path, "content-length: 1000000\r\n") + "\r\n");
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, 403) << method << " " << path;
        EXPECT_NE(answer.body.find(std::string("zero data retention: ") + method + " " + path +
                                   " is refused, because "),
                  std::string::npos)
            << answer.body;
    }
    EXPECT_FALSE(it.east.has_waiting() || it.west.has_waiting());
    PolicyGate without({});
    without.pass(get("/v1/files"), &without.east);
}

TEST(ZeroRetentionTest, a_json_body_is_read_whatever_its_framing_and_size) {
    PolicyGate it(zero_retention_policy(), cover_both);
    const std::string body = R"({"model":"gpt-4o","input":"x","file_id":null,"store":true})";
    const std::string big =
        R"({"store":true,"input":")" + std::string(2U << 20, 'x') + R"(","model":"gpt-4o"})";
    it.client.send(
        request_head("POST", "/v1/moderations",
                     "content-type: application/json\r\ntransfer-encoding: chunked\r\n") +
        "\r\n" + chunk(body) + std::string(kLastChunk));
    RawSocket up = it.east.accept();
    EXPECT_EQ(read_request(&up).body,
              R"({"model":"gpt-4o","input":"x","file_id":null,"store":false})");
    up.send(json_reply("{}"));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    it.client.send(post("/v1/moderations", big));
    EXPECT_EQ(read_request(&up).body.substr(0, 14), R"({"store":false)");
    up.send(json_reply("{}"));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(ZeroRetentionTest, a_body_that_cannot_be_judged_is_refused) {
    PolicyGate it(zero_retention_policy(), cover_both);
    const std::string form =
        request_head("POST", "/v1/images/edits",
                     "content-type: multipart/form-data; boundary=b\r\ncontent-length: 4\r\n") +
        "\r\n--b-";
    EXPECT_NE(it.refused(form).body.find("must be plain JSON"), std::string::npos);
    const std::string packed = post("/v1/moderations", "{}", "content-encoding: gzip\r\n");
    EXPECT_EQ(it.refused(packed).status, 403);
    EXPECT_EQ(it.refused(post("/v1/moderations", "[1]")).status, 400);
    EXPECT_EQ(it.refused(responses(R"({"model":"gpt-4o","input":[1 2]})")).status, 400);
}

TEST(ZeroRetentionTest, audio_to_transcribe_streams_through_to_a_covered_account) {
    PolicyGate it(zero_retention_policy(),
                  [](GatewayOptions* o) { o->upstreams[1] = covered(o->upstreams[1]); });
    it.client.send(request_head("POST", "/v1/audio/transcriptions",
                                "content-type: multipart/form-data; boundary=b\r\n"
                                "content-length: 5\r\n") +
                   "\r\naudio");
    RawSocket up = it.west.accept();
    EXPECT_EQ(read_request(&up).body, "audio");
    up.send(json_reply(R"({"text":"x"})"));
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_TRUE(answer.has("x-tollgate-data-policy: zero-retention; rules=1"));
    EXPECT_EQ(record_flags(it.gate.journal_directory())[1], "settled 16");
}

TEST(ZeroRetentionTest, an_account_that_is_not_covered_is_never_tried) {
    for (const int status : {429, 500, 503}) {
        PolicyGate it(zero_retention_policy(), cover_east);
        it.client.send(chat());
        RawSocket up = it.east.accept();
        read_request(&up);
        up.send(json_reply("{}", status));
        EXPECT_EQ(read_answer(&it.client).status, status);
        it.gate.settle();
        EXPECT_FALSE(it.west.has_waiting());
    }
    PolicyGate it(zero_retention_policy(),
                  [](GatewayOptions* o) { o->upstreams[1] = covered(o->upstreams[1]); });
    it.pass(chat(), &it.west);
    EXPECT_FALSE(it.east.has_waiting());
}

TEST(ZeroRetentionTest, failover_between_covered_accounts_keeps_the_switch_set) {
    PolicyGate it(zero_retention_policy(), cover_both);
    it.client.send(responses(kResponsesBody));
    RawSocket east = it.east.accept();
    EXPECT_EQ(read_request(&east).body, kResponsesSent);
    east.send(json_reply("{}", 503));
    RawSocket west = it.west.accept();
    EXPECT_EQ(read_request(&west).body, kResponsesSent);
    west.send(json_reply(kResponsesReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(ZeroRetentionTest, when_nobody_is_covered_the_refusal_says_so_without_names) {
    PolicyGate it(zero_retention_policy());
    const RawAnswer answer = it.refused(chat());
    EXPECT_EQ(answer.status, 403);
    EXPECT_NE(answer.body.find("the project's data policy (zero retention) leaves no account for "
                               "the model 'gpt-4o': of the accounts that serve it, none is covered "
                               "by a zero-retention agreement"),
              std::string::npos)
        << answer.body;
    EXPECT_EQ(answer.body.find("east"), std::string::npos);
    PolicyGate asked({});
    EXPECT_NE(asked.refused(chat(kChatBody, "x-tollgate-zero-retention: true\r\n"))
                  .body.find("this request's data policy"),
              std::string::npos);
}

TEST(ZeroRetentionTest, a_streamed_answer_passes_as_ever) {
    PolicyGate it(zero_retention_policy(), cover_both);
    it.client.send(chat(R"({"model":"gpt-4o","store":true,"stream":true,"messages":[]})"));
    RawSocket up = it.east.accept();
    EXPECT_EQ(read_request(&up).body, R"({"model":"gpt-4o","store":false,"stream":true,"messages":)"
                                      R"([],"stream_options":{"include_usage":true}})");
    up.send(stream_head() + chunk(delta("x")) + chunk(usage_event(10, 1)) +
            chunk(std::string(kDone)) + std::string(kLastChunk));
    const std::string got = it.client.read_until("0\r\n\r\n");
    EXPECT_NE(got.find(delta("x")), std::string::npos);
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x1 east gpt-4o input=10 output=1 stream");
}

TEST(ZeroRetentionTest, end_users_are_kept_only_in_the_form_that_holds_no_content) {
    const auto end_user = [](const DataPolicy& policy, std::string_view user) {
        PolicyGate it(policy, cover_both);
        it.pass(chat(R"({"model":"gpt-4o","user":")" + std::string(user) + R"(","messages":[]})"),
                &it.east);
        it.gate.records(2);
        auto reader = JournalReader::open(it.gate.journal_directory(), {}).value();
        std::string seen;
        for (JournalRecord record; reader->next(&record, kNoLimit).value();) {
            if (record.kind == RecordKind::reserved) seen.append(record.reserved.end_user);
            if (record.kind == RecordKind::settled) seen.append("/").append(record.event.end_user);
        }
        return seen;
    };
    EXPECT_EQ(end_user(zero_retention_policy(), "alice"), "/");
    EXPECT_EQ(end_user(zero_retention_policy(), "dept:sales"), "dept:sales/dept:sales");
    EXPECT_EQ(end_user({.is_zero_retention = true, .keeps_end_user = true}, "alice"),
              "alice/alice");
    EXPECT_EQ(end_user({}, "alice"), "alice/alice");
}

TEST(ZeroRetentionTest, web_search_passes_where_the_policy_grants_it) {
    PolicyGate it({.is_zero_retention = true, .allows_web_search = true}, cover_both);
    const std::string body =
        R"({"model":"gpt-4o","store":false,"tools":[{"type":"web_search"}],"input":"x"})";
    EXPECT_EQ(it.pass(responses(body), &it.east, kResponsesReply).body, body);
}

// --- content is nowhere ---

constexpr std::string_view kCanary = "kanarienvogel-7391";

struct LogFile {
    LogFile() {
        std::filesystem::create_directory(folder.path());
        path = folder.path() + "/log";
    }
    TempDirectory folder;
    std::string path;
};

/// Standard error of this process, into a file while it lives.
class CapturedLog {
  public:
    explicit CapturedLog(const std::string& file) : saved_(::dup(2)) {
        const int fd = ::open(file.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
        TG_ASSERT(fd >= 0);
        ::dup2(fd, 2);
        ::close(fd);
        set_log_level(LogLevel::debug);
    }
    ~CapturedLog() {
        set_log_level(LogLevel::error);
        ::dup2(saved_, 2);
        ::close(saved_);
    }
    CapturedLog(const CapturedLog&) = delete;
    CapturedLog& operator=(const CapturedLog&) = delete;

  private:
    int saved_;
};

std::string slurp(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Requests that carry the canary wherever a client can put it.
std::vector<std::string> canary_requests() {
    const std::string c(kCanary);
    return {
        chat(R"({"model":"gpt-4o","user":")" + c + R"(","messages":[{"content":")" + c + "\"}]}"),
        chat(R"({"model":"gpt-4o","metadata":{")" + c + "\":\"" + c + R"("},"messages":[]})"),
        chat(R"({"model":")" + c + R"(","messages":[]})"),
        chat(R"({"model":"say )" + c + R"(","messages":[]})"),
        chat(R"({"model":"gpt-4o","service_tier":")" + c + R"(","messages":[]})"),
        chat(R"({"model":"gpt-4o","deployment_type":")" + c + R"(","messages":[]})"),
        chat("{\"model\":\"gpt-4o\",\"x\":\"" + c + "\" " + c + "}"),
        chat(kChatBody, "x-tollgate-regions: " + c + "\r\n"),
        chat(kChatBody, "openai-zero-data-retention: " + c + "\r\n"),
        responses(R"({"model":"gpt-4o","background":true,"input":")" + c + "\"}"),
        responses(R"({"model":"gpt-4o","tools":[{"type":")" + c + "\"}]}"),
        get("/v1/responses/" + c),
        get("/v1/files/" + c + "/content"),
        post("/v1/moderations", "[\"" + c + "\"]"),
        request_head("POST", "/v1/files",
                     "content-type: multipart/form-data; boundary=b\r\ncontent-length: " +
                         std::to_string(c.size()) + "\r\n") +
            "\r\n" + c,
    };
}

TEST(ZeroRetentionTest, content_is_in_no_log_and_no_file_however_a_call_ends) {
    const LogFile log_file;
    std::string journal;
    {
        CapturedLog captured(log_file.path);
        PolicyGate it(zero_retention_policy(), [](GatewayOptions* o) {
            cover_both(o);
            o->request_log = RequestLog::all;
            o->attempts_max = 1;
        });
        set_log_level(LogLevel::debug);
        const std::string echo = R"({"error":{"message":"bad )" + std::string(kCanary) + R"("}})";
        for (const std::string& request : canary_requests()) {
            RawSocket client = it.gate.connect();
            client.send(request);
            // Whatever reaches the provider is answered by an error that quotes it.
            EXPECT_TRUE(eventually([&] { return it.east.has_waiting() || client.has_input(); }));
            if (it.east.has_waiting()) {
                RawSocket up = it.east.accept();
                read_request(&up);
                up.send(json_reply(echo, 400));
            }
            EXPECT_GE(read_answer(&client).status, 400) << request;
        }
        // Answers that break off, and one that comes whole.
        for (const std::string& answer :
             {"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + std::string(kCanary),
              stream_head() + chunk(delta(kCanary)), std::string(kCanary) + "\r\n\r\n",
              json_reply(R"({"choices":[{"message":{"content":")" + std::string(kCanary) +
                         "\"}}]}")}) {
            RawSocket client = it.gate.connect();
            client.send(chat(R"({"model":"gpt-4o","stream":true,"messages":[{"content":")" +
                                 std::string(kCanary) + "\"}]}",
                             "connection: close\r\n"));
            {
                RawSocket up = it.east.accept();
                read_request(&up);
                up.send(answer);
            }
            client.read_to_end();
        }
        it.gate.stop();
        journal = it.gate.journal_directory();
        for (const auto& entry : std::filesystem::recursive_directory_iterator(journal)) {
            if (!entry.is_regular_file()) continue;
            EXPECT_EQ(slurp(entry.path()).find(kCanary), std::string::npos) << entry.path();
        }
    }
    const std::string log = slurp(log_file.path);
    EXPECT_EQ(log.find(kCanary), std::string::npos) << log;
    std::size_t lines = 0;
    for (std::size_t at = 0; (at = log.find("\"event\":\"request\"", at)) != std::string::npos;
         ++at)
        ++lines;
    EXPECT_EQ(lines, canary_requests().size() + 4) << "every call was logged";
}

TEST(ZeroRetentionTest, the_search_for_content_would_find_it_without_the_policy) {
    const LogFile log_file;
    {
        CapturedLog captured(log_file.path);
        PolicyGate it({}, [](GatewayOptions* o) { o->request_log = RequestLog::all; });
        set_log_level(LogLevel::debug);
        it.refused(chat(R"({"model":")" + std::string(kCanary) + R"(","messages":[]})"));
        it.gate.stop();
    }
    EXPECT_NE(slurp(log_file.path).find(kCanary), std::string::npos);
}

}  // namespace
}  // namespace tg
