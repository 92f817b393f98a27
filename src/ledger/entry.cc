#include "ledger/entry.h"

#include "base/json_writer.h"
#include "base/utf8.h"

namespace tg {
namespace {

constexpr std::size_t kIdSizeMax = 160, kDetailSizeMax = 1000;

struct CauseName {
    CauseKind kind;
    std::string_view name;
};
constexpr std::array kCauseNames = {
    CauseName{CauseKind::usage_batch, "usage_batch"},
    CauseName{CauseKind::provider_batch, "provider_batch"},
    CauseName{CauseKind::bill, "bill"},
    CauseName{CauseKind::credit_note, "credit_note"},
    CauseName{CauseKind::debit_note, "debit_note"},
    CauseName{CauseKind::invoice, "invoice"},
    CauseName{CauseKind::payment, "payment"},
    CauseName{CauseKind::allocation, "allocation"},
    CauseName{CauseKind::refund, "refund"},
    CauseName{CauseKind::refund_payment, "refund_payment"},
    CauseName{CauseKind::deposit, "deposit"},
    CauseName{CauseKind::wallet, "wallet"},
    CauseName{CauseKind::commit, "commit"},
    CauseName{CauseKind::late_fee, "late_fee"},
    CauseName{CauseKind::overdue, "overdue"},
    CauseName{CauseKind::provision, "provision"},
    CauseName{CauseKind::write_off, "write_off"},
    CauseName{CauseKind::sla_credit, "sla_credit"},
    CauseName{CauseKind::provider_payment, "provider_payment"},
    CauseName{CauseKind::adjustment, "adjustment"},
    CauseName{CauseKind::reversal, "reversal"},
};

/// Printable ASCII without space, quote and backslash: the same bytes in JSON, SQL and a proof.
bool is_plain_id(std::string_view text, std::size_t size_max) {
    if (text.size() > size_max) return false;
    return std::ranges::all_of(
        text, [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

bool is_plain_text(std::string_view text, std::size_t size_max) {
    if (text.size() > size_max) return false;
    while (!text.empty()) {
        const auto first = static_cast<unsigned char>(text[0]);
        const std::size_t length = first < 0x80 ? 1 : utf8_length(text);
        if (length == 0 || first < 0x20 || first == 0x7f) return false;
        text.remove_prefix(length);
    }
    return true;
}

bool is_detail_key(std::string_view key) {
    return !key.empty() && key.size() <= 40 && std::ranges::all_of(key, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

std::string owner_fault(const AccountInfo& account, const AccountKey& key) {
    if (account.owner == AccountOwner::own && key.customer)
        return "is of our own books and takes no customer";
    if (account.owner == AccountOwner::customer && !key.customer) return "needs a customer";
    if (key.project && !account.may_have_project) return "takes no project";
    if (key.project && !key.customer) return "has a project without its customer";
    return {};
}

std::string subject_fault(const AccountInfo& account, const AccountKey& key) {
    const bool wants = account.subject != SubjectKind::none;
    if (!wants && !key.subject.empty()) return "takes no subject";
    if (wants && key.subject.empty()) return "needs a " + std::string(name(account.subject));
    if (!is_plain_id(key.subject, kIdSizeMax))
        return "has a subject that is no plain id (printable ASCII without spaces, at most " +
               std::to_string(kIdSizeMax) + ")";
    if (account.subject == SubjectKind::month && !parse_year_month(key.subject).ok())
        return "has a subject that is no month such as 2026-11";
    return {};
}

std::string account_fault(const AccountKey& key) {
    const AccountInfo* account = find_account(number(key.code));
    if (account == nullptr) return "is not in the chart of accounts";
    if (static_cast<int>(key.currency) >= kCurrencyCount) return "has an unknown currency";
    if (key.code == AccountCode::fx_position_usd && key.currency != Currency::usd)
        return "holds USD only";
    if (key.code == AccountCode::fx_position_cny && key.currency != Currency::cny)
        return "holds CNY only";
    const std::string owner = owner_fault(*account, key);
    return owner.empty() ? subject_fault(*account, key) : owner;
}

void write_posting(JsonWriter& w, const Posting& posting) {
    const AccountKey& key = posting.account;
    w.begin_object().field("account", number(key.code)).field("currency", code(key.currency));
    w.field("customer", key.customer.get()).field("project", key.project.get());
    w.field("subject", key.subject)
        .field("amount", std::string_view(to_string(posting.amount.value)))
        .end_object();
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

/// Thousands separators in front of the decimal point, as a bank statement has them.
std::string grouped(Femto amount) {
    std::string out = format_amount(amount);
    const std::size_t first = out.starts_with('-') ? 1 : 0;
    const std::size_t point = out.find('.');
    for (std::size_t at = (point == std::string::npos ? out.size() : point); at > first + 3;) {
        at -= 3;
        out.insert(at, ",");
    }
    return out;
}

}  // namespace

std::string text(const AccountKey& key) {
    const AccountInfo* account = find_account(number(key.code));
    std::string out = std::to_string(number(key.code));
    if (account != nullptr) out.append(" ").append(account->name);
    if (key.customer) out += ", customer " + std::to_string(key.customer.get());
    if (key.project) out += ", project " + std::to_string(key.project.get());
    if (!key.subject.empty()) out += ", " + key.subject;
    return out + ", " + std::string(code(key.currency));
}

std::string_view name(CauseKind kind) {
    for (const CauseName& each : kCauseNames)
        if (each.kind == kind) return each.name;
    return "unknown";
}

Result<CauseKind> parse_cause_kind(std::string_view wanted) {
    std::string all;
    for (const CauseName& each : kCauseNames) {
        if (each.name == wanted) return each.kind;
        all.append(all.empty() ? "" : ", ").append(each.name);
    }
    return fail(ErrorCode::invalid_request,
                "'" + std::string(wanted) + "' is no cause of a ledger entry; use one of " + all);
}

bool is_known_cause(std::int64_t number) {
    return number >= 1 && std::cmp_less_equal(number, kCauseNames.size());
}

std::string text(const Cause& cause) {
    return std::string(name(cause.kind)) + " " + cause.id;
}

std::string_view Entry::detail(std::string_view key) const {
    for (const Detail& each : details)
        if (each.key == key) return each.value;
    return {};
}

std::string fault_of(const Posting& posting) {
    std::string fault = account_fault(posting.account);
    if (!fault.empty()) return fault;
    const int128 amount = posting.amount.value;
    if (amount == 0) return "has an amount of zero";
    if (amount >= kPostingMax || amount <= -kPostingMax)
        return "has an amount of " + format_amount(posting.amount) +
               ", which is a million million or more";
    if (info(posting.account.code).grain == Grain::cent && amount % kFemtoPerCent != 0)
        return "has an amount of " + format_amount(posting.amount) +
               ", but holds whole cents (fen) only";
    return {};
}

std::string imbalance_of(const Entry& entry) {
    std::array<int128, kCurrencyCount> sums{};
    for (const Posting& each : entry.postings)
        sums[static_cast<std::size_t>(each.account.currency)] += each.amount.value;
    std::string out;
    for (int i = 0; i < kCurrencyCount; ++i) {
        const int128 sum = sums[static_cast<std::size_t>(i)];
        if (sum == 0) continue;
        out.append(out.empty() ? "" : ", ")
            .append(std::string(code(static_cast<Currency>(i))))
            .append(" by ")
            .append(format_amount({sum}));
    }
    return out;
}

Status validate(const Entry& entry) {
    const auto bad = [&](const std::string& why) {
        return fail(ErrorCode::invalid_request,
                    "ledger entry of " + text(entry.cause) + ": " + why);
    };
    if (!is_known_cause(static_cast<std::int64_t>(entry.cause.kind)))
        return bad("its cause is of no known kind");
    if (entry.cause.id.empty() || !is_plain_id(entry.cause.id, kIdSizeMax))
        return bad("the id of its cause must be 1 to " + std::to_string(kIdSizeMax) +
                   " printable ASCII characters without spaces");
    if ((entry.reverses != 0) != (entry.cause.kind == CauseKind::reversal) || entry.reverses < 0)
        return bad("exactly a reversal names the entry that it reverses");
    for (const Detail& each : entry.details)
        if (!is_detail_key(each.key) || !is_plain_text(each.value, kDetailSizeMax))
            return bad("detail '" + each.key + "' is no plain key and text");
    if (entry.postings.size() < 2 || entry.postings.size() > kPostingsMax)
        return bad("it has " + std::to_string(entry.postings.size()) + " postings; 2 to " +
                   std::to_string(kPostingsMax) + " are allowed");
    for (const Posting& each : entry.postings) {
        const std::string fault = fault_of(each);
        if (!fault.empty()) return bad("account " + text(each.account) + " " + fault);
    }
    const std::string imbalance = imbalance_of(entry);
    if (!imbalance.empty()) return bad("debits and credits differ: " + imbalance);
    return {};
}

Entry reversal_of(const Entry& original, std::int64_t number, UtcMicros occurred_at,
                  std::string_view reason) {
    Entry out{.cause = {CauseKind::reversal, std::to_string(number)},
              .occurred_at = occurred_at,
              .reverses = number};
    out.details = {{"of", text(original.cause)}, {"reason", std::string(reason)}};
    for (const Posting& each : original.postings)
        out.postings.push_back({each.account, {-each.amount.value}});
    return out;
}

std::string canonical_content(const Entry& entry) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("cause", name(entry.cause.kind)).field("id", entry.cause.id);
    w.field("occurred_at", entry.occurred_at.micros).field("reverses", entry.reverses);
    w.key("details").begin_object();
    for (const Detail& each : entry.details) w.field(each.key, each.value);
    w.end_object().key("postings").begin_array();
    for (const Posting& each : entry.postings) write_posting(w, each);
    w.end_array().end_object();
    return out;
}

std::string canonical_record(const Entry& entry, std::int64_t number,
                             std::string_view previous_hash, UtcMicros booked_at) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("format", "tollgate-ledger-entry-1").field("number", number);
    w.field("previous", previous_hash).field("booked_at", booked_at.micros);
    w.key("content").raw(canonical_content(entry)).end_object();
    return out;
}

std::string sha256_hex(std::string_view bytes) {
    const Sha256 digest = sha256(bytes);
    return hex(digest.data(), digest.size());
}

std::string entry_as_text(const Entry& entry) {
    std::string out = text(entry.cause);
    for (const Detail& each : entry.details) out += "  " + each.key + "=" + each.value;
    out += "\n";
    for (const Posting& each : entry.postings) {
        const AccountKey& key = each.account;
        std::string title =
            std::to_string(number(key.code)) + " " + std::string(info(key.code).title);
        if (key.customer) title += ", customer " + std::to_string(key.customer.get());
        if (key.project) title += ", project " + std::to_string(key.project.get());
        if (!key.subject.empty()) title += ", " + key.subject;
        const bool is_debit = each.amount.value > 0;
        const std::string amount = grouped({is_debit ? each.amount.value : -each.amount.value});
        out += std::string(is_debit ? "  Dr " : "  Cr ") + padded(title + " ", 60) +
               std::string(code(key.currency)) + " " + amount + "\n";
    }
    return out;
}

}  // namespace tg
