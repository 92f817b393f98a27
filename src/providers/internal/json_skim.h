#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "providers/internal/json_blocks.h"

namespace tg {

/// A place in a JSON document that somebody wants to know of. 0 is every other place.
using SkimNodeId = std::uint8_t;
inline constexpr SkimNodeId kSkimNone = 0;
inline constexpr SkimNodeId kSkimRoot = 1;

/// What is taken at a place. A value of another kind than expected there is walked over.
enum class SkimKind : std::uint8_t {
    object,  ///< its listed members are places
    array,   ///< its object elements are a place
    string,  ///< the raw inside, in parts
    raw,     ///< an object's raw text from brace to brace, in parts
    value,   ///< only that it is there, and how it begins
};

struct SkimKey {
    std::string_view name;
    SkimNodeId node = kSkimNone;
    std::uint64_t word = 0;  ///< its first eight bytes, set by skim_object()
};

/// The first eight bytes of `text`, zeros for those it has not: compares short names in one step.
constexpr std::uint64_t leading_word(std::string_view text) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8 && i < text.size(); ++i) {
        word |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
    }
    return word;
}

struct SkimNode {
    static constexpr std::size_t kKeysMax = 8;
    SkimKind kind = SkimKind::value;
    bool notify = false;  ///< the sink hears of the value's beginning and of a container's end
    SkimNodeId element = kSkimNone;  ///< array: the place of its elements
    std::uint8_t key_count = 0;
    std::uint32_t length_mask = 0;  ///< bit n: some key has n bytes
    std::array<SkimKey, kKeysMax> keys{};
};

constexpr SkimNode skim_object(std::initializer_list<SkimKey> keys, bool notify = false) {
    SkimNode node;
    node.kind = SkimKind::object;
    node.notify = notify;
    for (const SkimKey& key : keys) {
        node.keys[node.key_count] = key;
        node.keys[node.key_count++].word = leading_word(key.name);
        node.length_mask |= 1U << key.name.size();
    }
    return node;
}
constexpr SkimNode skim_array(SkimNodeId element, bool notify = false) {
    return {.kind = SkimKind::array, .notify = notify, .element = element};
}
constexpr SkimNode skim_leaf(SkimKind kind, bool notify = false) {
    return {.kind = kind, .notify = notify};
}

/// Hears what the skimmer finds, in the order of the document. Offsets count from the document's
/// first byte.
class SkimSink {
  public:
    virtual ~SkimSink() = default;
    /// A notifying place's value begins with `first`; `key_offset` is its key's opening quote (an
    /// element: the value itself).
    virtual void on_value(SkimNodeId node, char first, std::uint64_t key_offset,
                          std::uint64_t value_offset) = 0;
    /// The next part of a string (escapes kept) or of a raw object. `is_last` comes exactly once
    /// unless the document is cut.
    virtual void on_bytes(SkimNodeId node, std::string_view part, bool is_last,
                          std::uint64_t end_offset) = 0;
    /// A notifying object or array is closed.
    virtual void on_end(SkimNodeId node) = 0;
};

/// Walks a JSON document that arrives in any pieces, in constant memory, and reports the places a
/// table names. Everything else is passed over 64 bytes at a time. It finds the same whatever the
/// pieces are, and it is no validator: on text that is not JSON it reports some places or none, but
/// never reads outside a piece.
class JsonSkimmer {
  public:
    /// `nodes[kSkimRoot]` is the document's root object. The table outlives the skimmer.
    explicit JsonSkimmer(const SkimNode* nodes) : nodes_(nodes) {}

    void feed(std::string_view piece, SkimSink& sink);
    /// Ready for the next document.
    void reset();
    /// The root object was closed.
    bool is_complete() const { return is_complete_; }
    std::uint64_t offset() const { return base_; }

  private:
    static constexpr std::size_t kLevelsMax = 8;
    /// Longer raw keys are never of interest: the longest name escaped throughout would not fit,
    /// and nobody sends that.
    static constexpr std::size_t kRawKeyMax = 40;
    enum class Phase : std::uint8_t { none, after_key, before_value };

    void walk(const char* bytes, const JsonBlock& block, SkimSink& sink);
    /// Passes over brackets of a container nobody asked for; the bit where it ends, or 64.
    unsigned skip_container(std::uint64_t open, std::uint64_t close);
    void open_container(char bracket, std::uint64_t offset, const char* at, SkimSink& sink);
    void close_container(SkimSink& sink);
    void end_skip(const char* after, SkimSink& sink);
    void begin_string(const char* opening_quote);
    void end_string(const char* closing_quote, SkimSink& sink);
    SkimNodeId find_key(std::string_view raw, const char* readable_end) const;
    SkimNodeId find_escaped_key(std::string_view raw) const;
    void peek(const char* at, SkimSink& sink);
    void begin_value(const char* at, SkimSink& sink);
    void flush(SkimSink& sink);
    std::uint64_t offset_of(const char* p) const {
        return base_ + static_cast<std::uint64_t>(p - begin_);
    }

    const SkimNode* nodes_;
    std::uint64_t base_ = 0;       // offset of the piece at hand
    const char* begin_ = nullptr;  // the piece at hand, during feed() only
    const char* end_ = nullptr;
    const char* token_ =
        nullptr;  // where the open string's or captured object's bytes in this piece begin
    JsonBlockReader reader_;
    std::uint64_t skip_depth_ = 0;  // brackets open below the place where skipping began
    std::uint64_t key_offset_ = 0;
    std::array<SkimNodeId, kLevelsMax> stack_{};
    std::uint8_t level_ = 0;
    Phase phase_ = Phase::none;
    SkimNodeId value_node_ = kSkimNone;  // whose value comes next or is being taken
    bool is_done_ = false;               // nothing more of interest comes
    bool is_complete_ = false;
    bool has_backslash_ = false;
    bool is_value_next_ = false;   // a key and its colon were read: the next token is the value
    bool is_string_open_ = false;  // a string on a walked level is open
    bool is_string_value_ = false;
    bool is_capturing_ = false;  // the container passed over is taken as raw text
    bool is_key_split_ = false;
    std::uint8_t key_size_ = 0;
    std::array<char, kRawKeyMax> key_{};  // the beginning of a key that was split between pieces
};

}  // namespace tg
