#include "billing/internal/dimension_table.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/hash.h"
#include "billing/internal/usage_text.h"

namespace tg {
namespace {

std::array<std::string_view, 5> texts_of(const UsageEvent& event) {
    return {event.model, event.upstream_model, event.deployment, event.provider, event.region};
}

/// Texts of any bytes, one after the other: a text is at most 255 bytes long.
void append_text(std::string_view text, std::string* out) {
    out->push_back(static_cast<char>(std::min(text.size(), kEventTextMax)));
    out->append(text);
}

/// The same of all of an event's texts, in a buffer without allocations.
class RawTexts {
  public:
    explicit RawTexts(const UsageEvent& event) {
        for (const std::string_view text : texts_of(event)) {
            const std::size_t size = std::min(text.size(), kEventTextMax);
            bytes_[size_++] = static_cast<char>(size);
            if (size > 0) std::memcpy(bytes_.data() + size_, text.data(), size);
            size_ += size;
        }
    }
    std::string_view view() const { return {bytes_.data(), size_}; }

  private:
    // The bytes stay uninitialised: zeroing them would cost more than filling them.
    std::array<char, 5 * (1 + kEventTextMax)> bytes_;
    std::size_t size_ = 0;
};

}  // namespace

Status DimensionTable::load(SqlConnection& store) {
    slots_.assign(kSlots, {});
    by_stored_.clear();
    next_ = 1;
    return store.query(
        "SELECT id, model, upstream_model, deployment, provider, region FROM usage_dimensions", {},
        [this](const SqlRow& row) {
            std::string text;
            for (int i = 1; i <= 5; ++i) append_text(row.text(i), &text);
            const auto id = static_cast<std::uint32_t>(row.integer(0));
            by_stored_[text] = id;
            next_ = std::max(next_, id + 1);
            return true;
        });
}

std::uint32_t DimensionTable::find(const UsageEvent& event) {
    const RawTexts texts(event);
    const std::string_view raw = texts.view();
    Slot& slot = slots_[hash64(raw) % kSlots];
    if (slot.id != 0 && slot.raw == raw) return slot.id;
    stored_.clear();
    for (const std::string_view text : texts_of(event))
        append_text(storable(text, &scratch_), &stored_);
    const auto known = by_stored_.find(stored_);
    if (known == by_stored_.end()) return 0;
    slot.raw = raw;
    slot.id = known->second;
    return slot.id;
}

Result<std::uint32_t> DimensionTable::add(SqlConnection& store, const UsageEvent& event) {
    std::vector<SqlValue> values{std::int64_t{next_}};
    stored_.clear();
    for (const std::string_view text : texts_of(event)) {
        const std::string_view kept = storable(text, &scratch_);
        append_text(kept, &stored_);
        values.emplace_back(std::string(kept));
    }
    const Result<std::int64_t> inserted = store.execute(
        "INSERT INTO usage_dimensions (id, model, upstream_model, deployment, provider, region) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        values);
    if (!inserted.ok()) return fail(inserted.error());
    by_stored_.emplace(stored_, next_);
    return next_++;
}

}  // namespace tg
