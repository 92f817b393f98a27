#include "app/command_args.h"

#include <limits>

#include "app/output.h"
#include "base/money.h"
#include "identity/directory_holder.h"

namespace tg {

Change change_by_user() {
    return {.actor = "cli:" + user_name(), .at = system_clock().now()};
}

Result<std::int64_t> parse_cents(const std::string& text, std::string_view option) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    const Result<int128> cents = parse_scaled(text, 2);
    if (cents.ok() && *cents >= -kMax && *cents <= kMax) return static_cast<std::int64_t>(*cents);
    return fail(ErrorCode::invalid_request,
                std::string(option) + " '" + text +
                    "' is no amount such as 12.50, with at most two decimals");
}

Result<CustomerId> customer_id(SqlConnection& store, const std::string& code) {
    TG_TRY(const auto directory, load_directory(store));
    const Customer* customer = directory->customer(code);
    if (customer != nullptr) return customer->id;
    return fail(ErrorCode::not_found,
                "customer '" + code + "' does not exist; see: tollgate customer list");
}

}  // namespace tg
