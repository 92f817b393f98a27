#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json_writer.h"
#include "sim/openai_handlers.h"

namespace tg::sim {
namespace {

constexpr std::size_t kGroups = 4096;  ///< of three numbers: 16 base64 characters
constexpr std::size_t kNumbers = kGroups * 3;
constexpr std::int64_t kDimensionsMax = 8192;

std::string base64(const void* data, std::size_t size) {
    std::string out((size + 2) / 3 * 4 + 1, '\0');
    const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                  static_cast<const unsigned char*>(data), static_cast<int>(size));
    out.resize(static_cast<std::size_t>(n));
    return out;
}

/// Numbers of about unit length for 1,536 dimensions, written out once in both encodings; every
/// embedding is a stretch of them. It is the same for every seed: only where a stretch begins
/// depends on the input.
class NumberRing {
  public:
    NumberRing() {
        Dice dice(0x656d626564);
        numbers_.reserve(kNumbers + kDimensionsMax);
        const double scale = std::sqrt(3.0 / 1536);
        for (std::size_t i = 0; i < kNumbers + kDimensionsMax; ++i) {
            const double unit = static_cast<double>(dice.next() >> 11) * 0x1p-52 - 1;
            numbers_.push_back(static_cast<float>(unit * scale));
            offsets_.push_back(static_cast<std::uint32_t>(text_.size()));
            char digits[32];
            text_.append(digits, std::to_chars(digits, digits + sizeof digits, numbers_[i],
                                               std::chars_format::fixed, 8)
                                     .ptr);
            text_.push_back(',');
        }
        offsets_.push_back(static_cast<std::uint32_t>(text_.size()));
        base64_ = base64(numbers_.data(), numbers_.size() / 3 * 3 * sizeof(float));
    }

    std::string_view decimal(std::size_t at, std::size_t count) const {
        return {text_.data() + offsets_[at], offsets_[at + count] - offsets_[at] - 1};
    }
    /// `at` is a multiple of three.
    void append_base64(std::string& out, std::size_t at, std::size_t count) const {
        const std::size_t whole = count / 3;
        out.append(base64_, at / 3 * 16, whole * 16);
        if (count % 3 != 0)
            out.append(base64(&numbers_[at + whole * 3], count % 3 * sizeof(float)));
    }

  private:
    std::vector<float> numbers_;
    std::vector<std::uint32_t> offsets_;
    std::string text_, base64_;
};

const NumberRing& number_ring() {
    static const NumberRing kRing;
    return kRing;
}

std::int64_t dimensions_of(const ApiRequest& request) {
    if (request.dimensions > 0) return request.dimensions;
    return request.model == "text-embedding-3-large" ? 3072 : 1536;
}

std::string embeddings_body(Call* call, const SimUsage& usage) {
    const ApiRequest& request = call->request();
    const auto count = static_cast<std::size_t>(dimensions_of(request));
    std::string out;
    out.reserve(256 + request.input_hashes.size() * (64 + count * (request.wants_base64 ? 6 : 13)));
    out.append(R"({"object":"list","data":[)");
    for (std::size_t i = 0; i < request.input_hashes.size(); ++i) {
        const std::size_t at = request.input_hashes[i] % kGroups * 3;
        if (i > 0) out.push_back(',');
        out.append(R"({"object":"embedding","index":)");
        append_number(out, static_cast<std::int64_t>(i));
        if (request.wants_base64) {
            out.append(R"(,"embedding":")");
            number_ring().append_base64(out, at, count);
            out.append("\"}");
        } else {
            out.append(R"(,"embedding":[)").append(number_ring().decimal(at, count)).append("]}");
        }
    }
    out.append(R"(],"model":")");
    append_json_escaped(out, request.model);
    out.push_back('"');
    if (call->reports_usage()) {
        out.append(R"(,"usage":)");
        call->append_usage_object(out, usage, UsageForm::embeddings);
    }
    out.append("}\n");
    return out;
}

}  // namespace

Task<void> openai_embeddings(Call* call, std::string /*argument*/) {
    if (!co_await call->open_json(InputKey::input)) co_return;
    const ApiRequest& request = call->request();
    if (request.dimensions < 0 || request.dimensions > kDimensionsMax ||
        request.input_hashes.empty() || request.input_hashes.size() > 2048) {
        const bool is_input = request.input_hashes.empty() || request.input_hashes.size() > 2048;
        ApiError error;
        error.message = is_input ? "Invalid 'input': expected 1 to 2048 strings or token arrays."
                                 : "Invalid value for 'dimensions'.";
        error.param = is_input ? "input" : "dimensions";
        co_await call->refuse(std::move(error));
        co_return;
    }
    SimUsage usage;
    usage.prompt = call->plan().usage.prompt;
    co_await call->answer("application/json", embeddings_body(call, usage), usage);
}

}  // namespace tg::sim
