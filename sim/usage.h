#pragma once
#include <cstdint>
#include <string>

namespace tg::sim {

/// What the simulated provider bills for one call, in OpenAI's overlapping classes: cached, written
/// and audio tokens are part of prompt; reasoning, audio, accepted and rejected tokens are part of
/// completion.
struct SimUsage {
    std::int64_t prompt = 0, cached = 0, cache_write = 0, cache_write_long = 0;
    std::int64_t audio_in = 0, image_in = 0;
    std::int64_t completion = 0, reasoning = 0, audio_out = 0, accepted = 0, rejected = 0;
    std::int64_t images = 0, characters = 0, audio_ms = 0;

    std::int64_t total() const { return prompt + completion; }
    /// Completion tokens that the client gets to see.
    std::int64_t visible() const { return completion - reasoning - rejected; }
    bool is_empty() const { return *this == SimUsage{}; }
    friend bool operator==(const SimUsage&, const SimUsage&) = default;
};

/// What is billed when only `visible` tokens had been generated: the prompt and the thinking before
/// the text in full.
SimUsage usage_at_cut(const SimUsage& full, std::int64_t visible);

/// A usage whose classes do not add up, as a broken provider would report.
SimUsage contradictory(const SimUsage& usage);

enum class UsageForm : std::uint8_t { chat, responses, embeddings };
/// The usage object as the API shows it. `total_shift` falsifies the total.
void append_usage(std::string& out, const SimUsage& usage, UsageForm form,
                  std::int64_t total_shift = 0);
/// The usage object of the served log: every class, zero ones left out.
void append_billed(std::string& out, const SimUsage& usage);

void append_number(std::string& out, std::int64_t number);

}  // namespace tg::sim
