#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg {

/// A signed tree head, and what it says. The text is a checkpoint (C2SP tlog-checkpoint) in a
/// signed note (C2SP signed-note), which stock tools of transparency logs read too.
struct Checkpoint {
    std::string origin;
    std::uint64_t size = 0;
    std::string root_hex;
    std::string note;  ///< the whole signed text
};

/// The Ed25519 key (RFC 8032) that signs tree heads.
class ProofKey {
  public:
    /// Reads the key file, or makes it, readable by its owner alone; safe when several processes
    /// start together. Errors: io_error, invalid_config when others may read it or it is damaged.
    static Result<ProofKey> open_or_create(const std::string& file);
    /// Of a seed of 32 bytes; for tests.
    static ProofKey of_seed(const std::array<std::uint8_t, 32>& seed);
    ProofKey(const ProofKey&) = default;
    ProofKey& operator=(const ProofKey&) = delete;
    ~ProofKey();  ///< wipes the secret

    /// Name of the log: "tollgate-" and 8 digits of the key's fingerprint.
    const std::string& origin() const { return origin_; }
    /// What auditors are given: "origin+hash+base64", the verifier key of signed notes.
    const std::string& verifier_text() const { return verifier_; }
    Checkpoint sign(std::uint64_t size, std::string_view root_hex) const;

  private:
    ProofKey() = default;
    std::array<std::uint8_t, 64> secret_{};
    std::string origin_, verifier_;
};

/// Reads a signed note and checks its signature by the verifier key. Errors: invalid_request
/// (either text has another form), corrupt_data (the signature is not by that key).
Result<Checkpoint> open_checkpoint(std::string_view note, std::string_view verifier_text);

std::string base64(std::string_view bytes);
/// Errors: invalid_request.
Result<std::string> parse_base64(std::string_view text);

}  // namespace tg
