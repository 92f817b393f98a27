#include "billing/contracts.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/json_writer.h"
#include "base/time_zone.h"
#include "billing/internal/bill_source.h"
#include "billing/internal/settle_writer.h"
#include "identity/audit_log.h"
#include "ledger/proof_log.h"
#include "store/read_rows.h"
#include "store/stored_enum.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::array<std::string_view, kContractKindCount> kKindNames = {"none", "one_year",
                                                                         "three_years"};
constexpr std::array<std::string_view, 3> kStatusNames = {"planned", "active", "ended"};
constexpr std::size_t kCodeMax = 64, kTextMax = 500;

Civil civil_of(std::int32_t day) {
    return to_civil({day * std::int64_t{86'400'000'000}});
}

/// The last day of a term that begins on `first`: a year later, less a day. Of 29 February that is
/// 28 February.
std::int32_t last_day_of_term(std::int32_t first, ContractKind kind) {
    if (kind == ContractKind::none) return kNoDay;
    const int years = kind == ContractKind::one_year ? 1 : 3;
    return static_cast<std::int32_t>(same_day_later(first, years) - 1);
}

std::string range_text(std::int32_t first, std::int32_t last) {
    return day_text(first) + (last == kNoDay ? " on" : " to " + day_text(last));
}

std::string head_json(const Contract& contract) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("code", contract.code).field("customer", contract.customer_code);
    w.field("kind", name(contract.kind)).field("first_day", day_text(contract.first_day));
    if (contract.end_day != kNoDay) w.field("end_day", day_text(contract.end_day));
    w.field("version", contract.versions.back().version).end_object();
    return out;
}

Status check_reason(const std::string& reason) {
    if (!reason.empty() && reason.size() <= kTextMax) return {};
    return fail(ErrorCode::invalid_request,
                "a reason of at most " + std::to_string(kTextMax) + " bytes is needed");
}

Status check_new(const NewContract& contract) {
    const auto is_plain = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '.' || c == '_' || c == '-';
    };
    if (contract.code.empty() || contract.code.size() > kCodeMax ||
        !std::ranges::all_of(contract.code, is_plain)) {
        return fail(ErrorCode::invalid_request,
                    "'" + contract.code.substr(0, 80) + "' is no contract number: 1 to " +
                        std::to_string(kCodeMax) + " letters, digits, '.', '_' and '-'");
    }
    if (contract.framework.size() > kTextMax)
        return fail(ErrorCode::invalid_request, "the framework agreement's number has more than " +
                                                    std::to_string(kTextMax) + " bytes");
    constexpr std::int32_t kDayMax = 2'000'000;  // the year 7445
    if (contract.first_day < 0 || contract.first_day > kDayMax)
        return fail(ErrorCode::invalid_request, "the first day cannot be; write it as 2026-11-01");
    return {};
}

/// No bill of a month that ends on or after `day` may be final.
Status check_not_final(SqlConnection& store, CustomerId customer, std::int32_t day,
                       const std::string& what) {
    const Civil civil = civil_of(day);
    const std::int64_t month = month_number({civil.year, civil.month});
    std::string final;
    TG_CHECK_OK(store.query(
        "SELECT id FROM bills WHERE customer_id = ? AND month >= ? AND status >= ? ORDER BY month "
        "DESC LIMIT 1",
        {std::int64_t{customer.get()}, month, static_cast<std::int64_t>(BillStatus::finalised)},
        [&final](const SqlRow& row) {
            final = row.text(0);
            return false;
        }));
    if (final.empty()) return {};
    return fail(ErrorCode::conflict,
                what + " from " + day_text(day) + " would change bill " + final +
                    ", which is final; choose a later day, and correct the bill by a note");
}

bool is_same(const Contract& contract, const NewContract& wanted) {
    const ContractVersion& first = contract.versions.front();
    return contract.customer_code == wanted.customer && contract.framework == wanted.framework &&
           contract.kind == wanted.kind && contract.first_day == wanted.first_day &&
           first.terms == wanted.terms;
}

Status check_no_other(SqlConnection& store, const Contract& contract) {
    TG_TRY(const std::vector<Contract> others, list_contracts(store, {contract.customer}));
    for (const Contract& other : others) {
        if (other.end_day < contract.first_day || other.first_day > contract.end_day) continue;
        return fail(ErrorCode::conflict, "customer '" + contract.customer_code + "' has contract " +
                                             other.code + " from " +
                                             range_text(other.first_day, other.end_day) +
                                             ": amend it, or end it first");
    }
    return {};
}

Status write_version(SqlConnection& store, const Contract& contract, const ContractVersion& version,
                     const Change& change) {
    TG_CHECK_OK(run(store,
                    "INSERT INTO contract_versions (contract_id, version, from_day, terms, reason, "
                    "created_at, created_by) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    {contract.id, std::int64_t{version.version}, std::int64_t{version.from_day},
                     contract_terms_as_json(version.terms), version.reason,
                     version.created_at.micros, version.created_by}));
    TG_TRY(const std::int64_t leaf,
           append_proof(store, kProofContract, contract_leaf_id(contract, version),
                        contract_version_as_json(contract, version), change.at));
    (void)leaf;
    return {};
}

