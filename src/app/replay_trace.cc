#include "app/replay_trace.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <tuple>

#include "base/clock.h"

namespace tg {
namespace {

constexpr std::string_view kAzureHeader = "TIMESTAMP,ContextTokens,GeneratedTokens";
constexpr std::string_view kTenantHeader = "t_s,tenant,input_tokens,output_tokens";
constexpr std::int64_t kTokensMax = 100'000'000;
constexpr double kSecondsMax = 366.0 * 86'400;
constexpr std::size_t kCellShown = 40;

enum class TraceForm : std::uint8_t { azure, tenant };

/// Where in the file we are, for errors.
struct Place {
    const std::string* file;
    std::size_t line;

    std::unexpected<Error> refuse(std::string_view column, std::string_view cell,
                                  std::string_view what) const {
        return fail(ErrorCode::invalid_request,
                    *file + ":" + std::to_string(line) + ": column " + std::string(column) + ": '" +
                        std::string(cell.substr(0, kCellShown)) + "' " + std::string(what));
    }
};

Result<std::int64_t> parse_whole(const Place& place, std::string_view column, std::string_view cell,
                                 std::int64_t max) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc{} || end != cell.data() + cell.size() || value < 0 || value > max) {
        return place.refuse(column, cell, "is not a whole number from 0 to " + std::to_string(max));
    }
    return value;
}

Result<std::int64_t> parse_seconds(const Place& place, std::string_view cell) {
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc{} || end != cell.data() + cell.size() ||
        !(value >= 0 && value <= kSecondsMax)) {
        return place.refuse("t_s", cell, "is not a number of seconds within a year");
    }
    return std::llround(value * 1e6);
}

/// "2023-11-16 18:15:46.6805900": RFC 3339 with a space and without a zone, seven digits.
Result<std::int64_t> parse_timestamp(const Place& place, std::string_view cell) {
    constexpr std::size_t kToSeconds = 19, kDigitsMax = 6;
    const auto refuse = [&] {
        return place.refuse("TIMESTAMP", cell, "is not a time like 2023-11-16 18:15:46.6805900");
    };
    if (cell.size() < kToSeconds || cell.size() > kToSeconds + 10 || cell[10] != ' ')
        return refuse();
    std::string text(cell.substr(0, kToSeconds));
    text[10] = 'T';
    if (cell.size() > kToSeconds) {
        const std::string_view digits = cell.substr(kToSeconds + 1);
        if (cell[kToSeconds] != '.' || digits.empty() ||
            digits.find_first_not_of("0123456789") != std::string_view::npos)
            return refuse();
        text += "." + std::string(digits.substr(0, kDigitsMax));
    }
    const auto time = parse_rfc3339(text + "Z");
    if (!time.ok()) return refuse();
    return time->micros;
}

Result<ReplayRequest> parse_row(TraceForm form, const Place& place, std::string_view row) {
    std::array<std::string_view, 4> cells;
    const std::size_t expected = form == TraceForm::azure ? 3 : 4;
    std::size_t count = 0;
    for (std::size_t at = 0; at <= row.size();) {
        const std::size_t comma = std::min(row.find(',', at), row.size());
        if (count < cells.size()) cells[count] = row.substr(at, comma - at);
        ++count;
        at = comma + 1;
    }
    if (count != expected) {
        return fail(ErrorCode::invalid_request,
                    *place.file + ":" + std::to_string(place.line) + ": " + std::to_string(count) +
                        " columns, its header has " + std::to_string(expected));
    }
    ReplayRequest out;
    if (form == TraceForm::azure) {
        TG_TRY(out.at_us, parse_timestamp(place, cells[0]));
        TG_TRY(out.input_tokens, parse_whole(place, "ContextTokens", cells[1], kTokensMax));
        TG_TRY(out.output_tokens, parse_whole(place, "GeneratedTokens", cells[2], kTokensMax));
        return out;
    }
    TG_TRY(out.at_us, parse_seconds(place, cells[0]));
    TG_TRY(const std::int64_t tenant, parse_whole(place, "tenant", cells[1], UINT32_MAX));
    out.tenant = static_cast<std::uint32_t>(tenant);
    TG_TRY(out.input_tokens, parse_whole(place, "input_tokens", cells[2], kTokensMax));
    TG_TRY(out.output_tokens, parse_whole(place, "output_tokens", cells[3], kTokensMax));
    return out;
}

void sort_from_zero(std::vector<ReplayRequest>& requests) {
    // By all fields, so that the order never depends on the library.
    std::ranges::sort(requests, {}, [](const ReplayRequest& it) {
        return std::tuple(it.at_us, it.tenant, it.input_tokens, it.output_tokens);
    });
    const std::int64_t first = requests.front().at_us;
    for (ReplayRequest& request : requests) request.at_us -= first;
}

