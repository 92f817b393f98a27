// The newest calls' part of settle_writer.h.
#include <algorithm>

#include "billing/internal/settle_writer.h"

namespace tg {
namespace {

constexpr std::string_view kColumns[] = {"customer_id:i4", "sequence:i"};
/// Customers of one statement.
constexpr std::size_t kCustomersMax = 1'000;

Status add_newest(SqlConnection& store, std::span<const std::uint32_t> customers,
                  const RecentSequences& recent) {
    TG_TRY(const auto insert, store.bulk_insert("recent_calls", kColumns));
    for (const std::uint32_t customer : customers) {
        const std::vector<std::int64_t>& sequences = recent.at(customer);
        const std::size_t count = std::min(sequences.size(), kRecentCalls);
        for (const std::int64_t sequence : std::span(sequences).last(count)) {
            insert->integer(customer);
            insert->integer(sequence);
            TG_CHECK_OK(insert->end_row());
        }
    }
    return insert->finish();
}

/// A text of its own each time: the numbers are ours, and a prepared statement would not be used
/// again.
std::string removal_of_older(std::span<const std::uint32_t> customers) {
    std::string ids;
    for (const std::uint32_t customer : customers)
        ids.append(ids.empty() ? "" : ", ").append(std::to_string(customer));
    return "DELETE FROM recent_calls WHERE customer_id IN (" + ids +
           ") AND (customer_id, sequence) IN (SELECT customer_id, sequence FROM (SELECT "
           "customer_id, sequence, row_number() OVER (PARTITION BY customer_id ORDER BY sequence "
           "DESC) AS place FROM recent_calls WHERE customer_id IN (" +
           ids + ")) AS ranked WHERE place > " + std::to_string(kRecentCalls) + ")";
}

}  // namespace

Status write_recent(SqlConnection& store, const RecentSequences& recent) {
    std::vector<std::uint32_t> customers;
    customers.reserve(recent.size());
    for (const auto& [customer, sequences] : recent) customers.push_back(customer);
    std::ranges::sort(customers);
    TG_CHECK_OK(add_newest(store, customers, recent));
    for (std::size_t i = 0; i < customers.size(); i += kCustomersMax) {
        const std::size_t count = std::min(kCustomersMax, customers.size() - i);
        TG_CHECK_OK(store.execute_script(removal_of_older(std::span(customers).subspan(i, count))));
    }
    return {};
}

}  // namespace tg