Status record(SqlConnection& store, std::string_view action, const std::string& before,
              const Contract& after, const Change& change) {
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = std::string(action),
                     .subject_kind = "contract",
                     .subject_id = after.code,
                     .before = before,
                     .after = head_json(after)};
    return append_audit(store, entry);
}

/// Changes inside one transaction, with the books locked: no bill becomes final meanwhile.
template <typename Change>
Result<Contract> with_books(SqlConnection& store, const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(Contract out, change());
    TG_CHECK_OK(transaction.commit());
    return out;
}

Status check_covers(const Contract& contract, std::int32_t day) {
    if (day >= contract.first_day && day <= contract.end_day) return {};
    return fail(ErrorCode::invalid_request, day_text(day) + " is outside contract " +
                                                contract.code + ", which is from " +
                                                range_text(contract.first_day, contract.end_day));
}

/// What is committed adds up over versions, so it stays in one currency and period.
Status check_commitment(const Contract& contract, const Amendment& amendment) {
    const std::optional<Commitment>& after = amendment.terms.commitment;
    if (!after) return {};
    for (const ContractVersion& version : contract.versions) {
        const std::optional<Commitment>& before = version.terms.commitment;
        if (!before || (before->currency == after->currency && before->period == after->period))
            continue;
        return fail(ErrorCode::invalid_request,
                    "contract " + contract.code + " commits in " +
                        std::string(code(before->currency)) + " by the " +
                        std::string(name(before->period)) +
                        "; an amendment changes the amount only. For another currency or period "
                        "end the contract and make a new one");
    }
    return {};
}

Status check_may_end(const Contract& contract, std::int32_t end_day, std::int32_t today) {
    if (contract.end_day != contract.last_day)
        return fail(ErrorCode::conflict, "contract " + contract.code + " was ended before, by " +
                                             day_text(contract.end_day));
    if (contract.kind == ContractKind::one_year && end_day < today + kNoticeDays) {
        return fail(ErrorCode::conflict, "contract " + contract.code + " needs a notice of " +
                                             std::to_string(kNoticeDays) + " days: it can end on " +
                                             day_text(today + kNoticeDays) + " or later");
    }
    if (contract.kind == ContractKind::three_years &&
        contract.version_on(end_day).terms.termination_ppm == 0) {
        return fail(ErrorCode::conflict,
                    "contract " + contract.code +
                        " is for three years and cannot be ended: its terms name no penalty "
                        "(termination_percent)");
    }
    return {};
}

