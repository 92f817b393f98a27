#include "documents/internal/page_writer.h"

#include <pango/pangocairo.h>

#include <algorithm>

#include <cairo-pdf.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// fontconfig keeps what it knows of fonts until the process ends, and cairo 1.16 loses 2.3 KB with
// each file that it writes.
extern "C" const char* __lsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
    return "leak:libfontconfig.so\nleak:libcairo.so\n";
}
#endif
#if __has_feature(thread_sanitizer)
// Pango asks fontconfig on threads of its own, and GLib locks by bare futex calls: what orders them
// is not seen.
extern "C" const char* __tsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
    return "race:libfontconfig.so\nrace:libpango\nrace:libglib-2.0.so\n";
}
#endif
#endif

namespace tg::documents_internal {
namespace {

constexpr const char* kFamily = "Noto Sans CJK SC";
constexpr double kFooterHeight = 30;
constexpr double kPadX = 4, kPadY = 3;

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Surface = std::unique_ptr<cairo_surface_t, Deleter<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, Deleter<cairo_destroy>>;
using Layout = std::unique_ptr<PangoLayout, Deleter<g_object_unref>>;
using Font = std::unique_ptr<PangoFontDescription, Deleter<pango_font_description_free>>;

bool has_family(PangoFontMap* map) {
    PangoFontFamily** families = nullptr;
    int count = 0;
    pango_font_map_list_families(map, &families, &count);
    const bool out = std::any_of(families, families + count, [](PangoFontFamily* family) {
        return std::string_view(pango_font_family_get_name(family)) == kFamily;
    });
    g_free(families);
    return out;
}

cairo_status_t append_to(void* out, const unsigned char* data, unsigned int length) {
    static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(data), length);
    return CAIRO_STATUS_SUCCESS;
}

std::string replaced(std::string text, std::string_view name, std::size_t number) {
    const std::size_t at = text.find(name);
    return at == std::string::npos ? text : text.replace(at, name.size(), std::to_string(number));
}

Error cairo_error(cairo_status_t status) {
    return {ErrorCode::io_error,
            std::string("cannot draw the document: ") + cairo_status_to_string(status)};
}

/// Draws each page on a recording, because the first page's foot tells how many there are.
class CairoPages final : public PageWriter {
  public:
    explicit CairoPages(Options options) : options_(std::move(options)) { begin_page(); }

    double height_of(std::string_view text, TextStyle style, double width) override {
        const Layout layout = make_layout(text, style, width);
        return height(layout.get());
    }
    void put(double x, double dy, double width, std::string_view text, TextStyle style) override {
        const Layout layout = make_layout(text, style, width);
        set_grey(style.is_grey ? 0.42 : 0.10);
        cairo_move_to(context_.get(), kMargin + x, y_ + dy);
        pango_cairo_show_layout(context_.get(), layout.get());
    }
    void line(double x, double dy, double width, bool is_strong) override {
        set_grey(is_strong ? 0.25 : 0.82);
        cairo_set_line_width(context_.get(), is_strong ? 0.8 : 0.4);
        cairo_move_to(context_.get(), kMargin + x, y_ + dy);
        cairo_rel_line_to(context_.get(), width, 0);
        cairo_stroke(context_.get());
    }
    void shade(double x, double dy, double width, double height) override {
        set_grey(0.955);
        cairo_rectangle(context_.get(), kMargin + x, y_ + dy, width, height);
        cairo_fill(context_.get());
    }
    Result<double> image(const std::string& file, double height_max, double width_max) override {
        const Surface picture(cairo_image_surface_create_from_png(file.c_str()));
        if (const auto status = cairo_surface_status(picture.get())) {
            return fail(ErrorCode::io_error, "cannot read the logo '" + file +
                                                 "' as PNG: " + cairo_status_to_string(status));
        }
        const double width = cairo_image_surface_get_width(picture.get());
        const double height = cairo_image_surface_get_height(picture.get());
        const double scale = std::min(height_max / height, width_max / width);
        cairo_save(context_.get());
        cairo_translate(context_.get(), kMargin, y_);
        cairo_scale(context_.get(), scale, scale);
        cairo_set_source_surface(context_.get(), picture.get(), 0, 0);
        cairo_paint(context_.get());
        cairo_restore(context_.get());
        return height * scale;
    }
    void advance(double height) override { y_ += height; }
    bool make_room(double height) override {
        if (y_ + height <= kPageHeight - kMargin - kFooterHeight) return false;
        begin_page();
        return true;
    }
    Result<std::string> finish() override;

