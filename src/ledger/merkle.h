#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"

namespace tg {

/// The Merkle tree of RFC 6962 section 2.1: SHA-256, 0x00 before a leaf, 0x01 before two subtrees.
/// Pure: where hashes are kept is the caller's. Leaves count from 0.
Sha256 merkle_empty_root();
Sha256 merkle_leaf_hash(std::string_view leaf);
Sha256 merkle_node_hash(const Sha256& left, const Sha256& right);

/// Gives the hash of the complete subtree of 2^level leaves from index x 2^level on.
using MerkleNodes = std::function<Result<Sha256>(int level, std::uint64_t index)>;

/// Root of the first `size` leaves. Errors: those of `nodes`.
Result<Sha256> merkle_root(std::uint64_t size, const MerkleNodes& nodes);
/// RFC 6962 section 2.1.1. Errors: invalid_request when index >= size; those of `nodes`.
Result<std::vector<Sha256>> merkle_inclusion_proof(std::uint64_t index, std::uint64_t size,
                                                   const MerkleNodes& nodes);
/// RFC 6962 section 2.1.2; empty where old_size is 0 or size. Errors: invalid_request when
/// old_size > size; those of `nodes`.
Result<std::vector<Sha256>> merkle_consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                                     const MerkleNodes& nodes);

/// RFC 9162 section 2.1.3.2 and 2.1.4.2: every hash of the proof is used, and no other.
bool merkle_verify_inclusion(const Sha256& leaf_hash, std::uint64_t index, std::uint64_t size,
                             std::span<const Sha256> proof, const Sha256& root);
bool merkle_verify_consistency(std::uint64_t old_size, std::uint64_t size,
                               std::span<const Sha256> proof, const Sha256& old_root,
                               const Sha256& root);

/// The roots of complete subtrees of a growing tree, largest first: enough to add a leaf and to
/// know the root, in order, without looking anything up.
class MerkleFrontier {
  public:
    /// Calls `node` for each complete subtree that the leaf closes, smallest first (level >= 1).
    void add(const Sha256& leaf_hash,
             const std::function<void(int level, std::uint64_t index, const Sha256&)>& node);
    std::uint64_t size() const { return size_; }
    Sha256 root() const;

  private:
    std::uint64_t size_ = 0;
    std::vector<Sha256> peaks_;
};

}  // namespace tg
