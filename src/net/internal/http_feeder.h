#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "net/http_parser.h"

namespace tg {

/// For tests and fuzzing: feeds a parser in portions, as a connection does, and tells everything
/// that came of it in one line, so that two ways of feeding can be compared.
class HttpFeeder {
  public:
    explicit HttpFeeder(HttpParser::Kind kind, HttpLimits limits = {}, bool has_no_body = false)
        : parser_(kind, limits), has_no_body_(has_no_body) {
        start();
    }

    void feed(std::string_view bytes) {
        // A fresh allocation for every portion, so that ASan sees a view kept too long.
        std::string grown = in_ + std::string(bytes);
        in_.swap(grown);
        advance();
    }
    void close() {
        if (is_failed_) return;
        if (!is_head_done_)
            told_ += in_.empty() ? "[end]" : "[cut head]";
        else
            told_ += parser_.finish_at_close() ? " " + body_ + "[closed]" : " " + body_ + "[cut]";
    }
    const std::string& told() const { return told_; }
    std::string full() const {
        return is_failed_ ? told_ : told_ + (is_head_done_ ? " " + body_ : "");
    }

  private:
    void start() {
        parser_.start_message();
        parser_.set_no_body(has_no_body_);
        is_head_done_ = false;
        body_.clear();
    }
    void fail_with(const Error& error) {
        told_ += std::string("<") + std::string(name(error.code)) + ">";
        is_failed_ = true;
    }
    void tell_head() {
        const HttpHead& head = parser_.head();
        if (head.status() != 0)
            told_ += std::to_string(head.status());
        else
            told_ += std::string(head.method()) + " " + std::string(head.target());
        for (const HttpHeader& h : head.headers())
            told_ += " " + std::string(head.name(h)) + "=" + std::string(head.value(h));
        if (!head.is_keep_alive()) told_ += " (close)";
        if (head.expects_continue()) told_ += " (continue)";
    }
    void advance() {
        while (!is_failed_) {
            if (!is_head_done_) {
                if (in_.empty()) return;
                const auto progress = parser_.parse_head(in_);
                if (!progress.ok()) return fail_with(progress.error());
                if (*progress == HttpParser::Progress::need_more) return;
                tell_head();
                is_head_done_ = true;
                // The head's bytes stay in place for its views; the body goes on behind them.
                std::string rest = in_.substr(parser_.consumed());
                in_.swap(rest);
            }
            if (!parser_.is_message_complete()) {
                if (in_.empty()) return;
                std::vector<std::string_view> pieces;
                const auto progress = parser_.parse_body(in_, &pieces);
                for (const std::string_view piece : pieces) {
                    TG_ASSERT(!piece.empty());
                    body_ += piece;
                }
                if (!progress.ok()) return fail_with(progress.error());
                in_.erase(0, parser_.consumed());
                if (*progress == HttpParser::Progress::need_more) {
                    TG_ASSERT(in_.empty());
                    return;
                }
            }
            TG_ASSERT(parser_.is_message_complete());
            told_ += " '" + body_ + "';";
            start();
        }
    }

    HttpParser parser_;
    bool has_no_body_;
    std::string in_, body_, told_;
    bool is_head_done_ = false, is_failed_ = false;
};

}  // namespace tg
