#include "providers/internal/json_skim.h"

#include <bit>
#include <cstring>

#include "providers/internal/json_cursor.h"

namespace tg {
namespace {

constexpr std::uint64_t bits_above(unsigned bit) {
    return bit >= 63 ? 0 : ~std::uint64_t{0} << (bit + 1);
}

}  // namespace

void JsonSkimmer::reset() {
    reader_.reset();
    base_ = skip_depth_ = 0;
    level_ = 0;
    phase_ = Phase::none;
    value_node_ = kSkimNone;
    is_done_ = is_complete_ = has_backslash_ = is_value_next_ = is_string_open_ = is_capturing_ =
        false;
}

void JsonSkimmer::feed(std::string_view piece, SkimSink& sink) {
    if (is_done_ || piece.empty()) {
        base_ += piece.size();
        return;
    }
    begin_ = token_ = piece.data();
    end_ = begin_ + piece.size();
    if (phase_ != Phase::none) peek(begin_, sink);
    for (const char* p = begin_; p < end_ && !is_done_; p += kJsonBlock) {
        const JsonBlock block = reader_.read(p, end_);
        has_backslash_ = has_backslash_ || block.has_backslash;
        walk(p, block, sink);
    }
    flush(sink);
    base_ += piece.size();
    begin_ = end_ = token_ = nullptr;
}

void JsonSkimmer::walk(const char* bytes, const JsonBlock& block, SkimSink& sink) {
    std::uint64_t todo = ~std::uint64_t{0};
    if (skip_depth_ != 0) {
        const unsigned end = skip_container(block.open, block.close);
        if (end == kJsonBlock) return;
        end_skip(bytes + end + 1, sink);
        todo = bits_above(end);
    }
    std::uint64_t events = (block.quote | block.open | block.close) & todo;
    while (events != 0) {
        const auto at = static_cast<unsigned>(std::countr_zero(events));
        const std::uint64_t bit = events & (~events + 1);
        const char* p = bytes + at;
        events ^= bit;
        if ((block.quote & bit) != 0) {
            if (!is_string_open_) {
                begin_string(p);
                const std::uint64_t rest = events & block.quote;
                if (rest == 0) return;  // the string goes on in the next block
                const auto end = static_cast<unsigned>(std::countr_zero(rest));
                events &= bits_above(end);
                end_string(bytes + end, sink);
                if (!is_value_next_ || value_node_ != kSkimNone) continue;
                // A value of no interest comes next. When it is a string that ends in this block,
                // its two quotes are all there is to pass over.
                const std::uint64_t value = events & (~events + 1) & block.quote;
                const std::uint64_t value_end = value == 0 ? 0 : (events ^ value) & block.quote;
                if (value_end == 0) continue;
                is_value_next_ = false;
                events &= bits_above(static_cast<unsigned>(std::countr_zero(value_end)));
            } else {
                end_string(p, sink);
            }
        } else if ((block.open & bit) != 0) {
            open_container(*p, offset_of(p), p, sink);
            if (is_done_) return;
            if (skip_depth_ == 0) continue;
            const std::uint64_t above = bits_above(at);
            const unsigned end = skip_container(block.open & above, block.close & above);
            if (end == kJsonBlock) return;
            end_skip(bytes + end + 1, sink);
            events &= bits_above(end);
        } else {
            close_container(sink);
            if (is_done_) return;
        }
    }
}

unsigned JsonSkimmer::skip_container(std::uint64_t open, std::uint64_t close) {
    const auto closes = static_cast<std::uint64_t>(std::popcount(close));
    if (closes < skip_depth_) {
        skip_depth_ += static_cast<std::uint64_t>(std::popcount(open)) - closes;
        return kJsonBlock;
    }
    for (std::uint64_t both = open | close; both != 0; both &= both - 1) {
        const std::uint64_t bit = both & (~both + 1);
        if ((open & bit) != 0) {
            ++skip_depth_;
        } else if (--skip_depth_ == 0) {
            return static_cast<unsigned>(std::countr_zero(both));
        }
    }
    return kJsonBlock;
}

void JsonSkimmer::end_skip(const char* after, SkimSink& sink) {
    if (is_capturing_) {
        is_capturing_ = false;
        sink.on_bytes(value_node_, {token_, static_cast<std::size_t>(after - token_)}, true,
                      offset_of(after));
    }
}

void JsonSkimmer::open_container(char bracket, std::uint64_t offset, const char* at,
                                 SkimSink& sink) {
    SkimNodeId node = kSkimNone;
    if (level_ == 0) {
        node = kSkimRoot;
    } else if (nodes_[stack_[level_ - 1]].kind == SkimKind::array) {
        node = nodes_[stack_[level_ - 1]].element;
        if (node != kSkimNone && nodes_[node].notify) sink.on_value(node, bracket, offset, offset);
    } else if (is_value_next_) {
        node = value_node_;
    }
    is_value_next_ = false;
    if (node != kSkimNone && level_ < kLevelsMax) {
        const SkimKind kind = nodes_[node].kind;
        if (kind == (bracket == '{' ? SkimKind::object : SkimKind::array)) {
            stack_[level_++] = node;
            return;
        }
        if (kind == SkimKind::raw && bracket == '{') {
            is_capturing_ = true;
            value_node_ = node;
            token_ = at;
        }
    }
    is_done_ = level_ == 0;  // the document is no object: nothing of it is of interest
    skip_depth_ = 1;
}

void JsonSkimmer::close_container(SkimSink& sink) {
    is_value_next_ = false;
    if (level_ == 0) return;
    const SkimNodeId node = stack_[--level_];
    if (nodes_[node].notify) sink.on_end(node);
    is_done_ = is_complete_ = level_ == 0;
}

void JsonSkimmer::begin_string(const char* opening_quote) {
    is_string_open_ = true;
    is_string_value_ = is_value_next_;
    is_value_next_ = false;
    is_key_split_ = false;
    key_size_ = 0;
    token_ = opening_quote + 1;
    if (!is_string_value_) key_offset_ = offset_of(opening_quote);
}

void JsonSkimmer::end_string(const char* closing_quote, SkimSink& sink) {
    is_string_open_ = false;
    const std::string_view text(token_, static_cast<std::size_t>(closing_quote - token_));
    if (is_string_value_) {
        if (value_node_ != kSkimNone && nodes_[value_node_].kind == SkimKind::string) {
            sink.on_bytes(value_node_, text, true, offset_of(closing_quote));
        }
        return;
    }
    if (level_ == 0 || nodes_[stack_[level_ - 1]].kind != SkimKind::object) return;
    if (!is_key_split_) {
        value_node_ = find_key(text, end_);
    } else if (key_size_ + text.size() <= kRawKeyMax) {
        std::memcpy(key_.data() + key_size_, text.data(), text.size());
        value_node_ = find_key({key_.data(), key_size_ + text.size()}, key_.data() + kRawKeyMax);
    } else {
        value_node_ = kSkimNone;
    }
    const char* const value = closing_quote + 2;
    if (value < end_ && value[-1] == ':' && !is_json_space(*value)) {
        begin_value(value, sink);
    } else {
        phase_ = Phase::after_key;
        peek(closing_quote + 1, sink);
    }
}

inline void JsonSkimmer::begin_value(const char* at, SkimSink& sink) {
    is_value_next_ = *at == '"' || *at == '{' || *at == '[';
    if (value_node_ != kSkimNone && nodes_[value_node_].notify) {
        sink.on_value(value_node_, *at, key_offset_, offset_of(at));
    }
}

/// Bytes up to `readable_end` may be read, also those behind `raw`.
SkimNodeId JsonSkimmer::find_key(std::string_view raw, const char* readable_end) const {
    const SkimNode& node = nodes_[stack_[level_ - 1]];
    if (raw.size() < 32 && (node.length_mask >> raw.size() & 1) != 0) {
        std::uint64_t word = 0;
        if (readable_end - raw.data() >= 8) {
            std::memcpy(&word, raw.data(), 8);
            if (raw.size() < 8) word &= (std::uint64_t{1} << (8 * raw.size())) - 1;
        } else {
            word = leading_word(raw);
        }
        for (std::size_t i = 0; i < node.key_count; ++i) {
            const SkimKey& key = node.keys[i];
            if (key.word != word || key.name.size() != raw.size()) continue;
            if (raw.size() <= 8 ||
                std::memcmp(raw.data() + 8, key.name.data() + 8, raw.size() - 8) == 0) {
                return key.node;
            }
        }
    }
    return has_backslash_ ? find_escaped_key(raw) : kSkimNone;
}

SkimNodeId JsonSkimmer::find_escaped_key(std::string_view raw) const {
    if (raw.size() > kRawKeyMax || raw.find('\\') == std::string_view::npos) return kSkimNone;
    const SkimNode& node = nodes_[stack_[level_ - 1]];
    for (std::size_t i = 0; i < node.key_count; ++i) {
        if (is_json_key(raw, node.keys[i].name)) return node.keys[i].node;
    }
    return kSkimNone;
}

/// After a key: finds the colon and how the value begins, as far as the piece reaches.
void JsonSkimmer::peek(const char* at, SkimSink& sink) {
    while (at < end_ && is_json_space(*at)) ++at;
    if (at == end_) return;
    if (phase_ == Phase::after_key) {
        if (*at != ':') {
            phase_ = Phase::none;
            return;
        }
        phase_ = Phase::before_value;
        ++at;
        while (at < end_ && is_json_space(*at)) ++at;
        if (at == end_) return;
    }
    phase_ = Phase::none;
    begin_value(at, sink);
}

/// The piece ends: hands out or keeps what of an open token it holds.
void JsonSkimmer::flush(SkimSink& sink) {
    if (is_done_) return;
    const std::string_view part(token_, static_cast<std::size_t>(end_ - token_));
    if (is_capturing_) {
        sink.on_bytes(value_node_, part, false, 0);
    } else if (is_string_open_ && is_string_value_) {
        if (value_node_ != kSkimNone && nodes_[value_node_].kind == SkimKind::string &&
            !part.empty()) {
            sink.on_bytes(value_node_, part, false, 0);
        }
    } else if (is_string_open_) {
        is_key_split_ = true;
        if (key_size_ + part.size() <= kRawKeyMax) {
            std::memcpy(key_.data() + key_size_, part.data(), part.size());
            key_size_ = static_cast<std::uint8_t>(key_size_ + part.size());
        } else {
            key_size_ = kRawKeyMax + 1;
        }
    }
}

}  // namespace tg
