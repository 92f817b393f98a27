#include "base/file.h"

#include <fstream>
#include <iterator>

namespace tg {

Result<std::string> read_whole_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return fail(ErrorCode::io_error, "file '" + file + "' cannot be read");
    return std::string{std::istreambuf_iterator<char>(in), {}};
}

}  // namespace tg
