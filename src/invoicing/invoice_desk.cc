#include "invoicing/invoice_desk.h"

#include <algorithm>

#include "base/log.h"
#include "billing/books_lock.h"
#include "invoicing/internal/invoice_rows.h"

namespace tg {

using namespace invoicing_internal;

namespace {

using Outcome = PlatformAnswer::Outcome;

constexpr std::int64_t kSecond = 1'000'000, kMinute = 60 * kSecond;
/// Longer than any call to a platform takes.
constexpr std::int64_t kLeaseMicros = 2 * kMinute;
constexpr std::size_t kFailureMax = 1'000;

enum class Action : std::uint8_t { submit, query };

/// Writes down that the invoice is being worked at, and, before anything is sent, that it may have
/// been. False when another process was quicker.
Result<bool> lease(SqlConnection& store, InvoiceRow* row, Action action, UtcMicros now) {
    VatInvoice& invoice = row->invoice;
    const auto state = action == Action::submit ? InvoiceState::sent : invoice.state;
    const std::string serial = invoice.serial.empty() ? invoice.id : invoice.serial;
    TG_TRY(const std::int64_t changed,
           store.execute("UPDATE invoices SET state = ?, serial = ?, tries = tries + 1, "
                         "next_try_at = ? WHERE id = ? AND state = ? AND tries = ? AND "
                         "next_try_at = ?",
                         {static_cast<std::int64_t>(state), serial, now.micros + kLeaseMicros,
                          invoice.id, static_cast<std::int64_t>(invoice.state), invoice.tries,
                          invoice.next_try_at.micros}));
    invoice.state = state;
    invoice.serial = serial;
    ++invoice.tries;
    invoice.next_try_at = {now.micros + kLeaseMicros};
    return changed == 1;
}

InvoiceState state_after(InvoiceState before, Outcome outcome) {
    switch (outcome) {
        case Outcome::unclear:
            return before;
        case Outcome::not_known:
            // It never arrived, and may be sent; what the platform once had stays with it.
            return before == InvoiceState::sent ? InvoiceState::requested : before;
        case Outcome::accepted:
            return InvoiceState::issuing;
        case Outcome::confirming:
            return InvoiceState::confirming;
        case Outcome::issued:
            return InvoiceState::issued;
        case Outcome::refused:
            return InvoiceState::failed;
    }
    return before;
}

void take_answer(const PlatformAnswer& answer, UtcMicros now, InvoiceRow* row) {
    VatInvoice& invoice = row->invoice;
    const InvoiceState state = state_after(invoice.state, answer.outcome);
    if (state != invoice.state) {
        invoice.state_at = now;
        invoice.tries = 0;
    }
    invoice.state = state;
    if (!answer.key.empty()) invoice.platform_key = answer.key;
    const bool has_gone = answer.outcome == Outcome::not_known && state != InvoiceState::requested;
    invoice.failure = (has_gone ? "the platform does not know it any more" : answer.detail)
                          .substr(0, kFailureMax);
    invoice.next_try_at = {now.micros + InvoiceDesk::pause_micros(state, invoice.tries)};
    if (state == InvoiceState::issued) {
        invoice.official_number = answer.official_number;
        invoice.issued_at = answer.issued_at;
        invoice.files = answer.files;
    }
}

/// In one transaction, with what follows from the answer.
Result<InvoiceState> write_answer(SqlConnection& store, const InvoiceRow& asked,
                                  const PlatformAnswer& answer, UtcMicros now) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(InvoiceRow row, read_invoice(store, asked.invoice.id));
    // The lease had run out, and somebody else has gone on.
    if (row.invoice.tries != asked.invoice.tries || row.invoice.state != asked.invoice.state)
        return row.invoice.state;
    const std::string before = invoice_as_json(row.invoice);
    const InvoiceState state_before = row.invoice.state;
    take_answer(answer, now, &row);
    const VatInvoice& invoice = row.invoice;
    if (invoice.state == InvoiceState::issued) TG_CHECK_OK(complete_invoice(store, &row, now));
    TG_CHECK_OK(update_invoice(store, row));
    if (invoice.state != state_before) {
        TG_CHECK_OK(audit_invoice(store, std::string(name(invoice.state)), before, invoice,
                                  {.actor = "invoice desk", .at = now}));
    }
    TG_CHECK_OK(transaction.commit());
    return invoice.state;
}

}  // namespace

