#include "admission/level_book.h"

namespace tg {

Limits LevelBook::in_force(const LimitSubject& subject, LevelId level) const {
    const Limits configured = table_->limits_of(subject);
    const auto share = shares_.find(level);
    return share == shares_.end() ? configured : tighter(configured, share->second);
}

LevelHandle LevelBook::level(const LimitSubject& subject) {
    const LevelId id = level_id(subject);
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = entries_.try_emplace(id);
    if (is_new) at->second = {subject, admission_->intern(id, in_force(subject, id))};
    return at->second.handle;
}

void LevelBook::set_table(std::shared_ptr<const LimitTable> table, std::int64_t now_us) {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<const LimitTable> before = std::exchange(table_, std::move(table));
    for (const auto& [id, entry] : entries_) {
        if (before->limits_of(entry.subject) == table_->limits_of(entry.subject)) continue;
        admission_->set_limits(entry.handle, in_force(entry.subject, id), now_us);
    }
}

std::shared_ptr<const LimitTable> LevelBook::table() const {
    const std::lock_guard lock(mutex_);
    return table_;
}

void LevelBook::set_share(LevelId level, const std::optional<Limits>& share, std::int64_t now_us) {
    const std::lock_guard lock(mutex_);
    if (share) {
        shares_[level] = *share;
    } else {
        shares_.erase(level);
    }
    const auto entry = entries_.find(level);
    if (entry == entries_.end()) return;
    admission_->set_limits(entry->second.handle, in_force(entry->second.subject, level), now_us);
}

void LevelBook::for_each(const Visit& visit) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_)
        visit(entry.subject, id, table_->limits_of(entry.subject));
}

std::size_t LevelBook::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace tg
