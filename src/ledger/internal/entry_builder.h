#pragma once
#include <string>
#include <string_view>

#include "ledger/entry.h"

namespace tg::ledger_internal {

/// Sums of cents are 128 bits wide, so that no sum of 64-bit amounts overflows before it is
/// refused.
constexpr Femto of_cents(int128 cents) {
    return {cents * kFemtoPerCent};
}

/// Collects the postings of a flow. Zero amounts leave no posting; the first fault is kept.
class EntryBuilder {
  public:
    EntryBuilder(CauseKind kind, std::string_view id, UtcMicros occurred_at);

    EntryBuilder& detail(std::string_view key, std::string_view value);
    EntryBuilder& detail(std::string_view key, std::int64_t value);
    EntryBuilder& debit(AccountKey account, Femto amount);
    EntryBuilder& credit(AccountKey account, Femto amount);

    /// Faults: a value below zero, a total that is not above it.
    EntryBuilder& require_not_negative(std::string_view what, int128 value);
    EntryBuilder& require_positive(std::string_view what, int128 value);
    EntryBuilder& refuse(std::string why);

    Result<Entry> done();

  private:
    Entry entry_;
    std::string fault_;
};

}  // namespace tg::ledger_internal
