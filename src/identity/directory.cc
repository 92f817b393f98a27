#include "identity/directory.h"

#include <bit>
#include <cstring>

#include "identity/key_text.h"

namespace tg {
namespace {

std::size_t start_slot(const Sha256& hash, std::size_t mask) {
    std::uint64_t word = 0;
    std::memcpy(&word, hash.data(), sizeof word);
    return word & mask;
}

std::string_view bytes_of(const Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::unexpected<Error> refuse_unknown(std::string_view presented) {
    if (presented.empty())
        return fail(ErrorCode::unauthenticated, "no API key was given; send it as a bearer token");
    if (check_key_text(presented, kApiKeyPrefix) == KeyTextCheck::mistyped) {
        return fail(
            ErrorCode::unauthenticated,
            "the API key is mistyped: its last characters do not fit the others; copy it again");
    }
    return fail(ErrorCode::unauthenticated,
                "the API key is not known here; check that it belongs to this gateway");
}

}  // namespace

Directory::Directory(std::vector<Customer> customers, std::vector<Project> projects,
                     std::vector<ApiKey> keys, std::int64_t version)
    : customers_(std::move(customers)),
      projects_(std::move(projects)),
      keys_(std::move(keys)),
      version_(version) {
    for (const Customer& customer : customers_) customer_by_id_.emplace(customer.id, &customer);
    for (const Project& project : projects_) project_by_id_.emplace(project.id, &project);
    index_keys();
}

void Directory::index_keys() {
    // At most half full: a probe of an unknown key ends soon.
    key_slots_.assign(std::bit_ceil(keys_.size() * 2 + 2), 0);
    const std::size_t mask = key_slots_.size() - 1;
    callers_.reserve(keys_.size());
    for (const ApiKey& key : keys_) {
        key_by_id_.emplace(key.id, &key);
        Caller caller{.key = &key};
        if (key.project) caller.project = project(*key.project);
        if (caller.project != nullptr) caller.customer = customer(caller.project->customer);
        callers_.push_back(caller);
        std::size_t slot = start_slot(key.hash, mask);
        while (key_slots_[slot] != 0) slot = (slot + 1) & mask;
        key_slots_[slot] = static_cast<std::uint32_t>(callers_.size());
    }
}

const Caller* Directory::find(const Sha256& hash) const {
    const std::size_t mask = key_slots_.size() - 1;
    for (std::size_t slot = start_slot(hash, mask); key_slots_[slot] != 0;
         slot = (slot + 1) & mask) {
        const Caller& caller = callers_[key_slots_[slot] - 1];
        if (equal_constant_time(bytes_of(caller.key->hash), bytes_of(hash))) return &caller;
    }
    return nullptr;
}

Result<Caller> Directory::authenticate(std::string_view presented_key, UtcMicros now) const {
    // A longer text is no key of ours; hashing it would let a caller choose what a refusal costs.
    constexpr std::size_t kKeyBytesMax = 256;
    if (presented_key.empty() || presented_key.size() > kKeyBytesMax)
        return refuse_unknown(presented_key);
    const Caller* caller = find(sha256(presented_key));
    if (caller == nullptr) return refuse_unknown(presented_key);
    const ApiKey& key = *caller->key;
    if (!key.is_active) {
        return fail(ErrorCode::key_disabled,
                    "API key " + key.hint + " is disabled; use another or have it enabled");
    }
    if (key.expires_at && now >= *key.expires_at) {
        return fail(ErrorCode::key_expired, "API key " + key.hint + " expired at " +
                                                format_rfc3339(*key.expires_at) +
                                                "; use a newer one");
    }
    if (caller->project == nullptr || caller->customer == nullptr) {
        return fail(
            ErrorCode::key_without_project,
            "API key " + key.hint +
                " belongs to no project, so nobody could be billed; assign it to a project");
    }
    if (!caller->project->is_active) {
        return fail(ErrorCode::key_disabled, "project '" + caller->project->code + "' of API key " +
                                                 key.hint + " is disabled");
    }
    if (!caller->customer->is_active) {
        return fail(ErrorCode::key_disabled, "customer '" + caller->customer->code +
                                                 "' of API key " + key.hint + " is disabled");
    }
    if (!caller->customer->hold.empty()) {
        return fail(ErrorCode::budget_exhausted, "calls of customer '" + caller->customer->code +
                                                     "' are on hold: " + caller->customer->hold);
    }
    return *caller;
}

const Customer* Directory::customer(CustomerId id) const {
    const auto found = customer_by_id_.find(id);
    return found == customer_by_id_.end() ? nullptr : found->second;
}

const Customer* Directory::customer(std::string_view code) const {
    for (const Customer& customer : customers_) {
        if (customer.code == code) return &customer;
    }
    return nullptr;
}

const Project* Directory::project(ProjectId id) const {
    const auto found = project_by_id_.find(id);
    return found == project_by_id_.end() ? nullptr : found->second;
}

const Project* Directory::project(CustomerId customer, std::string_view code) const {
    for (const Project& project : projects_) {
        if (project.customer == customer && project.code == code) return &project;
    }
    return nullptr;
}

const ApiKey* Directory::key(KeyId id) const {
    const auto found = key_by_id_.find(id);
    return found == key_by_id_.end() ? nullptr : found->second;
}

}  // namespace tg
