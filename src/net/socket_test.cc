#include "net/socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <vector>

#include "net/address.h"
#include "net/internal/loop_thread.h"
#include "net/internal/raw_socket.h"

namespace tg {
namespace {

/// A socket on a loop, and its peer in the hands of the test.
struct Pair {
    Pair() {
        int fds[2];
        TG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        peer = std::make_unique<RawSocket>(fds[1]);
        thread.call([&] { socket = std::make_unique<Socket>(thread.loop(), fds[0]); });
    }
    ~Pair() {
        thread.call([&] { socket.reset(); });
    }
    LoopThread thread;
    std::unique_ptr<RawSocket> peer;
    std::unique_ptr<Socket> socket;
};

constexpr std::int64_t kLongMs = 20'000;

std::int64_t in_ms(std::int64_t ms) {
    return Loop::current()->now_ns() + ms * 1'000'000;
}

Task<Wake> wait_to_read(Socket* socket, std::int64_t ms) {
    co_return co_await socket->wait_readable(in_ms(ms));
}
Task<Wake> wait_to_write(Socket* socket, std::int64_t ms) {
    co_return co_await socket->wait_writable(in_ms(ms));
}

/// Reads until the end of the stream, `step` bytes a time, one wait each.
Task<std::string> read_all(Socket* socket, std::size_t step, int* reads) {
    std::string got;
    std::string block(step, '\0');
    for (;;) {
        const Wake wake = co_await socket->wait_readable(in_ms(kLongMs));
        TG_ASSERT(wake == Wake::ready);
        const IoResult result = socket->try_read(block.data(), step);
        if (result.kind == IoResult::Kind::would_block) continue;
        if (!result.is_done()) co_return got;
        ++*reads;
        got.append(block, 0, result.bytes);
    }
}

Task<Status> write_pieces(Socket* socket, std::vector<std::string> texts, std::int64_t ms) {
    std::vector<iovec> pieces;
    pieces.reserve(texts.size());
    for (std::string& text : texts) pieces.push_back({text.data(), text.size()});
    co_return co_await socket->write_all(pieces, in_ms(ms));
}

TEST(Socket, WaitsEndWithDataDeadlineOrInterruption) {
    Pair pair;
    // A fresh socket may have something: the first try tells.
    EXPECT_EQ(pair.thread.run(wait_to_read(pair.socket.get(), kLongMs)), Wake::ready);
    char byte = 0;
    EXPECT_EQ(pair.thread.call([&] { return pair.socket->try_read(&byte, 1).kind; }),
              IoResult::Kind::would_block);
    EXPECT_EQ(pair.thread.run(wait_to_read(pair.socket.get(), 5)), Wake::timed_out);
    EXPECT_EQ(pair.thread.run(wait_to_write(pair.socket.get(), kLongMs)), Wake::ready);

    std::future<Wake> waiting = pair.thread.start(wait_to_read(pair.socket.get(), kLongMs));
    pair.thread.call([] {});
    ASSERT_TRUE(pair.peer->send("x"));
    EXPECT_EQ(LoopThread::take(&waiting), Wake::ready);
    EXPECT_FALSE(pair.thread.call([&] { return pair.socket->is_idle_and_open(); }));
    EXPECT_EQ(pair.thread.call([&] { return pair.socket->try_read(&byte, 1).bytes; }), 1U);
    EXPECT_EQ(byte, 'x');
    // The buffer was filled to the brim: only a look tells that nothing is left.
    EXPECT_TRUE(pair.thread.call([&] { return pair.socket->is_idle_and_open(); }));

    waiting = pair.thread.start(wait_to_read(pair.socket.get(), kLongMs));
    pair.thread.call([&] { pair.socket->interrupt_read_once(); });
    EXPECT_EQ(LoopThread::take(&waiting), Wake::interrupted);
    pair.thread.call([&] { pair.socket->interrupt_read_once(); });
    EXPECT_EQ(pair.thread.run(wait_to_read(pair.socket.get(), kLongMs)), Wake::interrupted);
    EXPECT_EQ(pair.thread.run(wait_to_read(pair.socket.get(), 5)), Wake::timed_out);
    pair.thread.call([&] {
        pair.socket->interrupt_read_once();
        pair.socket->forget_read_interrupt();
    });
    EXPECT_EQ(pair.thread.run(wait_to_read(pair.socket.get(), 5)), Wake::timed_out);

    waiting = pair.thread.start(wait_to_read(pair.socket.get(), kLongMs));
    pair.thread.call([&] { pair.socket->interrupt(); });
    EXPECT_EQ(LoopThread::take(&waiting), Wake::interrupted);
    EXPECT_EQ(pair.thread.run(wait_to_read(pair.socket.get(), kLongMs)), Wake::interrupted);
    EXPECT_EQ(pair.thread.run(wait_to_write(pair.socket.get(), kLongMs)), Wake::interrupted);
}

TEST(Socket, DeadlineThatHasPassedStillEndsTheWait) {
    Pair pair;
    char byte = 0;
    pair.thread.call([&] { return pair.socket->try_read(&byte, 1).bytes; });
    EXPECT_EQ(pair.thread.run(wait_to_read(pair.socket.get(), -1000)), Wake::timed_out);
}

TEST(Socket, EdgesAreNeverLost) {
    // given a reader that takes less than what has come, and a writer that sends in bursts, then
    // all arrives, and so does the end
    Pair pair;
    std::string sent;
    for (int i = 0; i < 200'000; ++i) sent += static_cast<char>('a' + i % 26);
    int reads = 0;
    std::future<std::string> got = pair.thread.start(read_all(pair.socket.get(), 7, &reads));
    for (std::size_t at = 0; at < sent.size(); at += 977)
        ASSERT_TRUE(pair.peer->send(std::string_view(sent).substr(at, 977)));
    pair.peer->half_close();
    EXPECT_EQ(LoopThread::take(&got), sent);
    EXPECT_TRUE(pair.thread.call([&] { return pair.socket->is_peer_gone(); }));
}

TEST(Socket, FastSenderLetsOthersIn) {
    // given more than can be read in one go, when other work is posted as reading begins, then it
    // does not wait for the reading to end
    Pair pair;
    const std::string sent(50'000, 'x');
    ASSERT_TRUE(pair.peer->send(sent));
    pair.peer->half_close();
    int reads = 0, reads_when_posted_ran = -1;
    std::promise<std::string> result;
    std::future<std::string> got = result.get_future();
    struct Run {
        static Task<void> read(Socket* socket, int* count, std::promise<std::string>* out) {
            out->set_value(co_await read_all(socket, 10, count));
        }
    };
    pair.thread.call([&] {
        pair.thread.loop()->post([&] { reads_when_posted_ran = reads; });
        pair.thread.loop()->spawn(Run::read(pair.socket.get(), &reads, &result));
    });
    EXPECT_EQ(LoopThread::take(&got), sent);
    EXPECT_EQ(reads, 5000);
    EXPECT_GE(reads_when_posted_ran, 0);
    EXPECT_LT(reads_when_posted_ran, 200);
}

TEST(Socket, WritesAllPiecesWhateverTheirSizes) {
    Pair pair;
    std::vector<std::string> texts;
    std::string expected;
    for (std::size_t i = 0; i < 300; ++i) {
        texts.emplace_back(i % 7 == 0 ? 0 : i * 37 % 5000, static_cast<char>('a' + i % 26));
        expected += texts.back();
    }
    std::future<Status> written =
        pair.thread.start(write_pieces(pair.socket.get(), texts, kLongMs));
    EXPECT_EQ(pair.peer->read_bytes(expected.size()), expected);
    EXPECT_TRUE(LoopThread::take(&written).ok());
    EXPECT_TRUE(pair.thread.run(write_pieces(pair.socket.get(), {}, kLongMs)).ok());
    EXPECT_TRUE(
        pair.thread.run(write_pieces(pair.socket.get(), std::vector<std::string>(100), kLongMs))
            .ok());
}

TEST(Socket, WriteEndsWithDeadlineInterruptionOrThePeer) {
    const std::vector<std::string> much = {std::string(5'000'000, 'x')};
    {
        Pair pair;
        const Status status = pair.thread.run(write_pieces(pair.socket.get(), much, 10));
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, ErrorCode::request_timeout);
    }
    {
        Pair pair;
        std::future<Status> status =
            pair.thread.start(write_pieces(pair.socket.get(), much, kLongMs));
        pair.thread.call([&] { pair.socket->interrupt(); });
        EXPECT_EQ(LoopThread::take(&status).error().code, ErrorCode::cancelled);
    }
    {
        Pair pair;
        std::future<Status> status =
            pair.thread.start(write_pieces(pair.socket.get(), much, kLongMs));
        pair.thread.call([] {});
        pair.peer->close();
        EXPECT_EQ(LoopThread::take(&status).error().code, ErrorCode::io_error);
    }
}

struct CountingListener final : PeerGoneListener {
    void on_peer_gone() override { ++count; }
    int count = 0;
};

TEST(Socket, PeerThatGoesIsToldOnce) {
    Pair pair;
    CountingListener listener;
    pair.thread.call([&] { pair.socket->set_peer_gone_listener(&listener); });
    ASSERT_TRUE(pair.peer->send("last words"));
    pair.thread.call([] {});
    EXPECT_EQ(pair.thread.call([&] { return listener.count; }), 0);
    pair.peer->half_close();
    pair.peer->close();
    pair.thread.call([] {});
    EXPECT_EQ(pair.thread.call([&] { return listener.count; }), 1);
    // What it said before is still there.
    int reads = 0;
    EXPECT_EQ(pair.thread.run(read_all(pair.socket.get(), 100, &reads)), "last words");
    EXPECT_FALSE(pair.thread.call([&] { return pair.socket->is_idle_and_open(); }));
}

TEST(Socket, ReaderAndWriterOfOneSocketWakeTogether) {
    Pair pair;
    char byte = 0;
    pair.thread.call([&] { return pair.socket->try_read(&byte, 1).bytes; });
    std::future<Status> written =
        pair.thread.start(write_pieces(pair.socket.get(), {std::string(5'000'000, 'x')}, kLongMs));
    std::future<Wake> reading = pair.thread.start(wait_to_read(pair.socket.get(), kLongMs));
    pair.thread.call([] {});
    pair.peer->close();  // one event for both
    EXPECT_EQ(LoopThread::take(&reading), Wake::ready);
    EXPECT_EQ(LoopThread::take(&written).error().code, ErrorCode::io_error);
}

TEST(Address, ParsesAndRefuses) {
    for (const char* good : {"127.0.0.1:8080", "0.0.0.0:0", "[::1]:443", "[::]:65535"}) {
        const Result<SocketAddress> address = parse_address(good);
        ASSERT_TRUE(address.ok()) << good;
        EXPECT_EQ(address->text(), good);
    }
    EXPECT_EQ(parse_address("localhost:80")->text(), "127.0.0.1:80");
    for (const char* bad : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                            "127.0.0.1:-1", "::1:80", "[::1:80", "[]:80", "example.com:80",
                            "127.1:80", "1.2.3.4.5:80", "127.0.0.1:80 "}) {
        const Result<SocketAddress> address = parse_address(bad);
        ASSERT_FALSE(address.ok()) << bad;
        EXPECT_EQ(address.error().code, ErrorCode::invalid_config);
        EXPECT_NE(address.error().detail.find(bad), std::string::npos);
    }
}

TEST(Address, ListensOnFreePortsAndNamesTakenOnes) {
    const int one = listen_on(parse_address("127.0.0.1:0").value(), 1).value();
    const SocketAddress taken = local_address(one);
    EXPECT_GT(taken.port(), 0);
    // Each loop may have its own socket on the same address.
    const Result<int> two = listen_on(taken, 1);
    ASSERT_TRUE(two.ok());
    ::close(*two);
    ::close(one);
    // One that does not share it keeps it.
    const int alone = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SocketAddress any = parse_address("127.0.0.1:0").value();
    ASSERT_EQ(::bind(alone, reinterpret_cast<sockaddr*>(&any.storage), any.size), 0);
    ASSERT_EQ(::listen(alone, 1), 0);
    const SocketAddress kept = local_address(alone);
    const Result<int> refused = listen_on(kept, 1);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::io_error);
    EXPECT_EQ(refused.error().detail,
              "cannot listen on " + kept.text() + ": Address already in use");
    ::close(alone);
}

TEST(Address, ResolvesNamesAndLiterals) {
    for (const char* host : {"127.0.0.1", "::1", "[::1]", "127.1"}) {
        const Result<std::vector<SocketAddress>> found = resolve(host, 80);
        ASSERT_TRUE(found.ok()) << host;
        EXPECT_EQ(found->front().port(), 80);
    }
    EXPECT_EQ(resolve("127.1", 81)->front().text(), "127.0.0.1:81");
    EXPECT_EQ(resolve("[::1]", 81)->front().text(), "[::1]:81");
    const Result<std::vector<SocketAddress>> none = resolve(std::string(300, 'a'), 80);
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().code, ErrorCode::upstream_unreachable);
}

}  // namespace
}  // namespace tg