  private:
    void begin_page() {
        const cairo_rectangle_t area{0, 0, kPageWidth, kPageHeight};
        pages_.emplace_back(cairo_recording_surface_create(CAIRO_CONTENT_COLOR_ALPHA, &area));
        context_.reset(cairo_create(pages_.back().get()));
        y_ = kMargin;
        if (!options_.watermark.empty()) draw_watermark();
    }
    void draw_watermark() {
        const Layout layout = make_layout(options_.watermark, {.size = 96, .is_bold = true}, -1);
        int width = 0, height = 0;
        pango_layout_get_pixel_size(layout.get(), &width, &height);
        cairo_save(context_.get());
        cairo_translate(context_.get(), kPageWidth / 2, kPageHeight / 2);
        cairo_rotate(context_.get(), -0.7);
        cairo_move_to(context_.get(), -width / 2.0, -height / 2.0);
        set_grey(0.925);
        pango_cairo_show_layout(context_.get(), layout.get());
        cairo_restore(context_.get());
    }
    void set_grey(double level) { cairo_set_source_rgb(context_.get(), level, level, level); }
    /// A width below 0 is as wide as the text.
    Layout make_layout(std::string_view text, TextStyle style, double width) {
        Layout layout(pango_cairo_create_layout(context_.get()));
        // Glyphs stand where the type wants them, not at pixels of a screen.
        pango_cairo_context_set_resolution(pango_layout_get_context(layout.get()), 72);
        pango_context_set_round_glyph_positions(pango_layout_get_context(layout.get()), FALSE);
        pango_context_set_language(pango_layout_get_context(layout.get()),
                                   pango_language_from_string(options_.language.c_str()));
        const Font font(pango_font_description_from_string(kFamily));
        pango_font_description_set_weight(font.get(),
                                          style.is_bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
        pango_font_description_set_absolute_size(font.get(), style.size * PANGO_SCALE);
        pango_layout_set_font_description(layout.get(), font.get());
        pango_layout_set_text(layout.get(), text.data(), static_cast<int>(text.size()));
        pango_layout_set_wrap(layout.get(), PANGO_WRAP_WORD_CHAR);
        pango_layout_set_width(layout.get(),
                               width < 0 ? -1 : static_cast<int>(width * PANGO_SCALE));
        pango_layout_set_alignment(layout.get(),
                                   style.is_right ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
        pango_cairo_update_layout(context_.get(), layout.get());
        return layout;
    }
    static double height(PangoLayout* layout) {
        int width = 0, height = 0;
        pango_layout_get_size(layout, &width, &height);
        return static_cast<double>(height) / PANGO_SCALE;
    }

    Options options_;
    std::vector<Surface> pages_;
    Context context_;
    double y_ = 0;
};

Result<std::string> CairoPages::finish() {
    std::string out;
    const Surface file(
        cairo_pdf_surface_create_for_stream(append_to, &out, kPageWidth, kPageHeight));
    const std::string created = format_rfc3339(options_.created_at).substr(0, 19) + "Z";
    for (const auto& [field, value] : {std::pair{CAIRO_PDF_METADATA_TITLE, options_.title},
                                       {CAIRO_PDF_METADATA_AUTHOR, options_.author},
                                       {CAIRO_PDF_METADATA_CREATOR, std::string("Tollgate")},
                                       {CAIRO_PDF_METADATA_CREATE_DATE, created}}) {
        cairo_pdf_surface_set_metadata(file.get(), field, value.c_str());
    }
    for (std::size_t i = 0; i < pages_.size(); ++i) {
        context_.reset(cairo_create(file.get()));
        cairo_set_source_surface(context_.get(), pages_[i].get(), 0, 0);
        cairo_paint(context_.get());
        y_ = kPageHeight - kMargin - kFooterHeight + 12;
        line(0, 0, kWidth, false);
        put(0, 5, kWidth * 0.75, options_.footer, {.size = 7.5, .is_grey = true});
        put(kWidth * 0.75, 5, kWidth * 0.25,
            replaced(replaced(options_.page_text, "{page}", i + 1), "{pages}", pages_.size()),
            {.size = 7.5, .is_grey = true, .is_right = true});
        cairo_show_page(context_.get());
        if (const auto status = cairo_status(context_.get())) return fail(cairo_error(status));
    }
    context_.reset();
    cairo_surface_finish(file.get());
    if (const auto status = cairo_surface_status(file.get())) return fail(cairo_error(status));
    return out;
}

}  // namespace

Result<std::unique_ptr<PageWriter>> PageWriter::create(Options options) {
    static const bool kHasFont = has_family(pango_cairo_font_map_get_default());
    if (!kHasFont) {
        return fail(ErrorCode::io_error,
                    std::string("documents are set in '") + kFamily +
                        "', which this machine does not have; install the package fonts-noto-cjk");
    }
    return std::unique_ptr<PageWriter>(std::make_unique<CairoPages>(std::move(options)));
}

void PageWriter::paragraph(std::string_view text, TextStyle style) {
    const double height = height_of(text, style, kWidth);
    make_room(height);
    put(0, 0, kWidth, text, style);
    advance(height);
}

// --- tables
// ---------------------------------------------------------------------------------------

namespace {

TextStyle cell_style(bool is_bold, bool is_right) {
    return {.size = 8, .is_bold = is_bold, .is_right = is_right};
}

}  // namespace

TableWriter::TableWriter(PageWriter* page, std::vector<Column> columns)
    : page_(page), columns_(std::move(columns)) {
    double left = PageWriter::kWidth;
    int open = 0;
    for (const Column& column : columns_) {
        left -= column.width;
        open += column.width == 0;
    }
    for (Column& column : columns_)
        if (column.width == 0) column.width = left / open;
    Row head{.cells = {}, .style = {.is_bold = true}};
    for (const Column& column : columns_) head.cells.push_back(column.head);
    head_height_ = height_of(head);
}

double TableWriter::height_of(const Row& row) {
    double out = 0;
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
        const bool is_heading = row.style.is_heading;
        const double width = is_heading ? PageWriter::kWidth : columns_[i].width;
        out = std::max(
            out, page_->height_of(row.cells[i], cell_style(row.style.is_bold || is_heading, false),
                                  width - 2 * kPadX));
        if (is_heading) break;
    }
    return out + 2 * kPadY;
}

void TableWriter::draw_head() {
    page_->shade(0, 0, PageWriter::kWidth, head_height_);
    double x = 0;
    for (const Column& column : columns_) {
        page_->put(x + kPadX, kPadY, column.width - 2 * kPadX, column.head,
                   cell_style(true, column.is_right));
        x += column.width;
    }
    page_->advance(head_height_);
    page_->line(0, 0, PageWriter::kWidth, true);
}

void TableWriter::draw(const Row& row) {
    if (row.style.has_rule) page_->line(0, 0, PageWriter::kWidth, true);
    double x = 0;
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
        const bool is_heading = row.style.is_heading;
        const double width = is_heading ? PageWriter::kWidth : columns_[i].width;
        page_->put(
            x + kPadX, kPadY, width - 2 * kPadX, row.cells[i],
            cell_style(row.style.is_bold || is_heading, !is_heading && columns_[i].is_right));
        if (is_heading) break;
        x += width;
    }
    page_->advance(row.height);
    page_->line(0, 0, PageWriter::kWidth, false);
}

void TableWriter::row(std::vector<std::string> cells, RowStyle style) {
    Row row{.cells = std::move(cells), .style = style};
    row.height = height_of(row);
    kept_.push_back(std::move(row));
    if (!style.keeps_next) flush();
}

void TableWriter::flush() {
    double height = is_begun_ ? 0 : head_height_;
    for (const Row& row : kept_) height += row.height;
    if (page_->make_room(height) || !is_begun_) draw_head();
    is_begun_ = true;
    for (const Row& row : kept_) {
        // More rows that belong together than a page holds are cut after all.
        if (page_->make_room(row.height)) draw_head();
        draw(row);
    }
    kept_.clear();
}

void TableWriter::finish() {
    if (!kept_.empty()) flush();
}

}  // namespace tg::documents_internal
