#include "ledger/internal/entry_builder.h"

namespace tg::ledger_internal {

EntryBuilder::EntryBuilder(CauseKind kind, std::string_view id, UtcMicros occurred_at) {
    entry_.cause = {kind, std::string(id)};
    entry_.occurred_at = occurred_at;
}

EntryBuilder& EntryBuilder::detail(std::string_view key, std::string_view value) {
    entry_.details.push_back({std::string(key), std::string(value)});
    return *this;
}

EntryBuilder& EntryBuilder::detail(std::string_view key, std::int64_t value) {
    return detail(key, std::to_string(value));
}

EntryBuilder& EntryBuilder::debit(AccountKey account, Femto amount) {
    if (amount.value != 0) entry_.postings.push_back({std::move(account), amount});
    return *this;
}

EntryBuilder& EntryBuilder::credit(AccountKey account, Femto amount) {
    return debit(std::move(account), {-amount.value});
}

EntryBuilder& EntryBuilder::require_not_negative(std::string_view what, int128 value) {
    if (value < 0) refuse(std::string(what) + " is " + to_string(value) + ", below zero");
    return *this;
}

EntryBuilder& EntryBuilder::require_positive(std::string_view what, int128 value) {
    if (value <= 0) refuse(std::string(what) + " is " + to_string(value) + "; it must be positive");
    return *this;
}

EntryBuilder& EntryBuilder::refuse(std::string why) {
    if (fault_.empty()) fault_ = std::move(why);
    return *this;
}

Result<Entry> EntryBuilder::done() {
    if (!fault_.empty())
        return fail(ErrorCode::invalid_request,
                    "ledger entry of " + text(entry_.cause) + ": " + fault_);
    TG_CHECK_OK(validate(entry_));
    return std::move(entry_);
}

}  // namespace tg::ledger_internal
