#pragma once
// The parts of verify_ledger().
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/internal/entry_rows.h"
#include "ledger/verify.h"

namespace tg::ledger_internal {

/// What is wrong, by kind; the first hundred of each are named.
class LedgerProblems {
  public:
    static constexpr std::size_t kNamedMax = 100;
    void add(std::string_view kind, std::string text);
    std::vector<std::string> take();

  private:
    struct Kind {
        std::vector<std::string> named;
        std::uint64_t more = 0;
    };
    std::map<std::string, Kind, std::less<>> kinds_;
};

std::string entry_name(const EntryRow& row);  ///< "entry 17 (bill BILL-acme-202611)"

/// Chart, grain, lines and balance of one entry.
void check_postings(const EntryRow& row, LedgerProblems* problems);
/// Conversion, rounding and tax of a bill against its recorded rates.
void check_bill_entry(const EntryRow& row, LedgerProblems* problems);
/// Rows that unique indexes and references should have made impossible.
Status check_duplicates(SqlConnection& connection, LedgerProblems* problems);
/// Everything of the proof log. Errors: of the store.
Status check_proof_log(SqlConnection& connection, const std::string& verifier_key,
                       LedgerVerifyReport* report, LedgerProblems* problems);

}  // namespace tg::ledger_internal
