// Arbitrary bytes after a segment's header: reader, verify and open() give records or corrupt_data,
// and end.
//
// The first input byte chooses how the rest becomes a segment: bit 0 makes the checksums and
// sequence numbers of what looks like records right, so that the payloads are reached; bit 1 says
// that all of it was durable; bit 2 adds a second segment with the second half of the bytes.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "metering/internal/segment.h"
#include "metering/journal_text.h"

namespace tg {
namespace {

using Bytes = std::vector<std::uint8_t>;

class FastFs final : public JournalFs {
  public:
    int sync(int) override { return 0; }
    int sync_directory(int) override { return 0; }
};

void require(bool is_so, const char* what) {
    if (is_so) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

const std::string& directory() {
    static const std::string path = [] {
        // Memory when there is some: a fuzzer makes thousands of files a second.
        const bool has_shm = ::access("/dev/shm", W_OK) == 0;
        std::string name = has_shm ? "/dev/shm" : std::filesystem::temp_directory_path().string();
        name += "/tg_fuzz_journal_XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        static const std::string made = name;
        std::atexit([] { std::filesystem::remove_all(made); });
        return name;
    }();
    return path;
}

void fix_frames(std::uint8_t* data, std::size_t size, std::uint64_t* sequence) {
    for (std::size_t at = 0; at + journal::kFrameBytes <= size;) {
        journal::FrameHeader header = journal::frame_header(data + at);
        header.length = std::min<std::uint32_t>(header.length & 0xff8,
                                                static_cast<std::uint32_t>((size - at) & ~7U));
        if (header.length == 0) return;
        header.length = std::max(header.length, journal::kFrameBytes);
        header.meta = (header.meta & 0xffff) | (*sequence)++ << 16;
        std::memcpy(data + at, &header, sizeof header);
        journal::fix_frame_crc(data + at);
        at += header.length;
    }
}

void write_segment(std::uint32_t number, const std::uint8_t* data, std::size_t size,
                   std::uint8_t mode, std::uint64_t* sequence) {
    Bytes file(journal::kHeaderBytes);
    journal::write_identity(file.data(), number, {1});
    file.insert(file.end(), data, data + size);
    journal::SegmentState state{1, 0, 1, 0, 0, 0};
    if ((mode & 2) != 0) state.durable_end = static_cast<std::uint32_t>(file.size());
    state.crc = journal::crc_of(state, number);
    std::memcpy(file.data() + journal::kStateOffsets[1], &state, sizeof state);
    if ((mode & 1) != 0) fix_frames(file.data() + journal::kHeaderBytes, size, sequence);
    const std::string path = journal::segment_path(directory(), number);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && ::write(fd, file.data(), file.size()) == static_cast<ssize_t>(file.size()),
            "writing a file");
    ::close(fd);
}

/// Reads to the end or to the damage; returns how many records there were.
std::uint64_t read_to_end(bool* is_damaged) {
    *is_damaged = true;
    auto reader = JournalReader::open(directory(), {});
    if (!reader.ok()) {
        require(reader.error().code == ErrorCode::corrupt_data,
                "a reader's refusal is corrupt_data");
        return 0;
    }
    std::string line;
    Lsn before;
    for (std::uint64_t records = 0;; ++records) {
        JournalRecord record;
        const Result<bool> found = (*reader)->next(&record, kNoLimit);
        if (!found.ok()) {
            require(found.error().code == ErrorCode::corrupt_data,
                    "a reader's error is corrupt_data");
            return records;
        }
        if (!*found) {
            *is_damaged = false;
            return records;
        }
        require(record.at >= before && record.end > record.at, "records go forward");
        before = record.end;
        line.clear();
        append_json(line, record);
    }
}

void run(const std::uint8_t* data, std::size_t size) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
        std::filesystem::remove(entry.path(), ignored);
    }
    const std::uint8_t mode = data[0];
    ++data;
    --size;
    std::uint64_t sequence = 1;
    const std::size_t first = (mode & 4) != 0 ? size / 2 & ~std::size_t{7} : size;
    write_segment(1, data, first, mode, &sequence);
    if ((mode & 4) != 0) write_segment(2, data + first, size - first, mode, &sequence);

    bool is_damaged = false;
    const std::uint64_t records = read_to_end(&is_damaged);
    const auto summary = verify_journal(directory());
    require(summary.ok(), "verify reads whatever there is");
    require(!is_damaged || !summary->is_sound(), "what stops a reader is a problem for verify");

    static FastFs fs;
    JournalOptions options;
    options.directory = directory();
    options.segment_bytes = journal::kSegmentBytesMin;
    options.fs = &fs;
    auto opened = UsageJournal::open(options);
    if (!opened.ok()) {
        require(opened.error().code == ErrorCode::corrupt_data,
                "a refusal to open is corrupt_data");
        return;
    }
    (*opened)->close();
    const std::uint64_t kept = read_to_end(&is_damaged);
    require(!is_damaged, "an opened journal is whole");
    require(kept >= records || (mode & 2) == 0, "nothing that was durable is lost");
}

}  // namespace
}  // namespace tg

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    tg::set_log_level(tg::LogLevel::error);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 32U << 10) return 0;
    tg::run(data, size);
    return 0;
}
