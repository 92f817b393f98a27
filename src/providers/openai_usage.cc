#include "providers/openai_usage.h"

#include <algorithm>
#include <array>
#include <span>

#include "providers/internal/json_cursor.h"

namespace tg {
namespace {

/// One slot for each count a usage object can hold, whatever the endpoint calls it.
enum class Count : std::uint8_t {
    input,
    output,
    total,
    cached,
    cached_beside,
    cache_hit,
    cached_text,
    cached_audio,
    cached_image,
    written,
    written_short,
    written_long,
    input_text,
    input_audio,
    input_image,
    reasoning,
    output_text,
    output_audio,
    output_image,
    audio_ms,
    none,  // not a count; how many there are
};

/// Where in the object a name counts.
enum class Scope : std::uint8_t {
    top,
    input_details,
    cached_details,
    written_details,
    output_details
};

/// Length and first letter of a name: enough to tell nearly all names apart.
constexpr std::uint16_t tag_of(std::string_view text) {
    return static_cast<std::uint16_t>(text.size() << 8 | static_cast<unsigned char>(text[0]));
}

/// A member that counts, or an object with members that count.
struct Name {
    constexpr Name(std::string_view n, Count c) : tag(tag_of(n)), count(c), name(n) {}
    constexpr Name(std::string_view n, Scope in) : tag(tag_of(n)), inside(in), name(n) {}

    std::uint16_t tag;
    Count count = Count::none;  // count_: an object, read as scope `inside`
    Scope inside = Scope::top;
    std::string_view name;
};

constexpr Name kTopNames[] = {
    {"prompt_tokens", Count::input},
    {"completion_tokens", Count::output},
    {"total_tokens", Count::total},
    {"prompt_tokens_details", Scope::input_details},
    {"completion_tokens_details", Scope::output_details},
    {"input_tokens", Count::input},
    {"output_tokens", Count::output},
    {"input_tokens_details", Scope::input_details},
    {"output_tokens_details", Scope::output_details},
    {"input_token_details", Scope::input_details},
    {"output_token_details", Scope::output_details},
    {"prompt_cache_hit_tokens", Count::cache_hit},
    {"cached_tokens", Count::cached_beside},
    {"seconds", Count::audio_ms},
};
constexpr Name kInputNames[] = {
    {"cached_tokens", Count::cached},
    {"cache_write_tokens", Count::written},
    {"audio_tokens", Count::input_audio},
    {"image_tokens", Count::input_image},
    {"text_tokens", Count::input_text},
    {"cached_tokens_details", Scope::cached_details},
    {"cache_write_tokens_details", Scope::written_details},
};
constexpr Name kCachedNames[] = {
    {"text_tokens", Count::cached_text},
    {"audio_tokens", Count::cached_audio},
    {"image_tokens", Count::cached_image},
};
constexpr Name kWrittenNames[] = {
    {"ttl_30m_tokens", Count::written_short},
    {"ttl_12h_tokens", Count::written_long},
};
constexpr Name kOutputNames[] = {
    {"reasoning_tokens", Count::reasoning},
    {"audio_tokens", Count::output_audio},
    {"image_tokens", Count::output_image},
    {"text_tokens", Count::output_text},
};
constexpr std::span<const Name> kScopes[] = {kTopNames, kInputNames, kCachedNames, kWrittenNames,
                                             kOutputNames};

const Name* find_name(Scope scope, std::string_view key) {
    if (key.empty()) return nullptr;
    const std::uint16_t tag = tag_of(key);
    for (const Name& name : kScopes[static_cast<std::size_t>(scope)]) {
        if (name.tag == tag && name.name == key) return &name;
    }
    if (key.find('\\') == std::string_view::npos) return nullptr;
    for (const Name& name : kScopes[static_cast<std::size_t>(scope)]) {
        if (is_json_key(key, name.name)) return &name;
    }
    return nullptr;
}

struct Counts {
    std::array<std::int64_t, static_cast<std::size_t>(Count::none)> value{};
    std::uint32_t seen = 0;
    bool is_bad = false;

    static std::uint32_t bit(Count c) { return 1U << static_cast<unsigned>(c); }
    bool has(Count c) const { return (seen & bit(c)) != 0; }
    std::int64_t operator[](Count c) const { return value[static_cast<std::size_t>(c)]; }
    void set(Count c, std::int64_t v) {
        value[static_cast<std::size_t>(c)] = v;
        seen |= bit(c);
    }
};

void take_count(Count count, std::string_view token, Counts* counts) {
    if (token == "null") return;
    std::int64_t number = 0;
    const bool is_time = count == Count::audio_ms;
    const DecimalStatus status = parse_json_decimal(token, is_time ? 3 : 0, &number);
    if (status == DecimalStatus::exact || (is_time && status == DecimalStatus::rounded)) {
        counts->set(count, number);
    } else {
        counts->is_bad = true;
    }
}

/// Reads the object the cursor stands at; returns false when it is no well-formed JSON object.
/// Recursion is bounded by the scopes: three levels.
bool read_scope(Scope scope, JsonCursor& cursor, Counts* counts) {
    if (!cursor.enter_object()) return false;
    std::string_view key;
    while (cursor.next_member(&key)) {
        const Name* name = find_name(scope, key);
        std::int64_t number = 0;
        if (name != nullptr && name->count == Count::none && cursor.peek() == '{') {
            if (!read_scope(name->inside, cursor, counts)) return false;
        } else if (name != nullptr && name->count != Count::audio_ms &&
                   cursor.take_digits(&number)) {
            if (name->count != Count::none) counts->set(name->count, number);
        } else {
            const std::string_view value = cursor.take_value();
            if (value.empty()) return false;
            const bool is_count = name != nullptr && name->count != Count::none;
            if (is_count && value.front() != '{') take_count(name->count, value, counts);
        }
    }
    return cursor.ok();
}

/// Takes classes out of a total, never more than is left of it.
class Splitter {
  public:
    Splitter(std::int64_t total, OpenAiUsage* out) : rest_(total), out_(out) {}
    void take(Meter meter, std::int64_t wanted) {
        const std::int64_t taken = std::min(wanted, rest_);
        out_->is_mismatch = out_->is_mismatch || taken != wanted;
        out_->usage[meter] += taken;
        rest_ -= taken;
    }
    std::int64_t rest() const { return rest_; }

