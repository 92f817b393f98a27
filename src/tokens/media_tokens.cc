#include "tokens/internal/media_tokens.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>

namespace tg::bpe {

namespace {

// JPEG keeps its size behind metadata of any length; what is not found this far is not looked for.
constexpr std::size_t kHeadBytesMax = 256 << 10;

int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

std::string decode_head(std::string_view base64, std::size_t bytes_max) {
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : base64) {
        const int digit = base64_digit(c);
        if (digit < 0 || out.size() == bytes_max) break;
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<char>(bits >> count & 0xff));
        }
    }
    return out;
}

class Head {
  public:
    explicit Head(std::string_view bytes) : bytes_(bytes) {}
    bool has(std::size_t at, std::string_view text) const {
        return at <= bytes_.size() && bytes_.substr(at).starts_with(text);
    }
    std::size_t size() const { return bytes_.size(); }
    std::uint32_t byte(std::size_t at) const {
        return at < bytes_.size() ? static_cast<std::uint8_t>(bytes_[at]) : 0;
    }
    std::uint32_t big16(std::size_t at) const { return byte(at) << 8 | byte(at + 1); }
    std::uint32_t big32(std::size_t at) const { return big16(at) << 16 | big16(at + 2); }
    std::uint32_t little16(std::size_t at) const { return byte(at + 1) << 8 | byte(at); }
    std::uint32_t little24(std::size_t at) const { return byte(at + 2) << 16 | little16(at); }
    std::uint32_t little32(std::size_t at) const { return little16(at + 2) << 16 | little16(at); }

  private:
    std::string_view bytes_;
};

// Walks the segments to the frame header (SOF0 to SOF15 without DHT, JPG and DAC; ITU-T T.81,
// B.2.2).
PixelSize jpeg_size(const Head& head) {
    std::size_t at = 2;
    while (at + 9 < head.size() && head.byte(at) == 0xff) {
        const std::uint32_t marker = head.byte(at + 1);
        if (marker == 0xff) {
            ++at;
            continue;
        }
        const bool is_frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (is_frame) return {head.big16(at + 7), head.big16(at + 5)};
        at += 2 + head.big16(at + 2);
    }
    return {};
}

