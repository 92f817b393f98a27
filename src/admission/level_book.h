#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "admission/admission.h"
#include "admission/limit_table.h"

namespace tg {

/// Which level stands for which subject, and the one place where a level's limits in force come
/// from: what the table says, and no more than this process's share of it.
///
/// A share is what a fleet sets: of a limit that several processes enforce together, the part this
/// one may use now. Without one the process enforces the whole limit by itself.
///
/// Thread-safe. Levels are made when they are first asked for and never forgotten.
class LevelBook {
  public:
    /// `admission` outlives the book, and nobody else interns or limits its levels.
    LevelBook(Admission* admission, std::shared_ptr<const LimitTable> table)
        : admission_(admission), table_(std::move(table)) {}

    /// The level of a subject, with its limits in force. Callers keep the handle.
    LevelHandle level(const LimitSubject& subject);
    /// Limits of another table hold for the running windows from its return on.
    void set_table(std::shared_ptr<const LimitTable> table, std::int64_t now_us);
    std::shared_ptr<const LimitTable> table() const;

    /// This process's share of the level, nullopt: all of it. Kept for a level that is not known
    /// yet. Effective at once.
    void set_share(LevelId level, const std::optional<Limits>& share, std::int64_t now_us);

    /// Each level that is in use, with its limits of the table: what a fleet leases shares of.
    /// `visit` must not call back.
    using Visit = std::function<void(const LimitSubject&, LevelId, const Limits& configured)>;
    void for_each(const Visit& visit) const;
    std::size_t size() const;

  private:
    struct Entry {
        LimitSubject subject;
        LevelHandle handle;
    };
    Limits in_force(const LimitSubject& subject, LevelId level) const;

    Admission* admission_;
    mutable std::mutex mutex_;
    std::shared_ptr<const LimitTable> table_;
    std::unordered_map<LevelId, Entry> entries_;
    std::unordered_map<LevelId, Limits> shares_;
};

}  // namespace tg
