#include "billing/payments.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/json_writer.h"
#include "billing/internal/bill_source.h"
#include "billing/internal/payment_rows.h"
#include "billing/internal/settle_writer.h"
#include "identity/audit_log.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "ledger/proof_log.h"
#include "store/read_rows.h"
#include "store/stored_enum.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::array<std::string_view, kPaymentMethodCount> kMethods = {"bank_transfer", "card",
                                                                        "partner"};
constexpr std::array<std::string_view, kAllocationKindCount> kKinds = {"bill", "wallet", "deposit",
                                                                       "refund"};
constexpr std::array<std::string_view, kMatchRuleCount> kRules = {
    "by_hand",    "bill_and_amount", "bill_named",   "known_payer",
    "payer_name", "amount_of_bills", "less_bank_fee"};
constexpr std::int64_t kFenMax = 1'000'000'000'000'000;
constexpr std::size_t kTextMax = 500;

template <typename Enum, std::size_t N>
Result<Enum> by_name(const std::array<std::string_view, N>& names, std::string_view text,
                     const std::string& what) {
    std::string all;
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == text) return static_cast<Enum>(i);
        all.append(all.empty() ? "" : ", ").append(names[i]);
    }
    return fail(ErrorCode::invalid_request,
                "'" + std::string(text) + "' is no " + what + "; those are " + all);
}

std::string payment_json(const Payment& payment) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("id", payment.id).field("bank_account", payment.bank_account);
    w.field("cny", format_scaled(payment.fen, 2, 2)).field("day", day_text(payment.value_day));
    w.field("reference", payment.reference).field("payer", payment.payer_name).end_object();
    return out;
}

constexpr std::string_view kPaymentColumns =
    "SELECT id, bank_account, method, fen, value_day, reference, payer_name, payer_account, "
    "remittance, statement_id, recorded_at, recorded_by, fen - COALESCE((SELECT SUM(a.fen - "
    "a.fee_fen) FROM payment_allocations a WHERE a.payment_id = payments.id), 0) AS open_fen FROM "
    "payments";

Result<Payment> to_payment(const SqlRow& row) {
    Payment out;
    out.id = row.text(0);
    out.bank_account = row.text(1);
    TG_TRY(out.method,
           stored_enum<PaymentMethod>(row.integer(2), kPaymentMethodCount, "payments.method"));
    out.fen = row.integer(3);
    out.value_day = static_cast<std::int32_t>(row.integer(4));
    out.reference = row.text(5);
    out.payer_name = row.text(6);
    out.payer_account = row.text(7);
    out.remittance = row.text(8);
    out.statement_id = row.text(9);
    out.recorded_at = {row.integer(10)};
    out.recorded_by = row.text(11);
    out.open_fen = row.integer(12);
    return out;
}

Result<std::vector<Payment>> read_payments(SqlConnection& store, const std::string& rest,
                                           const std::vector<SqlValue>& values) {
    return read_rows(store, std::string(kPaymentColumns) + rest, std::span(values), to_payment);
}

Status check_new(const NewPayment& payment) {
    if (payment.fen <= 0 || payment.fen > kFenMax)
        return fail(ErrorCode::invalid_request,
                    "a payment of " + format_cents(payment.fen) + " CNY cannot be; it is above 0");
    for (const auto& [what, text] :
         {std::pair<std::string_view, const std::string*>{"bank account", &payment.bank_account},
          {"reference", &payment.reference}}) {
        if (text->empty() || text->size() > kTextMax)
            return fail(ErrorCode::invalid_request, "a payment needs a " + std::string(what) +
                                                        " of at most " + std::to_string(kTextMax) +
                                                        " bytes");
    }
    return {};
}

std::string fingerprint_of(const NewPayment& payment) {
    if (!payment.reference.empty()) return "reference:" + payment.reference;
    const std::string row = day_text(payment.value_day) + "|" + std::to_string(payment.fen) + "|" +
                            payment.payer_account + "|" + payment.payer_name + "|" +
                            payment.remittance;
    return "row:" + sha256_text(sha256(row));
}

struct Recorded {
    Payment payment;
    bool is_new = false;
};

/// Inside the caller's transaction, with the books locked; adds to `entries` and `records` what is
/// to be booked and audited.
class Recorder {
  public:
    Recorder(SqlConnection* store, const Change* change, std::string statement_id)
        : store_(store), change_(change), statement_id_(std::move(statement_id)) {}

