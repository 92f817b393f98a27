#include "documents/internal/statement_words.h"

namespace tg::documents_internal {
namespace {

constexpr StatementWords kEnglish = {
    .language = "en",
    .page_of = "Page {page} of {pages}",
    .title = "Statement of account",
    .period = "Period",
    .until = "As of",
    .zone = "Time zone",
    .customer = "Customer",
    .opening = "Opening balance",
    .closing = "Closing balance",
    .day = "Day",
    .kind = "What",
    .document = "Document",
    .reference = "Concerns",
    .owed = "Owed CNY",
    .owed_after = "Balance owed",
    .prepaid = "Prepaid CNY",
    .prepaid_after = "Balance prepaid",
    .open_bills = "Bills that are not paid",
    .bill = "Bill",
    .total = "Total CNY",
    .open = "Open CNY",
    .due = "Due by",
    .overdue = "overdue",
    .to_pay = "Owed in all",
    .prepaid_left = "Paid ahead",
    .deposit = "Deposit",
    .nothing = "Nothing was booked in this time.",
    .nothing_open = "Nothing is owed.",
};
constexpr StatementWords kChinese = {
    .language = "zh-CN",
    .page_of = "第 {page} 页，共 {pages} 页",
    .title = "对账单",
    .period = "期间",
    .until = "截止",
    .zone = "时区",
    .customer = "客户",
    .opening = "期初余额",
    .closing = "期末余额",
    .day = "日期",
    .kind = "类型",
    .document = "单据",
    .reference = "相关账单",
    .owed = "应收变动",
    .owed_after = "应收余额",
    .prepaid = "预付变动",
    .prepaid_after = "预付余额",
    .open_bills = "未付清的账单",
    .bill = "账单",
    .total = "账单金额",
    .open = "未付金额",
    .due = "到期日",
    .overdue = "逾期",
    .to_pay = "应付合计",
    .prepaid_left = "预付余额",
    .deposit = "押金",
    .nothing = "本期没有发生额。",
    .nothing_open = "没有未付款项。",
};

}  // namespace

const StatementWords& statement_words(Language language) {
    return language == Language::zh ? kChinese : kEnglish;
}

std::string_view cause_label(CauseKind cause, Language language) {
    const bool is_zh = language == Language::zh;
    switch (cause) {
        case CauseKind::bill:
            return is_zh ? "账单" : "Bill";
        case CauseKind::credit_note:
            return is_zh ? "贷项通知" : "Credit note";
        case CauseKind::debit_note:
            return is_zh ? "借项通知" : "Debit note";
        case CauseKind::allocation:
            return is_zh ? "收款核销" : "Payment";
        case CauseKind::wallet:
            return is_zh ? "预付" : "Prepaid";
        case CauseKind::deposit:
            return is_zh ? "押金抵扣" : "Deposit used";
        case CauseKind::refund:
        case CauseKind::refund_payment:
            return is_zh ? "退款" : "Refund";
        case CauseKind::late_fee:
            return is_zh ? "滞纳金" : "Late fee";
        case CauseKind::write_off:
            return is_zh ? "坏账核销" : "Write-off";
        case CauseKind::commit:
            return is_zh ? "承诺款抵扣" : "Commitment used";
        case CauseKind::reversal:
            return is_zh ? "冲销" : "Reversal";
        case CauseKind::adjustment:
            return is_zh ? "调整" : "Adjustment";
        default:
            return name(cause);
    }
}

}  // namespace tg::documents_internal
