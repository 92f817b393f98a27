#include "admission/output_learner.h"

#include <algorithm>
#include <bit>

namespace tg {

int OutputDistribution::bucket_of(std::int64_t tokens) {
    if (tokens < kSubBuckets) return static_cast<int>(std::max<std::int64_t>(tokens, 0));
    const int power = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(tokens))) - 1;
    const auto within = static_cast<int>((tokens >> (power - 3)) & (kSubBuckets - 1));
    return std::min((power - 2) * kSubBuckets + within, kBuckets - 1);
}

std::int64_t OutputDistribution::upper_end(int bucket) {
    if (bucket < kSubBuckets) return bucket;
    const int power = bucket / kSubBuckets + 2;
    const std::int64_t within = bucket % kSubBuckets;
    return ((kSubBuckets + within + 1) << (power - 3)) - 1;
}

void OutputDistribution::observe(std::int64_t output_tokens) {
    const std::int64_t tokens = std::clamp<std::int64_t>(output_tokens, 0, std::int64_t{1} << 40);
    ++buckets_[static_cast<std::size_t>(bucket_of(tokens))];
    ++count_;
    sum_ += tokens;
    if (count_ < kHalveAfter) return;
    sum_ /= 2;
    count_ = 0;
    for (std::uint16_t& bucket : buckets_) {
        bucket = static_cast<std::uint16_t>((bucket + 1) / 2);  // the tail is not forgotten at once
        count_ += bucket;
    }
}

std::int64_t OutputDistribution::quantile_per_mille(std::int64_t per_mille) const {
    if (count_ == 0) return 0;
    const std::int64_t rank = (static_cast<std::int64_t>(count_) * per_mille + 999) / 1000;
    std::int64_t seen = 0;
    for (int i = 0; i < kBuckets; ++i) {
        seen += buckets_[static_cast<std::size_t>(i)];
        if (seen >= rank) return upper_end(i);
    }
    return upper_end(kBuckets - 1);
}

std::int64_t OutputDistribution::mean() const {
    return count_ == 0 ? 0 : sum_ / static_cast<std::int64_t>(count_);
}

std::uint64_t OutputLearner::pair_of(std::uint64_t model, std::uint64_t key) {
    return (model * 0x9e3779b97f4a7c15ULL) ^ (key + 0x632be59bd9b4e019ULL);
}

const OutputDistribution* OutputLearner::known(std::uint64_t model, std::uint64_t key) const {
    if (key != 0)
        if (const auto at = pairs_.find(pair_of(model, key));
            at != pairs_.end() && at->second.count() >= options_.count_min)
            return &at->second;
    const auto at = models_.find(model);
    if (at == models_.end() || at->second.count() < options_.count_min) return nullptr;
    return &at->second;
}

std::int64_t OutputLearner::estimate(std::uint64_t model, std::uint64_t key,
                                     std::int64_t max_tokens,
                                     std::int64_t output_tokens_max) const {
    constexpr std::int64_t kUsual = 900;
    constexpr std::int64_t kMost = 990;
    std::int64_t output_tokens = max_tokens;
    if (const OutputDistribution* distribution = known(model, key)) {
        const std::int64_t most = distribution->quantile_per_mille(kMost);
        if (max_tokens <= 0)
            output_tokens =
                std::max(distribution->quantile_per_mille(kUsual), distribution->mean());
        else if (max_tokens / options_.absurd_factor > most)
            output_tokens = most;
    } else if (max_tokens <= 0) {
        output_tokens = options_.unknown_output_tokens;
    }
    if (output_tokens_max > 0) output_tokens = std::min(output_tokens, output_tokens_max);
    return std::max<std::int64_t>(output_tokens, 1);
}

void OutputLearner::observe(std::uint64_t model, std::uint64_t key, std::int64_t output_tokens) {
    models_[model].observe(output_tokens);
    if (key == 0) return;
    const std::uint64_t pair = pair_of(model, key);
    if (pairs_.size() >= options_.subjects_max && !pairs_.contains(pair)) pairs_.clear();
    pairs_[pair].observe(output_tokens);
}

}  // namespace tg
