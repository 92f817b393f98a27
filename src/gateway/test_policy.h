#pragma once
// For tests of data policies: the directory of the test gate with a policy on its project, and two
// upstream accounts that the test plays by hand.
#include "gateway/test_gateway.h"

namespace tg {

inline std::shared_ptr<const Directory> directory_with(const DataPolicy& policy) {
    const auto plain = gate_directory();
    std::vector<Project> projects = plain->projects();
    for (Project& project : projects) project.data_policy = policy;
    return std::make_shared<const Directory>(plain->customers(), std::move(projects), plain->keys(),
                                             2);
}

inline DataPolicy zero_retention_policy() {
    return {.is_zero_retention = true};
}

inline UpstreamOptions covered(UpstreamOptions upstream) {
    upstream.zero_retention = ZeroRetentionCoverage{.reference = "ZDR-7", .since = "2026-01-01"};
    return upstream;
}

/// A gate before two accounts, east (region eu) and west (region us), with a client connected.
struct PolicyGate {
    explicit PolicyGate(const DataPolicy& policy, void (*change)(GatewayOptions*) = nullptr)
        : gate(options(change)), client(gate.connect()) {
        gate.snapshot.directory = directory_with(policy);
        gate.publish();
    }

    /// Sends a request and plays the account that is called; the answer is 200 with `answer`.
    SeenRequest pass(std::string_view request, RawListener* at,
                     std::string_view answer = kChatReply, RawAnswer* got = nullptr) {
        EXPECT_TRUE(client.send(request));
        RawSocket up = at->accept();
        SeenRequest seen = read_request(&up);
        EXPECT_TRUE(up.send(json_reply(answer)));
        RawAnswer read = read_answer(&client);
        EXPECT_EQ(read.status, 200) << read.body;
        if (got != nullptr) *got = std::move(read);
        return seen;
    }
    /// A request that is refused before anything goes upstream.
    RawAnswer refused(std::string_view request) {
        EXPECT_TRUE(client.send(request));
        RawAnswer answer = read_answer(&client);
        gate.settle();
        EXPECT_FALSE(east.has_waiting() || west.has_waiting()) << request;
        return answer;
    }

    RawListener east, west;
    TestGate gate;
    RawSocket client;

  private:
    GatewayOptions options(void (*change)(GatewayOptions*)) const {
        GatewayOptions out =
            gate_options({upstream_at(east.port()), upstream_at(west.port(), "west")});
        out.upstreams[1].region = "us";
        if (change != nullptr) change(&out);
        return out;
    }
};

/// Flags of the journal's records, in order: "reserved 16", "settled 16", "abandoned".
inline std::vector<std::string> record_flags(const std::string& directory) {
    std::vector<std::string> out;
    auto reader = JournalReader::open(directory, {}).value();
    for (JournalRecord record; reader->next(&record, kNoLimit).value();) {
        if (record.kind == RecordKind::reserved)
            out.push_back("reserved " + std::to_string(record.reserved.flags));
        else if (record.kind == RecordKind::settled)
            out.push_back("settled " + std::to_string(record.event.flags));
        else
            out.emplace_back("abandoned");
    }
    return out;
}

}  // namespace tg
