#include "app/output.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdio>

#include "base/csv.h"
#include "base/utf8.h"

namespace tg {
namespace {

/// Columns that a terminal gives a text: East Asian characters take two.
std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
        const auto first = static_cast<unsigned char>(text[0]);
        width += length >= 3 && first >= 0xe3 ? 2 : 1;
        text.remove_prefix(length);
    }
    return width;
}

}  // namespace

TextTable::TextTable(std::vector<std::string> header) {
    rows_.push_back(std::move(header));
}

void TextTable::row(std::vector<std::string> cells) {
    rows_.push_back(std::move(cells));
}

void TextTable::print() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& cells : rows_) {
        for (std::size_t i = 0; i < cells.size(); ++i)
            widths[i] = std::max(widths[i], width_of(cells[i]));
    }
    for (const auto& cells : rows_) {
        std::string line;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            line += cells[i];
            if (i + 1 < cells.size()) line.append(widths[i] - width_of(cells[i]) + 2, ' ');
        }
        std::printf("%s\n", line.c_str());
    }
}

void TextTable::print_csv() const {
    std::string out;
    for (const auto& cells : rows_) {
        for (std::size_t i = 0; i < cells.size(); ++i)
            out.append(i == 0 ? "" : ",").append(csv_cell(cells[i]));
        out.append("\r\n");
    }
    print_text(out);
}

void print_json(const std::function<void(JsonWriter&)>& write) {
    std::string out;
    JsonWriter w(out);
    write(w);
    out.push_back('\n');
    print_text(out);
}

void print_text(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string user_name() {
    const passwd* entry = ::getpwuid(::getuid());
    return entry != nullptr ? entry->pw_name : std::to_string(::getuid());
}

}  // namespace tg
