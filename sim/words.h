#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tg::sim {

/// A ring of made-up text, cut into tokens, from which every answer takes a stretch: nothing is
/// generated while a request waits. The text is the inside of a JSON string, escaped already.
class TokenRing {
  public:
    /// `plain` leaves out everything that needs escaping, so that the text can stand inside JSON
    /// inside a JSON string.
    enum class Alphabet : std::uint8_t { rich, plain };
    TokenRing(std::uint64_t seed, Alphabet alphabet);

    static constexpr std::size_t kTokens = 1 << 15;
    /// A place where a sentence begins, chosen by `hash`.
    std::uint64_t sentence_start(std::uint64_t hash) const {
        return sentences_[hash % sentences_.size()];
    }
    std::string_view token(std::uint64_t index) const {
        const std::size_t i = index % kTokens;
        return {text_.data() + offsets_[i], offsets_[i + 1] - offsets_[i]};
    }
    /// Appends views of `count` tokens from `start`; few, as they lie side by side.
    void slice(std::uint64_t start, std::uint64_t count,
               std::vector<std::string_view>* pieces) const;

  private:
    std::string text_;
    std::vector<std::uint32_t> offsets_;
    std::vector<std::uint32_t> sentences_;
};

/// The tokens of one answer: a stretch of the ring, for JSON between an opening and a closing
/// token.
class Content {
  public:
    Content() = default;
    Content(const TokenRing* ring, std::uint64_t start, std::int64_t count,
            std::string_view open = {}, std::string_view close = {})
        : ring_(ring), start_(start), count_(count), open_(open), close_(close) {}

    std::int64_t count() const { return count_; }
    /// Token `i` of count(), as the inside of a JSON string.
    std::string_view token(std::int64_t i) const;
    void slice(std::int64_t from, std::int64_t count, std::vector<std::string_view>* pieces) const;
    void append_to(std::string& out, std::int64_t count) const;
    void append_to(std::string& out) const { append_to(out, count_); }

  private:
    bool is_wrapped() const { return !open_.empty() && count_ >= 2; }
    const TokenRing* ring_ = nullptr;
    std::uint64_t start_ = 0;
    std::int64_t count_ = 0;
    std::string_view open_, close_;
};

}  // namespace tg::sim
