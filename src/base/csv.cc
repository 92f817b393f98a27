#include "base/csv.h"

#include <algorithm>
#include <array>

namespace tg {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// A sign or none, then digits with at most one point.
bool is_number(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return std::ranges::any_of(text, is_digit) && std::ranges::count(text, '.') <= 1 &&
           std::ranges::all_of(text, [](char c) { return c == '.' || is_digit(c); });
}

/// Spreadsheet programs in Chinese and Japanese take the full-width signs too.
bool is_risky(std::string_view text) {
    constexpr std::array<std::string_view, 12> kStarts = {"=",  "+", "-",  "@",  "\t", "\r",
                                                          "\n", "'", "＝", "＋", "－", "＠"};
    return std::ranges::any_of(kStarts,
                               [&](std::string_view start) { return text.starts_with(start); });
}

}  // namespace

std::string csv_cell(std::string_view text) {
    const bool is_guarded = is_risky(text) && !is_number(text);
    if (!is_guarded && text.find_first_of(",\"\r\n") == std::string_view::npos)
        return std::string(text);
    std::string out = is_guarded ? "\"'" : "\"";
    for (const char c : text) {
        if (c == '"') out.push_back('"');
        out.push_back(c);
    }
    out.push_back('"');
    return out;
}

namespace {

/// One file, read byte by byte.
class CsvReader {
  public:
    CsvReader(std::string_view text, char separator) : text_(text), separator_(separator) {}

    Result<std::vector<std::vector<std::string>>> read() {
        while (at_ < text_.size()) {
            TG_TRY(std::vector<std::string> row, read_row());
            rows_.push_back(std::move(row));
        }
        return std::move(rows_);
    }

  private:
    Result<std::vector<std::string>> read_row() {
        std::vector<std::string> row;
        for (;;) {
            TG_TRY(std::string cell, read_cell());
            row.push_back(std::move(cell));
            if (at_ == text_.size()) return row;
            const char end = text_[at_++];
            if (end == separator_) continue;
            if (end == '\r' && at_ < text_.size() && text_[at_] == '\n') ++at_;
            ++line_;
            return row;
        }
    }
    bool is_end(char c) const { return c == separator_ || c == '\r' || c == '\n'; }
    Result<std::string> read_cell() {
        std::string out;
        if (at_ == text_.size() || text_[at_] != '"') {
            while (at_ < text_.size() && !is_end(text_[at_])) out += text_[at_++];
            return out;
        }
        const int first_line = line_;
        for (++at_;;) {
            if (at_ == text_.size()) {
                return fail(ErrorCode::invalid_request,
                            "line " + std::to_string(first_line) +
                                ": a cell begins with a quote that is not closed");
            }
            const char c = text_[at_++];
            if (c == '\n') ++line_;
            if (c != '"') {
                out += c;
            } else if (at_ < text_.size() && text_[at_] == '"') {
                out += '"';
                ++at_;
            } else {
                break;
            }
        }
        if (at_ < text_.size() && !is_end(text_[at_])) {
            return fail(ErrorCode::invalid_request,
                        "line " + std::to_string(line_) + ": text stands behind a closing quote");
        }
        return out;
    }

    std::string_view text_;
    char separator_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace

Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text, char separator) {
    return CsvReader(text, separator).read();
}

void append_csv_row(const std::vector<std::string>& cells, std::string* out) {
    for (std::size_t i = 0; i < cells.size(); ++i)
        out->append(i == 0 ? "" : ",").append(csv_cell(cells[i]));
    out->append("\r\n");
}

}  // namespace tg
