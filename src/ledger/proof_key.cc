#include "ledger/proof_key.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"

namespace tg {
namespace {

/// The byte that says Ed25519 in front of a key (C2SP signed-note).
constexpr char kEd25519 = 1;
constexpr std::size_t kHintSize = 4;
constexpr std::string_view kFileHead = "tollgate proof key 1\n";
constexpr std::string_view kSignaturePrefix = "\xe2\x80\x94 ";  // an em dash and a space
using Seed = std::array<std::uint8_t, crypto_sign_SEEDBYTES>;

std::string_view view_of(const void* data, std::size_t size) {
    return {static_cast<const char*>(data), size};
}

/// First bytes of SHA-256(name, line end, type, key): tells keys of one name apart.
std::string key_hint(std::string_view name, std::string_view typed_key) {
    std::string bytes(name);
    bytes.append("\n").append(typed_key);
    const Sha256 digest = sha256(bytes);
    return std::string(view_of(digest.data(), kHintSize));
}

Error io_error(const std::string& what, const std::string& file) {
    return {ErrorCode::io_error, what + " '" + file + "': " + std::strerror(errno)};
}

class File {
  public:
    explicit File(int fd) : fd_(fd) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (fd_ >= 0) close(fd_);
    }
    int fd() const { return fd_; }

  private:
    int fd_;
};

Result<Seed> read_key_file(const std::string& file) {
    const File opened(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (opened.fd() < 0) return fail(io_error("cannot open the proof key", file));
    struct stat status{};
    if (fstat(opened.fd(), &status) != 0) return fail(io_error("cannot look at", file));
    if ((status.st_mode & 077) != 0)
        return fail(ErrorCode::invalid_config,
                    "the proof key '" + file +
                        "' can be read by others; run chmod 600 on it, and make a new key if "
                        "somebody may have read it");
    std::array<char, 256> bytes{};
    const ssize_t size = read(opened.fd(), bytes.data(), bytes.size());
    if (size < 0) return fail(io_error("cannot read the proof key", file));
    std::string_view text(bytes.data(), static_cast<std::size_t>(size));
    const auto damaged = [&] {
        return fail(ErrorCode::invalid_config,
                    "'" + file +
                        "' is no proof key; restore it from a backup: a new key would "
                        "leave the signed heads that others hold without proof");
    };
    if (!text.starts_with(kFileHead) || !text.ends_with('\n')) return damaged();
    text.remove_prefix(kFileHead.size());
    text.remove_suffix(1);
    Result<std::string> seed = parse_base64(text);
    sodium_memzero(bytes.data(), bytes.size());
    if (!seed.ok() || seed->size() != crypto_sign_SEEDBYTES) return damaged();
    Seed out{};
    std::memcpy(out.data(), seed->data(), out.size());
    sodium_memzero(seed->data(), seed->size());
    return out;
}

/// Writes the whole file beside its place, then gives it its name unless another process was
/// faster: whoever sees the name sees a whole key.
Status create_key_file(const std::string& file) {
    std::uint64_t unique = 0;
    fill_secure_random(&unique, sizeof unique);
    const std::string draft = file + "." + hex(&unique, sizeof unique) + ".new";
    Seed seed{};
    fill_secure_random(seed.data(), seed.size());
    std::string text(kFileHead);
    text += base64(view_of(seed.data(), seed.size())) + "\n";
    {
        const File created(
            open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
        if (created.fd() < 0) return fail(io_error("cannot create the proof key", draft));
        const bool is_written =
            write(created.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
            fsync(created.fd()) == 0;
        if (!is_written) return fail(io_error("cannot write the proof key", draft));
    }
    sodium_memzero(text.data(), text.size());
    sodium_memzero(seed.data(), seed.size());
    const bool is_named = link(draft.c_str(), file.c_str()) == 0 || errno == EEXIST;
    const Error failed = is_named ? Error{} : io_error("cannot create the proof key", file);
    (void)unlink(draft.c_str());
    if (!is_named) return fail(failed);
    const std::size_t slash = file.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
    const File directory(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.fd() >= 0) (void)fsync(directory.fd());
    return {};
}

std::string checkpoint_body(std::string_view origin, std::uint64_t size, std::string_view root) {
    return std::string(origin) + "\n" + std::to_string(size) + "\n" + base64(root) + "\n";
}

Result<std::string> bytes_of_hex(std::string_view hex_text) {
    std::string out;
    for (std::size_t i = 0; i + 16 <= hex_text.size(); i += 16) {
        std::uint64_t value = 0;
        if (!read_hex(hex_text.substr(i, 16), &value)) break;
        for (int shift = 56; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(value >> shift));
    }
    if (out.size() * 2 == hex_text.size()) return out;
    return fail(ErrorCode::invalid_request, "a hash is not in hexadecimal");
}

struct VerifierKey {
    std::string name, hint, typed_key;
};

Result<VerifierKey> parse_verifier(std::string_view text) {
    const auto bad = [&] {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 100)) +
                        "' is no verifier key; it looks like name+12345678+base64");
    };
    const std::size_t first = text.find('+');
    const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
    if (second == std::string_view::npos) return bad();
    const Result<std::string> key = parse_base64(text.substr(second + 1));
    if (!key.ok() || key->size() != 1 + crypto_sign_PUBLICKEYBYTES || (*key)[0] != kEd25519)
        return bad();
    VerifierKey out{std::string(text.substr(0, first)), {}, *key};
    out.hint = key_hint(out.name, out.typed_key);
    if (hex(out.hint.data(), out.hint.size()) != text.substr(first + 1, second - first - 1))
        return bad();
    return out;
}

/// Origin, size and root of a body whose signature is right.
Result<Checkpoint> parse_body(std::string_view body) {
    const auto bad = [] { return fail(ErrorCode::invalid_request, "the note is no checkpoint"); };
    std::array<std::string_view, 3> lines;
    for (std::string_view& line : lines) {
        const std::size_t end = body.find('\n');
        if (end == std::string_view::npos) return bad();
        line = body.substr(0, end);
        body.remove_prefix(end + 1);
    }
    Checkpoint out;
    out.origin = lines[0];
    const auto [end, error] =
        std::from_chars(lines[1].data(), lines[1].data() + lines[1].size(), out.size);
    const Result<std::string> root = parse_base64(lines[2]);
    if (error != std::errc{} || end != lines[1].data() + lines[1].size() || !root.ok() ||
        root->size() != 32)
        return bad();
    out.root_hex = hex(root->data(), root->size());
    return out;
}

}  // namespace

