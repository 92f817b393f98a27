#include "store/internal/sql_text.h"

#include <cstring>

namespace tg::store_internal {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// How many bytes at the front of `text` are ASCII without NUL.
std::size_t plain_prefix(std::string_view text) {
    std::size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + i, 8);
        // The high bit of a byte is set by a non-ASCII byte, or by the borrow below when the byte
        // is zero.
        if (((word | (word - 0x0101010101010101U)) & 0x8080808080808080U) != 0) break;
    }
    while (i < text.size() && static_cast<signed char>(text[i]) > 0) ++i;
    return i;
}

/// Length of the valid UTF-8 sequence at `at`, or 0; NUL counts as invalid (RFC 3629: no
/// surrogates, no overlong forms).
std::size_t sequence_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
    };
    const auto is_tail = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    const unsigned first = byte(0), second = byte(1);
    if (first < 0x80) return first != 0 ? 1 : 0;
    if (first >= 0xc2 && first <= 0xdf) return is_tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
        return is_tail(1) && is_tail(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
        return is_tail(1) && is_tail(2) && is_tail(3) ? 4 : 0;
    }
    return 0;
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// End of the quoted text or comment that starts at `at`, or `at` when none does.
std::size_t skip_quoted(std::string_view sql, std::size_t at) {
    const auto after = [&](std::size_t found, std::size_t length) {
        return found == std::string_view::npos ? sql.size() : found + length;
    };
    const std::string_view rest = sql.substr(at);
    if (rest.starts_with("--")) return after(sql.find('\n', at), 1);
    if (rest.starts_with("/*")) return after(sql.find("*/", at + 2), 2);
    // A doubled quote inside quotes reads as two quoted texts side by side, which ends at the same
    // place.
    if (rest.front() == '\'' || rest.front() == '"')
        return after(sql.find(rest.front(), at + 1), 1);
    if (rest.front() == '$' && (at == 0 || !is_word(sql[at - 1]))) {
        std::size_t tag = 1;
        while (tag < rest.size() && is_word(rest[tag])) ++tag;
        if (tag < rest.size() && rest[tag] == '$')
            return after(sql.find(rest.substr(0, tag + 1), at + tag + 1), tag + 1);
    }
    return at;
}

bool is_identifier(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    for (const char c : name) {
        if (!is_word(c)) return false;
    }
    return true;
}

}  // namespace

std::string_view storable_text(std::string_view text, std::string& scratch) {
    std::size_t i = 0;
    while (i < text.size()) {
        i += plain_prefix(text.substr(i));
        if (i == text.size()) return text;
        const std::size_t length = sequence_length(text, i);
        if (length == 0) break;
        i += length;
    }
    if (i == text.size()) return text;
    scratch.assign(text, 0, i);
    while (i < text.size()) {
        const std::size_t length = sequence_length(text, i);
        if (length == 0) {
            scratch.append(kReplacement);
            ++i;
        } else {
            scratch.append(text, i, length);
            i += length;
        }
    }
    return scratch;
}

std::string number_parameters(std::string_view sql) {
    std::string out;
    out.reserve(sql.size() + 32);
    int number = 0;
    std::size_t i = 0;
    while (i < sql.size()) {
        if (const std::size_t end = skip_quoted(sql, i); end > i) {
            out.append(sql, i, end - i);
            i = end;
        } else if (sql[i] == '?') {
            out.append("$").append(std::to_string(++number));
            ++i;
        } else {
            out.push_back(sql[i++]);
        }
    }
    return out;
}

std::string statement_excerpt(std::string_view sql) {
    constexpr std::size_t kExcerptMax = 100;
    std::string out;
    for (const char c : sql) {
        const bool is_space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
        if (is_space && (out.empty() || out.back() == ' ')) continue;
        if (out.size() == kExcerptMax) return out + "...";
        out.push_back(is_space ? ' ' : c);
    }
    return out;
}

Result<std::vector<BulkColumn>> parse_bulk_columns(std::string_view table,
                                                   const std::string_view* columns,
                                                   std::size_t count) {
    if (!is_identifier(table))
        return fail(ErrorCode::internal,
                    "bulk insert: '" + std::string(table) + "' is no table name");
    if (count == 0)
        return fail(ErrorCode::internal,
                    "bulk insert into " + std::string(table) + " names no column");
    std::vector<BulkColumn> out;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t colon = columns[i].find(':');
        const std::string_view name = columns[i].substr(0, colon);
        const std::string_view type =
            colon == std::string_view::npos ? std::string_view{} : columns[i].substr(colon + 1);
        BulkColumn column{.name = std::string(name)};
        if (type == "i") {
            column.type = BulkType::int64;
        } else if (type == "i4") {
            column.type = BulkType::int32;
        } else if (type == "i2") {
            column.type = BulkType::int16;
        } else if (type == "t") {
            column.type = BulkType::text;
        } else {
            return fail(ErrorCode::internal, "bulk insert into " + std::string(table) +
                                                 ": column '" + std::string(columns[i]) +
                                                 "' is not name:type with type i, i4, i2 or t");
        }
        if (!is_identifier(name)) {
            return fail(ErrorCode::internal, "bulk insert into " + std::string(table) + ": '" +
                                                 std::string(columns[i]) + "' has no column name");
        }
        out.push_back(std::move(column));
    }
    return out;
}

Result<std::vector<BulkColumn>> parse_read_columns(std::string_view table,
                                                   const std::string_view* columns,
                                                   std::size_t count) {
    TG_TRY(std::vector<BulkColumn> out, parse_bulk_columns(table, columns, count));
    if (out[0].type == BulkType::text) {
        return fail(ErrorCode::internal, "bulk read of " + std::string(table) + ": column '" +
                                             out[0].name +
                                             "' is a text; the first column is the "
                                             "order and has to be an integer");
    }
    return out;
}

std::string column_list(const std::vector<BulkColumn>& columns) {
    std::string out;
    for (const BulkColumn& column : columns)
        out.append(out.empty() ? "" : ", ").append(column.name);
    return out;
}

}  // namespace tg::store_internal
