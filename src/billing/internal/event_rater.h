#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "metering/usage_event.h"
#include "rating/catalogue.h"
#include "rating/rate.h"

namespace tg {

/// What is counted and charged for one event.
struct Rated {
    bool is_priced = true;
    /// The event's own flags, with kEventFallbackPrice and kEventUnpriced as found here.
    std::uint16_t flags = 0;
    std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
    /// Lines and total. Of an unpriced event the lines hold the quantities with kUnpriced.
    RatedEvent event;
};

/// The price of an event, found and applied the same way by whoever asks: the settler when it
/// books, verify when it checks. Not thread-safe.
class EventRater {
  public:
    /// Errors: not_found when there is no such version; anything else means "ask again later".
    using CatalogueSource = std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)>;

    static constexpr NanoPerM kUnpriced{-1};
    /// Nothing that one call can use or cost is larger. What is larger is a mistake of whoever
    /// reported it: it stays in the event as reported, unpriced, and enters no sum, so that sums of
    /// any number of events fit the store's 64 bits.
    static constexpr std::int64_t kQuantityMax = 1'000'000'000'000;
    static constexpr Femto kChargeMax{1'000'000 * kFemtoPerUnit};

    explicit EventRater(CatalogueSource source) : source_(std::move(source)) {}

    /// Valid until the next call. An event without a price is no error. Errors: those of the
    /// source, when the book cannot be read now: the event must be rated later.
    Result<const Rated*> rate(const UsageEvent& event);

  private:
    /// Null when the version does not exist.
    Result<const Catalogue*> catalogue(PriceVersionId version);
    void count_tokens(const Usage& usage);
    void mark_unpriced(const Usage& usage);

    CatalogueSource source_;
    std::unordered_map<std::uint32_t, std::shared_ptr<const Catalogue>> catalogues_;
    const Catalogue* last_ = nullptr;
    PriceVersionId last_version_;
    Rated rated_;
};

}  // namespace tg
