#include "ledger/merkle.h"

#include <bit>

#include "base/check.h"

namespace tg {
namespace {

/// Largest power of two below `size`; size >= 2.
std::uint64_t split_of(std::uint64_t size) {
    return std::bit_floor(size - 1);
}

/// MTH of the leaves [from, from + size), where `from` is a multiple of every power of two that is
/// split off: complete subtrees are taken as they are.
Result<Sha256> subtree(std::uint64_t from, std::uint64_t size, const MerkleNodes& nodes) {
    if (std::has_single_bit(size)) {
        const int level = std::countr_zero(size);
        return nodes(level, from >> level);
    }
    const std::uint64_t left_size = split_of(size);
    TG_TRY(const Sha256 left, subtree(from, left_size, nodes));
    TG_TRY(const Sha256 right, subtree(from + left_size, size - left_size, nodes));
    return merkle_node_hash(left, right);
}

Status add_path(std::uint64_t index, std::uint64_t from, std::uint64_t size,
                const MerkleNodes& nodes, std::vector<Sha256>* out) {
    if (size == 1) return {};
    const std::uint64_t left_size = split_of(size);
    const bool is_left = index < left_size;
    if (is_left)
        TG_CHECK_OK(add_path(index, from, left_size, nodes, out));
    else
        TG_CHECK_OK(add_path(index - left_size, from + left_size, size - left_size, nodes, out));
    TG_TRY(const Sha256 other, is_left ? subtree(from + left_size, size - left_size, nodes)
                                       : subtree(from, left_size, nodes));
    out->push_back(other);
    return {};
}

/// SUBPROOF of RFC 6962: `is_known` while the old tree is the very subtree at hand.
Status add_subproof(std::uint64_t old_size, std::uint64_t from, std::uint64_t size, bool is_known,
                    const MerkleNodes& nodes, std::vector<Sha256>* out) {
    if (old_size == size) {
        if (is_known) return {};
        TG_TRY(const Sha256 here, subtree(from, size, nodes));
        out->push_back(here);
        return {};
    }
    const std::uint64_t left_size = split_of(size);
    const bool is_left = old_size <= left_size;
    if (is_left)
        TG_CHECK_OK(add_subproof(old_size, from, left_size, is_known, nodes, out));
    else
        TG_CHECK_OK(add_subproof(old_size - left_size, from + left_size, size - left_size, false,
                                 nodes, out));
    TG_TRY(const Sha256 other, is_left ? subtree(from + left_size, size - left_size, nodes)
                                       : subtree(from, left_size, nodes));
    out->push_back(other);
    return {};
}

}  // namespace

Sha256 merkle_empty_root() {
    return sha256({});
}

Sha256 merkle_leaf_hash(std::string_view leaf) {
    std::string bytes(1, '\0');
    bytes += leaf;
    return sha256(bytes);
}

Sha256 merkle_node_hash(const Sha256& left, const Sha256& right) {
    std::array<char, 65> bytes{1};
    std::memcpy(bytes.data() + 1, left.data(), 32);
    std::memcpy(bytes.data() + 33, right.data(), 32);
    return sha256({bytes.data(), bytes.size()});
}

Result<Sha256> merkle_root(std::uint64_t size, const MerkleNodes& nodes) {
    if (size == 0) return merkle_empty_root();
    return subtree(0, size, nodes);
}

Result<std::vector<Sha256>> merkle_inclusion_proof(std::uint64_t index, std::uint64_t size,
                                                   const MerkleNodes& nodes) {
    if (index >= size)
        return fail(ErrorCode::invalid_request, "leaf " + std::to_string(index) +
                                                    " is not in a tree of " + std::to_string(size));
    std::vector<Sha256> out;
    TG_CHECK_OK(add_path(index, 0, size, nodes, &out));
    return out;
}

Result<std::vector<Sha256>> merkle_consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                                     const MerkleNodes& nodes) {
    if (old_size > size)
        return fail(ErrorCode::invalid_request, "a tree of " + std::to_string(size) +
                                                    " leaves has no earlier size " +
                                                    std::to_string(old_size));
    std::vector<Sha256> out;
    if (old_size == 0 || old_size == size) return out;
    TG_CHECK_OK(add_subproof(old_size, 0, size, true, nodes, &out));
    return out;
}

bool merkle_verify_inclusion(const Sha256& leaf_hash, std::uint64_t index, std::uint64_t size,
                             std::span<const Sha256> proof, const Sha256& root) {
    if (index >= size) return false;
    std::uint64_t at = index, last = size - 1;
    Sha256 hash = leaf_hash;
    for (const Sha256& each : proof) {
        if (last == 0) return false;
        if ((at & 1) == 1 || at == last) {
            hash = merkle_node_hash(each, hash);
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = merkle_node_hash(hash, each);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && hash == root;
}

bool merkle_verify_consistency(std::uint64_t old_size, std::uint64_t size,
                               std::span<const Sha256> proof, const Sha256& old_root,
                               const Sha256& root) {
    if (old_size > size) return false;
    if (old_size == size) return proof.empty() && old_root == root;
    if (old_size == 0) return proof.empty() && old_root == merkle_empty_root();
    std::vector<Sha256> path;
    if (std::has_single_bit(old_size)) path.push_back(old_root);
    path.insert(path.end(), proof.begin(), proof.end());
    if (path.empty()) return false;
    std::uint64_t at = old_size - 1, last = size - 1;
    while ((at & 1) == 1) {
        at >>= 1;
        last >>= 1;
    }
    Sha256 old_hash = path.front(), hash = path.front();
    for (const Sha256& each : std::span(path).subspan(1)) {
        if (last == 0) return false;
        if ((at & 1) == 1 || at == last) {
            old_hash = merkle_node_hash(each, old_hash);
            hash = merkle_node_hash(each, hash);
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = merkle_node_hash(hash, each);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && old_hash == old_root && hash == root;
}

void MerkleFrontier::add(
    const Sha256& leaf_hash,
    const std::function<void(int level, std::uint64_t index, const Sha256&)>& node) {
    Sha256 hash = leaf_hash;
    int level = 0;
    for (std::uint64_t rest = size_; (rest & 1) == 1; rest >>= 1) {
        TG_ASSERT(!peaks_.empty());
        hash = merkle_node_hash(peaks_.back(), hash);
        peaks_.pop_back();
        ++level;
        if (node) node(level, size_ >> level, hash);
    }
    peaks_.push_back(hash);
    ++size_;
}

Sha256 MerkleFrontier::root() const {
    if (peaks_.empty()) return merkle_empty_root();
    Sha256 hash = peaks_.back();
    for (std::size_t i = peaks_.size() - 1; i > 0; --i)
        hash = merkle_node_hash(peaks_[i - 1], hash);
    return hash;
}

}  // namespace tg
