#include "metering/internal/segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace tg::journal {
namespace {

constexpr std::string_view kPrefix = "journal-", kSuffix = ".tgj", kUnfinished = ".tgj.new";

std::string file_name(std::uint32_t number) {
    char text[32];
    const int size = std::snprintf(text, sizeof text, "journal-%08u.tgj", number);
    return {text, static_cast<std::size_t>(size)};
}

/// 0 when `name` is not the name of a segment.
std::uint32_t segment_number(std::string_view name) {
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return 0;
    const std::string_view digits =
        name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
    std::uint32_t number = 0;
    const auto [rest, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || rest != digits.data() + digits.size()) return 0;
    return file_name(number) == name ? number : 0;
}

Result<std::vector<std::string>> list_names(const std::string& directory) {
    std::vector<std::string> names;
    DIR* const dir = ::opendir(directory.c_str());
    if (dir == nullptr)
        return fail(io_error("cannot list the journal directory", directory, errno));
    while (const dirent* entry = ::readdir(dir)) names.emplace_back(entry->d_name);
    ::closedir(dir);
    return names;
}

std::string errno_text(int error) {
    return std::error_code(error, std::generic_category()).message();
}

}  // namespace

std::string segment_path(const std::string& directory, std::uint32_t number) {
    return directory + "/" + file_name(number);
}

Result<std::vector<std::uint32_t>> list_segments(const std::string& directory) {
    TG_TRY(const std::vector<std::string> names, list_names(directory));
    std::vector<std::uint32_t> numbers;
    for (const std::string& name : names) {
        if (const std::uint32_t number = segment_number(name)) numbers.push_back(number);
    }
    std::ranges::sort(numbers);
    return numbers;
}

Status remove_unfinished_segments(const std::string& directory) {
    TG_TRY(const std::vector<std::string> names, list_names(directory));
    for (const std::string& name : names) {
        if (!name.starts_with(kPrefix) || !name.ends_with(kUnfinished)) continue;
        const std::string path = directory + "/" + name;
        if (::unlink(path.c_str()) != 0) return fail(io_error("cannot remove", path, errno));
    }
    return {};
}

Status sync_directory(JournalFs& fs, const std::string& directory) {
    const int fd = fs.open(directory.c_str(), O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fail(io_error("cannot open the journal directory", directory, -fd));
    const Fd closer(fd);
    if (const int error = fs.sync_directory(fd)) {
        return fail(io_error("cannot sync the journal directory", directory, error));
    }
    return {};
}

Error io_error(const std::string& what, const std::string& path, int error) {
    return {ErrorCode::io_error, what + " '" + path + "': " + errno_text(error)};
}

Error damage(const std::string& path, std::uint64_t offset, const std::string& reason) {
    return {ErrorCode::corrupt_data, path + " at offset " + std::to_string(offset) + ": " + reason};
}

Fd& Fd::operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

Fd::~Fd() {
    if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> read_at(int fd, const std::string& path, void* out, std::size_t size,
                            std::uint64_t offset) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t n = ::pread(fd, static_cast<char*>(out) + done, size - done,
                                  static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            return fail(io_error("cannot read (at offset " + std::to_string(offset + done) + ")",
                                 path, errno));
        }
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

Result<std::unique_ptr<Segment>> Segment::create(JournalFs& fs, const std::string& directory,
                                                 std::uint32_t number, std::uint32_t bytes,
                                                 UtcMicros created_at) {
    const std::string path = segment_path(directory, number), unfinished = path + ".new";
    const int fd = fs.open(unfinished.c_str(), O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0) return fail(io_error("cannot create", unfinished, -fd));
    std::unique_ptr<Segment> segment(new Segment(number, path, Fd(fd)));
    const auto give_up = [&](const char* what, int error) {
        ::unlink(unfinished.c_str());
        return fail(io_error(what, unfinished, error));
    };
    if (const int error = fs.allocate(fd, bytes)) {
        return give_up(("cannot allocate " + std::to_string(bytes) + " bytes for").c_str(), error);
    }
    if (auto mapped = segment->map(bytes); !mapped) {
        ::unlink(unfinished.c_str());
        return fail(std::move(mapped).error());
    }
    write_identity(segment->base_, number, created_at);
    // The name appears only once the file is whole, so a named segment without a right header is
    // damage.
    if (const int error = fs.sync(fd)) return give_up("cannot sync", error);
    if (::rename(unfinished.c_str(), path.c_str()) != 0) return give_up("cannot rename", errno);
    TG_CHECK_OK(sync_directory(fs, directory));
    return segment;
}

Result<std::unique_ptr<Segment>> Segment::reopen(JournalFs& fs, const std::string& directory,
                                                 const SegmentHeader& header, std::uint32_t bytes,
                                                 std::uint32_t end) {
    const std::uint32_t number = header.identity.segment;
    const std::string path = segment_path(directory, number);
    const int fd = fs.open(path.c_str(), O_RDWR);
    if (fd < 0) return fail(io_error("cannot open", path, -fd));
    std::unique_ptr<Segment> segment(new Segment(number, path, Fd(fd)));
    struct stat info{};
    if (::fstat(fd, &info) != 0) return fail(io_error("cannot stat", path, errno));
    // Never smaller than the file, nor without room for the end record, whatever size is configured
    // now.
    const std::uint64_t least =
        std::max<std::uint64_t>(static_cast<std::uint64_t>(info.st_size), end + kFrameBytes);
    bytes = std::max(bytes, static_cast<std::uint32_t>((least + 4095) & ~4095ULL));
    if (const int error = fs.allocate(fd, bytes)) {
        return fail(
            io_error("cannot allocate " + std::to_string(bytes) + " bytes for", path, error));
    }
    TG_CHECK_OK(segment->map(bytes));
    segment->state_ = header.state;
    segment->end_ = end;
    return segment;
}

Segment::~Segment() {
    if (base_ != nullptr) ::munmap(base_, bytes_);
}

Status Segment::map(std::uint32_t bytes) {
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (at == MAP_FAILED) return fail(io_error("cannot map", path_, errno));
    base_ = static_cast<std::uint8_t*>(at);
    bytes_ = bytes;
    return {};
}

void Segment::start(std::uint64_t first_sequence, std::uint32_t first_open) {
    state_ = {1, first_sequence, first_open, 0, 0, 0};
    put_state();
}

void Segment::write_state(std::uint32_t durable_end, std::uint32_t first_open) {
    ++state_.generation;
    state_.durable_end = durable_end;
    state_.first_open = first_open;
    put_state();
}

void Segment::put_state() {
    state_.crc = crc_of(state_, number_);
    std::uint8_t* const at = base_ + kStateOffsets[state_.generation % kStateOffsets.size()];
    std::memcpy(at, &state_, sizeof state_);
}

void Segment::append(const RecordBuffer& record) {
    std::uint8_t* const at = base_ + end_;
    constexpr std::size_t kLengthBytes = sizeof(FrameHeader::length);
    std::memcpy(at + kLengthBytes, record.data() + kLengthBytes, record.length() - kLengthBytes);
    // Until the length is there the record does not exist, for a reader in any process and for
    // recovery.
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(at))
        .store(record.length(), std::memory_order_release);
    end_ += record.length();
}

Status Segment::trim(JournalFs& fs) {
    if (base_ != nullptr) ::munmap(std::exchange(base_, nullptr), bytes_);
    if (const int error = fs.truncate(fd_.get(), end_))
        return fail(io_error("cannot shorten", path_, error));
    if (const int error = fs.sync(fd_.get())) return fail(io_error("cannot sync", path_, error));
    return {};
}

}  // namespace tg::journal
