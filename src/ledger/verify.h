#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/sql.h"

namespace tg {

struct LedgerVerifyOptions {
    /// Verifier key of the proof log (ProofKey::verifier_text()); empty: signatures are not
    /// checked.
    std::string verifier_key{};
};

struct LedgerVerifyReport {
    std::uint64_t entries = 0, postings = 0, accounts = 0, snapshots = 0;
    std::uint64_t leaves = 0, heads = 0;  ///< of the proof log
    std::vector<std::string>
        problems;  ///< "chain: entry 17 (bill BILL-...): ..."; at most 100 a kind
    bool ok() const { return problems.empty(); }
};

/// Checks everything that the ledger can prove about itself, on one moment of the store, while
/// others write:
/// - number, time: entries are 1, 2, 3, ..., and booking times never go back;
/// - content, chain: every hash is what its rows say, and binds the entry before; the head is the
///   last entry's;
/// - balance, posting: every entry sums to zero in each currency, of postings that the chart
///   allows; all accounts together sum to zero; no posting is without its entry;
/// - duplicate: no cause is booked twice, no entry reversed twice, no account there twice;
/// - reversal: a reversal is the exact opposite of an earlier entry;
/// - side: at no moment did a balance stand on a side that the chart forbids;
/// - snapshot, report: every snapshot, and every balance that reports read, is the sum of postings;
/// - bill: conversion, rounding and VAT of each bill are what its recorded rates make of it;
/// - proof: leaves, subtrees and signed heads of the proof log, and that it holds the ledger's
///   entries as they are.
/// Errors: those of the store. What is wrong with the books is not an error but a problem.
Result<LedgerVerifyReport> verify_ledger(SqlConnection& connection,
                                         const LedgerVerifyOptions& options);

}  // namespace tg
