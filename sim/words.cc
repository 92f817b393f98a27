#include "sim/words.h"

#include <algorithm>

#include "base/rng.h"

namespace tg::sim {
namespace {

constexpr std::string_view kWords[] = {
    "the",    "of",      "and",     "to",      "in",     "a",       "is",       "that",   "for",
    "it",     "as",      "with",    "be",      "on",     "this",    "are",      "by",     "an",
    "which",  "from",    "or",      "can",     "each",   "when",    "model",    "token",  "price",
    "order",  "service", "product", "review",  "total",  "request", "account",  "report", "market",
    "system", "answer",  "number",  "month",   "region", "network", "storage",  "policy", "value",
    "result", "window",  "history", "example", "change", "choose",  "consider", "note",   "first",
    "second", "finally", "however", "because", "under",  "between", "without",  "during", "several",
};
// What trips careless scanners of streams: text that looks like the protocol around it.
constexpr std::string_view kRich[] = {
    "\\n",
    "\\n\\n",
    " \\\"usage\\\":null",
    " \\\"choices\\\":[]",
    " data: [DONE]",
    "\\n\\ndata: {}\\n\\n",
    " C:\\\\temp",
    "\\t",
    " \\u00e9t\\u00e9",
    " \xe4\xbd\xa0\xe5\xa5\xbd",
    "\xe4\xb8\x96\xe7\x95\x8c",
    " \xf0\x9f\x99\x82",
    " na\xc3\xafve",
    " </s>",
    " {\\\"a\\\":[1,2]}",
    " 3.14",
};
constexpr std::uint64_t kRichPerMille = 30;

void append_capitalised(std::string& out, std::string_view word) {
    out.push_back(' ');
    out.push_back(static_cast<char>(word[0] - 'a' + 'A'));
    out.append(word.substr(1));
}

}  // namespace

TokenRing::TokenRing(std::uint64_t seed, Alphabet alphabet) {
    Rng rng(seed);
    text_.reserve(kTokens * 8);
    offsets_.reserve(kTokens + 1);
    std::uint64_t left_in_sentence = 0;
    bool is_start = true;
    for (std::size_t i = 0; i < kTokens; ++i) {
        offsets_.push_back(static_cast<std::uint32_t>(text_.size()));
        const std::string_view word = kWords[rng.below(std::size(kWords))];
        if (is_start) {
            sentences_.push_back(static_cast<std::uint32_t>(i));
            left_in_sentence = 4 + rng.below(16);
            append_capitalised(text_, word);
        } else if (left_in_sentence == 0) {
            text_.push_back('.');
        } else if (alphabet == Alphabet::rich && rng.below(1000) < kRichPerMille) {
            text_.append(kRich[rng.below(std::size(kRich))]);
        } else {
            text_.append(" ").append(word);
        }
        is_start = left_in_sentence == 0;
        if (left_in_sentence > 0) --left_in_sentence;
    }
    offsets_.push_back(static_cast<std::uint32_t>(text_.size()));
}

void TokenRing::slice(std::uint64_t start, std::uint64_t count,
                      std::vector<std::string_view>* pieces) const {
    while (count > 0) {
        const std::size_t at = start % kTokens;
        const std::size_t n = std::min<std::uint64_t>(count, kTokens - at);
        pieces->emplace_back(text_.data() + offsets_[at], offsets_[at + n] - offsets_[at]);
        start += n;
        count -= n;
    }
}

std::string_view Content::token(std::int64_t i) const {
    if (is_wrapped()) {
        if (i == 0) return open_;
        if (i == count_ - 1) return close_;
        return ring_->token(start_ + static_cast<std::uint64_t>(i) - 1);
    }
    const std::string_view text = ring_->token(start_ + static_cast<std::uint64_t>(i));
    return i == 0 && text.size() > 1 && text[0] == ' ' ? text.substr(1) : text;
}

void Content::slice(std::int64_t from, std::int64_t count,
                    std::vector<std::string_view>* pieces) const {
    count = std::min(count, count_ - from);
    if (count <= 0) return;
    if (from == 0) {
        pieces->push_back(token(0));
        ++from;
        if (--count == 0) return;
    }
    const bool has_close = is_wrapped() && from + count == count_;
    const std::int64_t ring_count = has_close ? count - 1 : count;
    const auto at = static_cast<std::uint64_t>(is_wrapped() ? from - 1 : from);
    if (ring_count > 0) ring_->slice(start_ + at, static_cast<std::uint64_t>(ring_count), pieces);
    if (has_close) pieces->push_back(close_);
}

void Content::append_to(std::string& out, std::int64_t count) const {
    std::vector<std::string_view> pieces;
    slice(0, count, &pieces);
    for (const std::string_view piece : pieces) out.append(piece);
}

}  // namespace tg::sim
