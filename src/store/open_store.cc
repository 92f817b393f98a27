#include "store/internal/drivers.h"

namespace tg {
namespace store_internal {
namespace {

Status apply_option(SqliteOptions& options, std::string_view option) {
    const std::size_t equals = option.find('=');
    const std::string_view key = option.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view{} : option.substr(equals + 1);
    if (key == "synchronous" && (value == "full" || value == "normal")) {
        options.is_synchronous_full = value == "full";
        return {};
    }
    if (key == "busy_timeout_ms") {
        constexpr int kTimeoutMaxMs = 600'000;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), options.busy_timeout_ms);
        if (error == std::errc{} && end == value.data() + value.size() &&
            options.busy_timeout_ms >= 0 && options.busy_timeout_ms <= kTimeoutMaxMs) {
            return {};
        }
    }
    return fail(ErrorCode::invalid_config,
                "store URL option '" + std::string(option) +
                    "' is not known; use synchronous=normal|full or busy_timeout_ms=0..600000");
}

}  // namespace

Result<SqliteOptions> parse_sqlite_url(const std::string& url) {
    constexpr std::string_view kScheme = "sqlite:";
    std::string_view rest = std::string_view(url).substr(kScheme.size());
    SqliteOptions options;
    const std::size_t question = rest.find('?');
    options.path = rest.substr(0, question);
    if (options.path.empty()) {
        return fail(
            ErrorCode::invalid_config,
            "store URL '" + url + "' names no file; write for example sqlite:var/tollgate.db");
    }
    if (question == std::string_view::npos) return options;
    rest.remove_prefix(question + 1);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        TG_CHECK_OK(apply_option(options, rest.substr(0, end)));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return options;
}

}  // namespace store_internal

Result<std::unique_ptr<SqlConnection>> open_store(const std::string& url) {
    if (url.starts_with("sqlite:")) {
        TG_TRY(const store_internal::SqliteOptions options, store_internal::parse_sqlite_url(url));
        return store_internal::open_sqlite(options);
    }
    if (url.starts_with("postgres://") || url.starts_with("postgresql://"))
        return store_internal::open_postgres(url);
    // The text is not repeated: it may be a PostgreSQL URL with a password and a slip in the
    // scheme.
    return fail(ErrorCode::invalid_config,
                "the store URL starts with neither sqlite: nor postgres://; write for example "
                "sqlite:var/tollgate.db or "
                "postgres://user@host:5432/tollgate");
}

Result<Transaction> Transaction::begin(SqlConnection& connection) {
    TG_CHECK_OK(connection.begin());
    return Transaction(connection);
}

}  // namespace tg
