#include "bench/load_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace tg::load {
namespace {

char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// The value of a header in a raw head, or empty.
std::string_view header_value(std::string_view head, std::string_view name) {
    std::size_t at = head.find("\r\n");
    while (at != std::string_view::npos && at + 2 < head.size()) {
        const std::size_t begin = at + 2;
        at = head.find("\r\n", begin);
        const std::string_view line = head.substr(begin, at - begin);
        if (line.size() > name.size() && line[name.size()] == ':' &&
            std::ranges::equal(line.substr(0, name.size()), name, {}, to_lower, to_lower)) {
            std::string_view value = line.substr(name.size() + 1);
            while (value.starts_with(' ')) value.remove_prefix(1);
            return value;
        }
    }
    return {};
}

}  // namespace

void ReplyReader::reset() {
    state_ = State::headers;
    chunk_ = Chunk::size;
    head_.clear();
    line_.clear();
    status_ = 0;
    left_ = body_bytes_ = 0;
}

ReplyReader::State ReplyReader::feed(std::string_view bytes) {
    if (state_ == State::headers) {
        const std::size_t before = head_.size();
        head_.append(bytes);
        const std::size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
        if (end == std::string::npos) return state_;
        bytes.remove_prefix(end + 4 - before);
        head_.resize(end + 2);
        if (!parse_head()) return state_ = State::broken;
        state_ = State::body;
        if (!is_chunked_ && left_ == 0) state_ = State::done;
    }
    if (state_ == State::body) {
        if (is_chunked_) {
            feed_chunks(bytes);
        } else {
            feed_length(bytes);
        }
    } else if (!bytes.empty()) {
        state_ = State::broken;
    }
    return state_;
}

bool ReplyReader::parse_head() {
    if (head_.size() < 12 || !head_.starts_with("HTTP/1.")) return false;
    const auto parsed = std::from_chars(head_.data() + 9, head_.data() + 12, status_);
    if (parsed.ec != std::errc{}) return false;
    is_chunked_ =
        header_value(head_, "transfer-encoding").find("chunked") != std::string_view::npos;
    if (is_chunked_) return true;
    const std::string_view length = header_value(head_, "content-length");
    return std::from_chars(length.data(), length.data() + length.size(), left_).ec == std::errc{};
}

void ReplyReader::feed_length(std::string_view bytes) {
    const auto size = static_cast<std::int64_t>(bytes.size());
    body_bytes_ += size;
    left_ -= size;
    if (left_ == 0) state_ = State::done;
    if (left_ < 0) state_ = State::broken;
}

void ReplyReader::feed_chunks(std::string_view bytes) {
    while (!bytes.empty() && state_ == State::body) {
        if (chunk_ == Chunk::data) {
            const auto take =
                std::min<std::int64_t>(left_, static_cast<std::int64_t>(bytes.size()));
            body_bytes_ += take;
            left_ -= take;
            bytes.remove_prefix(static_cast<std::size_t>(take));
            if (left_ == 0) chunk_ = Chunk::data_end;
            continue;
        }
        feed_chunk_line(bytes.front());
        bytes.remove_prefix(1);
    }
    if (state_ == State::done && !bytes.empty()) state_ = State::broken;
}

void ReplyReader::feed_chunk_line(char byte) {
    if (byte != '\n') {
        line_.push_back(byte);
        if (line_.size() > 1024) state_ = State::broken;
        return;
    }
    if (line_.ends_with('\r')) line_.pop_back();
    if (chunk_ == Chunk::data_end) {
        chunk_ = Chunk::size;
        if (!line_.empty()) state_ = State::broken;
    } else if (chunk_ == Chunk::trailer) {
        if (line_.empty()) state_ = State::done;
    } else if (std::from_chars(line_.data(), line_.data() + line_.size(), left_, 16).ec !=
               std::errc{}) {
        state_ = State::broken;
    } else {
        chunk_ = left_ == 0 ? Chunk::trailer : Chunk::data;
    }
    line_.clear();
}

Connection::~Connection() {
    close();
}

void Connection::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    is_busy_ = false;
}

bool Connection::open() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return false;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // On loopback a connect that has to wait is a full backlog: waiting for it is part of the load.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = this;
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event) != 0) {
        close();
        return false;
    }
    return true;
}

bool Connection::send(std::int64_t due_ns) {
    if (fd_ < 0 && !open()) {
        fault_ = "no connection";
        return false;
    }
    reader_.reset();
    written_ = 0;
    is_busy_ = true;
    was_first_byte_seen_ = false;
    due_ns_ = due_ns;
    if (!write_more()) {
        fail("closed before the request was sent");
        return false;
    }
    return true;
}

Connection::Event Connection::fail(const char* fault) {
    fault_ = fault;
    close();
    return Event::failed;
}

bool Connection::write_more() {
    while (written_ < request_->size()) {
        const ssize_t n = ::send(fd_, request_->data() + written_, request_->size() - written_,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        written_ += static_cast<std::size_t>(n);
    }
    return true;
}

Connection::Event Connection::on_ready(std::uint32_t events) {
    if (fd_ < 0) return Event::nothing;
    if (is_busy_ && written_ < request_->size() && (events & EPOLLOUT) != 0 && !write_more()) {
        return fail("closed before the request was sent");
    }
    std::array<char, 65536> buffer;
    while (true) {
        const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (is_busy_)
                return fail(reader_.has_begun() ? "answer cut" : "closed without an answer");
            close();
            return Event::nothing;
        }
        const auto state = is_busy_ ? reader_.feed({buffer.data(), static_cast<std::size_t>(n)})
                                    : ReplyReader::State::broken;
        if (state == ReplyReader::State::broken)
            return fail(is_busy_ ? "answer not understood" : "bytes that nobody asked for");
        if (state == ReplyReader::State::done) {
            is_busy_ = false;
            return Event::done;
        }
        // A short read has emptied the socket, unless the peer has closed it: that edge does not
        // come again.
        const bool is_closing = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        if (static_cast<std::size_t>(n) < buffer.size() && !is_closing) break;
    }
    if (!was_first_byte_seen_ && reader_.has_body_begun()) {
        was_first_byte_seen_ = true;
        return Event::first_byte;
    }
    return Event::nothing;
}

}  // namespace tg::load
