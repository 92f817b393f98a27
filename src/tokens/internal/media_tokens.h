#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

// Estimates for input that is no text. Nothing is fetched: sizes come from data URLs, and where
// there is none the most that the documented formula can give is taken, because a reservation must
// not be too small.
namespace tg::bpe {

struct PixelSize {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// Reads the size from the head of a PNG, JPEG, GIF or WebP in a "data:image/...;base64,..." URL.
std::optional<PixelSize> data_url_pixel_size(std::string_view url);

/// Tokens of one image for a model. `detail` is low, high or auto; the last counts as high.
/// Source: OpenAI, "Images and vision", "Calculating costs", read 2025-11: base tokens and tokens
/// for each 512-pixel tile, or for small models 32-pixel patches times a factor, for which `detail`
/// does not matter.
std::int64_t image_tokens(std::string_view model, std::string_view url, std::string_view detail);
std::int64_t image_tokens(std::string_view model, std::optional<PixelSize> size,
                          std::string_view detail);

/// Tokens of base64 audio: 10 a second (OpenAI, "Managing realtime costs", read 2025-11: a user's
/// audio is a token each 100 ms). The length comes from a WAV header, else from 64 kbit/s.
std::int64_t audio_tokens(std::string_view base64);

/// Tokens of a base64 file. How pages become tokens is not documented; a token for each 16 bytes.
std::int64_t file_tokens(std::string_view base64);

}  // namespace tg::bpe
