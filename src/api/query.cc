#include "api/internal/query.h"

#include <charconv>
#include <limits>

namespace tg::api {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

template <typename T>
std::optional<T> whole_number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::unexpected<Error> refuse(std::string_view name, std::string_view value,
                              std::string_view rule) {
    return fail(ErrorCode::invalid_request, "the parameter '" + std::string(name) + "' is '" +
                                                std::string(value.substr(0, 64)) +
                                                "'; it must be " + std::string(rule));
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out.push_back(' ');
        } else if (text[i] != '%') {
            out.push_back(text[i]);
        } else {
            const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return fail(ErrorCode::invalid_request,
                            "the URL has a '%' without two hexadecimal digits");
            out.push_back(static_cast<char>(high << 4 | low));
            i += 2;
        }
    }
    return out;
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
    const auto id = whole_number<std::uint32_t>(text);
    return id && *id > 0 ? id : std::nullopt;
}

Result<Query> Query::parse(std::string_view text, const std::vector<std::string_view>& allowed) {
    Query out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('&'), text.size());
        const std::string_view pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty()) continue;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        TG_TRY(std::string name, percent_decode(pair.substr(0, equals), true));
        TG_TRY(std::string value,
               percent_decode(pair.substr(std::min(equals + 1, pair.size())), true));
        if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
            return fail(ErrorCode::invalid_request,
                        "the parameter '" + name.substr(0, 64) +
                            "' is not known here; see /admin/v1/openapi.yaml");
        }
        if (out.text(name))
            return fail(ErrorCode::invalid_request, "the parameter '" + name + "' is given twice");
        out.values_.emplace_back(std::move(name), std::move(value));
    }
    return out;
}

std::optional<std::string> Query::text(std::string_view name) const {
    for (const auto& [key, value] : values_) {
        if (key == name) return value;
    }
    return std::nullopt;
}

Result<std::int64_t> Query::integer(std::string_view name, std::int64_t fallback, std::int64_t min,
                                    std::int64_t max) const {
    const std::optional<std::string> found = text(name);
    if (!found) return fallback;
    const auto value = whole_number<std::int64_t>(*found);
    if (value && *value >= min && *value <= max) return *value;
    return refuse(name, *found,
                  "an integer from " + std::to_string(min) + " to " + std::to_string(max));
}

Result<std::optional<std::uint32_t>> Query::id(std::string_view name) const {
    const std::optional<std::string> found = text(name);
    if (!found) return std::optional<std::uint32_t>{};
    const auto value = parse_id(*found);
    if (!value) return refuse(name, *found, "an id: an integer above 0");
    return value;
}

Result<bool> Query::flag(std::string_view name) const {
    const std::optional<std::string> found = text(name);
    if (!found || *found == "false") return false;
    if (*found == "true") return true;
    return refuse(name, *found, "true or false");
}

Result<std::optional<UtcMicros>> Query::time(std::string_view name) const {
    const std::optional<std::string> found = text(name);
    if (!found) return std::optional<UtcMicros>{};
    const auto time = parse_rfc3339(*found);
    if (!time.ok()) return refuse(name, *found, "a time such as 2026-12-31T23:59:59Z");
    return std::optional(*time);
}

}  // namespace tg::api
