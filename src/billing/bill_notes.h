#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "billing/bill_register.h"

namespace tg {

enum class NoteKind : std::uint8_t { credit, debit };
std::string_view name(NoteKind kind);  ///< "credit_note", "debit_note"

/// The only correction of a final bill: CN-{customer}-{YYYYMM}-{n} or DN-..., n from 1 without
/// gaps. Booked, in the proof log, never changed. Amounts are fen of RMB and not negative.
struct BillNote {
    std::string id, bill_id;
    NoteKind kind = NoteKind::credit;
    std::string project;  ///< whose part of the bill it corrects
    std::int64_t net_fen = 0;
    std::int64_t tax_fen = 0;  ///< cumulative: all notes over the whole bill are its tax
    std::int64_t total_fen = 0;
    std::int64_t refund_fen = 0;  ///< of a credit note: what had been paid, and is owed back
    std::string reason, reference;
    UtcMicros issued_at;
    std::string issued_by;
};

struct NoteRequest {
    std::string bill_id;
    NoteKind kind = NoteKind::credit;
    std::string project{};  ///< may be left out when the bill has only one
    std::int64_t net_fen = 0;
    std::string reason;
    /// Chosen by who asks: the same request with the same reference again is the same note.
    std::string reference{};
};
/// Issues a note, in one transaction. Errors: not_found (bill, project); invalid_request (no
/// amount, no reason); conflict (the bill is not final; a credit note over more than is left of
/// the project's part; a reference used for something else).
Result<BillNote> issue_note(SqlConnection& store, const NoteRequest& request, const Change& change);

/// Takes back all that is left of a bill, by a credit note for each project. A bill of which
/// nothing is left stays as it is. Errors as issue_note().
Result<std::vector<BillNote>> void_bill(SqlConnection& store, std::string_view bill_id,
                                        const std::string& reason, const Change& change);

/// Those of one bill in order of issue. Errors: those of the store.
Result<std::vector<BillNote>> list_notes(SqlConnection& store, std::string_view bill_id);

/// Errors: not_found.
Result<BillNote> find_note(SqlConnection& store, std::string_view id);

/// The document: what is in the proof log.
std::string note_as_json(const BillNote& note);

}  // namespace tg
