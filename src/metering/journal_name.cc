#include "metering/journal_name.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/rng.h"
#include "metering/internal/journal_name.h"

namespace tg {
namespace {

constexpr std::size_t kNameSize = 32;

std::string name_path(const std::string& directory) {
    return directory + "/journal.id";
}

std::string draw_name() {
    std::array<std::uint64_t, 2> bits{};
    fill_secure_random(bits.data(), sizeof bits);
    std::array<char, kNameSize + 1> text{};
    std::snprintf(text.data(), text.size(), "%016llx%016llx",
                  static_cast<unsigned long long>(bits[0]),
                  static_cast<unsigned long long>(bits[1]));
    return {text.data(), kNameSize};
}

bool is_name(std::string_view text) {
    return text.size() == kNameSize && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

}  // namespace

Result<std::string> journal_name(const std::string& directory) {
    const std::string path = name_path(directory);
    const journal::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) {
        if (errno != ENOENT) return fail(journal::io_error("cannot open", path, errno));
        return fail(ErrorCode::not_found, "'" + directory +
                                              "' is not the directory of a journal: it holds no "
                                              "journal.id");
    }
    std::array<char, kNameSize + 2> text{};
    TG_TRY(const std::size_t size, journal::read_at(fd.get(), path, text.data(), text.size(), 0));
    std::string name(text.data(), size);
    if (name.ends_with('\n')) name.pop_back();
    if (is_name(name)) return name;
    return fail(ErrorCode::corrupt_data,
                "'" + path + "' does not hold the journal's name, which is " +
                    std::to_string(kNameSize) +
                    " hexadecimal digits; put the file back from a copy of this directory");
}

namespace journal {

Status ensure_name(JournalFs& fs, const std::string& directory) {
    const Result<std::string> known = journal_name(directory);
    if (known.ok()) return {};
    if (known.error().code != ErrorCode::not_found) return fail(known.error());
    // The file appears whole or not at all.
    const std::string path = name_path(directory), unfinished = path + ".new";
    const int opened = fs.open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC);
    if (opened < 0) return fail(io_error("cannot create", unfinished, -opened));
    const Fd fd(opened);
    const std::string text = draw_name() + "\n";
    if (::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return fail(io_error("cannot write", unfinished, errno));
    if (const int error = fs.sync(fd.get()))
        return fail(io_error("cannot sync", unfinished, error));
    if (::rename(unfinished.c_str(), path.c_str()) != 0)
        return fail(io_error("cannot rename", unfinished, errno));
    return sync_directory(fs, directory);
}

}  // namespace journal
}  // namespace tg
