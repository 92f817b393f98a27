#include "documents/internal/words.h"

#include <array>

#include "base/money.h"
#include "rating/price_text.h"

namespace tg {

Result<Language> parse_language(std::string_view text) {
    if (text == "en") return Language::en;
    if (text == "zh") return Language::zh;
    return fail(ErrorCode::invalid_request,
                "'" + std::string(text) + "' is no language of documents; those are en and zh");
}

namespace documents_internal {
namespace {

constexpr Words kEnglish = {
    .language = "en",
    .bill = "Bill",
    .draft = "DRAFT",
    .page_of = "Page {page} of {pages}",
    .bill_to = "Bill to",
    .customer_code = "Customer",
    .bill_number = "Bill no.",
    .period = "Period",
    .time_zone = "Time zone",
    .issued = "Issued",
    .due = "Due",
    .rate = "Exchange rate",
    .status = "Status",
    .amount_due = "Total including VAT",
    .in_words = "In words",
    .tax_id = "Tax no.",
    .address = "Address",
    .phone = "Phone",
    .email = "Mail",
    .summary = "By project",
    .usage = "Usage at list price",
    .late_usage = "Late usage of earlier months",
    .contract_items = "By contract",
    .adjustments = "Credits and adjustments",
    .commitments = "Commitments",
    .payment = "How to pay",
    .project = "Project",
    .department = "Department",
    .environment = "Environment",
    .requests = "Requests",
    .model = "Model",
    .provider = "Provider",
    .item = "Item",
    .quantity = "Quantity",
    .unit_price = "Unit price",
    .usd = "USD",
    .cny = "CNY",
    .net = "Net CNY",
    .vat = "VAT",
    .total = "Total",
    .subtotal = "Subtotal",
    .tier = "Tier",
    .text = "Text",
    .base = "Of",
    .number = "No.",
    .month = "Month",
    .currency = "Currency",
    .list_price_of = "At list price",
    .commitment_period = "Period",
    .committed = "Committed",
    .spent_before = "Spent before",
    .spent = "Spent this month",
    .missing = "Charged as missing",
    .pay_to = "Payee",
    .bank = "Bank",
    .account = "Account",
    .reference = "Reference",
    .pay_by = "Please name the bill's number when you pay.",
    .unpriced = " calls have no price yet; the bill cannot become final before they have.",
    .estimated = " calls were settled by estimate, because the provider gave no usage.",
    .unconfirmed = " calls were cut short by a crash and are unconfirmed.",
    .fallback =
        " calls were of models the price book did not know and were priced by its rule for those.",
    .rounding_head = "Rounding",
    .rounding = kRoundingRule,
    .proof =
        "This bill is in the issuer's proof log. What the issuer's tool prints for it (tollgate "
        "prove) "
        "shows to anyone that nothing on it was changed afterwards.",
    .nothing = "No usage in this month.",
};

constexpr Words kChinese = {
    .language = "zh-CN",
    .bill = "账单",
    .draft = "草稿",
    .page_of = "第 {page} 页，共 {pages} 页",
    .bill_to = "付款方",
    .customer_code = "客户编号",
    .bill_number = "账单编号",
    .period = "账期",
    .time_zone = "时区",
    .issued = "出账日期",
    .due = "付款截止日",
    .rate = "汇率",
    .status = "状态",
    .amount_due = "价税合计",
    .in_words = "大写",
    .tax_id = "统一社会信用代码",
    .address = "地址",
    .phone = "电话",
    .email = "邮箱",
    .summary = "按项目汇总",
    .usage = "用量明细（目录价）",
    .late_usage = "以前月份的迟到用量",
    .contract_items = "合同约定",
    .adjustments = "赔付与调整",
    .commitments = "承诺消费",
    .payment = "付款方式",
    .project = "项目",
    .department = "部门",
    .environment = "环境",
    .requests = "请求数",
    .model = "模型",
    .provider = "供应商",
    .item = "计费项",
    .quantity = "数量",
    .unit_price = "单价",
    .usd = "美元",
    .cny = "人民币",
    .net = "不含税金额（元）",
    .vat = "增值税",
    .total = "合计",
    .subtotal = "小计",
    .tier = "服务等级",
    .text = "说明",
    .base = "计算基数",
    .number = "编号",
    .month = "月份",
    .currency = "币种",
    .list_price_of = "目录价",
    .commitment_period = "承诺期",
    .committed = "承诺金额",
    .spent_before = "此前已消费",
    .spent = "本月消费",
    .missing = "补足金额",
    .pay_to = "收款人",
    .bank = "开户行",
    .account = "账号",
    .reference = "附言",
    .pay_by = "付款时请注明账单编号。",
    .unpriced = " 次调用尚无价格，补齐价格前账单不能定稿。",
    .estimated = " 次调用因供应商未返回用量而按估算结算。",
    .unconfirmed = " 次调用因故障中断，用量未经确认。",
    .fallback = " 次调用的模型不在价格表内，按价格表的未知模型规则计价。",
    .rounding_head = "舍入规则",
    .rounding =
        "每行金额为数量×单价，精确到小数点后 15 位，"
        "仅在该行四舍五入一次到分；合同项目按前面各项之后的精确余额计算百分比，"
        "同样只舍入一次，且不超过该项目余额；赔付与调整排在其后；属于整个客户的金额按最大余数法分摊"
        "到各项目；合计为各行之和；"
        "增值税按客户合计计算并四舍五入一次，再按最大余数法分摊到各项目。",
    .proof =
        "本账单已记入出账方的存证日志，任何人都可以用其工具（tollgate "
        "prove）输出的证明核实账单事后未被改动。",
    .nothing = "本月没有用量。",
};

struct Pair {
    std::string_view en, zh;
    std::string_view in(Language language) const { return language == Language::zh ? zh : en; }
};

constexpr std::array<Pair, kMeterCount> kMeters = {{
    {"Input tokens", "输入 token"},
    {"Cached input tokens", "缓存命中输入 token"},
    {"Cache write tokens", "缓存写入 token"},
    {"Cache write tokens, long", "缓存写入 token（长效）"},
    {"Audio input tokens", "音频输入 token"},
    {"Cached audio input tokens", "缓存命中音频输入 token"},
    {"Image input tokens", "图像输入 token"},
    {"Cached image input tokens", "缓存命中图像输入 token"},
    {"Output tokens", "输出 token"},
    {"Reasoning tokens", "推理 token"},
    {"Audio output tokens", "音频输出 token"},
    {"Image output tokens", "图像输出 token"},
    {"Training tokens", "训练 token"},
    {"Calls", "调用次数"},
    {"Images", "生成图片"},
    {"Audio, milliseconds", "音频（毫秒）"},
    {"Characters", "字符"},
    {"Pages", "页"},
    {"Web searches, low", "联网搜索（低）"},
    {"Web searches, medium", "联网搜索（中）"},
    {"Web searches, high", "联网搜索（高）"},
    {"File searches", "文件检索"},
    {"Code interpreter sessions", "代码解释器会话"},
    {"Search units", "检索单元"},
    {"Citations", "引用"},
    {"Video, milliseconds", "视频（毫秒）"},
    {"Images given", "输入图片"},
    {"Pixels", "像素"},
}};

constexpr std::array<Pair, kBillItemKindCount> kItems = {{
    {"", "合同单价"},
    {"", "预留容量折扣"},
    {"", "用量折扣"},
    {"", "多模型折扣"},
    {"", "银行转账折扣"},
    {"", "促销折扣"},
    {"", "管理费"},
    {"", "承诺消费差额补足"},
    {"Penalty for early end", "提前终止违约金"},
    {"Service level credit", "服务等级（SLA）赔付"},
    {"", ""},
}};

constexpr std::array<std::pair<std::string_view, Pair>, 7> kStatuses = {{
    {"draft", {"Draft", "草稿"}},
    {"reviewed", {"Reviewed, not final", "已复核（未定稿）"}},
    {"finalised", {"Final", "已定稿"}},
    {"sent", {"Sent", "已发送"}},
    {"paid", {"Paid", "已付清"}},
    {"overdue", {"Overdue", "已逾期"}},
    {"void", {"Void", "已作废"}},
}};

bool is_whole_month(const BillItem& item, YearMonth month) {
    return day_text(item.first_day) == to_string(month) + "-01" &&
           day_text(item.last_day + 1).ends_with("-01") && item.last_day - item.first_day < 31;
}

}  // namespace

const Words& words(Language language) {
    return language == Language::zh ? kChinese : kEnglish;
}

std::string_view meter_label(Meter meter, Language language) {
    return kMeters[static_cast<std::size_t>(meter)].in(language);
}

std::string_view unit_label(Meter meter, Language language) {
    const std::string_view unit = price_unit(meter);
    if (unit == "1M") return language == Language::zh ? "百万" : "1M";
    if (unit == "second") return language == Language::zh ? "秒" : "second";
    return language == Language::zh ? "次" : "1";
}

std::string_view status_label(std::string_view status, Language language) {
    for (const auto& [name, label] : kStatuses)
        if (name == status) return label.in(language);
    return status;
}

std::string line_label(const BillLine& line, Language language) {
    std::string out(meter_label(line.meter, language));
    if (line.tier != ServiceTier::standard) {
        const std::string tier(name(line.tier));
        out += language == Language::zh ? "（" + tier + "）" : " (" + tier + ")";
    }
    return out;
}

std::string item_label(const BillItem& item, YearMonth month, Language language) {
    const bool is_zh = language == Language::zh;
    const std::string label(kItems[static_cast<std::size_t>(item.kind)].in(language));
    std::string out;
    switch (item.kind) {
        case BillItemKind::reserved:
        case BillItemKind::volume:
        case BillItemKind::mixed_models:
        case BillItemKind::transfer:
        case BillItemKind::promotion:
            out = is_zh ? label + " " + format_scaled(item.ppm, 4, 0) + "%" : item.text;
            break;
        case BillItemKind::management_fee:
            out = !is_zh          ? item.text
                  : item.ppm != 0 ? label + " " + format_scaled(item.ppm, 4, 0) + "%"
                                  : label + "（月费）";
            break;
        case BillItemKind::true_up:
        case BillItemKind::early_end:
            out = is_zh ? label : label.empty() ? item.text : label + ": " + item.text;
            break;
        default:
            out = label.empty() ? item.text : label + (is_zh ? "：" : ": ") + item.text;
    }
    const bool names_days = !is_zh && item.kind >= BillItemKind::true_up;
    if (names_days || is_added(item.kind) || is_whole_month(item, month)) return out;
    const std::string days =
        day_text(item.first_day) + (is_zh ? " 至 " : " to ") + day_text(item.last_day);
    return is_zh ? out + "（" + days + "）" : out + " (" + days + ")";
}

}  // namespace documents_internal
}  // namespace tg