Result<Contract> to_contract(const SqlRow& row) {
    Contract out;
    out.id = row.integer(0);
    out.customer = CustomerId(static_cast<std::uint32_t>(row.integer(1)));
    out.customer_code = row.is_null(2) ? std::string() : std::string(row.text(2));
    out.code = row.text(3);
    TG_TRY(out.kind,
           stored_enum<ContractKind>(row.integer(4), kContractKindCount, "contracts.kind"));
    out.framework = row.text(5);
    out.first_day = static_cast<std::int32_t>(row.integer(6));
    out.last_day = static_cast<std::int32_t>(row.integer(7));
    out.end_day = static_cast<std::int32_t>(row.integer(8));
    out.end_reason = row.text(9);
    out.created_at = {row.integer(10)};
    out.created_by = row.text(11);
    return out;
}

Status read_versions(SqlConnection& store, std::vector<Contract>* contracts) {
    std::map<std::int64_t, Contract*> by_id;
    std::string places;
    std::vector<SqlValue> values;
    for (Contract& contract : *contracts) {
        by_id[contract.id] = &contract;
        places.append(places.empty() ? "?" : ", ?");
        values.emplace_back(contract.id);
    }
    Status bad;
    TG_CHECK_OK(store.query(
        "SELECT contract_id, version, from_day, terms, reason, created_at, created_by FROM "
        "contract_versions WHERE contract_id IN (" +
            places + ") ORDER BY contract_id, version",
        std::span(values), [&](const SqlRow& row) {
            Contract& contract = *by_id.at(row.integer(0));
            Result<ContractTerms> terms = parse_contract_terms(row.text(3));
            if (!terms.ok()) {
                bad = fail(ErrorCode::corrupt_data,
                           "the terms of contract " + contract.code + ", version " +
                               std::to_string(row.integer(1)) + ", cannot be read: " +
                               terms.error().detail + "; run: tollgate verify");
                return false;
            }
            contract.versions.push_back({.version = static_cast<int>(row.integer(1)),
                                         .from_day = static_cast<std::int32_t>(row.integer(2)),
                                         .terms = std::move(*terms),
                                         .reason = std::string(row.text(4)),
                                         .created_at = {row.integer(5)},
                                         .created_by = std::string(row.text(6))});
            return true;
        }));
    TG_CHECK_OK(bad);
    for (const Contract& contract : *contracts) {
        if (contract.versions.empty())
            return fail(ErrorCode::corrupt_data,
                        "contract " + contract.code + " has no terms; run: tollgate verify");
    }
    return {};
}

Result<std::vector<Contract>> read_contracts(SqlConnection& store, const std::string& condition,
                                             const std::vector<SqlValue>& values) {
    TG_TRY(
        std::vector<Contract> out,
        read_rows(
            store,
            "SELECT k.id, k.customer_id, c.code, k.code, k.kind, k.framework, k.first_day, "
            "k.last_day, k.end_day, k.end_reason, k.created_at, k.created_by FROM contracts k LEFT "
            "JOIN customers c ON c.id = k.customer_id" +
                condition + " ORDER BY c.code, k.first_day, k.id",
            std::span(values), to_contract));
    if (!out.empty()) TG_CHECK_OK(read_versions(store, &out));
    return out;
}

}  // namespace

std::string_view name(ContractKind kind) {
    return kKindNames[static_cast<std::size_t>(kind)];
}

Result<ContractKind> parse_contract_kind(std::string_view text) {
    for (int i = 0; i < kContractKindCount; ++i)
        if (text == kKindNames[static_cast<std::size_t>(i)]) return static_cast<ContractKind>(i);
    return fail(ErrorCode::invalid_request,
                "'" + std::string(text) +
                    "' is no kind of contract; those are none, one_year and three_years");
}

std::string_view name(ContractStatus status) {
    return kStatusNames[static_cast<std::size_t>(status)];
}

ContractStatus status_on(const Contract& contract, std::int32_t day) {
    if (day < contract.first_day) return ContractStatus::planned;
    return day <= contract.end_day ? ContractStatus::active : ContractStatus::ended;
}

const ContractVersion& Contract::version_on(std::int32_t day) const {
    const ContractVersion* out = &versions.front();
    for (const ContractVersion& version : versions)
        if (version.from_day <= day) out = &version;
    return *out;
}

