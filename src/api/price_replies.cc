#include "api/internal/price_replies.h"

#include "api/internal/route.h"
#include "rating/price_json.h"

namespace tg::api {
namespace {

std::string_view kind_name(PriceChange::Kind kind) {
    switch (kind) {
        case PriceChange::Kind::added:
            return "added";
        case PriceChange::Kind::changed:
            return "changed";
        case PriceChange::Kind::removed:
            return "removed";
    }
    return "changed";
}

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
    json.key(name).begin_array();
    for (const std::string& text : texts) json.value(text);
    json.end_array();
}

void write_diff(JsonWriter& json, const PriceDiff& diff) {
    json.begin_object().field("needs_approval", diff.needs_approval());
    if (diff.needs_approval()) json.field("approval_reason", diff.approval_text());
    json.key("changes").begin_array();
    for (const PriceChange& change : diff.changes) {
        json.begin_object()
            .field("kind", kind_name(change.kind))
            .field("provider", change.provider)
            .field("model", change.model)
            .field("what", change.what)
            .field("old", change.old_value)
            .field("new", change.new_value)
            .field("change", change.change)
            .field("approval_reason", change.approval_reason)
            .end_object();
    }
    json.end_array();
    write_texts(json, "added", diff.added);
    write_texts(json, "removed", diff.removed);
    write_texts(json, "not_listed", diff.not_listed);
    write_texts(json, "kept_manual", diff.kept_manual);
    json.end_object();
}

void write_counts(JsonWriter& json, std::string_view name,
                  const std::map<std::string, int>& counts) {
    json.key(name).begin_object();
    for (const auto& [key, count] : counts) json.field(key, count);
    json.end_object();
}

void write_report(JsonWriter& json, const ImportReport& report) {
    json.begin_object()
        .field("entries", report.entry_count)
        .field("prices", static_cast<std::int64_t>(report.prices.size()));
    json.key("skipped").begin_array();
    for (const ImportReport::Skipped& skipped : report.skipped) {
        json.begin_object()
            .field("model", skipped.model)
            .field("reason", skipped.reason)
            .end_object();
    }
    json.end_array().key("notes").begin_array();
    for (const ImportReport::Note& note : report.notes) {
        json.begin_object()
            .field("model", note.model)
            .field("key", note.key)
            .field("text", note.text)
            .end_object();
    }
    json.end_array();
    write_counts(json, "unknown_price_keys", report.unknown_price_keys);
    write_counts(json, "unmetered_price_keys", report.unmetered_price_keys);
    json.field("source", report.source)
        .field("source_sha256", hex(report.source_sha256.data(), report.source_sha256.size()))
        .end_object();
}

}  // namespace

ApiReply price_list_reply(std::uint32_t version, const std::vector<ModelPrice>& prices,
                          std::size_t after, std::size_t limit) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("version", version).key("data").begin_array();
    const std::size_t end = std::min(prices.size(), after + limit);
    for (std::size_t i = after; i < end; ++i) write_model_price(json, prices[i]);
    json.end_array().key("next_after");
    if (end < prices.size()) {
        json.value(static_cast<std::int64_t>(end));
    } else {
        json.null();
    }
    json.end_object();
    return json_reply(200, std::move(out));
}

ApiReply publication_reply(const PriceProposal& proposal, std::optional<PriceVersionId> version,
                           const ImportReport* report) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("base_version", proposal.base.get()).key("version");
    if (version) {
        json.value(version->get());
    } else {
        json.null();
    }
    json.field("valid_from", format_rfc3339(proposal.valid_from)).key("diff");
    write_diff(json, proposal.diff);
    if (report != nullptr) {
        json.key("import");
        write_report(json, *report);
    }
    json.end_object();
    return json_reply(200, std::move(out));
}

ApiReply version_list_reply(const std::vector<PriceVersion>& versions) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("data").begin_array();
    for (const PriceVersion& version : versions) {
        json.begin_object()
            .field("id", version.id.get())
            .field("published_at", format_rfc3339(version.published_at))
            .field("valid_from", format_rfc3339(version.valid_from))
            .field("note", version.note)
            .field("source", version.source)
            .field("source_sha256", version.source_sha256)
            .field("book_sha256", version.book_sha256)
            .field("price_count", version.price_count)
            .end_object();
    }
    json.end_array().end_object();
    return json_reply(200, std::move(out));
}

ApiReply diff_reply(const PriceDiff& diff) {
    std::string out;
    JsonWriter json(out);
    write_diff(json, diff);
    return json_reply(200, std::move(out));
}

std::string publication_json(const PriceProposal& proposal, std::string_view note) {
    std::string out;
    JsonWriter(out)
        .begin_object()
        .field("base_version", proposal.base.get())
        .field("valid_from", format_rfc3339(proposal.valid_from))
        .field("source", proposal.source)
        .field("note", note)
        .field("changed", static_cast<std::int64_t>(proposal.diff.changes.size()))
        .field("added", static_cast<std::int64_t>(proposal.diff.added.size()))
        .field("removed", static_cast<std::int64_t>(proposal.diff.removed.size()))
        .end_object();
    return out;
}

}  // namespace tg::api
