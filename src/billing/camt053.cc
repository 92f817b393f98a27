#include <algorithm>
#include <pugixml.hpp>

#include "base/money.h"
#include "billing/bank_statement.h"

namespace tg {
namespace {

using pugi::xml_node;

/// Names of elements without the prefix of their namespace.
std::string_view local_name(const xml_node& node) {
    const std::string_view name = node.name();
    const std::size_t colon = name.find(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

xml_node child(const xml_node& node, std::string_view name) {
    for (const xml_node& each : node.children())
        if (local_name(each) == name) return each;
    return {};
}

/// The element at the end of a path such as "RltdPties/Dbtr/Nm"; null when there is none.
xml_node find(xml_node node, std::string_view path) {
    while (!path.empty() && node) {
        const std::size_t slash = path.find('/');
        node = child(node, path.substr(0, slash));
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    }
    return node;
}

/// The text of the first of several paths that has one.
std::string text_at(const xml_node& node, std::initializer_list<std::string_view> paths) {
    for (const std::string_view path : paths) {
        const std::string text = find(node, path).text().get();
        if (!text.empty()) return text;
    }
    return {};
}

class CamtReader {
  public:
    explicit CamtReader(std::string_view bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i)
            if (bytes[i] == '\n') line_ends_.push_back(static_cast<std::ptrdiff_t>(i));
    }
    Result<BankStatement> read(const xml_node& document);

  private:
    int line_of(const xml_node& node) const {
        const auto before = std::ranges::lower_bound(line_ends_, node.offset_debug());
        return 1 + static_cast<int>(before - line_ends_.begin());
    }
    std::unexpected<Error> bad(const xml_node& node, const std::string& what) const {
        return fail(ErrorCode::invalid_request,
                    "line " + std::to_string(line_of(node)) + ": " + what);
    }
    /// With its sign: below 0 for a debit, the other way round for an entry that takes one back.
    Result<std::int64_t> amount(const xml_node& node, const xml_node& direction_of) const;
    Status read_statement(const xml_node& statement);
    Status read_balances(const xml_node& statement);
    Status read_entry(const xml_node& entry);
    Status add_row(const xml_node& entry, const xml_node& details, std::int64_t fen,
                   std::int32_t day);

    std::vector<std::ptrdiff_t> line_ends_;
    BankStatement out_;
    std::int64_t balance_ = 0;
    std::optional<std::int64_t> stated_opening_, stated_closing_;
};

Result<std::int64_t> CamtReader::amount(const xml_node& node, const xml_node& direction_of) const {
    const xml_node value = child(node, "Amt");
    const std::string currency = value.attribute("Ccy").value();
    if (!currency.empty() && currency != "CNY") {
        return bad(value,
                   "the amount is in " + currency + "; payments are taken in RMB (CNY) only");
    }
    const Result<int128> fen = parse_scaled(value.text().get(), 2);
    constexpr std::int64_t kMax = 100'000'000'000'000;
    if (!fen.ok() || *fen < 0 || *fen > kMax) {
        return bad(value ? value : node, "'" + std::string(value.text().get()) + "' is no amount");
    }
    const std::string direction = text_at(direction_of, {"CdtDbtInd"});
    if (direction != "CRDT" && direction != "DBIT")
        return bad(direction_of, "CdtDbtInd is '" + direction + "', not CRDT or DBIT");
    // For a reversal the indicator is that of the reversal itself (ISO 20022, camt.053, RvslInd).
    const auto value_fen = static_cast<std::int64_t>(*fen);
    return direction == "CRDT" ? value_fen : -value_fen;
}

Status CamtReader::read_balances(const xml_node& statement) {
    stated_opening_.reset();
    stated_closing_.reset();
    for (const xml_node& node : statement.children()) {
        if (local_name(node) != "Bal") continue;
        const std::string kind = text_at(node, {"Tp/CdOrPrtry/Cd"});
        const bool is_opening = kind == "OPBD" || kind == "PRCD";
        if (!is_opening && kind != "CLBD") continue;
        TG_TRY(const std::int64_t fen, amount(node, node));
        (is_opening ? stated_opening_ : stated_closing_) = fen;
    }
    return {};
}

Status CamtReader::add_row(const xml_node& entry, const xml_node& details, std::int64_t fen,
                           std::int32_t day) {
    // Who is on the other side: the debtor of what came in, the creditor of what went out.
    const std::string_view side = fen >= 0 ? "Dbtr" : "Cdtr";
    const auto party = [&](std::string_view rest) {
        return "RltdPties/" + std::string(side) + std::string(rest);
    };
    StatementRow row{.line = line_of(entry), .day = day, .fen = fen};
    row.reference = text_at(details, {"Refs/AcctSvcrRef", "Refs/TxId"});
    if (row.reference.empty()) row.reference = text_at(entry, {"AcctSvcrRef", "NtryRef"});
    row.payer_name = text_at(details, {party("/Nm"), party("/Pty/Nm")});
    row.payer_account = text_at(details, {party("Acct/Id/IBAN"), party("Acct/Id/Othr/Id")});
    const auto add = [&row](const std::string& text) {
        if (!text.empty()) row.text += (row.text.empty() ? "" : " ") + text;
    };
    const xml_node remittance = child(details, "RmtInf");
    for (const xml_node& each : remittance.children()) {
        add(local_name(each) == "Ustrd" ? each.text().get()
                                        : text_at(each, {"CdtrRefInf/Ref", "AddtlRmtInf"}));
    }
    const std::string end_to_end = text_at(details, {"Refs/EndToEndId"});
    if (end_to_end != "NOTPROVIDED") add(end_to_end);
    if (row.text.empty()) add(text_at(entry, {"AddtlNtryInf"}));
    out_.rows.push_back(std::move(row));
    return {};
}

Status CamtReader::read_entry(const xml_node& entry) {
    // Only what is booked: INFO and PDNG are for information.
    const std::string status = text_at(entry, {"Sts/Cd", "Sts"});
    if (status != "BOOK") return {};
    TG_TRY(const std::int64_t fen, amount(entry, entry));
    const std::string day = text_at(entry, {"BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt"});
    const Result<std::int32_t> parsed = parse_day(std::string_view(day).substr(0, 10));
    if (!parsed.ok()) return bad(entry, "'" + day + "' is no day");
    balance_ += fen;
    // An entry over several transactions is several payments, when each says its amount.
    std::vector<std::pair<xml_node, std::int64_t>> parts;
    std::int64_t sum = 0;
    for (const xml_node& details : child(entry, "NtryDtls").children()) {
        if (local_name(details) != "TxDtls") continue;
        xml_node of = details;
        if (!child(details, "Amt")) of = find(details, "AmtDtls/TxAmt");
        std::int64_t part = 0;
        if (of && child(of, "Amt")) {
            TG_TRY(part, amount(of, child(details, "CdtDbtInd") ? details : entry));
        }
        sum += part;
        parts.emplace_back(details, part);
    }
    if (parts.size() > 1 && sum == fen) {
        for (const auto& [details, part] : parts)
            TG_CHECK_OK(add_row(entry, details, part, *parsed));
        return {};
    }
    return add_row(entry, parts.empty() ? xml_node() : parts.front().first, fen, *parsed);
}

Status CamtReader::read_statement(const xml_node& statement) {
    const std::string account = text_at(statement, {"Acct/Id/IBAN", "Acct/Id/Othr/Id"});
    if (account.empty()) return bad(statement, "the statement names no account (Acct)");
    if (!out_.account.empty() && out_.account != account) {
        return bad(statement,
                   "the file has another account, '" + account + "': import one account at a time");
    }
    out_.account = account;
    TG_CHECK_OK(read_balances(statement));
    if (stated_opening_ && out_.opening_fen && *stated_opening_ != balance_) {
        return bad(statement, "the balance " + format_cents(*stated_opening_) +
                                  " does not follow from the one before, " +
                                  format_cents(balance_));
    }
    if (stated_opening_) balance_ = *stated_opening_;
    if (!out_.opening_fen) out_.opening_fen = stated_opening_;
    for (const xml_node& node : statement.children())
        if (local_name(node) == "Ntry") TG_CHECK_OK(read_entry(node));
    if (stated_opening_ && stated_closing_ && *stated_closing_ != balance_) {
        return bad(statement, "the entries add up to " + format_cents(balance_) +
                                  ", but the closing balance is " + format_cents(*stated_closing_));
    }
    if (stated_closing_) out_.closing_fen = stated_closing_;
    return {};
}

Result<BankStatement> CamtReader::read(const xml_node& document) {
    const xml_node message = find(document, "BkToCstmrStmt");
    bool has_any = false;
    for (const xml_node& node : message.children()) {
        if (local_name(node) != "Stmt") continue;
        has_any = true;
        TG_CHECK_OK(read_statement(node));
    }
    if (has_any) return std::move(out_);
    return fail(ErrorCode::invalid_request,
                "the file is no camt.053 statement: it has no Document/BkToCstmrStmt/Stmt");
}

}  // namespace

Result<BankStatement> parse_camt053(std::string_view bytes) {
    pugi::xml_document document;
    const pugi::xml_parse_result parsed =
        document.load_buffer(bytes.data(), bytes.size(), pugi::parse_default, pugi::encoding_auto);
    if (!parsed) {
        return fail(ErrorCode::invalid_request,
                    "the file is no XML: " + std::string(parsed.description()) + " near byte " +
                        std::to_string(parsed.offset));
    }
    return CamtReader(bytes).read(document.first_child());
}

}  // namespace tg
