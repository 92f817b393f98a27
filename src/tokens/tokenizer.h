#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg {

enum class Encoding : std::uint8_t { o200k_base, cl100k_base };
std::string_view name(Encoding encoding);

/// Which encoding a model's provider documents, by name and family prefix ("gpt-4o-2024-08-06",
/// "gpt-4.1", "o3-mini": o200k; "gpt-4", "gpt-3.5-turbo", "text-embedding-3-small": cl100k).
/// Unknown and foreign models: o200k, not exact.
struct EncodingChoice {
    Encoding encoding = Encoding::o200k_base;
    bool is_exact = false;  ///< false: an estimate, to be corrected by the provider's usage
};
EncodingChoice encoding_for_model(std::string_view model);

/// Byte-level BPE, exact to tiktoken's encode_ordinary on any bytes (invalid UTF-8 as Python's
/// errors="replace" gives U+FFFD). Special-token text is ordinary text. Linear time and a fixed 128
/// kB of stack on any input. Immutable and thread-safe. Counting valid UTF-8 allocates nothing;
/// invalid text is repaired in a buffer of the thread first, kept between calls up to 256 kB.
class Tokenizer {
  public:
    virtual ~Tokenizer() = default;
    virtual std::int64_t count(std::string_view text) const = 0;
    virtual void encode(std::string_view text, std::vector<std::uint32_t>* ids) const = 0;
    virtual std::size_t vocabulary_size() const = 0;
    /// The bytes that a token stands for; empty for an id outside the vocabulary (special tokens
    /// are outside it).
    virtual std::string_view token_bytes(std::uint32_t id) const = 0;
};

/// The vocabularies embedded in the binary, used where they lie: no time to load, no memory of
/// their own. Never fails.
const Tokenizer& tokenizer(Encoding encoding);

}  // namespace tg
