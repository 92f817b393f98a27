#include "compliance/internal/audit_json.h"

#include <simdjson.h>

#include <algorithm>
#include <limits>

#include "base/json_writer.h"

namespace tg::compliance_internal {
namespace {

namespace dom = simdjson::dom;

std::unexpected<Error> unreadable(const AuditEntry& entry, std::string_view what) {
    return fail(ErrorCode::corrupt_data, "audit entry " + std::to_string(entry.id) + " (" +
                                             entry.subject_kind + " " + entry.subject_id +
                                             "): " + std::string(what) + "; run: tollgate verify");
}

/// One side of an entry as an object.
class Side {
  public:
    Result<dom::object> parse(const AuditEntry& entry) {
        dom::object object;
        if (parser_.parse(entry.after).get_object().get(object) != simdjson::SUCCESS)
            return unreadable(entry, "its new state is no JSON object");
        return object;
    }

  private:
    dom::parser parser_;
};

std::string text_of(const dom::object& object, std::string_view key) {
    std::string_view value;
    return object[key].get_string().get(value) == simdjson::SUCCESS ? std::string(value) : "";
}

bool flag_of(const dom::object& object, std::string_view key) {
    bool value = false;
    return object[key].get_bool().get(value) == simdjson::SUCCESS && value;
}

}  // namespace

std::string to_json(const AccountFacts& facts) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("provider", facts.provider)
        .field("region", facts.region)
        .field("pool", facts.pool)
        .field("host", facts.host)
        .key("zero_retention");
    if (facts.reference.empty()) {
        json.null();
    } else {
        json.begin_object()
            .field("reference", facts.reference)
            .field("since", facts.since)
            .end_object();
    }
    json.end_object();
    return out;
}

std::string rules_json(int version) {
    std::string out;
    JsonWriter(out).begin_object().field("version", version).end_object();
    return out;
}

Result<AccountFacts> facts_of(const AuditEntry& entry) {
    Side side;
    TG_TRY(const dom::object object, side.parse(entry));
    AccountFacts out{.name = entry.subject_id,
                     .provider = text_of(object, "provider"),
                     .region = text_of(object, "region"),
                     .pool = text_of(object, "pool"),
                     .host = text_of(object, "host")};
    dom::object coverage;
    if (object["zero_retention"].get_object().get(coverage) == simdjson::SUCCESS) {
        out.reference = text_of(coverage, "reference");
        out.since = text_of(coverage, "since");
    }
    return out;
}

Result<int> rules_of(const AuditEntry& entry) {
    Side side;
    TG_TRY(const dom::object object, side.parse(entry));
    std::int64_t version = 0;
    if (object["version"].get_int64().get(version) != simdjson::SUCCESS || version < 1 ||
        version > std::numeric_limits<int>::max())
        return unreadable(entry, "it names no version");
    return static_cast<int>(version);
}

Result<DataPolicy> policy_of(const AuditEntry& entry) {
    Side side;
    TG_TRY(const dom::object object, side.parse(entry));
    dom::object policy;
    if (object["data_policy"].get_object().get(policy) != simdjson::SUCCESS) return DataPolicy{};
    DataPolicy out{.is_zero_retention = flag_of(policy, "zero_retention"),
                   .pool = text_of(policy, "pool"),
                   .pool_on_request = text_of(policy, "pool_on_request"),
                   .allows_web_search = flag_of(policy, "allow_web_search"),
                   .keeps_end_user = flag_of(policy, "keep_end_user")};
    dom::array regions;
    if (policy["regions"].get_array().get(regions) == simdjson::SUCCESS) {
        out.regions.emplace();
        for (const dom::element region : regions) {
            std::string_view name;
            if (region.get_string().get(name) != simdjson::SUCCESS)
                return unreadable(entry, "its regions are no texts");
            out.regions->emplace_back(name);
        }
    }
    return out;
}

Result<std::vector<AuditEntry>> entries_of(SqlConnection& store, std::string_view kind,
                                           std::string_view id) {
    std::vector<AuditEntry> out;
    TG_CHECK_OK(read_audit(store,
                           {.subject_kind = std::string(kind),
                            .subject_id = std::string(id),
                            .limit = std::numeric_limits<int>::max()},
                           [&](const AuditEntry& entry) {
                               out.push_back(entry);
                               return true;
                           }));
    std::ranges::reverse(out);
    return out;
}

}  // namespace tg::compliance_internal