Result<Contract> create_contract(SqlConnection& store, const NewContract& wanted,
                                 const Change& change) {
    TG_CHECK_OK(check_new(wanted));
    return with_books(store, [&]() -> Result<Contract> {
        TG_TRY(const BillCustomer customer, bill_customer(store, wanted.customer));
        TG_TRY(const std::vector<Contract> known,
               read_contracts(store, " WHERE k.code = ?", {wanted.code}));
        if (!known.empty()) {
            if (is_same(known.front(), wanted)) return known.front();
            return fail(ErrorCode::conflict,
                        "there is a contract '" + wanted.code +
                            "' with other terms; change it by an amendment, or choose another "
                            "number");
        }
        Contract out{.customer = customer.id,
                     .customer_code = customer.code,
                     .code = wanted.code,
                     .framework = wanted.framework,
                     .kind = wanted.kind,
                     .first_day = wanted.first_day,
                     .last_day = last_day_of_term(wanted.first_day, wanted.kind),
                     .end_reason = {},
                     .created_at = change.at,
                     .created_by = change.actor};
        out.end_day = out.last_day;
        out.versions.push_back({.version = 1,
                                .from_day = wanted.first_day,
                                .terms = wanted.terms,
                                .reason = {},
                                .created_at = change.at,
                                .created_by = change.actor});
        TG_CHECK_OK(check_no_other(store, out));
        TG_CHECK_OK(check_not_final(store, out.customer, out.first_day, "a contract"));
        TG_CHECK_OK(store.query("SELECT COALESCE(MAX(id), 0) + 1 FROM contracts", {},
                                [&out](const SqlRow& row) {
                                    out.id = row.integer(0);
                                    return false;
                                }));
        TG_CHECK_OK(run(
            store,
            "INSERT INTO contracts (id, customer_id, code, kind, framework, first_day, last_day, "
            "end_day, end_reason, created_at, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, "
            "?)",
            {out.id, std::int64_t{out.customer.get()}, out.code,
             static_cast<std::int64_t>(out.kind), out.framework, std::int64_t{out.first_day},
             std::int64_t{out.last_day}, std::int64_t{out.end_day}, out.created_at.micros,
             out.created_by}));
        TG_CHECK_OK(write_version(store, out, out.versions.front(), change));
        TG_CHECK_OK(record(store, "create", "", out, change));
        return out;
    });
}

Result<Contract> amend_contract(SqlConnection& store, std::string_view code,
                                const Amendment& amendment, const Change& change) {
    TG_CHECK_OK(check_reason(amendment.reason));
    return with_books(store, [&]() -> Result<Contract> {
        TG_TRY(Contract out, find_contract(store, code));
        TG_CHECK_OK(check_covers(out, amendment.from_day));
        TG_CHECK_OK(check_commitment(out, amendment));
        const ContractVersion& last = out.versions.back();
        if (last.from_day == amendment.from_day && last.terms == amendment.terms &&
            last.reason == amendment.reason)
            return out;
        TG_CHECK_OK(check_not_final(store, out.customer, amendment.from_day, "an amendment"));
        const std::string before = head_json(out);
        out.versions.push_back({.version = last.version + 1,
                                .from_day = amendment.from_day,
                                .terms = amendment.terms,
                                .reason = amendment.reason,
                                .created_at = change.at,
                                .created_by = change.actor});
        TG_CHECK_OK(write_version(store, out, out.versions.back(), change));
        TG_CHECK_OK(record(store, "amend", before, out, change));
        return out;
    });
}

