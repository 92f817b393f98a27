#include "billing/internal/verify_parts.h"

namespace tg {
namespace {

Result<std::vector<Chunk>> stored_chunks(SqlConnection& store) {
    std::vector<Chunk> out;
    TG_CHECK_OK(store.query(
        "SELECT journal_id, first_sequence, last_sequence, from_lsn, to_lsn FROM usage_chunks "
        "ORDER BY first_sequence",
        {}, [&out](const SqlRow& row) {
            out.push_back({.journal = row.integer(0),
                           .first_sequence = row.integer(1),
                           .last_sequence = row.integer(2),
                           .from = Lsn{static_cast<std::uint64_t>(row.integer(3))},
                           .to = Lsn{static_cast<std::uint64_t>(row.integer(4))}});
            return true;
        }));
    return out;
}

/// How chunks follow each other, and where they end.
class Tiling {
  public:
    /// Of `journals`, each from its beginning.
    explicit Tiling(const std::vector<SettledJournal>& journals) {
        for (const SettledJournal& journal : journals) ends_[journal.id] = Lsn{};
    }
    /// What is wrong with `chunk` as the next one; "" when nothing is.
    std::string add(const Chunk& chunk) {
        const std::string title =
            "the one that begins with event " + std::to_string(chunk.first_sequence);
        const auto end = ends_.find(chunk.journal);
        if (end == ends_.end())
            return title + " is of journal " + std::to_string(chunk.journal) +
                   ", which settle_journals does not have";
        const bool follows = chunk.first_sequence == next_sequence_ && chunk.from == end->second &&
                             chunk.last_sequence >= chunk.first_sequence - 1;
        next_sequence_ = chunk.last_sequence + 1;
        end->second = chunk.to;
        return follows ? "" : title + " does not follow the one before it";
    }
    std::int64_t next_sequence() const { return next_sequence_; }
    Lsn end(const SettledJournal& journal) const { return ends_.at(journal.id); }

  private:
    std::int64_t next_sequence_ = 1;
    std::map<std::int64_t, Lsn> ends_;
};

/// What is wrong with the chunks; "" when nothing is. Appends what is settled behind them.
std::string check_tiling(const BooksPosition& position, std::vector<Chunk>* chunks) {
    Tiling tiling(position.journals);
    for (const Chunk& chunk : *chunks)
        if (std::string wrong = tiling.add(chunk); !wrong.empty()) return wrong;
    if (tiling.next_sequence() != position.next_sequence)
        return "they do not end where settle_position does";
    for (const SettledJournal& journal : position.journals) {
        const Lsn end = tiling.end(journal);
        if (end > journal.settled_to) return "they do not end where settle_journals does";
        if (end == journal.settled_to) continue;
        chunks->push_back({.journal = journal.id,
                           .first_sequence = position.next_sequence,
                           .last_sequence = position.next_sequence - 1,
                           .from = end,
                           .to = journal.settled_to});
    }
    return {};
}

}  // namespace

Result<BooksPosition> books_position(SqlConnection& store) {
    BooksPosition out;
    TG_TRY(out.journals, settled_journals(store));
    TG_CHECK_OK(store.query("SELECT next_sequence FROM settle_position WHERE id = 1", {},
                            [&out](const SqlRow& row) {
                                out.next_sequence = row.integer(0);
                                return true;
                            }));
    return out;
}

Result<std::vector<Chunk>> read_chunks(SqlConnection& store, const BooksPosition& position,
                                       Problems* problems) {
    TG_TRY(std::vector<Chunk> out, stored_chunks(store));
    const std::string broken = check_tiling(position, &out);
    if (broken.empty()) return out;
    problems->add("chunks", "usage_chunks: " + broken);
    out.clear();
    if (position.journals.size() == 1) {
        const SettledJournal& only = position.journals.front();
        out.push_back({.journal = only.id,
                       .first_sequence = 1,
                       .last_sequence = position.next_sequence - 1,
                       .from = Lsn{},
                       .to = only.settled_to});
    }
    return out;
}

}  // namespace tg
