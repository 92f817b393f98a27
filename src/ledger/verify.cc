#include "ledger/verify.h"

#include <set>

#include "ledger/balances.h"
#include "ledger/internal/head.h"
#include "ledger/internal/verify_parts.h"
#include "ledger/internal/wide_amount.h"

namespace tg {
namespace ledger_internal {

void LedgerProblems::add(std::string_view kind, std::string text) {
    Kind& found = kinds_[std::string(kind)];
    if (found.named.size() < kNamedMax)
        found.named.push_back(std::string(kind) + ": " + std::move(text));
    else
        ++found.more;
}

std::vector<std::string> LedgerProblems::take() {
    std::vector<std::string> out;
    for (auto& [name, kind] : kinds_) {
        std::ranges::move(kind.named, std::back_inserter(out));
        if (kind.more > 0)
            out.push_back(name + ": and " + std::to_string(kind.more) + " more of this kind");
    }
    kinds_.clear();
    return out;
}

std::string entry_name(const EntryRow& row) {
    const Cause& cause = row.booked.entry.cause;
    return "entry " + std::to_string(row.booked.number) + " (" +
           (is_known_cause(row.cause_number) ? text(cause)
                                             : "cause " + std::to_string(row.cause_number)) +
           ")";
}

}  // namespace ledger_internal

namespace {

using ledger_internal::EntryRow;
using ledger_internal::Head;
using ledger_internal::LedgerProblems;

std::string amount_text(Femto amount) {
    return format_amount(amount);
}

/// Walks the entries in order and keeps what they add up to.
class Walk {
  public:
    Walk(SqlConnection& connection, LedgerVerifyReport* report, LedgerProblems* problems)
        : connection_(connection), report_(*report), problems_(*problems) {}

    Status run();

  private:
    struct Account {
        AccountKey key;
        Femto balance;
    };

    Status read_until(std::int64_t last);
    void visit(const EntryRow& row);
    void check_order(const EntryRow& row);
    void check_hashes(const EntryRow& row);
    void add_up(const EntryRow& row);
    Status check_snapshot(std::int64_t number);
    void check_head(const Head& head, std::int64_t last_snapshot);
    Status check_reversals();
    Status check_reports();
    void check_total();

