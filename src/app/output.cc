#include "app/output.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/csv.h"
#include "base/utf8.h"

namespace tg {
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
            widths[i] = std::max(widths[i], display_width(cells[i]));
    }
    for (const auto& cells : rows_) {
        std::string line;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            line += cells[i];
            if (i + 1 < cells.size()) line.append(widths[i] - display_width(cells[i]) + 2, ' ');
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

Status write_file(const std::string& path, const std::string& bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (out) return {};
    return fail(ErrorCode::io_error, "cannot write file '" + path + "'");
}

Status print_document(const BillFile& document, const std::string& file) {
    if (!file.empty()) return write_file(file, document.bytes);
    if (document.is_binary && isatty(STDOUT_FILENO) != 0) {
        return fail(ErrorCode::invalid_request,
                    "a document of this format is nothing for a terminal; name a file, e.g. "
                    "--output " +
                        document.name);
    }
    print_text(document.bytes);
    if (document.content_type == "application/json") print_text("\n");
    return {};
}

}  // namespace tg