Result<TraceForm> form_of(std::string_view header, const std::string& name) {
    if (header == kAzureHeader) return TraceForm::azure;
    if (header == kTenantHeader) return TraceForm::tenant;
    return fail(ErrorCode::invalid_request, name + ":1: the header is '" +
                                                std::string(header.substr(0, kCellShown)) +
                                                "'; it must be '" + std::string(kAzureHeader) +
                                                "' or '" + std::string(kTenantHeader) + "'");
}

}  // namespace

double ReplayTrace::minutes() const {
    return static_cast<double>(span_us()) / 60e6;
}

std::int64_t ReplayTrace::total_tokens() const {
    std::int64_t sum = 0;
    for (const ReplayRequest& request : requests) sum += request.tokens();
    return sum;
}

Result<ReplayTrace> parse_trace(std::string_view text, const std::string& name) {
    ReplayTrace trace;
    TraceForm form = TraceForm::azure;
    std::size_t line = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view row = text.substr(at, end - at);
        if (row.ends_with('\r')) row.remove_suffix(1);
        at = end + 1;
        if (++line == 1) {
            TG_TRY(form, form_of(row, name));
            continue;
        }
        if (row.empty()) continue;
        if (trace.requests.size() == kTraceRequestsMax) {
            return fail(ErrorCode::request_too_large,
                        name + ":" + std::to_string(line) + ": more than " +
                            std::to_string(kTraceRequestsMax) + " requests; split the trace");
        }
        TG_TRY(ReplayRequest request, parse_row(form, {.file = &name, .line = line}, row));
        trace.requests.push_back(request);
    }
    if (trace.requests.empty())
        return fail(ErrorCode::invalid_request, name +
                                                    ": holds no request; it needs a header line "
                                                    "and a line for each request");
    sort_from_zero(trace.requests);
    return trace;
}

Result<ReplayTrace> read_trace(const std::string& file) {
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    const std::streamoff size = in ? static_cast<std::streamoff>(in.tellg()) : -1;
    if (size < 0) return fail(ErrorCode::io_error, "cannot read the trace '" + file + "'");
    if (static_cast<std::size_t>(size) > kTraceBytesMax) {
        return fail(ErrorCode::request_too_large,
                    "the trace '" + file + "' has " + std::to_string(size) + " bytes, at most " +
                        std::to_string(kTraceBytesMax) + " are read; split it");
    }
    std::string text(static_cast<std::size_t>(size), '\0');
    in.seekg(0);
    if (!in.read(text.data(), size))
        return fail(ErrorCode::io_error, "cannot read the trace '" + file + "'");
    return parse_trace(text, file);
}

Result<ReplayTrace> scale_trace(const ReplayTrace& trace, const ReplayTarget& target, Rng* rng) {
    const double minutes = trace.minutes();
    if (minutes < 1) {
        return fail(ErrorCode::invalid_request,
                    "the trace spans " + std::to_string(minutes * 60) +
                        " seconds; limits are per minute, so it must span one at least");
    }
    const double rpm = static_cast<double>(trace.requests.size()) / minutes;
    const double tpm = static_cast<double>(trace.total_tokens()) / minutes;
    const double factor = target.share * std::min(static_cast<double>(target.rpm) / rpm,
                                                  static_cast<double>(target.tpm) / tpm);
    if (factor * static_cast<double>(trace.requests.size()) >
        static_cast<double>(kTraceRequestsMax)) {
        return fail(ErrorCode::invalid_request, "the scaled trace would have more than " +
                                                    std::to_string(kTraceRequestsMax) +
                                                    " requests; lower --scale-to or cut the trace");
    }
    ReplayTrace out;
    out.requests.reserve(
        static_cast<std::size_t>(factor * static_cast<double>(trace.requests.size()) + 1));
    double due = static_cast<double>(rng->below(1'000)) / 1e3;
    for (const ReplayRequest& request : trace.requests) {
        due += factor;
        for (bool is_first = true; due >= 1; due -= 1, is_first = false) {
            out.requests.push_back(request);
            if (!is_first)
                out.requests.back().at_us += static_cast<std::int64_t>(rng->below(kCopySpreadUs));
        }
    }
    if (out.requests.empty()) {
        return fail(ErrorCode::invalid_request,
                    "nothing is left of the trace at this scale; raise --scale-to");
    }
    sort_from_zero(out.requests);
    return out;
}

}  // namespace tg