    Result<Recorded> add(const NewPayment& payment, std::int64_t occurrence) {
        const std::string fingerprint = fingerprint_of(payment);
        TG_TRY(
            std::vector<Payment> known,
            read_payments(*store_, " WHERE bank_account = ? AND fingerprint = ? AND occurrence = ?",
                          {payment.bank_account, fingerprint, occurrence}));
        if (!known.empty()) {
            const Payment& same = known.front();
            if (same.fen != payment.fen || same.value_day != payment.value_day) {
                return fail(ErrorCode::conflict,
                            "reference '" + payment.reference + "' of account " +
                                payment.bank_account + " is payment " + same.id + " over " +
                                format_cents(same.fen) + " CNY of " + day_text(same.value_day) +
                                ", not " + format_cents(payment.fen) + " CNY of " +
                                day_text(payment.value_day));
            }
            return Recorded{std::move(known.front()), false};
        }
        if (next_number_ == 0) {
            TG_CHECK_OK(store_->query("SELECT COALESCE(MAX(number), 0) + 1 FROM payments", {},
                                      [this](const SqlRow& row) {
                                          next_number_ = row.integer(0);
                                          return false;
                                      }));
        }
        const std::int64_t number = next_number_++;
        Payment out{.id = "PAY-" + std::to_string(number),
                    .bank_account = payment.bank_account,
                    .method = payment.method,
                    .fen = payment.fen,
                    .open_fen = payment.fen,
                    .value_day = payment.value_day,
                    .reference = payment.reference,
                    .payer_name = payment.payer_name,
                    .payer_account = payment.payer_account,
                    .remittance = payment.remittance,
                    .statement_id = statement_id_,
                    .recorded_at = change_->at,
                    .recorded_by = change_->actor};
        TG_CHECK_OK(run(
            *store_,
            "INSERT INTO payments (id, number, bank_account, method, fen, value_day, reference, "
            "payer_name, payer_account, remittance, fingerprint, occurrence, statement_id, "
            "recorded_at, recorded_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            {out.id, number, out.bank_account, static_cast<std::int64_t>(out.method), out.fen,
             std::int64_t{out.value_day}, out.reference, out.payer_name, out.payer_account,
             out.remittance, fingerprint, occurrence, out.statement_id, out.recorded_at.micros,
             out.recorded_by}));
        TG_TRY(Entry entry, payment_received({.payment_id = out.id,
                                              .bank_account = out.bank_account,
                                              .currency = Currency::cny,
                                              .occurred_at = {out.value_day * kDayMicros},
                                              .cents = out.fen}));
        entries_.push_back(std::move(entry));
        records_.push_back(payment_record("payment", out.id, payment_json(out), *change_));
        return Recorded{std::move(out), true};
    }
    Status finish() {
        if (!entries_.empty()) {
            LedgerWriter ledger(store_);
            TG_TRY(const std::vector<Booking> bookings, ledger.append(entries_, change_->at));
            (void)bookings;
        }
        return append_audits(*store_, records_);
    }

  private:
    static constexpr std::int64_t kDayMicros = 86'400'000'000;
    SqlConnection* store_;
    const Change* change_;
    std::string statement_id_;
    std::int64_t next_number_ = 0;
    std::vector<Entry> entries_;
    std::vector<AuditEntry> records_;
};

}  // namespace

namespace bill_internal {

AuditEntry payment_record(std::string_view kind, const std::string& id, std::string after,
                          const Change& change) {
    return {.at = change.at,
            .actor = change.actor,
            .action = "create",
            .subject_kind = std::string(kind),
            .subject_id = id,
            .before = {},
            .after = std::move(after)};
}

Result<Transaction> lock_for_payments(SqlConnection& store) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    return transaction;
}

}  // namespace bill_internal

std::string_view name(PaymentMethod method) {
    return kMethods[static_cast<std::size_t>(method)];
}
Result<PaymentMethod> parse_payment_method(std::string_view text) {
    return by_name<PaymentMethod>(kMethods, text, "way to pay");
}
std::string_view name(MatchRule rule) {
    return kRules[static_cast<std::size_t>(rule)];
}
std::string_view name(AllocationKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}
Result<AllocationKind> parse_allocation_kind(std::string_view text) {
    return by_name<AllocationKind>(kKinds, text, "use of a payment");
}

Result<Payment> record_payment(SqlConnection& store, const NewPayment& payment,
                               const Change& change) {
    TG_CHECK_OK(check_new(payment));
    TG_TRY(Transaction transaction, lock_for_payments(store));
    Recorder recorder(&store, &change, "");
    TG_TRY(const Recorded recorded, recorder.add(payment, 1));
    TG_CHECK_OK(recorder.finish());
    TG_CHECK_OK(transaction.commit());
    return recorded.payment;
}