    SqlConnection& connection_;
    LedgerVerifyReport& report_;
    LedgerProblems& problems_;
    std::int64_t last_number_ = 0;
    std::string last_hash_;
    UtcMicros last_booked_at_{INT64_MIN};
    std::unordered_map<std::int64_t, Account> accounts_;  ///< by row id
    std::set<std::int64_t> changed_;                      ///< since the last snapshot
    std::vector<std::pair<std::int64_t, Entry>> reversals_;
};

void Walk::check_order(const EntryRow& row) {
    const std::int64_t number = row.booked.number;
    if (number != last_number_ + 1) {
        problems_.add("number", number == last_number_ + 2
                                    ? "entry " + std::to_string(last_number_ + 1) + " is missing"
                                    : "entries " + std::to_string(last_number_ + 1) + " to " +
                                          std::to_string(number - 1) + " are missing");
    }
    if (row.booked.booked_at < last_booked_at_)
        problems_.add("time", entry_name(row) + ": was booked at " +
                                  format_rfc3339(row.booked.booked_at) +
                                  ", before the entry in front of it");
    last_number_ = number;
    last_booked_at_ = std::max(last_booked_at_, row.booked.booked_at);
}

void Walk::check_hashes(const EntryRow& row) {
    const BookedEntry& booked = row.booked;
    if (!is_known_cause(row.cause_number))
        problems_.add("content", entry_name(row) + ": its cause is of no known kind");
    if (!row.has_readable_details)
        problems_.add("content", entry_name(row) + ": its details cannot be read");
    if (sha256_hex(canonical_content(booked.entry)) != booked.content_hash)
        problems_.add("content", entry_name(row) +
                                     ": its cause, time, details or postings were changed: they "
                                     "do not fit its content hash");
    if (sha256_hex(canonical_record(booked.entry, booked.number, last_hash_, booked.booked_at)) !=
        booked.hash)
        problems_.add("chain", entry_name(row) +
                                   ": its hash does not follow from its content and the hash of "
                                   "the entry in front");
    last_hash_ = booked.hash;
}

void Walk::add_up(const EntryRow& row) {
    std::set<std::int64_t> touched;
    for (std::size_t i = 0; i < row.postings.size(); ++i) {
        const Posting& posting = row.booked.entry.postings[i];
        const std::int64_t id = row.postings[i].account_id;
        Account& account = accounts_[id];
        account.key = posting.account;
        account.balance += posting.amount;
        touched.insert(id);
    }
    for (const std::int64_t id : touched) {
        changed_.insert(id);
        const Account& account = accounts_.at(id);
        const AccountInfo* chart = find_account(number(account.key.code));
        if (chart == nullptr || chart->side == BalanceSide::either) continue;
        const int128 value = account.balance.value;
        if (chart->side == BalanceSide::debit_only ? value < 0 : value > 0)
            problems_.add("side", entry_name(row) + ": leaves account " + text(account.key) +
                                      " at " + amount_text(account.balance) + ", a " +
                                      (value < 0 ? "credit" : "debit") +
                                      " balance that the chart forbids");
    }
}

void Walk::visit(const EntryRow& row) {
    ++report_.entries;
    report_.postings += row.postings.size();
    check_order(row);
    check_hashes(row);
    ledger_internal::check_postings(row, &problems_);
    ledger_internal::check_bill_entry(row, &problems_);
    add_up(row);
    if (row.booked.entry.reverses != 0)
        reversals_.emplace_back(row.booked.number, row.booked.entry);
}

Status Walk::read_until(std::int64_t last) {
    return ledger_internal::read_rows(connection_, last_number_ + 1, last, "", {},
                                      [this](const EntryRow& row) {
                                          visit(row);
                                          return true;
                                      });
}

/// The rows of the snapshot after entry `number` against what the postings add up to.
Status Walk::check_snapshot(std::int64_t number) {
    const std::string name = "snapshot after entry " + std::to_string(number);
    TG_CHECK_OK(connection_.query(
        "SELECT account_id, amount_high, amount_low FROM ledger_snapshots WHERE number = ? ORDER "
        "BY account_id",
        {number}, [&](const SqlRow& row) {
            ++report_.snapshots;
            const std::int64_t id = row.integer(0);
            const Femto stored = ledger_internal::join_wide(row.integer(1), row.integer(2));
            const auto found = accounts_.find(id);
            if (found == accounts_.end() || !changed_.contains(id)) {
                problems_.add("snapshot", name + ": has account row " + std::to_string(id) +
                                              ", which had no posting since the one before");
            } else if (stored != found->second.balance) {
                problems_.add("snapshot", name + ": account " + text(found->second.key) + " is " +
                                              amount_text(stored) + ", its postings add up to " +
                                              amount_text(found->second.balance));
            }
            changed_.erase(id);
            return true;
        }));
    for (const std::int64_t id : changed_)
        problems_.add("snapshot", name + ": account " + text(accounts_.at(id).key) +
                                      " is missing, but has postings");
    changed_.clear();
    return {};
}

void Walk::check_head(const Head& head, std::int64_t last_snapshot) {
    if (head.entries != last_number_)
        problems_.add("number", "the ledger ends with entry " + std::to_string(last_number_) +
                                    ", but " + std::to_string(head.entries) +
                                    " were booked: its end was cut or added to");
    if (head.hash != last_hash_)
        problems_.add("chain",
                      "the head's hash is not that of entry " + std::to_string(last_number_));
    if (report_.entries > 0 && head.booked_at != last_booked_at_)
        problems_.add("time", "the head's booking time is " + format_rfc3339(head.booked_at) +
                                  ", the last entry's " + format_rfc3339(last_booked_at_));
    if (head.snapshot_number != last_snapshot)
        problems_.add("snapshot", "the last snapshot is that after entry " +
                                      std::to_string(last_snapshot) + ", but the head says " +
                                      std::to_string(head.snapshot_number));
}

Status Walk::check_reversals() {
    for (const auto& [number, entry] : reversals_) {
        const std::string name = "entry " + std::to_string(number) + " (" + text(entry.cause) + ")";
        const Result<BookedEntry> original = read_entry(connection_, entry.reverses);
        if (!original.ok() && original.error().code == ErrorCode::store_unavailable)
            return fail(original.error());
        if (!original.ok() || entry.reverses >= number) {
            problems_.add("reversal", name + ": reverses entry " + std::to_string(entry.reverses) +
                                          ", which is not an earlier entry");
            continue;
        }
        const Entry opposite = reversal_of(original->entry, entry.reverses, entry.occurred_at, "");
        if (opposite.postings != entry.postings || opposite.cause != entry.cause)
            problems_.add("reversal", name + ": is not the exact opposite of entry " +
                                          std::to_string(entry.reverses));
    }
    return {};
}

/// What reports read, by the short way over snapshots, against the sums of all postings.
Status Walk::check_reports() {
    TG_TRY(const std::vector<AccountBalance> read, read_balances(connection_, {}));
    std::map<AccountKey, Femto> computed;
    for (const auto& [id, account] : accounts_) computed[account.key] += account.balance;
    for (const AccountBalance& each : read) {
        const auto found = computed.find(each.account);
        const Femto sum = found == computed.end() ? Femto{} : found->second;
        if (each.amount != sum)
            problems_.add("report", "account " + text(each.account) + " is reported as " +
                                        amount_text(each.amount) + ", its postings add up to " +
                                        amount_text(sum));
        if (found != computed.end()) computed.erase(found);
    }
    for (const auto& [key, sum] : computed)
        problems_.add("report", "account " + text(key) +
                                    " is not reported, its postings add up to " + amount_text(sum));
    return {};
}

void Walk::check_total() {
    std::array<int128, kCurrencyCount> sums{};
    for (const auto& [id, account] : accounts_)
        sums[static_cast<std::size_t>(account.key.currency)] += account.balance.value;
    for (int i = 0; i < kCurrencyCount; ++i) {
        const int128 sum = sums[static_cast<std::size_t>(i)];
        if (sum == 0) continue;
        problems_.add("balance", "all accounts in " + std::string(code(static_cast<Currency>(i))) +
                                     " add up to " + amount_text({sum}) + " instead of zero");
    }
    report_.accounts = accounts_.size();
}

Status Walk::run() {
    TG_TRY(const Head head, ledger_internal::read_head(connection_));
    std::vector<std::int64_t> snapshots;
    TG_CHECK_OK(connection_.query("SELECT DISTINCT number FROM ledger_snapshots ORDER BY number",
                                  {}, [&](const SqlRow& row) {
                                      snapshots.push_back(row.integer(0));
                                      return true;
                                  }));
    for (const std::int64_t number : snapshots) {
        TG_CHECK_OK(read_until(number));
        if (last_number_ < number)
            problems_.add("snapshot", "there is a snapshot after entry " + std::to_string(number) +
                                          ", but no such entry");
        TG_CHECK_OK(check_snapshot(number));
    }
    TG_CHECK_OK(read_until(INT64_MAX));
    check_head(head, snapshots.empty() ? 0 : snapshots.back());
    check_total();
    TG_CHECK_OK(check_reversals());
    return check_reports();
}

}  // namespace

Result<LedgerVerifyReport> verify_ledger(SqlConnection& connection,
                                         const LedgerVerifyOptions& options) {
    LedgerVerifyReport report;
    LedgerProblems problems;
    TG_TRY(const LedgerReadSnapshot snapshot, LedgerReadSnapshot::begin(connection));
    TG_CHECK_OK(Walk(connection, &report, &problems).run());
    TG_CHECK_OK(ledger_internal::check_duplicates(connection, &problems));
    TG_CHECK_OK(
        ledger_internal::check_proof_log(connection, options.verifier_key, &report, &problems));
    report.problems = problems.take();
    return report;
}

}  // namespace tg
