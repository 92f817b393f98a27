#include "base/hash.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "base/money.h"
#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace tg {
namespace {

#ifndef __SSE4_2__
constexpr std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i;
        for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? c >> 1 ^ 0x82f63b78U : c >> 1;
        table[i] = c;
    }
    return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();
#endif

/// One context per thread: fetching the algorithm anew triples the cost of a short hash.
struct Sha256Context {
    EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~Sha256Context() {
        EVP_MD_CTX_free(context);
        EVP_MD_free(algorithm);
    }
};

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    const uint128 product = static_cast<uint128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load64(const char* p) {
    std::uint64_t v = 0;
    std::memcpy(&v, p, 8);
    return v;
}

}  // namespace

std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t seed) {
    const auto* p = static_cast<const std::uint8_t*>(data);
#ifdef __SSE4_2__
    std::uint64_t crc = ~seed;
    for (; size >= 8; size -= 8, p += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    auto rest = static_cast<std::uint32_t>(crc);
    for (; size > 0; --size, ++p) rest = _mm_crc32_u8(rest, *p);
    return ~rest;
#else
    std::uint32_t crc = ~seed;
    for (; size > 0; --size, ++p) crc = crc >> 8 ^ kCrcTable[(crc ^ *p) & 0xff];
    return ~crc;
#endif
}

Sha256 sha256(std::string_view data) {
    thread_local Sha256Context ctx;
    Sha256 out;
    unsigned int size = 0;
    const bool is_done = EVP_DigestInit_ex2(ctx.context, ctx.algorithm, nullptr) == 1 &&
                         EVP_DigestUpdate(ctx.context, data.data(), data.size()) == 1 &&
                         EVP_DigestFinal_ex(ctx.context, out.data(), &size) == 1;
    TG_ASSERT(is_done && size == out.size());
    return out;
}

std::uint64_t hash64(std::string_view data, std::uint64_t seed) {
    constexpr std::uint64_t kA = 0xa0761d6478bd642fULL, kB = 0xe7037ed1a0b428dbULL;
    const char* p = data.data();
    std::size_t n = data.size();
    std::uint64_t h = seed ^ kA ^ n;
    for (; n >= 16; n -= 16, p += 16) h = mix(load64(p) ^ kB, load64(p + 8) ^ h);
    if (n >= 8) {
        h = mix(load64(p) ^ kB, load64(p + n - 8) ^ h);
    } else if (n > 0) {
        std::uint64_t tail = 0;
        std::memcpy(&tail, p, n);
        h = mix(tail ^ kB, h);
    }
    return mix(h ^ kA, kB);
}

std::string hex(const void* data, std::size_t size) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto* p = static_cast<const std::uint8_t*>(data);
    std::string out;
    out.reserve(size * 2);
    for (std::size_t i = 0; i < size; ++i) {
        out.push_back(kDigits[p[i] >> 4]);
        out.push_back(kDigits[p[i] & 15]);
    }
    return out;
}

void write_hex(std::uint64_t value, char* out) {
    constexpr char kDigits[] = "0123456789abcdef";
    for (int shift = 60; shift >= 0; shift -= 4) *out++ = kDigits[value >> shift & 15];
}

bool read_hex(std::string_view digits, std::uint64_t* value) {
    if (digits.size() != 16) return false;
    std::uint64_t out = 0;
    for (const char c : digits) {
        int digit = 0;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else
            return false;
        out = out << 4 | static_cast<unsigned>(digit);
    }
    *value = out;
    return true;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    unsigned char difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference |= static_cast<unsigned char>(a[i] ^ b[i]);
    return difference == 0;
}

}  // namespace tg