Result<Contract> end_contract(SqlConnection& store, std::string_view code, std::int32_t end_day,
                              const std::string& reason, const Change& change) {
    TG_CHECK_OK(check_reason(reason));
    return with_books(store, [&]() -> Result<Contract> {
        TG_TRY(Contract out, find_contract(store, code));
        TG_CHECK_OK(check_covers(out, end_day));
        if (out.end_day == end_day && out.end_reason == reason) return out;
        if (end_day == out.last_day)
            return fail(ErrorCode::conflict,
                        "contract " + out.code + " ends on " + day_text(end_day) + " by itself");
        TG_TRY(const BillCustomer customer, bill_customer(store, out.customer_code));
        TG_TRY(const TimeZone zone, TimeZone::load(customer.time_zone));
        TG_CHECK_OK(check_may_end(out, end_day, zone.local_day(change.at)));
        TG_CHECK_OK(check_not_final(store, out.customer, end_day, "an end"));
        const std::string before = head_json(out);
        out.end_day = end_day;
        out.end_reason = reason;
        TG_CHECK_OK(run(store, "UPDATE contracts SET end_day = ?, end_reason = ? WHERE id = ?",
                        {std::int64_t{out.end_day}, out.end_reason, out.id}));
        TG_TRY(const std::int64_t leaf,
               append_proof(store, kProofContract, contract_end_leaf_id(out),
                            contract_end_as_json(out), change.at));
        (void)leaf;
        TG_CHECK_OK(record(store, "end", before, out, change));
        return out;
    });
}

Result<std::vector<Contract>> list_contracts(SqlConnection& store,
                                             const std::vector<CustomerId>& customers) {
    std::string condition;
    std::vector<SqlValue> values;
    for (const CustomerId customer : customers) {
        condition.append(condition.empty() ? " WHERE k.customer_id IN (?" : ", ?");
        values.emplace_back(std::int64_t{customer.get()});
    }
    if (!condition.empty()) condition.append(")");
    return read_contracts(store, condition, values);
}

Result<Contract> find_contract(SqlConnection& store, std::string_view code) {
    TG_TRY(std::vector<Contract> found,
           read_contracts(store, " WHERE k.code = ?", {std::string(code)}));
    if (!found.empty()) return std::move(found.front());
    return fail(ErrorCode::not_found,
                "there is no contract '" + std::string(code) + "'; see: tollgate contract list");
}

std::string contract_leaf_id(const Contract& contract, const ContractVersion& version) {
    return contract.code + "-v" + std::to_string(version.version);
}

std::string contract_end_leaf_id(const Contract& contract) {
    return contract.code + "-end";
}

std::string contract_version_as_json(const Contract& contract, const ContractVersion& version) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("contract", contract.code).field("customer", contract.customer_code);
    w.field("kind", name(contract.kind)).field("framework", contract.framework);
    w.field("first_day", day_text(contract.first_day));
    if (contract.last_day != kNoDay) w.field("last_day", day_text(contract.last_day));
    w.field("version", version.version).field("from_day", day_text(version.from_day));
    w.field("reason", version.reason).field("created_at", format_rfc3339(version.created_at));
    w.field("created_by", version.created_by)
        .key("terms")
        .raw(contract_terms_as_json(version.terms));
    w.end_object();
    return out;
}

std::string contract_as_json(const Contract& contract, std::int32_t today) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("code", contract.code).field("customer", contract.customer_code);
    w.field("kind", name(contract.kind)).field("framework", contract.framework);
    w.field("status", name(status_on(contract, today)));
    w.field("first_day", day_text(contract.first_day)).key("last_day");
    contract.last_day == kNoDay ? w.null() : w.value(day_text(contract.last_day));
    w.key("end_day");
    contract.end_day == kNoDay ? w.null() : w.value(day_text(contract.end_day));
    w.field("end_reason", contract.end_reason)
        .field("created_at", format_rfc3339(contract.created_at))
        .field("created_by", contract.created_by);
    w.key("versions").begin_array();
    for (const ContractVersion& version : contract.versions) {
        w.begin_object()
            .field("version", version.version)
            .field("from_day", day_text(version.from_day))
            .field("reason", version.reason)
            .field("created_at", format_rfc3339(version.created_at));
        w.field("created_by", version.created_by)
            .key("terms")
            .raw(contract_terms_as_json(version.terms))
            .end_object();
    }
    w.end_array().end_object();
    return out;
}

std::string contract_end_as_json(const Contract& contract) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("contract", contract.code).field("customer", contract.customer_code);
    w.field("end_day", day_text(contract.end_day)).field("reason", contract.end_reason);
    w.end_object();
    return out;
}

}  // namespace tg