std::string base64(std::string_view bytes) {
    std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                      bytes.size(), sodium_base64_VARIANT_ORIGINAL);
    out.pop_back();  // the final NUL
    return out;
}

Result<std::string> parse_base64(std::string_view text) {
    std::string out(text.size() / 4 * 3 + 3, '\0');
    std::size_t size = 0;
    const char* end = nullptr;
    if (sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(),
                          text.size(), nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != text.data() + text.size())
        return fail(ErrorCode::invalid_request, "a text is not in base64");
    out.resize(size);
    return out;
}

ProofKey ProofKey::of_seed(const std::array<std::uint8_t, 32>& seed) {
    TG_ASSERT(sodium_init() >= 0);
    ProofKey out;
    std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key{};
    TG_ASSERT(crypto_sign_seed_keypair(public_key.data(), out.secret_.data(), seed.data()) == 0);
    const std::string_view key = view_of(public_key.data(), public_key.size());
    out.origin_ = "tollgate-" + [&] {
        const Sha256 digest = sha256(key);
        return hex(digest.data(), 4);
    }();
    const std::string typed_key = std::string(1, kEd25519) + std::string(key);
    const std::string hint = key_hint(out.origin_, typed_key);
    out.verifier_ = out.origin_ + "+" + hex(hint.data(), hint.size()) + "+" + base64(typed_key);
    return out;
}

ProofKey::~ProofKey() {
    sodium_memzero(secret_.data(), secret_.size());
}

Result<ProofKey> ProofKey::open_or_create(const std::string& file) {
    if (access(file.c_str(), F_OK) != 0) TG_CHECK_OK(create_key_file(file));
    TG_TRY(Seed seed, read_key_file(file));
    ProofKey out = of_seed(seed);
    sodium_memzero(seed.data(), seed.size());
    return out;
}

Checkpoint ProofKey::sign(std::uint64_t size, std::string_view root_hex) const {
    const Result<std::string> root = bytes_of_hex(root_hex);
    TG_ASSERT(root.ok() && root->size() == 32);
    const std::string body = checkpoint_body(origin_, size, *root);
    std::array<unsigned char, crypto_sign_BYTES> signature{};
    TG_ASSERT(crypto_sign_detached(signature.data(), nullptr,
                                   reinterpret_cast<const unsigned char*>(body.data()), body.size(),
                                   secret_.data()) == 0);
    const std::string_view key =
        view_of(secret_.data() + crypto_sign_SEEDBYTES, crypto_sign_PUBLICKEYBYTES);
    const std::string hint = key_hint(origin_, std::string(1, kEd25519) + std::string(key));
    return {.origin = origin_,
            .size = size,
            .root_hex = std::string(root_hex),
            .note = body + "\n" + std::string(kSignaturePrefix) + origin_ + " " +
                    base64(hint + std::string(view_of(signature.data(), signature.size()))) + "\n"};
}

Result<Checkpoint> open_checkpoint(std::string_view note, std::string_view verifier_text) {
    TG_ASSERT(sodium_init() >= 0);
    TG_TRY(const VerifierKey verifier, parse_verifier(verifier_text));
    const std::size_t blank = note.rfind("\n\n");
    if (blank == std::string_view::npos || !note.ends_with('\n'))
        return fail(ErrorCode::invalid_request, "the text is no signed note");
    const std::string_view body = note.substr(0, blank + 1);
    std::string_view lines = note.substr(blank + 2);
    const std::string wanted = std::string(kSignaturePrefix) + verifier.name + " ";
    while (!lines.empty()) {
        const std::size_t end = lines.find('\n');
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(end + 1);
        if (!line.starts_with(wanted)) continue;
        const Result<std::string> bytes = parse_base64(line.substr(wanted.size()));
        if (!bytes.ok() || bytes->size() != kHintSize + crypto_sign_BYTES ||
            !bytes->starts_with(verifier.hint))
            continue;
        const auto* raw = reinterpret_cast<const unsigned char*>(bytes->data());
        const auto* key = reinterpret_cast<const unsigned char*>(verifier.typed_key.data()) + 1;
        if (crypto_sign_verify_detached(raw + kHintSize,
                                        reinterpret_cast<const unsigned char*>(body.data()),
                                        body.size(), key) != 0)
            break;
        TG_TRY(Checkpoint out, parse_body(body));
        out.note = note;
        return out;
    }
    return fail(ErrorCode::corrupt_data,
                "the checkpoint is not signed by " + verifier.name + ", or was changed afterwards");
}

}  // namespace tg