  private:
    std::int64_t rest_;
    OpenAiUsage* out_;
};

std::int64_t cached_of(const Counts& c) {
    if (c.has(Count::cached)) return c[Count::cached];
    if (c.has(Count::cache_hit)) return c[Count::cache_hit];
    return c[Count::cached_beside];
}

void split_input(const Counts& c, std::int64_t total, OpenAiUsage* out) {
    Splitter input(total, out);
    const std::int64_t audio = c[Count::input_audio], image = c[Count::input_image];
    const std::int64_t cached = std::min(cached_of(c), total);
    out->is_mismatch = out->is_mismatch || cached_of(c) > total;
    // Differences of counts in [0, 2^63) cannot overflow.
    std::int64_t cached_audio = std::min(c[Count::cached_audio], cached);
    std::int64_t cached_image = std::min(c[Count::cached_image], cached - cached_audio);
    if (!c.has(Count::cached_audio) && !c.has(Count::cached_image)) {
        const std::int64_t media = total - std::min(audio, total);
        const std::int64_t text = media - std::min(image, media);
        const std::int64_t beyond_text = cached - std::min(cached, text);
        cached_audio = std::min(beyond_text, audio);
        cached_image = std::min(beyond_text - cached_audio, image);
    }
    input.take(Meter::cache_read, cached - cached_audio - cached_image);
    input.take(Meter::input_audio_cached, cached_audio);
    input.take(Meter::input_image_cached, cached_image);
    if (c.has(Count::written_short) || c.has(Count::written_long)) {
        const std::int64_t split_long = c[Count::written_long];
        input.take(Meter::cache_write, c[Count::written_short]);
        input.take(Meter::cache_write_long, split_long);
        const std::int64_t split =
            out->usage[Meter::cache_write] + out->usage[Meter::cache_write_long];
        // What the details leave open was written at the shortest lifetime.
        if (c[Count::written] > split) input.take(Meter::cache_write, c[Count::written] - split);
    } else {
        input.take(Meter::cache_write, c[Count::written]);
    }
    input.take(Meter::input_audio, audio - std::min(audio, cached_audio));
    input.take(Meter::input_image, image - std::min(image, cached_image));
    input.take(Meter::input, input.rest());
}

void split_output(const Counts& c, std::int64_t total, bool is_images, OpenAiUsage* out) {
    Splitter output(total, out);
    output.take(Meter::reasoning, c[Count::reasoning]);
    output.take(Meter::output_audio, c[Count::output_audio]);
    output.take(Meter::output_image, c[Count::output_image]);
    const bool is_split = c.has(Count::output_image) || c.has(Count::output_text);
    output.take(is_images && !is_split ? Meter::output_image : Meter::output, output.rest());
}

bool sums_to(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t total) {
    std::int64_t sum = 0;
    return !__builtin_add_overflow(a, b, &sum) && !__builtin_add_overflow(sum, c, &sum) &&
           sum == total;
}

}  // namespace

OpenAiUsage parse_openai_usage(OpenAiCall call, std::string_view json) {
    OpenAiUsage out;
    Counts c;
    JsonCursor cursor(json);
    if (!read_scope(Scope::top, cursor, &c) || !cursor.is_at_end()) return out;
    const bool has_input = c.has(Count::input), has_output = c.has(Count::output),
               has_total = c.has(Count::total);
    if (!has_input && !has_output && !has_total && !c.has(Count::audio_ms)) return out;
    out.is_usage = true;
    out.is_mismatch = c.is_bad;

    std::int64_t input = c[Count::input], output = c[Count::output];
    const std::int64_t total = c[Count::total];
    if (has_total && !has_input && has_output && total >= output) input = total - output;
    if (has_total && has_input && !has_output && total >= input) output = total - input;
    if (has_total && !has_input && !has_output) input = total;
    if (has_total && !sums_to(input, output, 0, total)) {
        if (sums_to(input, output, c[Count::reasoning], total)) {
            output += c[Count::reasoning];
        } else {
            out.is_mismatch = true;
        }
    }
    // Only the images endpoints split their input into text and image under this name and never
    // reason.
    const bool is_images = call == OpenAiCall::other_json && c.has(Count::input_text) &&
                           c.has(Count::input_image) && !c.has(Count::input_audio) &&
                           !c.has(Count::reasoning);
    split_input(c, input, &out);
    split_output(c, output, is_images, &out);
    out.usage[Meter::audio_ms] = c[Count::audio_ms];
    return out;
}

}  // namespace tg
