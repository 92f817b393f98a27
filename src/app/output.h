#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "documents/documents.h"

namespace tg {

/// A table on standard output, columns as wide as their widest cell.
class TextTable {
  public:
    explicit TextTable(std::vector<std::string> header);
    void row(std::vector<std::string> cells);
    void print() const;
    void print_csv() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// One JSON value and a line end on standard output.
void print_json(const std::function<void(JsonWriter&)>& write);
void print_text(const std::string& text);

/// Who runs the command, for the audit log.
std::string user_name();

/// Errors: io_error naming the file.
Status write_file(const std::string& path, const std::string& bytes);

/// A document to the file, or to the terminal where none is named. Errors: io_error;
/// invalid_request when it is nothing for a terminal.
Status print_document(const BillFile& document, const std::string& file);

}  // namespace tg