Result<StatementImport> import_statement(SqlConnection& store, const BankStatement& statement,
                                         std::string_view format, std::string_view bytes,
                                         const Change& change) {
    if (statement.account.empty() || statement.account.size() > kTextMax)
        return fail(ErrorCode::invalid_request,
                    "the file does not name its account: say which one it is of");
    StatementImport out{.statement_id = sha256_text(sha256(bytes))};
    TG_TRY(Transaction transaction, lock_for_payments(store));
    TG_CHECK_OK(store.query("SELECT id FROM bank_statements WHERE id = ?", {out.statement_id},
                            [&out](const SqlRow&) {
                                out.was_imported = true;
                                return false;
                            }));
    if (out.was_imported) return out;
    const auto balance = [](const std::optional<std::int64_t>& fen) {
        return fen ? SqlValue(*fen) : SqlValue();
    };
    TG_CHECK_OK(run(store,
                    "INSERT INTO bank_statements (id, bank_account, format, opening_fen, "
                    "closing_fen, rows, imported_at, imported_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    {out.statement_id, statement.account, std::string(format),
                     balance(statement.opening_fen), balance(statement.closing_fen),
                     std::ssize(statement.rows), change.at.micros, change.actor}));
    Recorder recorder(&store, &change, out.statement_id);
    std::map<std::string, std::int64_t> occurrences;
    for (const StatementRow& row : statement.rows) {
        if (row.fen <= 0) {
            ++out.outgoing;
            continue;
        }
        const NewPayment payment{.bank_account = statement.account,
                                 .fen = row.fen,
                                 .value_day = row.day,
                                 .reference = row.reference,
                                 .payer_name = row.payer_name,
                                 .payer_account = row.payer_account,
                                 .remittance = row.text};
        const Result<Recorded> recorded =
            recorder.add(payment, ++occurrences[fingerprint_of(payment)]);
        if (!recorded.ok()) {
            return fail(recorded.error().code,
                        "line " + std::to_string(row.line) + ": " + recorded.error().detail);
        }
        ++(recorded->is_new ? out.recorded : out.known);
    }
    TG_CHECK_OK(recorder.finish());
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<std::vector<Payment>> list_payments(SqlConnection& store, const PaymentFilter& filter) {
    std::string rest = " WHERE value_day >= ? AND value_day <= ?";
    const std::vector<SqlValue> values = {std::int64_t{filter.first_day.value_or(INT32_MIN)},
                                          std::int64_t{filter.last_day.value_or(INT32_MAX)},
                                          std::int64_t{filter.limit}};
    if (filter.open_only)
        rest +=
            " AND fen > COALESCE((SELECT SUM(a.fen - a.fee_fen) FROM payment_allocations a "
            "WHERE a.payment_id = payments.id), 0)";
    return read_payments(store, rest + " ORDER BY number DESC LIMIT ?", values);
}

Result<Payment> find_payment(SqlConnection& store, std::string_view id) {
    TG_TRY(std::vector<Payment> found, read_payments(store, " WHERE id = ?", {std::string(id)}));
    if (!found.empty()) return std::move(found.front());
    return fail(ErrorCode::not_found,
                "there is no payment '" + std::string(id) + "'; see: tollgate payment list");
}

Result<std::vector<Allocation>> list_allocations(SqlConnection& store,
                                                 std::string_view payment_id) {
    std::string rest;
    std::vector<SqlValue> values;
    if (!payment_id.empty()) {
        rest = " WHERE payment_id = ?";
        values.emplace_back(std::string(payment_id));
    }
    std::vector<Allocation> out;
    Status bad;
    TG_CHECK_OK(store.query(
        "SELECT id, payment_id, kind, customer_id, bill_id, fen, fee_fen, rule, allocated_at, "
        "allocated_by FROM payment_allocations" +
            rest + " ORDER BY payment_id, number",
        std::span(values), [&](const SqlRow& row) {
            const auto kind = stored_enum<AllocationKind>(row.integer(2), kAllocationKindCount,
                                                          "payment_allocations.kind");
            const auto rule =
                stored_enum<MatchRule>(row.integer(7), kMatchRuleCount, "payment_allocations.rule");
            if (!kind.ok() || !rule.ok()) {
                bad = fail(kind.ok() ? rule.error() : kind.error());
                return false;
            }
            out.push_back({.id = std::string(row.text(0)),
                           .payment_id = std::string(row.text(1)),
                           .kind = *kind,
                           .customer = CustomerId(static_cast<std::uint32_t>(row.integer(3))),
                           .bill_id = std::string(row.text(4)),
                           .fen = row.integer(5),
                           .fee_fen = row.integer(6),
                           .rule = *rule,
                           .allocated_at = {row.integer(8)},
                           .allocated_by = std::string(row.text(9))});
            return true;
        }));
    TG_CHECK_OK(bad);
    return out;
}

}  // namespace tg