PixelSize webp_size(const Head& head) {
    if (head.has(12, "VP8X")) return {head.little24(24) + 1, head.little24(27) + 1};
    if (head.has(12, "VP8L")) {
        const std::uint32_t bits = head.little32(21);
        return {(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
    }
    if (head.has(12, "VP8 ")) return {head.little16(26) & 0x3fff, head.little16(28) & 0x3fff};
    return {};
}

PixelSize size_of(const Head& head) {
    if (head.has(0, "\x89PNG\r\n\x1a\n") && head.has(12, "IHDR"))
        return {head.big32(16), head.big32(20)};
    if (head.has(0, "GIF8")) return {head.little16(6), head.little16(8)};
    if (head.has(0, "RIFF") && head.has(8, "WEBP")) return webp_size(head);
    if (head.has(0, "\xff\xd8")) return jpeg_size(head);
    return {};
}

struct TileCost {
    std::string_view prefix;
    std::int64_t base;
    std::int64_t tile;
};
constexpr std::array kTileCosts{
    TileCost{"gpt-4o-mini", 2833, 5667},
    TileCost{"gpt-5", 70, 140},
    TileCost{"o1", 75, 150},
    TileCost{"o3", 75, 150},
    TileCost{"computer-use-preview", 65, 129},
};
constexpr TileCost kUsualTileCost{
    "", 85, 170};  // gpt-4o, gpt-4.1, gpt-4.5; also what is taken for unknown models

struct PatchCost {
    std::string_view prefix;
    std::int64_t per_cent;
};
constexpr std::array kPatchCosts{
    PatchCost{"gpt-5-mini", 162},   PatchCost{"gpt-5-nano", 246}, PatchCost{"gpt-4.1-mini", 162},
    PatchCost{"gpt-4.1-nano", 246}, PatchCost{"o4-mini", 172},
};
constexpr std::int64_t kPatchesMax = 1536;
constexpr std::int64_t kTilesMax = 8;  // 768 x 2048, the longest that fits both limits

template <typename Costs>
auto find_cost(const Costs& costs, std::string_view model) {
    return std::find_if(costs.begin(), costs.end(),
                        [&](const auto& cost) { return model.starts_with(cost.prefix); });
}

// Fit into 2048 x 2048, then the shorter side to at most 768, then whole tiles of 512.
std::int64_t tiles(PixelSize size) {
    double width = size.width;
    double height = size.height;
    const double fit = std::min(1.0, 2048.0 / std::max(width, height));
    const double shorter = std::min(width, height) * fit;
    const double scale = fit * std::min(1.0, 768.0 / shorter);
    const auto along = [scale](double side) {
        return std::max<std::int64_t>(
            1, static_cast<std::int64_t>(std::ceil(std::round(side * scale) / 512.0)));
    };
    return along(width) * along(height);
}

std::int64_t patches(PixelSize size) {
    constexpr double kSide = 32.0;
    const double width = size.width;
    const double height = size.height;
    const std::int64_t whole =
        static_cast<std::int64_t>(std::ceil(width / kSide) * std::ceil(height / kSide));
    if (whole <= kPatchesMax) return whole;
    const double shrink =
        std::sqrt(kSide * kSide * static_cast<double>(kPatchesMax) / (width * height));
    const double across = width * shrink / kSide;
    const double down = height * shrink / kSide;
    const double adjust = std::min(std::floor(across) / across, std::floor(down) / down);
    // What the second shrinking makes whole may come out a hair above.
    const auto count = [adjust](double side) {
        return std::max<std::int64_t>(1,
                                      static_cast<std::int64_t>(std::ceil(side * adjust - 1e-6)));
    };
    return std::min(kPatchesMax, count(across) * count(down));
}

}  // namespace

std::optional<PixelSize> data_url_pixel_size(std::string_view url) {
    constexpr std::string_view kMark = ";base64,";
    if (!url.starts_with("data:")) return std::nullopt;
    const std::size_t mark = url.substr(0, 256).find(kMark);
    if (mark == std::string_view::npos) return std::nullopt;
    const std::string_view data = url.substr(mark + kMark.size());
    // Only JPEG needs more than the first bytes.
    std::string head = decode_head(data, 64);
    if (head.starts_with("\xff\xd8")) head = decode_head(data, kHeadBytesMax);
    const PixelSize size = size_of(Head(head));
    if (size.width == 0 || size.height == 0) return std::nullopt;
    return size;
}

std::int64_t image_tokens(std::string_view model, std::string_view url, std::string_view detail) {
    return image_tokens(model, data_url_pixel_size(url), detail);
}

std::int64_t image_tokens(std::string_view model, std::optional<PixelSize> size,
                          std::string_view detail) {
    if (const auto patch = find_cost(kPatchCosts, model); patch != kPatchCosts.end()) {
        const std::int64_t count = size ? patches(*size) : kPatchesMax;
        return (count * patch->per_cent + 99) / 100;
    }
    const auto tile = find_cost(kTileCosts, model);
    const TileCost cost = tile == kTileCosts.end() ? kUsualTileCost : *tile;
    if (detail == "low") return cost.base;
    return cost.base + cost.tile * (size ? tiles(*size) : kTilesMax);
}

std::int64_t audio_tokens(std::string_view base64) {
    constexpr std::uint64_t kUnknownBytesPerSecond = 8000;
    const std::string bytes = decode_head(base64, 64);
    const Head head(bytes);
    std::uint64_t bytes_per_second = kUnknownBytesPerSecond;
    if (head.has(0, "RIFF") && head.has(8, "WAVEfmt ") && head.little32(28) > 0)
        bytes_per_second = head.little32(28);
    const std::uint64_t size = base64.size() / 4 * 3;
    return static_cast<std::int64_t>((size * 10 + bytes_per_second - 1) / bytes_per_second);
}

std::int64_t file_tokens(std::string_view base64) {
    return static_cast<std::int64_t>(base64.size() / 4 * 3 / 16);
}

}  // namespace tg::bpe
