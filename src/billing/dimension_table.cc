#include "billing/internal/dimension_table.h"

#include <algorithm>
#include <array>

#include "billing/internal/usage_text.h"

namespace tg {
namespace {

/// More spellings than this of texts that cannot be stored are not worth remembering.
constexpr std::size_t kRawMax = 100'000;

std::array<std::string_view, 5> texts_of(const UsageEvent& event) {
    return {event.model, event.upstream_model, event.deployment, event.provider, event.region};
}

/// Texts of any bytes, one after the other: a text is at most 255 bytes long.
void append_text(std::string_view text, std::string* out) {
    out->push_back(static_cast<char>(std::min(text.size(), kEventTextMax)));
    out->append(text);
}

}  // namespace

Status DimensionTable::load(SqlConnection& store) {
    by_raw_.clear();
    by_stored_.clear();
    last_id_ = 0;
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
    raw_.clear();
    for (const std::string_view text : texts_of(event)) append_text(text, &raw_);
    if (last_id_ != 0 && raw_ == last_raw_) return last_id_;
    auto found = by_raw_.find(raw_);
    if (found == by_raw_.end()) {
        stored_.clear();
        for (const std::string_view text : texts_of(event))
            append_text(storable(text, &scratch_), &stored_);
        const auto known = by_stored_.find(stored_);
        if (known == by_stored_.end()) return 0;
        if (by_raw_.size() >= kRawMax) by_raw_.clear();
        found = by_raw_.emplace(raw_, known->second).first;
    }
    last_raw_ = raw_;
    last_id_ = found->second;
    return last_id_;
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
