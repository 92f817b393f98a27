#include <unistd.h>
#include <xlsxwriter.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "documents/internal/workbook.h"

namespace tg::documents_internal {

void Sheet::head(std::initializer_list<Column> columns) {
    for (const Column& column : columns) {
        worksheet_set_column(sheet_, at_, at_, column.width, nullptr);
        put(column.title, formats_.head);
    }
    end_row();
    worksheet_freeze_panes(sheet_, 1, 0);
    last_column_ = static_cast<std::uint16_t>(columns.size() - 1);
}

Sheet& Sheet::money(std::int64_t cents) {
    worksheet_write_number(sheet_, row_, at_++, static_cast<double>(cents) / 100, formats_.money);
    return *this;
}

Sheet& Sheet::count(std::int64_t value) {
    worksheet_write_number(sheet_, row_, at_++, static_cast<double>(value), formats_.count);
    return *this;
}

Sheet& Sheet::put(std::string_view value, lxw_format* format) {
    worksheet_write_string(sheet_, row_, at_++, std::string(value).c_str(), format);
    return *this;
}

void Sheet::finish() {
    if (row_ > 1) worksheet_autofilter(sheet_, 0, 0, row_ - 1, last_column_);
    worksheet_set_landscape(sheet_);
    worksheet_repeat_rows(sheet_, 0, 0);
    worksheet_fit_to_pages(sheet_, 1, 0);
}

Result<std::unique_ptr<Workbook>> Workbook::create(std::string title, std::string author,
                                                   UtcMicros created_at) {
    std::error_code error;
    std::string path = (std::filesystem::temp_directory_path(error) / "tollgate-XXXXXX").string();
    const int fd = error ? -1 : ::mkstemp(path.data());
    if (fd < 0) {
        return fail(ErrorCode::io_error,
                    "cannot make a file in the directory for temporary files: " +
                        std::string(error ? error.message() : std::strerror(errno)));
    }
    ::close(fd);
    std::unique_ptr<Workbook> out(new Workbook(path));
    out->book_ = workbook_new(path.c_str());
    lxw_doc_properties properties{};
    properties.title = title.data();
    properties.author = author.data();
    properties.created = created_at.micros / 1'000'000;
    workbook_set_properties(out->book_, &properties);
    out->formats_ = {workbook_add_format(out->book_), workbook_add_format(out->book_),
                     workbook_add_format(out->book_)};
    format_set_bold(out->formats_.head);
    format_set_bg_color(out->formats_.head, 0xF2F2F2);
    format_set_bottom(out->formats_.head, LXW_BORDER_THIN);
    format_set_num_format(out->formats_.money, "#,##0.00");
    format_set_num_format(out->formats_.count, "#,##0");
    return out;
}

Workbook::~Workbook() {
    if (book_ != nullptr) (void)workbook_close(book_);
    ::unlink(path_.c_str());
}

Sheet Workbook::sheet(std::string_view name) {
    return {workbook_add_worksheet(book_, std::string(name).c_str()), formats_};
}

Result<std::string> Workbook::finish() {
    // Frees the workbook in any case.
    const lxw_error error = workbook_close(std::exchange(book_, nullptr));
    if (error != LXW_NO_ERROR)
        return fail(ErrorCode::io_error,
                    "cannot write the spreadsheet: " + std::string(lxw_strerror(error)));
    return read_whole_file(path_);
}

}  // namespace tg::documents_internal
