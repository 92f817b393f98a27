#include <array>

#include "documents/documents.h"
#include "documents/internal/statement_words.h"

namespace tg {
namespace {

struct Format {
    std::string_view name, content_type, extension;
    bool is_binary;
    Result<std::string> (*render)(const Bill&, const DocumentOptions&);
};

constexpr std::array<Format, 6> kFormats = {{
    {"table", "text/plain; charset=utf-8", "txt", false,
     [](const Bill& bill, const DocumentOptions&) -> Result<std::string> {
         return bill_as_table(bill);
     }},
    {"json", "application/json", "json", false,
     [](const Bill& bill, const DocumentOptions&) -> Result<std::string> {
         return bill_as_json(bill);
     }},
    {"csv", "text/csv; charset=utf-8", "csv", false,
     [](const Bill& bill, const DocumentOptions&) -> Result<std::string> {
         return bill_as_csv(bill);
     }},
    {"pdf", "application/pdf", "pdf", true, bill_as_pdf},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", true,
     bill_as_xlsx},
    {"focus", "text/csv; charset=utf-8", "focus.csv", false, bill_as_focus},
}};

}  // namespace

Result<BillFile> render_bill(const Bill& bill, std::string_view format,
                             const DocumentOptions& options) {
    std::string names;
    for (const Format& each : kFormats) {
        if (each.name != format) {
            names.append(names.empty() ? "" : ", ").append(each.name);
            continue;
        }
        TG_TRY(std::string bytes, each.render(bill, options));
        return BillFile{.bytes = std::move(bytes),
                        .content_type = std::string(each.content_type),
                        .name = bill.id + "." + std::string(each.extension),
                        .is_binary = each.is_binary};
    }
    return fail(ErrorCode::invalid_request,
                "'" + std::string(format) + "' is no format of a bill; those are " + names);
}

Result<BillFile> render_statement(const AccountStatement& statement, std::string_view format,
                                  const DocumentOptions& options) {
    BillFile out{.bytes = {},
                 .content_type = "application/json",
                 .name = statement.id() + "." + std::string(format)};
    if (format == "json") {
        out.bytes = statement_as_json(statement);
    } else if (format == "csv") {
        out.bytes = documents_internal::statement_as_csv(statement);
        out.content_type = kFormats[2].content_type;
    } else if (format == "xlsx") {
        TG_TRY(out.bytes, documents_internal::statement_as_xlsx(statement, options));
        out.content_type = kFormats[4].content_type;
        out.is_binary = true;
    } else if (format == "pdf") {
        TG_TRY(out.bytes, documents_internal::statement_as_pdf(statement, options));
        out.content_type = kFormats[3].content_type;
        out.is_binary = true;
    } else {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(format) +
                        "' is no format of a statement; those are json, csv, xlsx, pdf");
    }
    return out;
}

}  // namespace tg
