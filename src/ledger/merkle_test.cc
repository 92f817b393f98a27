#include "ledger/merkle.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "ledger/proof_log.h"

namespace tg {
namespace {

/// The eight leaves and the roots of the reference implementation of RFC 6962 (certificate
/// transparency's merkle_tree_test).
constexpr const char* kSixteenBytes =
    "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f";
const std::vector<std::string> kLeaves = {std::string(),
                                          std::string(1, '\0'),
                                          "\x10",
                                          "\x20\x21",
                                          "\x30\x31",
                                          "\x40\x41\x42\x43",
                                          "\x50\x51\x52\x53\x54\x55\x56\x57",
                                          kSixteenBytes};
constexpr std::array kRoots = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                               "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                               "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                               "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                               "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                               "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                               "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                               "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                               "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

/// MTH of RFC 6962 section 2.1, word for word.
Sha256 slow_root(std::span<const Sha256> leaves) {
    if (leaves.empty()) return sha256({});
    if (leaves.size() == 1) return leaves[0];
    std::size_t split = 1;
    while (split * 2 < leaves.size()) split *= 2;
    return merkle_node_hash(slow_root(leaves.first(split)), slow_root(leaves.subspan(split)));
}

MerkleNodes nodes_of(const std::vector<Sha256>& leaves) {
    return [&leaves](int level, std::uint64_t index) -> Result<Sha256> {
        const std::size_t size = std::size_t{1} << level;
        return slow_root(std::span(leaves).subspan(index * size, size));
    };
}

std::vector<Sha256> some_leaves(std::size_t count) {
    std::vector<Sha256> out;
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(merkle_leaf_hash("leaf " + std::to_string(i)));
    return out;
}

TEST(Merkle, RootsOfTheReferenceImplementation) {
    std::vector<Sha256> leaves;
    MerkleFrontier frontier;
    for (std::size_t size = 0; size <= kLeaves.size(); ++size) {
        EXPECT_EQ(sha256_text(*merkle_root(size, nodes_of(leaves))), kRoots[size]);
        EXPECT_EQ(sha256_text(frontier.root()), kRoots[size]);
        if (size == kLeaves.size()) break;
        leaves.push_back(merkle_leaf_hash(kLeaves[size]));
        frontier.add(leaves.back(), nullptr);
    }
}

// Proofs of the same test of the reference implementation.
TEST(Merkle, ProofsOfTheReferenceImplementation) {
    std::vector<Sha256> leaves;
    for (const std::string& each : kLeaves) leaves.push_back(merkle_leaf_hash(each));
    const auto texts = [](const Result<std::vector<Sha256>>& hashes) {
        std::vector<std::string> out;
        for (const Sha256& each : *hashes) out.push_back(sha256_text(each));
        return out;
    };
    using Texts = std::vector<std::string>;
    EXPECT_EQ(texts(merkle_inclusion_proof(0, 8, nodes_of(leaves))),
              (Texts{"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                     "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                     "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}));
    EXPECT_EQ(texts(merkle_inclusion_proof(2, 3, nodes_of(leaves))),
              Texts{"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"});
    EXPECT_EQ(texts(merkle_consistency_proof(1, 8, nodes_of(leaves))),
              (Texts{"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                     "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                     "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}));
    EXPECT_EQ(texts(merkle_consistency_proof(6, 8, nodes_of(leaves))),
              (Texts{"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                     "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                     "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
}

// Every leaf of every small tree, and every pair of sizes; and no proof serves for anything else.
TEST(Merkle, EveryProofOfSmallTreesHoldsAndNoOtherDoes) {
    const std::vector<Sha256> leaves = some_leaves(20);
    const MerkleNodes nodes = nodes_of(leaves);
    for (std::uint64_t size = 1; size <= leaves.size(); ++size) {
        const Sha256 root = *merkle_root(size, nodes);
        for (std::uint64_t index = 0; index < size; ++index) {
            const auto proof = merkle_inclusion_proof(index, size, nodes);
            ASSERT_TRUE(proof.ok());
            EXPECT_TRUE(merkle_verify_inclusion(leaves[index], index, size, *proof, root));
            for (std::uint64_t other = 0; other <= size; ++other) {
                if (other != index)
                    EXPECT_FALSE(merkle_verify_inclusion(leaves[index], other, size, *proof, root));
            }
            auto longer = *proof;
            longer.push_back(root);
            EXPECT_FALSE(merkle_verify_inclusion(leaves[index], index, size, longer, root));
            if (proof->empty()) continue;
            const auto shorter = std::span(*proof).first(proof->size() - 1);
            EXPECT_FALSE(merkle_verify_inclusion(leaves[index], index, size, shorter, root));
        }
        for (std::uint64_t old_size = 0; old_size <= size; ++old_size) {
            const Sha256 old_root = *merkle_root(old_size, nodes);
            const auto proof = merkle_consistency_proof(old_size, size, nodes);
            ASSERT_TRUE(proof.ok());
            EXPECT_TRUE(merkle_verify_consistency(old_size, size, *proof, old_root, root));
            if (old_size == 0 || old_size == size) continue;
            EXPECT_FALSE(merkle_verify_consistency(old_size, size, *proof, root, root));
            EXPECT_FALSE(merkle_verify_consistency(old_size, size, *proof, old_root, old_root));
            for (std::size_t i = 0; i < proof->size(); ++i) {
                auto changed = *proof;
                changed[i][7] ^= 1;
                EXPECT_FALSE(merkle_verify_consistency(old_size, size, changed, old_root, root));
            }
        }
    }
    EXPECT_EQ(merkle_inclusion_proof(5, 5, nodes).error().code, ErrorCode::invalid_request);
    EXPECT_EQ(merkle_consistency_proof(6, 5, nodes).error().code, ErrorCode::invalid_request);
}

RC_GTEST_PROP(Merkle, FrontierClosesTheSameSubtreesAndChangedBytesAreNoticed, ()) {
    const auto count = *rc::gen::inRange<std::size_t>(1, 200);
    const std::vector<Sha256> leaves = some_leaves(count);
    MerkleFrontier frontier;
    std::size_t closed = 0;
    for (const Sha256& each : leaves) {
        frontier.add(each, [&](int level, std::uint64_t index, const Sha256& hash) {
            RC_ASSERT(*nodes_of(leaves)(level, index) == hash);
            ++closed;
        });
    }
    RC_ASSERT(frontier.root() == slow_root(leaves));
    RC_ASSERT(closed < count);
    const auto index = *rc::gen::inRange<std::uint64_t>(0, count);
    auto proof = *merkle_inclusion_proof(index, count, nodes_of(leaves));
    RC_ASSERT(merkle_verify_inclusion(leaves[index], index, count, proof, frontier.root()));
    Sha256 leaf = leaves[index], root = frontier.root();
    const auto bit = static_cast<std::uint8_t>(1 << *rc::gen::inRange(0, 8));
    const auto byte = *rc::gen::inRange<std::size_t>(0, 32);
    const auto part = *rc::gen::inRange<std::size_t>(0, proof.size() + 2);
    Sha256& hit = part < proof.size() ? proof[part] : part == proof.size() ? leaf : root;
    hit[byte] ^= bit;
    RC_ASSERT(!merkle_verify_inclusion(leaf, index, count, proof, root));
}

}  // namespace
}  // namespace tg
