#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rating/catalogue.h"
#include "rating/litellm_import.h"
#include "rating/price_diff.h"
#include "rating/price_merge.h"
#include "store/sql.h"

namespace tg {

/// One publication of the price book. Immutable.
struct PriceVersion {
    PriceVersionId id;
    UtcMicros published_at;
    UtcMicros valid_from;       ///< from when its changes hold
    std::string note;           ///< why, by whoever published
    std::string source;         ///< file or "by hand"
    std::string source_sha256;  ///< of the imported text, hex; "" by hand
    std::string book_sha256;    ///< of the whole book as exported
    std::int64_t price_count = 0;
};

/// What would be published: the whole book with its history, and how it differs from the one in
/// force.
struct PriceProposal {
    PriceVersionId base;  ///< the version it was made from; 0: there was none
    std::vector<ModelPrice> prices;
    PriceDiff diff;  ///< as in force at valid_from
    UtcMicros valid_from;
    std::string source, source_sha256;
};

struct ProposalOptions {
    UtcMicros valid_from;    ///< usually now
    UtcMicros closed_until;  ///< prices before this never change: the end of the last closed
                             ///< period, or now
    Unlisted unlisted = Unlisted::keep;
};

/// A price set by hand. Only the components named change, unless `replaces_all`.
struct PriceEdit {
    struct Component {
        Meter meter = Meter::input;
        std::string price;  ///< decimal in price_unit(meter): "2.50" dollars per 1M tokens; ""
                            ///< removes; "0" is free
        ServiceTier tier = ServiceTier::standard;
        std::optional<PriceBand> band{};
    };
    std::string model, provider;
    std::optional<Currency> currency;  ///< none: as before, USD when new
    std::vector<Component> components;
    bool replaces_all =
        false;  ///< the model costs exactly this: forget other components and multipliers
};

/// Whoever publishes has seen the diff and agrees with what must be approved.
enum class Approval : std::uint8_t { not_given, given };

/// The price book in the store: versions, each immutable once published and containing all validity
/// windows, so that any moment of the past can be priced with any version. Blocking; one
/// connection, not thread-safe. Reads no clock. Errors of every function: those of SqlConnection;
/// corrupt_data when the stored book does not match its hash.
class PriceStore {
  public:
    explicit PriceStore(SqlConnection& connection) : connection_(&connection) {}

    Result<std::vector<PriceVersion>> list_versions();  ///< oldest first
    Result<PriceVersionId> latest();                    ///< 0 when nothing is published
    /// Every window of that version. Errors: not_found.
    Result<std::vector<ModelPrice>> prices(PriceVersionId version);
    Result<std::shared_ptr<const Catalogue>> load(PriceVersionId version,
                                                  const UnknownModelRule& unknown);
    /// The windows of one model in the latest version, oldest first; `provider` "" takes any.
    /// Errors: not_found.
    Result<std::vector<ModelPrice>> get_price(std::string_view model, std::string_view provider);
    /// How two versions differ at a moment; version 0 is the empty book.
    Result<PriceDiff> diff(PriceVersionId from, PriceVersionId to, UtcMicros at);
    Result<std::string> export_json(PriceVersionId version);

    struct ImportProposal {
        ImportReport report;
        PriceProposal proposal;
    };
    /// LiteLLM's list over the latest version. Writes nothing. Errors: those of import_litellm()
    /// and merge_prices(); invalid_request when the result is no valid book.
    Result<ImportProposal> import_litellm(std::string_view json, std::string source,
                                          const PriceRules& rules, const ProposalOptions& options);
    /// A file of ours (price_json.h) over the latest version. Writes nothing.
    Result<PriceProposal> import_prices(std::string_view json, std::string source,
                                        const ProposalOptions& options);
    /// One model by hand over the latest version. Writes nothing. Errors: invalid_request,
    /// conflict.
    Result<PriceProposal> set_price(const PriceEdit& edit, const ProposalOptions& options);

    /// Makes the proposal the latest version, in one transaction, and returns its number; the same
    /// number as before when it changes nothing. Errors: conflict when approval is needed and not
    /// given, naming why, or when another version has been published meanwhile; invalid_request
    /// when the book is not valid. `record`, when given, runs inside that transaction (an audit
    /// entry); its error undoes the publication.
    Result<PriceVersionId> publish(const PriceProposal& proposal, Approval approval,
                                   std::string_view note, UtcMicros now,
                                   const std::function<Status(PriceVersionId)>& record = {});

  private:
    Result<std::vector<ModelPrice>> book_of(PriceVersionId version);  ///< empty for version 0
    Result<PriceProposal> propose(std::vector<ModelPrice> incoming, const MergeOptions& merge,
                                  const ProposalOptions& options);
    SqlConnection* connection_;
};

}  // namespace tg
