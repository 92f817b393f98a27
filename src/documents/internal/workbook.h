#pragma once
// Workbooks of Office Open XML, sheet by sheet. The only files that know the library are
// workbook.*.
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

struct lxw_workbook;
struct lxw_worksheet;
struct lxw_format;

namespace tg::documents_internal {

/// A sheet that is filled from top to bottom.
class Sheet {
  public:
    struct Column {
        std::string_view title;
        double width;  ///< in characters
    };
    void head(std::initializer_list<Column> columns);
    Sheet& text(std::string_view value) { return put(value, nullptr); }
    /// Cents; a spreadsheet's number is exact to more than any bill has.
    Sheet& money(std::int64_t cents);
    Sheet& count(std::int64_t value);
    void end_row() {
        ++row_;
        at_ = 0;
    }
    /// Lets people filter by any column.
    void finish();

  private:
    friend class Workbook;
    struct Formats {
        lxw_format *head = nullptr, *money = nullptr, *count = nullptr;
    };
    Sheet(lxw_worksheet* sheet, const Formats& formats) : sheet_(sheet), formats_(formats) {}
    Sheet& put(std::string_view value, lxw_format* format);

    lxw_worksheet* sheet_;
    Formats formats_;
    std::uint32_t row_ = 0;
    std::uint16_t at_ = 0, last_column_ = 0;
};

class Workbook {
  public:
    /// Errors: io_error.
    static Result<std::unique_ptr<Workbook>> create(std::string title, std::string author,
                                                    UtcMicros created_at);
    ~Workbook();
    Sheet sheet(std::string_view name);
    /// The file; nothing can be added any more. Errors: io_error.
    Result<std::string> finish();

  private:
    explicit Workbook(std::string path) : path_(std::move(path)) {}
    std::string path_;  ///< the library writes to a file only; it is gone when this is
    lxw_workbook* book_ = nullptr;
    Sheet::Formats formats_;
};

}  // namespace tg::documents_internal
