#include "billing/bank_statement.h"

#include <iconv.h>

#include <algorithm>
#include <array>

#include "base/csv.h"
#include "base/json_tree.h"
#include "base/money.h"
#include "base/utf8.h"

namespace tg {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kHeaderRowsMax = 20;

std::unexpected<Error> bad_line(int line, const std::string& what) {
    return fail(ErrorCode::invalid_request, "line " + std::to_string(line) + ": " + what);
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// Text of a file as UTF-8. What is no UTF-8 is GBK, of which every byte stream of Chinese banks is
/// a part (GB18030 reads all of it).
Result<std::string> as_utf8(std::string_view bytes) {
    if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
    if (is_storable_text(bytes)) return std::string(bytes);
    const iconv_t conversion = ::iconv_open("UTF-8", "GB18030");
    std::string out(bytes.size() * 2 + 16, '\0');
    // iconv() takes what it only reads as char*.
    char* from = const_cast<char*>(bytes.data());
    std::size_t from_left = bytes.size(), to_left = out.size();
    char* to = out.data();
    const std::size_t done = ::iconv(conversion, &from, &from_left, &to, &to_left);
    ::iconv_close(conversion);
    out.resize(out.size() - to_left);
    if (done == static_cast<std::size_t>(-1) || !is_storable_text(out)) {
        return fail(ErrorCode::invalid_request,
                    "the file is neither UTF-8 nor GBK text: export it from the bank once more");
    }
    return out;
}

/// "1,234.50", "-0.10", "+5"; nothing where there is no amount.
Result<std::optional<std::int64_t>> amount(std::string_view cell, int line) {
    std::string text(trimmed(cell));
    std::erase(text, ',');
    if (text.starts_with("¥") || text.starts_with("￥"))
        text.erase(0, text.find_first_of("-.0123456789"));
    if (text.starts_with('+')) text.erase(0, 1);
    if (text.empty() || text == "-" || text == "--") return std::optional<std::int64_t>{};
    const Result<int128> fen = parse_scaled(text, 2);
    constexpr int128 kMax = 1'000'000'000'000'000;
    if (!fen.ok() || *fen > kMax || *fen < -kMax)
        return bad_line(line, "'" + text + "' is no amount such as 1,234.50");
    return std::optional(static_cast<std::int64_t>(*fen));
}

/// "2026-03-05", "2026/3/5", "20260305", "2026年3月5日", each with or without a time.
Result<std::int32_t> day_of(std::string_view cell, int line) {
    std::array<int, 3> parts{};
    std::size_t part = 0, digits = 0;
    for (const char c : trimmed(cell)) {
        const bool is_digit = c >= '0' && c <= '9';
        if (!is_digit || digits == (part == 0 ? 4U : 2U)) {
            if (digits > 0 && ++part == 3) break;
            digits = 0;
        }
        if (!is_digit) continue;
        parts[part] = parts[part] * 10 + (c - '0');
        ++digits;
    }
    char text[32];
    std::snprintf(text, sizeof text, "%04d-%02d-%02d", parts[0], parts[1], parts[2]);
    const Result<std::int32_t> day = parse_day(text);
    if (day.ok() && parts[0] >= 1990) return day;
    return bad_line(
        line, "'" + std::string(trimmed(cell)).substr(0, 40) + "' is no day such as 2026-03-05");
}

/// Columns by what they mean; -1 where the file has none.
struct Columns {
    int day = -1, credit = -1, debit = -1, direction = -1;
    int payer_name = -1, payer_account = -1, text = -1, reference = -1, balance = -1;
};

int column_of(const std::vector<std::string>& header, std::string_view names) {
    while (!names.empty()) {
        const std::string_view name = names.substr(0, names.find('|'));
        names.remove_prefix(std::min(name.size() + 1, names.size()));
        for (std::size_t i = 0; i < header.size(); ++i)
            if (trimmed(header[i]) == name) return static_cast<int>(i);
    }
    return -1;
}

Columns columns_of(const std::vector<std::string>& header, const CsvMapping& mapping) {
    return {.day = column_of(header, mapping.day),
            .credit = column_of(header, mapping.credit),
            .debit = column_of(header, mapping.debit),
            .direction = column_of(header, mapping.direction),
            .payer_name = column_of(header, mapping.payer_name),
            .payer_account = column_of(header, mapping.payer_account),
            .text = column_of(header, mapping.text),
            .reference = column_of(header, mapping.reference),
            .balance = column_of(header, mapping.balance)};
}

std::string_view cell(const std::vector<std::string>& row, int column) {
    if (column < 0 || static_cast<std::size_t>(column) >= row.size()) return {};
    return trimmed(row[static_cast<std::size_t>(column)]);
}

/// One row; nothing where it has no amount (a heading, a sum).
Result<std::optional<StatementRow>> row_of(const std::vector<std::string>& cells,
                                           const Columns& columns, const CsvMapping& mapping,
                                           int line) {
    TG_TRY(const auto credit, amount(cell(cells, columns.credit), line));
    TG_TRY(const auto debit, amount(cell(cells, columns.debit), line));
    StatementRow out{.line = line};
    if (columns.direction >= 0) {
        const bool is_in = cell(cells, columns.direction) == mapping.incoming;
        out.fen = credit.value_or(0) * (is_in ? 1 : -1);
    } else {
        out.fen = credit.value_or(0) - debit.value_or(0);
    }
    // A sum at the end has a word where others have their day.
    const std::string_view day = cell(cells, columns.day);
    if (out.fen == 0 || day.find_first_of("0123456789") == std::string_view::npos)
        return std::optional<StatementRow>{};
    TG_TRY(out.day, day_of(day, line));
    out.reference = cell(cells, columns.reference);
    out.payer_name = cell(cells, columns.payer_name);
    out.payer_account = cell(cells, columns.payer_account);
    out.text = cell(cells, columns.text);
    TG_TRY(out.balance_fen, amount(cell(cells, columns.balance), line));
    return std::optional(std::move(out));
}

/// Banks list the newest row first or last. Balances tell, else days do.
Status put_in_order(BankStatement* statement) {
    std::vector<StatementRow>& rows = statement->rows;
    if (rows.size() < 2) return {};
    const auto follows = [](const StatementRow& before, const StatementRow& row) {
        return !before.balance_fen || !row.balance_fen ||
               *before.balance_fen + row.fen == *row.balance_fen;
    };
    const auto first_gap = [&] { return std::ranges::adjacent_find(rows, std::not_fn(follows)); };
    const bool is_newest_first = rows.front().day > rows.back().day;
    if (is_newest_first || first_gap() != rows.end()) std::ranges::reverse(rows);
    if (first_gap() == rows.end()) return {};
    if (!is_newest_first) std::ranges::reverse(rows);
    const auto gap = first_gap();
    return bad_line((gap + 1)->line, "the balance " + format_cents(*(gap + 1)->balance_fen) +
                                         " does not follow from " +
                                         format_cents(*gap->balance_fen) +
                                         " in the row before: a row is missing or was changed");
}

void take_balances(BankStatement* statement) {
    const std::vector<StatementRow>& rows = statement->rows;
    if (rows.empty() || !rows.front().balance_fen || !rows.back().balance_fen) return;
    statement->opening_fen = *rows.front().balance_fen - rows.front().fen;
    statement->closing_fen = rows.back().balance_fen;
}

// --- MT940 ---------------------------------------------------------------------------------------

/// "1234,5" with a comma as decimal point.
Result<std::int64_t> swift_amount(std::string_view text, int line) {
    std::string plain(text);
    std::ranges::replace(plain, ',', '.');
    if (plain.ends_with('.')) plain.pop_back();
    const Result<int128> fen = parse_scaled(plain, 2);
    if (!fen.ok() || *fen < 0 || *fen > int128{1'000'000'000'000'000})
        return bad_line(line, "'" + std::string(text) + "' is no amount such as 1234,50");
    return static_cast<std::int64_t>(*fen);
}

Result<std::int32_t> swift_day(std::string_view text, int line) {
    if (text.size() >= 6 &&
        std::ranges::all_of(text.substr(0, 6), [](char c) { return c >= '0' && c <= '9'; })) {
        const Result<std::int32_t> day =
            parse_day("20" + std::string(text.substr(0, 2)) + "-" + std::string(text.substr(2, 2)) +
                      "-" + std::string(text.substr(4, 2)));
        if (day.ok()) return day;
    }
    return bad_line(line, "'" + std::string(text.substr(0, 6)) + "' is no day such as 260305");
}

/// :60F: or :62F:, "C260301CNY1234,50".
Result<std::int64_t> swift_balance(std::string_view text, int line) {
    if (text.size() < 11 || (text[0] != 'C' && text[0] != 'D'))
        return bad_line(line, "a balance is written as C260301CNY1234,50");
    if (text.substr(7, 3) != "CNY")
        return bad_line(line, "the account is in " + std::string(text.substr(7, 3)) +
                                  "; bills are paid in CNY");
    TG_TRY(const std::int64_t fen, swift_amount(text.substr(10), line));
    return text[0] == 'C' ? fen : -fen;
}

/// :61:, "2603050305C1234,50NTRFcustomer//bank".
Result<StatementRow> swift_row(std::string_view text, int line) {
    StatementRow out{.line = line};
    TG_TRY(out.day, swift_day(text, line));
    text.remove_prefix(6);
    const auto is_digit = [&](std::size_t i) {
        return i < text.size() && text[i] >= '0' && text[i] <= '9';
    };
    if (is_digit(0) && is_digit(1) && is_digit(2) && is_digit(3)) text.remove_prefix(4);
    const bool is_reversal = text.starts_with('R');
    if (is_reversal) text.remove_prefix(1);
    if (text.empty() || (text[0] != 'C' && text[0] != 'D'))
        return bad_line(line, "a row is a credit (C) or a debit (D)");
    const bool is_in = (text[0] == 'C') != is_reversal;
    text.remove_prefix(1);
    if (!text.empty() && !is_digit(0)) text.remove_prefix(1);  // the funds code
    const std::size_t end = std::min(text.find_first_not_of("0123456789,"), text.size());
    TG_TRY(out.fen, swift_amount(text.substr(0, end), line));
    if (!is_in) out.fen = -out.fen;
    text.remove_prefix(end);
    if (text.size() > 4) text.remove_prefix(4);  // the type, e.g. NTRF
    const std::size_t bank = text.find("//");
    out.reference = bank == std::string_view::npos ? text : text.substr(bank + 2);
    return out;
}

struct SwiftField {
    std::string tag, text;
    int line = 0;
};

std::vector<SwiftField> swift_fields(std::string_view text) {
    std::vector<SwiftField> out;
    for (int line = 1; !text.empty(); ++line) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view row = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t colon = row.starts_with(':') ? row.find(':', 1) : std::string_view::npos;
        if (colon != std::string_view::npos && colon <= 4)
            out.push_back(
                {std::string(row.substr(1, colon - 1)), std::string(row.substr(colon + 1)), line});
        else if (!out.empty() && !row.empty() && row != "-" && row != "-}")
            out.back().text.append(out.back().tag == "86" ? "" : " ").append(row);
    }
    return out;
}

}  // namespace

Result<CsvMapping> csv_mapping(std::string_view bank) {
    if (bank == "icbc") {
        return CsvMapping{.day = "交易时间|交易日期|入账日期",
                          .credit = "贷方发生额|贷方发生额/元(收入)|转入金额",
                          .debit = "借方发生额|借方发生额/元(支取)|转出金额",
                          .payer_name = "对方户名|对方单位名称|对方单位",
                          .payer_account = "对方账号",
                          .text = "摘要|用途|附言",
                          .reference = "凭证号|交易流水号",
                          .balance = "余额"};
    }
    if (bank == "cmb") {
        return CsvMapping{.day = "交易时间|交易日|交易日期",
                          .credit = "贷方金额|收入|交易金额",
                          .debit = "借方金额|支出",
                          .direction = "借贷标记|借贷",
                          .incoming = "贷",
                          .payer_name = "收(付)方名称|付方名称|对方户名",
                          .payer_account = "收(付)方账号|付方账户|付方账号|对方账号",
                          .text = "摘要|用途|业务摘要",
                          .reference = "流水号|业务参考号|交易流水号",
                          .balance = "余额"};
    }
    if (bank == "generic") {
        return CsvMapping{.day = "date|day|日期",
                          .credit = "credit|amount|收入",
                          .debit = "debit|支出",
                          .payer_name = "payer|name|付款人",
                          .payer_account = "payer_account|account|付款账号",
                          .text = "text|remittance|摘要",
                          .reference = "reference|流水号",
                          .balance = "balance|余额"};
    }
    return fail(ErrorCode::invalid_request, "'" + std::string(bank) +
                                                "' is no bank whose files are known; those are "
                                                "icbc, cmb and generic. Others by a mapping file");
}

Result<CsvMapping> parse_csv_mapping(std::string_view json) {
    TG_TRY(const JsonNode root, parse_json_tree(json));
    CsvMapping out;
    const std::array<std::pair<std::string_view, std::string*>, 10> members = {
        {{"day", &out.day},
         {"credit", &out.credit},
         {"debit", &out.debit},
         {"direction", &out.direction},
         {"incoming", &out.incoming},
         {"payer_name", &out.payer_name},
         {"payer_account", &out.payer_account},
         {"text", &out.text},
         {"reference", &out.reference},
         {"balance", &out.balance}}};
    for (const JsonField& field : root.fields) {
        const auto member = std::ranges::find(members, field.key,
                                              &std::pair<std::string_view, std::string*>::first);
        if (member == members.end() || !field.value.is(JsonNode::Kind::string)) {
            return fail(ErrorCode::invalid_request,
                        "'" + field.key +
                            "' is no member of a mapping, or no text: those are day, credit, "
                            "debit, direction, incoming, payer_name, payer_account, text, "
                            "reference and balance");
        }
        *member->second = field.value.text;
    }
    if (!out.day.empty() && !out.credit.empty()) return out;
    return fail(ErrorCode::invalid_request, "a mapping needs 'day' and 'credit' at least");
}

Result<BankStatement> parse_statement_csv(std::string_view bytes, const CsvMapping& mapping) {
    TG_TRY(const std::string text, as_utf8(bytes));
    TG_TRY(const auto cells, parse_csv(text));
    Columns columns;
    std::size_t header = 0;
    for (; header < std::min(cells.size(), kHeaderRowsMax); ++header) {
        columns = columns_of(cells[header], mapping);
        if (columns.day >= 0 && columns.credit >= 0) break;
    }
    if (columns.day < 0 || columns.credit < 0) {
        return fail(ErrorCode::invalid_request,
                    "no row among the first " + std::to_string(kHeaderRowsMax) +
                        " has the columns '" + mapping.day + "' and '" + mapping.credit +
                        "': is it the file of another bank?");
    }
    BankStatement out;
    for (std::size_t i = header + 1; i < cells.size(); ++i) {
        TG_TRY(std::optional<StatementRow> row,
               row_of(cells[i], columns, mapping, static_cast<int>(i) + 1));
        if (row) out.rows.push_back(std::move(*row));
    }
    TG_CHECK_OK(put_in_order(&out));
    take_balances(&out);
    return out;
}

Result<BankStatement> parse_mt940(std::string_view bytes) {
    TG_TRY(const std::string text, as_utf8(bytes));
    BankStatement out;
    std::int64_t balance = 0;
    for (const SwiftField& field : swift_fields(text)) {
        if (field.tag == "25") {
            if (!out.account.empty() && out.account != field.text)
                return bad_line(field.line, "the file has another account, '" + field.text +
                                                "': import one account at a time");
            out.account = field.text;
        } else if (field.tag == "60F" || field.tag == "60M") {
            TG_TRY(const std::int64_t opening, swift_balance(field.text, field.line));
            if (out.opening_fen && opening != balance)
                return bad_line(field.line, "the balance " + format_cents(opening) +
                                                " does not follow from the one before, " +
                                                format_cents(balance));
            if (!out.opening_fen) out.opening_fen = opening;
            balance = opening;
        } else if (field.tag == "61") {
            TG_TRY(StatementRow row, swift_row(field.text, field.line));
            balance += row.fen;
            out.rows.push_back(std::move(row));
        } else if (field.tag == "86" && !out.rows.empty()) {
            out.rows.back().text = field.text;
        } else if (field.tag == "62F" || field.tag == "62M") {
            TG_TRY(const std::int64_t closing, swift_balance(field.text, field.line));
            if (closing != balance)
                return bad_line(field.line, "the rows add up to " + format_cents(balance) +
                                                ", but the closing balance is " +
                                                format_cents(closing));
            out.closing_fen = closing;
        }
    }
    if (out.account.empty() || !out.closing_fen) {
        return fail(ErrorCode::invalid_request,
                    "the file is no MT940 statement: it has no account (:25:) or no closing "
                    "balance (:62F:)");
    }
    return out;
}

}  // namespace tg
