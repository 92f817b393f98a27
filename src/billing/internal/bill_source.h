#pragma once
// What bills are made of, read for many customers at once: a month is closed with a few statements
// for a batch of bills instead of a dozen for each.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "billing/bill_adjustments.h"
#include "billing/internal/bill_rows.h"
#include "billing/internal/contract_month.h"
#include "identity/audit_log.h"

namespace tg::bill_internal {

struct BillCustomer {
    CustomerId id;
    std::string code, name, time_zone;
};

/// A month of one customer as the roll-ups have it.
struct MonthUsage {
    struct Counts {
        std::string project;
        std::int64_t requests = 0, unpriced = 0, estimated = 0, unconfirmed = 0, fallback = 0;
    };
    /// Without amounts. What differs only in deployment, region or the name the provider gave the
    /// model comes apart, and so does what falls into another segment of the contract's month.
    struct Part {
        BillLine line;
        std::size_t segment = 0;
    };
    std::vector<Part> parts;
    std::vector<Counts> counts;
    std::vector<std::uint32_t> price_versions;
    Status bad;  ///< corrupt_data: a line cannot be read
};

/// Usage that the ledger has as not billed: of the month, and what is late on its bill.
struct UnbilledUsage {
    struct Part {
        ProjectId project;
        std::string project_code;
        YearMonth month;
        Currency currency = Currency::usd;
        Femto exact;
    };
    std::vector<Part> own, late;
    /// Earlier months with usage whose bill is not final.
    std::vector<YearMonth> open_before;
};
/// In the order of a bill; what has the same place on it is one line.
std::vector<BillLine> whole_lines(std::vector<BillLine> parts);

/// What a bill has beside the month's usage.
struct BillExtras {
    std::vector<BillLine> late{};
    const ContractMonth* contract = nullptr;  ///< null: none
    std::span<const BillAdjustment> adjustments{};
};
/// Errors: invalid_config (terms), corrupt_data.
Result<Bill> build_bill(const BillCustomer& customer, const MonthUsage& usage, YearMonth month,
                        const BillTerms& terms, const BillExtras& extras);

/// The calls of a project, or of all, that a bill names apart.
void count_events(const MonthUsage& usage, const std::optional<std::string>& project, Bill* bill);

/// Errors: not_found.
Status check_project(SqlConnection& store, const BillCustomer& customer, const std::string& code);
/// Errors: not_found.
Result<BillCustomer> bill_customer(SqlConnection& store, std::string_view code);
using ContractMonths = std::map<CustomerId, ContractMonth>;
Result<std::map<CustomerId, MonthUsage>> read_month(SqlConnection& store,
                                                    std::span<const CustomerId> customers,
                                                    YearMonth month,
                                                    const ContractMonths& contracts = {});

/// As of one moment when the books are locked.
class BillSource {
  public:
    struct Of {
        BillCustomer customer;
        std::optional<BillRow> row;  ///< of the month, in the register
        UnbilledUsage unbilled;
        MonthUsage usage;
        std::vector<BillLine> late;  ///< the lines of unbilled.late
        std::optional<ContractMonth> contract;
        std::vector<BillAdjustment> adjustments;  ///< those that hold
        bool is_empty() const {
            return usage.counts.empty() && unbilled.late.empty() && adjustments.empty() &&
                   !(contract && contract->has_fixed_charges());
        }
        /// The bill as it would be now. What a contract says about the rate goes before `terms`.
        Result<Bill> compose(YearMonth month, const BillTerms& terms) const;
    };
    static Result<BillSource> load(SqlConnection& store, std::span<const CustomerId> customers,
                                   YearMonth month);
    YearMonth month() const { return month_; }
    /// Null for a customer that the store does not have, or that was not asked for.
    const Of* find(CustomerId customer) const {
        const auto found = all_.find(customer);
        return found == all_.end() ? nullptr : &found->second;
    }

  private:
    Status read_unbilled(SqlConnection& store, std::span<const CustomerId> customers);
    Status read_late(SqlConnection& store);
    Status read_adjustments(SqlConnection& store, std::span<const CustomerId> customers);

    YearMonth month_;
    std::map<CustomerId, Of> all_;
};

/// What a step made of one bill.
struct Step {
    BillHead head{};
    bool has_changed = false;
    /// Why it went no further. What was written until then is to be kept.
    std::optional<Error> refused{};
    std::optional<Error> warning{};  ///< what stands in the way of the next step
    // What is left to do by finish_steps().
    struct Final {
        std::string id, document;
        std::vector<BillTotal> shares{};
        std::optional<Entry> entry{};
    };
    std::optional<Final> final{};  ///< of a bill that has become final
    std::optional<AuditEntry> record{};
};
/// Steps inside the caller's transaction, with the books locked, from what was read after that.
/// Errors: those after which the transaction cannot go on.
Result<Step> draft_locked(SqlConnection& store, const BillSource::Of& of, YearMonth month,
                          const Result<BillTerms>& dated, const Change& change);
Result<Step> review_locked(SqlConnection& store, const BillSource::Of& of, const Change& change);
Result<Step> finalise_locked(SqlConnection& store, const BillSource::Of& of, const Change& change,
                             FinalBy by);
/// Ledger entries, then leaves of the proof log, then audit records, in the order of their locks.
Status finish_steps(SqlConnection& store, std::vector<Step> steps, UtcMicros now);

}  // namespace tg::bill_internal
