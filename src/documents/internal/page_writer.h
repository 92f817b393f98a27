#pragma once
// A4 pages of text and tables as PDF. Lengths are points (1/72 inch).
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tg::documents_internal {

struct TextStyle {
    double size = 8.5;
    bool is_bold = false;
    bool is_grey = false;
    bool is_right = false;  ///< to the right edge of its width
};

/// Draws from top to bottom and begins pages as they are needed. Text wraps at its width; type of
/// scripts the font lacks comes from other fonts of the machine.
class PageWriter {
  public:
    struct Options {
        std::string title, author;  ///< of the file
        std::string language;       ///< "zh-CN": which of the glyphs that Han scripts share
        UtcMicros created_at;       ///< the same document is the same file, byte for byte
        std::string footer;         ///< left; the page's number stands right
        /// "Page {page} of {pages}"
        std::string page_text;
        std::string watermark;  ///< across every page; "" none
    };
    static constexpr double kPageWidth = 595.28, kPageHeight = 841.89, kMargin = 48;
    static constexpr double kWidth = kPageWidth - 2 * kMargin;

    /// Errors: io_error when the machine has no font with Chinese type, naming the package.
    static Result<std::unique_ptr<PageWriter>> create(Options options);
    virtual ~PageWriter() = default;

    /// Height that a text takes at a width.
    virtual double height_of(std::string_view text, TextStyle style, double width) = 0;
    /// A text at a place of the page, from the left margin and top of the current line; nothing
    /// moves.
    virtual void put(double x, double dy, double width, std::string_view text, TextStyle style) = 0;
    /// Across the page, or a part of it; nothing moves.
    virtual void line(double x, double dy, double width, bool is_strong) = 0;
    virtual void shade(double x, double dy, double width, double height) = 0;
    /// PNG at the left margin, no higher and no wider than that; nothing moves. Returns the height
    /// that it took. Errors: io_error naming the file.
    virtual Result<double> image(const std::string& file, double height_max, double width_max) = 0;

    /// Moves down.
    virtual void advance(double height) = 0;
    /// Begins a page unless there is room for `height`. True when it did.
    virtual bool make_room(double height) = 0;
    /// A paragraph.
    void paragraph(std::string_view text, TextStyle style);

    /// The file. Errors: io_error.
    virtual Result<std::string> finish() = 0;
};

/// A table whose head is repeated on every page, and whose rows are never cut.
class TableWriter {
  public:
    struct Column {
        double width = 0;  ///< 0: an equal part of what the others leave
        bool is_right = false;
        std::string head{};
    };
    struct RowStyle {
        bool is_bold = false;
        bool is_heading = false;  ///< the first cell takes the whole width
        bool has_rule = false;    ///< above it
        bool keeps_next = false;  ///< stands on the page of the next row
    };
    TableWriter(PageWriter* page, std::vector<Column> columns);
    void row(std::vector<std::string> cells, RowStyle style);
    void row(std::vector<std::string> cells) { row(std::move(cells), RowStyle()); }
    /// Draws what is left. No row comes after it.
    void finish();

  private:
    struct Row {
        std::vector<std::string> cells;
        RowStyle style;
        double height = 0;
    };
    double height_of(const Row& row);
    void draw_head();
    void draw(const Row& row);
    void flush();

    PageWriter* page_;
    std::vector<Column> columns_;
    std::vector<Row> kept_;  ///< rows that stand together with the next one
    double head_height_ = 0;
    bool is_begun_ = false;
};

}  // namespace tg::documents_internal
