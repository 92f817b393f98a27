#include "rating/catalogue.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"
#include "rating/compiled_price.h"

namespace tg {
namespace {

/// One name under which one provider's price can be asked for.
struct Entry {
    std::string_view name;
    std::string_view provider;
    bool is_stripped = false;  ///< listed as "provider/name"
    std::uint32_t first = 0;   ///< its windows in Tables::compiled, by valid_from
    std::uint32_t count = 0;
};

struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t first = 0;  ///< its entries in Tables::entries
    std::uint32_t count = 0;  ///< 0: empty
};

std::string label(const ModelPrice& price) {
    return "model '" + price.model + "'" +
           (price.provider.empty() ? "" : " of provider '" + price.provider + "'");
}

std::string window(const ModelPrice& price) {
    return "[" + format_rfc3339(price.valid_from) + ", " +
           (price.valid_to ? format_rfc3339(*price.valid_to) : "open") + ")";
}

bool all_digits(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "gpt-4o-2024-08-06", "claude-3-5-haiku-20241022" and "...@20250929" without their date; empty
/// when there is none.
std::string_view without_date(std::string_view model) {
    if (model.size() > 11) {
        const std::string_view date = model.substr(model.size() - 11);
        if (date[0] == '-' && date.substr(1, 2) == "20" && all_digits(date.substr(1, 4)) &&
            date[5] == '-' && all_digits(date.substr(6, 2)) && date[8] == '-' &&
            all_digits(date.substr(9))) {
            return model.substr(0, model.size() - 11);
        }
    }
    if (model.size() > 9) {
        const std::string_view date = model.substr(model.size() - 9);
        if ((date[0] == '-' || date[0] == '@') && date.substr(1, 2) == "20" &&
            all_digits(date.substr(1))) {
            return model.substr(0, model.size() - 9);
        }
    }
    return {};
}

std::string_view without_prefix(std::string_view model, std::string_view provider) {
    if (provider.empty() || model.size() <= provider.size() + 1 || !model.starts_with(provider) ||
        model[provider.size()] != '/') {
        return {};
    }
    return model.substr(provider.size() + 1);
}

bool has_control_character(std::string_view text) {
    return std::ranges::any_of(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Status check_names(const ModelPrice& price) {
    bool is_bad = has_control_character(price.model) || has_control_character(price.provider) ||
                  has_control_character(price.mode) || has_control_character(price.source);
    for (const auto& [region, ppm] : price.region_multiplier_ppm)
        is_bad = is_bad || has_control_character(region);
    if (!is_bad) return {};
    return fail(ErrorCode::invalid_request,
                "a name or the source of " + label(price) + " holds a control character");
}

Status check_windows(std::span<const ModelPrice> prices) {
    for (const ModelPrice& price : prices) {
        TG_CHECK_OK(check_names(price));
        if (price.model.empty())
            return fail(ErrorCode::invalid_request, "a price without a model name");
        if (price.valid_to && *price.valid_to <= price.valid_from) {
            return fail(ErrorCode::invalid_request,
                        label(price) + ": validity " + window(price) + " is empty");
        }
    }
    for (std::size_t i = 1; i < prices.size(); ++i) {
        const ModelPrice& earlier = prices[i - 1];
        const ModelPrice& later = prices[i];
        if (earlier.model != later.model || earlier.provider != later.provider) continue;
        if (!earlier.valid_to || *earlier.valid_to > later.valid_from) {
            return fail(ErrorCode::invalid_request, label(later) + ": prices valid " +
                                                        window(earlier) + " and " + window(later) +
                                                        " overlap");
        }
    }
    return {};
}

}  // namespace

struct Catalogue::Tables {
    PriceVersionId version;
    std::vector<ModelPrice> prices;       // by model, provider, valid_from
    std::vector<CompiledPrice> compiled;  // same order
    std::vector<PriceRounding> roundings;
    std::vector<Entry> entries;  // grouped by name
    std::vector<Slot> slots;     // open addressing, a power of two
    UnknownModelRule unknown;

    void index();
    std::span<const Entry> named(std::string_view name) const;
    const Entry* entry(std::string_view model, std::string_view provider) const;
    const Entry* search(std::string_view model, std::string_view provider) const;
    const CompiledPrice* at(const Entry& entry, UtcMicros at) const;
    std::unexpected<Error> unknown_model(std::string_view model, std::string_view provider,
                                         UtcMicros at) const;
};

void Catalogue::Tables::index() {
    for (std::size_t i = 0; i < prices.size();) {
        std::size_t end = i + 1;
        while (end < prices.size() && prices[end].model == prices[i].model &&
               prices[end].provider == prices[i].provider)
            ++end;
        const auto first = static_cast<std::uint32_t>(i),
                   count = static_cast<std::uint32_t>(end - i);
        entries.push_back({prices[i].model, prices[i].provider, false, first, count});
        const std::string_view rest = without_prefix(prices[i].model, prices[i].provider);
        if (!rest.empty()) entries.push_back({rest, prices[i].provider, true, first, count});
        i = end;
    }
    // Exact names stand before stripped ones, named providers before "any".
    std::ranges::sort(entries, {}, [](const Entry& e) {
        return std::tuple(e.name, e.is_stripped, e.provider.empty(), e.provider);
    });
    slots.resize(std::bit_ceil(entries.size() * 2 + 1));
    for (std::size_t i = 0; i < entries.size();) {
        std::size_t end = i + 1;
        while (end < entries.size() && entries[end].name == entries[i].name) ++end;
        const std::uint64_t hash = hash64(entries[i].name);
        std::size_t at = hash & (slots.size() - 1);
        while (slots[at].count != 0) at = (at + 1) & (slots.size() - 1);
        slots[at] = {hash, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(end - i)};
        i = end;
    }
}

std::span<const Entry> Catalogue::Tables::named(std::string_view name) const {
    const std::uint64_t hash = hash64(name);
    for (std::size_t at = hash & (slots.size() - 1); slots[at].count != 0;
         at = (at + 1) & (slots.size() - 1)) {
        if (slots[at].hash == hash && entries[slots[at].first].name == name) {
            return {&entries[slots[at].first], slots[at].count};
        }
    }
    return {};
}

const Entry* Catalogue::Tables::entry(std::string_view model, std::string_view provider) const {
    const std::span<const Entry> candidates = named(model);
    if (!provider.empty()) {
        const auto match = std::ranges::find_if(candidates, [&](const Entry& e) {
            return e.provider == provider || (e.provider.empty() && !e.is_stripped);
        });
        return match == candidates.end() ? nullptr : &*match;
    }
    const Entry* only = nullptr;
    for (const Entry& candidate : candidates) {
        if (candidate.is_stripped) continue;
        if (candidate.provider.empty()) return &candidate;
        if (only != nullptr) return nullptr;
        only = &candidate;
    }
    return only;
}

const Entry* Catalogue::Tables::search(std::string_view model, std::string_view provider) const {
    if (const Entry* found = entry(model, provider)) return found;
    const std::string_view bare = without_prefix(model, provider);
    if (!bare.empty()) {
        if (const Entry* found = entry(bare, provider)) return found;
    }
    const std::string_view undated = without_date(bare.empty() ? model : bare);
    if (undated.empty()) return nullptr;
    if (!bare.empty()) {
        if (const Entry* found = entry(without_date(model), provider)) return found;
    }
    return entry(undated, provider);
}

const CompiledPrice* Catalogue::Tables::at(const Entry& entry, UtcMicros time) const {
    for (std::uint32_t i = entry.first + entry.count; i-- > entry.first;) {
        if (prices[i].valid_from <= time) {
            return !prices[i].valid_to || time < *prices[i].valid_to ? &compiled[i] : nullptr;
        }
    }
    return nullptr;
}

std::unexpected<Error> Catalogue::Tables::unknown_model(std::string_view model,
                                                        std::string_view provider,
                                                        UtcMicros time) const {
    std::string detail = "model '" + std::string(model.substr(0, 200)) + "'";
    if (!provider.empty()) detail += " of provider '" + std::string(provider.substr(0, 100)) + "'";
    if (search(model, provider) != nullptr) {
        detail += " has no price in force at " + format_rfc3339(time);
    } else {
        detail += " is not in the price book";
        std::string others;
        for (const Entry& candidate : named(model)) {
            if (!candidate.is_stripped)
                others += (others.empty() ? "'" : ", '") + std::string(candidate.provider) + "'";
        }
        if (!others.empty()) detail += " (it lists the name for provider " + others + ")";
    }
    return fail(
        ErrorCode::model_unknown,
        detail +
            "; add one with `tollgate prices set`, or set a fallback price for unknown models");
}

Catalogue::Catalogue() : tables_(std::make_unique<Tables>()) {}
Catalogue::~Catalogue() = default;

Result<std::shared_ptr<const Catalogue>> Catalogue::build(PriceVersionId version,
                                                          std::vector<ModelPrice> prices,
                                                          UnknownModelRule unknown) {
    const std::shared_ptr<Catalogue> catalogue(new Catalogue());
    Tables& tables = *catalogue->tables_;
    std::ranges::sort(prices, [](const ModelPrice& a, const ModelPrice& b) {
        return std::tie(a.model, a.provider, a.valid_from) <
               std::tie(b.model, b.provider, b.valid_from);
    });
    TG_CHECK_OK(check_windows(prices));
    tables.version = version;
    tables.prices = std::move(prices);
    tables.unknown = std::move(unknown);
    tables.compiled.reserve(tables.prices.size());
    for (const ModelPrice& price : tables.prices) {
        TG_TRY(CompiledPrice compiled, CompiledPrice::compile(price, version, tables.roundings));
        tables.compiled.push_back(std::move(compiled));
    }
    tables.index();
    if (tables.unknown.action == UnknownModelRule::Action::price_as &&
        tables.search(tables.unknown.price_as_model, {}) == nullptr) {
        return fail(ErrorCode::invalid_request,
                    "unknown models are to be priced as '" + tables.unknown.price_as_model +
                        "', which is itself not in the price book; name a model that is");
    }
    return std::shared_ptr<const Catalogue>(catalogue);
}

Result<Catalogue::Found> Catalogue::find(std::string_view model, std::string_view provider,
                                         UtcMicros at) const {
    if (const Entry* entry = tables_->search(model, provider)) {
        if (const CompiledPrice* price = tables_->at(*entry, at)) return Found{price, false};
    }
    if (tables_->unknown.action == UnknownModelRule::Action::price_as) {
        const Entry* entry = tables_->search(tables_->unknown.price_as_model, {});
        TG_ASSERT(entry != nullptr);
        if (const CompiledPrice* price = tables_->at(*entry, at)) return Found{price, true};
    }
    return tables_->unknown_model(model, provider, at);
}

PriceVersionId Catalogue::version() const {
    return tables_->version;
}
std::size_t Catalogue::size() const {
    return tables_->prices.size();
}
const std::vector<ModelPrice>& Catalogue::prices() const {
    return tables_->prices;
}
std::span<const PriceRounding> Catalogue::roundings() const {
    return tables_->roundings;
}

}  // namespace tg
