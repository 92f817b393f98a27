#pragma once
#include <memory>
#include <string>

#include "base/json_writer.h"
#include "identity/directory.h"
#include "ledger/balances.h"
#include "ledger/ledger.h"
#include "ledger/verify.h"

namespace tg {

/// Codes of customers and projects, which people know them by; "" for none, "#7" for one that is
/// not in the directory.
class OwnerCodes {
  public:
    static Result<OwnerCodes> load(SqlConnection& store);
    /// Errors: not_found.
    Result<CustomerId> customer(const std::string& code) const;
    std::string of(CustomerId id) const;
    std::string of(ProjectId id) const;

  private:
    std::shared_ptr<const Directory> directory_;
};

/// By number or name. Errors: invalid_request.
Result<AccountCode> parse_account(const std::string& text);
/// Also of an account that only a damaged store has.
std::string title_of(AccountCode code);
std::string_view text_of(BalanceSide side);    ///< "debit only"
std::string_view text_of(AccountOwner owner);  ///< "own books"
std::string_view text_of(Grain grain);         ///< "0.01" or "10^-15"

/// How the ledger looks in JSON, to the API and at the command line. Amounts are decimal text,
/// debit positive.
void write_chart_account(JsonWriter& w, const AccountInfo& account);
void write_balance(JsonWriter& w, const AccountBalance& balance, const OwnerCodes& owners);
void write_booked_entry(JsonWriter& w, const BookedEntry& booked, const OwnerCodes& owners);
void write_ledger_report(JsonWriter& w, const LedgerVerifyReport& report);

/// Takes entry `number` back by an opposite one, with its audit record, in one transaction. Errors:
/// those of LedgerWriter::reverse().
Result<Booking> reverse_booked_entry(SqlConnection& store, std::int64_t number,
                                     const std::string& reason, const std::string& actor,
                                     UtcMicros now);

}  // namespace tg