std::int64_t InvoiceDesk::pause_micros(InvoiceState state, std::int64_t tries) {
    constexpr std::int64_t kLongest = 10 * kMinute;
    // A buyer takes hours to confirm; a platform issues within seconds.
    if (state == InvoiceState::confirming) return kLongest;
    if (state == InvoiceState::requested) return kMinute;  // one that did not arrive
    return std::min(kLongest, (2 * kSecond) << std::min<std::int64_t>(tries, 12));
}

Result<InvoiceState> InvoiceDesk::step(SqlConnection& store, const std::string& id, Which which,
                                       UtcMicros now) {
    TG_TRY(InvoiceRow row, read_invoice(store, id));
    VatInvoice& invoice = row.invoice;
    // Another desk may have been at it since.
    if (!invoice.is_under_way() || (which == Which::due && invoice.next_try_at > now))
        return invoice.state;
    const auto platform = platforms_->find(invoice.platform);
    if (platform == platforms_->end()) {
        log_warn("invoice_platform_missing", {{"invoice", id}, {"platform", invoice.platform}});
        TG_CHECK_OK(run(store, "UPDATE invoices SET failure = ?, next_try_at = ? WHERE id = ?",
                        {"the platform '" + invoice.platform +
                             "' is not in the configuration; give it its app_key and app_secret",
                         now.micros + 10 * kMinute, id}));
        return invoice.state;
    }
    std::optional<VatInvoice> blue;
    if (invoice.is_red()) {
        TG_TRY(blue, find_invoice(store, invoice.blue_id));
    }
    const Action action = invoice.state == InvoiceState::requested ? Action::submit : Action::query;
    TG_TRY(const bool is_mine, lease(store, &row, action, now));
    if (!is_mine) return invoice.state;
    const PlatformAnswer answer =
        action == Action::submit ? platform->second->submit(invoice, blue ? &*blue : nullptr, now)
                                 : platform->second->query(invoice, now);
    TG_TRY(const InvoiceState state, write_answer(store, row, answer, now));
    if (state != invoice.state || !answer.detail.empty()) {
        log_info("invoice_step", {{"invoice", id},
                                  {"platform", invoice.platform},
                                  {"state", name(state)},
                                  {"detail", answer.detail}});
    }
    return state;
}

Result<DeskReport> InvoiceDesk::work(SqlConnection& store, UtcMicros now, Which which) {
    std::vector<std::string> due;
    DeskReport out;
    TG_CHECK_OK(
        store.query("SELECT id, next_try_at FROM invoices WHERE state < ? ORDER BY day, number",
                    {static_cast<std::int64_t>(InvoiceState::issued)}, [&](const SqlRow& row) {
                        ++out.under_way;
                        if (which == Which::all || row.integer(1) <= now.micros)
                            due.emplace_back(row.text(0));
                        return true;
                    }));
    for (const std::string& id : due) {
        ++out.looked_at;
        const Result<InvoiceState> state = step(store, id, which, now);
        if (!state.ok() && state.error().code == ErrorCode::store_unavailable)
            return fail(state.error());
        if (!state.ok()) {
            // One that cannot go on keeps nobody else back.
            log_error("invoice_step_failed", {{"invoice", id}, {"detail", state.error().detail}});
            continue;
        }
        if (*state == InvoiceState::issued) ++out.issued;
        if (*state == InvoiceState::failed) ++out.failed;
        if (*state >= InvoiceState::issued) --out.under_way;
    }
    return out;
}

std::optional<std::string> StoredTokens::get(std::string_view platform, UtcMicros now) {
    std::optional<std::string> out;
    const Status read = store_->query(
        "SELECT token FROM invoice_platform_tokens WHERE platform = ? AND expires_at > ?",
        {std::string(platform), now.micros}, [&out](const SqlRow& row) {
            if (!row.text(0).empty()) out = std::string(row.text(0));
            return false;
        });
    if (!read.ok()) log_warn("invoice_token_not_read", {{"detail", read.error().detail}});
    return out;
}

void StoredTokens::put(std::string_view platform, std::string_view token, UtcMicros expires_at) {
    const Result<std::int64_t> written = store_->execute(
        "INSERT INTO invoice_platform_tokens (platform, token, expires_at) VALUES (?, ?, ?) ON "
        "CONFLICT (platform) DO UPDATE SET token = excluded.token, expires_at = "
        "excluded.expires_at",
        {std::string(platform), std::string(token), expires_at.micros});
    if (!written.ok()) log_warn("invoice_token_not_kept", {{"detail", written.error().detail}});
}

}  // namespace tg
