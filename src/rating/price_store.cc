#include "rating/price_store.h"

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "rating/price_json.h"
#include "rating/price_text.h"

namespace tg {
namespace {

constexpr std::string_view kVersionColumns =
    "id, published_at, valid_from, note, source, source_sha256, book_sha256, price_count";

PriceVersion read_version(const SqlRow& row) {
    PriceVersion out;
    out.id = PriceVersionId(static_cast<std::uint32_t>(row.integer(0)));
    out.published_at = {row.integer(1)};
    out.valid_from = {row.integer(2)};
    out.note = row.text(3);
    out.source = row.text(4);
    out.source_sha256 = row.text(5);
    out.book_sha256 = row.text(6);
    out.price_count = row.integer(7);
    return out;
}

std::int64_t number(PriceVersionId version) {
    return version.get();
}

std::string hex_sha256(std::string_view text) {
    const Sha256 hash = sha256(text);
    return hex(hash.data(), hash.size());
}

auto window_order(const ModelPrice& price) {
    return std::tie(price.model, price.provider, price.valid_from);
}

/// The order in which a book is hashed, stored and exported.
void canonicalise(std::vector<ModelPrice>& prices) {
    for (ModelPrice& price : prices) {
        std::ranges::sort(price.components, {}, [](const PriceComponent& c) {
            return std::tuple(c.tier, c.band ? c.band->threshold_tokens : 0, c.meter);
        });
        std::ranges::sort(price.region_multiplier_ppm);
    }
    std::ranges::sort(prices, [](const ModelPrice& a, const ModelPrice& b) {
        return window_order(a) < window_order(b);
    });
}

/// Reads the rows of one version; the numbers of rows are the keys.
class BookReader {
  public:
    BookReader(SqlConnection& connection, PriceVersionId version)
        : connection_(connection), version_(number(version)) {}

    Result<std::map<std::int64_t, ModelPrice>> read() {
        TG_CHECK_OK(read_models());
        TG_CHECK_OK(read_components());
        TG_CHECK_OK(read_multipliers());
        if (!damage_.empty())
            return fail(ErrorCode::corrupt_data,
                        "price book version " + std::to_string(version_) + ": " + damage_);
        return std::move(out_);
    }

  private:
    static std::string of_version(std::string_view columns, std::string_view from) {
        return "SELECT " + std::string(columns) + " FROM " + std::string(from) +
               " WHERE p.since_version <= ? AND (p.until_version IS NULL OR p.until_version > ?)";
    }

    template <typename T>
    T checked(Result<T> value) {
        if (value.ok()) return std::move(value).value();
        damage_ = value.error().detail;
        return {};
    }

    Status read_models() {
        return connection_.query(
            of_version("p.id, p.model, p.provider, p.currency, p.valid_from, p.valid_to, p.mode, "
                       "p.source, p.max_input_tokens, "
                       "p.max_output_tokens, p.max_nano_per_m, p.is_manual, p.since_version",
                       "model_prices p"),
            {version_, version_}, [&](const SqlRow& row) {
                ModelPrice& price = out_[row.integer(0)];
                price.model = row.text(1);
                price.provider = row.text(2);
                price.currency = checked(parse_currency(row.text(3)));
                price.valid_from = {row.integer(4)};
                if (!row.is_null(5)) price.valid_to = UtcMicros{row.integer(5)};
                price.mode = row.text(6);
                price.source = row.text(7);
                price.max_input_tokens = row.integer(8);
                price.max_output_tokens = row.integer(9);
                price.max_nano_per_m = row.integer(10);
                price.is_manual = row.integer(11) != 0;
                price.version = PriceVersionId(static_cast<std::uint32_t>(row.integer(12)));
                return true;
            });
    }

    Status read_components() {
        return connection_.query(
            of_version("c.model_price_id, c.meter, c.tier, c.band_tokens, c.band_operator, "
                       "c.nano_per_m, c.is_free",
                       "price_components c JOIN model_prices p ON p.id = c.model_price_id") +
                " ORDER BY c.model_price_id, c.position",
            {version_, version_}, [&](const SqlRow& row) {
                PriceComponent& c = out_[row.integer(0)].components.emplace_back();
                c.meter = checked(parse_meter(row.text(1)));
                c.tier = tier(row.text(2));
                if (!row.is_null(3)) {
                    c.band = PriceBand{row.integer(3), row.text(4) == ">="
                                                           ? BandOperator::greater_or_equal
                                                           : BandOperator::greater};
                }
                c.price = {row.integer(5)};
                c.is_free = row.integer(6) != 0;
                return true;
            });
    }

    Status read_multipliers() {
        return connection_.query(
            of_version("m.model_price_id, m.kind, m.name, m.ppm",
                       "price_multipliers m JOIN model_prices p ON p.id = m.model_price_id"),
            {version_, version_}, [&](const SqlRow& row) {
                ModelPrice& price = out_[row.integer(0)];
                if (row.text(1) == "tier") {
                    price.tier_multiplier_ppm[static_cast<int>(tier(row.text(2)))] = row.integer(3);
                } else {
                    price.region_multiplier_ppm.emplace_back(row.text(2), row.integer(3));
                }
                return true;
            });
    }

    ServiceTier tier(std::string_view text) {
        bool was_known = false;
        const ServiceTier out = parse_service_tier(text, &was_known);
        if (!was_known) damage_ = "tier '" + std::string(text) + "' is not known";
        return out;
    }

    SqlConnection& connection_;
    std::int64_t version_;
    std::map<std::int64_t, ModelPrice> out_;
    std::string damage_;
};

Result<std::int64_t> next_row_id(SqlConnection& connection) {
    std::int64_t next = 1;
    TG_CHECK_OK(connection.query("SELECT coalesce(max(id), 0) + 1 FROM model_prices", {},
                                 [&](const SqlRow& row) {
                                     next = row.integer(0);
                                     return true;
                                 }));
    return next;
}

using Windows = std::vector<const ModelPrice*>;

Status insert_models(SqlConnection& connection, const Windows& windows, std::int64_t first_id,
                     PriceVersionId version) {
    constexpr std::string_view kColumns[] = {"id:i",
                                             "since_version:i",
                                             "model:t",
                                             "provider:t",
                                             "currency:t",
                                             "valid_from:i",
                                             "valid_to:i",
                                             "mode:t",
                                             "source:t",
                                             "max_input_tokens:i",
                                             "max_output_tokens:i",
                                             "max_nano_per_m:i",
                                             "is_manual:i2"};
    TG_TRY(const auto insert, connection.bulk_insert("model_prices", kColumns));
    for (const ModelPrice* price : windows) {
        insert->integer(first_id++);
        insert->integer(number(version));
        insert->text(price->model);
        insert->text(price->provider);
        insert->text(code(price->currency));
        insert->integer(price->valid_from.micros);
        price->valid_to ? insert->integer(price->valid_to->micros) : insert->null();
        insert->text(price->mode);
        insert->text(price->source);
        insert->integer(price->max_input_tokens);
        insert->integer(price->max_output_tokens);
        insert->integer(price->max_nano_per_m);
        insert->integer(price->is_manual ? 1 : 0);
        TG_CHECK_OK(insert->end_row());
    }
    return insert->finish();
}

Status insert_components(SqlConnection& connection, const Windows& windows, std::int64_t first_id) {
    constexpr std::string_view kColumns[] = {"model_price_id:i", "position:i",    "meter:t",
                                             "tier:t",           "band_tokens:i", "band_operator:t",
                                             "nano_per_m:i",     "is_free:i2"};
    TG_TRY(const auto insert, connection.bulk_insert("price_components", kColumns));
    for (const ModelPrice* price : windows) {
        std::int64_t position = 0;
        for (const PriceComponent& c : price->components) {
            insert->integer(first_id);
            insert->integer(position++);
            insert->text(name(c.meter));
            insert->text(name(c.tier));
            if (c.band) {
                insert->integer(c.band->threshold_tokens);
                insert->text(c.band->op == BandOperator::greater ? ">" : ">=");
            } else {
                insert->null();
                insert->null();
            }
            insert->integer(c.price.nano);
            insert->integer(c.is_free ? 1 : 0);
            TG_CHECK_OK(insert->end_row());
        }
        ++first_id;
    }
    return insert->finish();
}

Status insert_multipliers(SqlConnection& connection, const Windows& windows,
                          std::int64_t first_id) {
    constexpr std::string_view kColumns[] = {"model_price_id:i", "kind:t", "name:t", "ppm:i"};
    TG_TRY(const auto insert, connection.bulk_insert("price_multipliers", kColumns));
    const auto row = [&](std::string_view kind, std::string_view row_name, std::int64_t ppm) {
        insert->integer(first_id);
        insert->text(kind);
        insert->text(row_name);
        insert->integer(ppm);
        return insert->end_row();
    };
    for (const ModelPrice* price : windows) {
        for (int t = 0; t < kServiceTierCount; ++t) {
            const auto& ppm = price->tier_multiplier_ppm[t];
            if (ppm) TG_CHECK_OK(row("tier", name(static_cast<ServiceTier>(t)), *ppm));
        }
        for (const auto& [region, ppm] : price->region_multiplier_ppm)
            TG_CHECK_OK(row("region", region, ppm));
        ++first_id;
    }
    return insert->finish();
}

/// Everything but the version that brought it.
bool same_window(const ModelPrice& a, const ModelPrice& b) {
    ModelPrice copy = a;
    copy.version = b.version;
    return copy == b;
}

/// Ends the rows that the new version no longer contains and inserts those it brings.
Status write_changes(SqlConnection& connection, const std::map<std::int64_t, ModelPrice>& stored,
                     const std::vector<ModelPrice>& prices, PriceVersionId version) {
    std::map<std::tuple<std::string_view, std::string_view, UtcMicros>, const ModelPrice*> wanted;
    for (const ModelPrice& price : prices)
        wanted[{price.model, price.provider, price.valid_from}] = &price;
    for (const auto& [row, price] : stored) {
        const auto same = wanted.find({price.model, price.provider, price.valid_from});
        if (same != wanted.end() && same_window(price, *same->second)) {
            wanted.erase(same);
            continue;
        }
        TG_TRY(const std::int64_t changed,
               connection.execute("UPDATE model_prices SET until_version = ? WHERE id = ?",
                                  {number(version), row}));
        if (changed != 1)
            return fail(ErrorCode::corrupt_data,
                        "price row " + std::to_string(row) + " has vanished");
    }
    Windows added;
    for (const auto& [key, price] : wanted) added.push_back(price);
    TG_TRY(const std::int64_t first_id, next_row_id(connection));
    TG_CHECK_OK(insert_models(connection, added, first_id, version));
    TG_CHECK_OK(insert_components(connection, added, first_id));
    return insert_multipliers(connection, added, first_id);
}

}  // namespace

Result<std::vector<PriceVersion>> PriceStore::list_versions() {
    std::vector<PriceVersion> out;
    TG_CHECK_OK(connection_->query(
        "SELECT " + std::string(kVersionColumns) + " FROM price_versions ORDER BY id", {},
        [&](const SqlRow& row) {
            out.push_back(read_version(row));
            return true;
        }));
    return out;
}

Result<PriceVersionId> PriceStore::latest() {
    PriceVersionId out;
    TG_CHECK_OK(connection_->query(
        "SELECT coalesce(max(id), 0) FROM price_versions", {}, [&](const SqlRow& row) {
            out = PriceVersionId(static_cast<std::uint32_t>(row.integer(0)));
            return true;
        }));
    return out;
}

Result<std::vector<ModelPrice>> PriceStore::prices(PriceVersionId version) {
    std::optional<PriceVersion> stored;
    TG_CHECK_OK(connection_->query(
        "SELECT " + std::string(kVersionColumns) + " FROM price_versions WHERE id = ?",
        {number(version)}, [&](const SqlRow& row) {
            stored = read_version(row);
            return true;
        }));
    if (!stored) {
        return fail(ErrorCode::not_found,
                    "price book version " + std::to_string(number(version)) +
                        " does not exist; `tollgate prices versions` lists them");
    }
    TG_TRY(auto rows, BookReader(*connection_, version).read());
    std::vector<ModelPrice> out;
    out.reserve(rows.size());
    for (auto& [row, price] : rows) out.push_back(std::move(price));
    canonicalise(out);
    if (hex_sha256(export_prices(out)) != stored->book_sha256) {
        return fail(ErrorCode::corrupt_data,
                    "price book version " + std::to_string(number(version)) +
                        " is not what was published: its hash differs; restore the store");
    }
    return out;
}

Result<std::vector<ModelPrice>> PriceStore::book_of(PriceVersionId version) {
    if (!version) return std::vector<ModelPrice>{};
    return prices(version);
}

Result<std::shared_ptr<const Catalogue>> PriceStore::load(PriceVersionId version,
                                                          const UnknownModelRule& unknown) {
    TG_TRY(auto book, prices(version));
    return Catalogue::build(version, std::move(book), unknown);
}

Result<std::vector<ModelPrice>> PriceStore::get_price(std::string_view model,
                                                      std::string_view provider) {
    TG_TRY(const PriceVersionId version, latest());
    TG_TRY(std::vector<ModelPrice> book, book_of(version));
    std::erase_if(book, [&](const ModelPrice& price) {
        return price.model != model || (!provider.empty() && price.provider != provider);
    });
    if (book.empty()) {
        return fail(ErrorCode::not_found,
                    "model '" + std::string(model) + "'" +
                        (provider.empty() ? "" : " of provider '" + std::string(provider) + "'") +
                        " is not in the price book");
    }
    return book;
}

Result<PriceDiff> PriceStore::diff(PriceVersionId from, PriceVersionId to, UtcMicros at) {
    TG_TRY(const auto before, book_of(from));
    TG_TRY(const auto after, book_of(to));
    return diff_prices(before, after, at);
}

Result<std::string> PriceStore::export_json(PriceVersionId version) {
    TG_TRY(const auto book, prices(version));
    return export_prices(book);
}

Result<PriceProposal> PriceStore::propose(std::vector<ModelPrice> incoming,
                                          const MergeOptions& merge,
                                          const ProposalOptions& options) {
    PriceProposal out;
    out.valid_from = options.valid_from;
    TG_TRY(out.base, latest());
    TG_TRY(std::vector<ModelPrice> book, book_of(out.base));
    TG_TRY(MergedBook merged, merge_prices(book, std::move(incoming), merge));
    canonicalise(merged.prices);
    // A book that could not be loaded again must not be proposed.
    TG_TRY(const auto valid,
           Catalogue::build(PriceVersionId(out.base.get() + 1), merged.prices, {}));
    (void)valid;
    out.diff = diff_prices(book, merged.prices, options.valid_from);
    if (merge.is_whole_list) note_shrink(out.diff, merged.formerly_listed, merged.now_listed);
    out.diff.not_listed = std::move(merged.not_listed);
    out.diff.kept_manual = std::move(merged.kept_manual);
    out.prices = std::move(merged.prices);
    return out;
}

Result<PriceStore::ImportProposal> PriceStore::import_litellm(std::string_view json,
                                                              std::string source,
                                                              const PriceRules& rules,
                                                              const ProposalOptions& options) {
    ImportProposal out;
    TG_TRY(out.report, tg::import_litellm(json, {options.valid_from, source, rules}));
    MergeOptions merge;
    merge.closed_until = options.closed_until;
    merge.unlisted = options.unlisted;
    merge.unlisted_at = options.valid_from;
    merge.is_whole_list = true;
    TG_TRY(out.proposal, propose(out.report.prices, merge, options));
    out.proposal.source = std::move(source);
    out.proposal.source_sha256 =
        hex(out.report.source_sha256.data(), out.report.source_sha256.size());
    return out;
}

Result<PriceProposal> PriceStore::import_prices(std::string_view json, std::string source,
                                                const ProposalOptions& options) {
    TG_TRY(auto incoming, parse_prices(json, options.valid_from));
    MergeOptions merge;
    merge.closed_until = options.closed_until;
    TG_TRY(PriceProposal out, propose(std::move(incoming), merge, options));
    out.source = std::move(source);
    out.source_sha256 = hex_sha256(json);
    return out;
}

Result<PriceProposal> PriceStore::set_price(const PriceEdit& edit, const ProposalOptions& options) {
    TG_TRY(const PriceVersionId version, latest());
    TG_TRY(std::vector<ModelPrice> book, book_of(version));
    ModelPrice next;
    for (const ModelPrice& price : book) {
        const bool is_in_force = price.valid_from <= options.valid_from &&
                                 (!price.valid_to || options.valid_from < *price.valid_to);
        if (price.model == edit.model && price.provider == edit.provider && is_in_force)
            next = price;
    }
    if (edit.replaces_all) {
        next.components.clear();
        next.region_multiplier_ppm.clear();
        std::ranges::fill(next.tier_multiplier_ppm, std::nullopt);
    }
    next.model = edit.model;
    next.provider = edit.provider;
    next.valid_from = options.valid_from;
    next.valid_to.reset();
    next.is_manual = true;
    next.source = "by hand";
    next.version = {};
    if (edit.currency) next.currency = *edit.currency;
    for (const PriceEdit::Component& change : edit.components) {
        std::erase_if(next.components, [&](const PriceComponent& c) {
            return c.meter == change.meter && c.tier == change.tier && c.band == change.band;
        });
        if (change.price.empty()) continue;
        TG_TRY(const NanoPerM price, parse_price(change.meter, change.price));
        next.components.push_back({change.meter, price, change.tier, change.band, price.nano == 0});
    }
    MergeOptions merge;
    merge.closed_until = options.closed_until;
    TG_TRY(PriceProposal out, propose({std::move(next)}, merge, options));
    out.source = "by hand";
    return out;
}

Result<PriceVersionId> PriceStore::publish(const PriceProposal& proposal, Approval approval,
                                           std::string_view note, UtcMicros now,
                                           const std::function<Status(PriceVersionId)>& record) {
    if (approval == Approval::not_given && proposal.diff.needs_approval()) {
        return fail(ErrorCode::conflict,
                    "these changes need approval: " + proposal.diff.approval_text() +
                        "; look at the diff and publish again with --approve");
    }
    const PriceVersionId version(proposal.base.get() + 1);
    std::vector<ModelPrice> prices = proposal.prices;
    canonicalise(prices);
    TG_TRY(const auto valid, Catalogue::build(version, prices, {}));
    (void)valid;

    TG_TRY(Transaction transaction, Transaction::begin(*connection_));
    TG_TRY(const PriceVersionId current, latest());
    if (current != proposal.base) {
        return fail(ErrorCode::conflict,
                    "the price book is at version " + std::to_string(number(current)) +
                        " by now, the proposal was made from " +
                        std::to_string(number(proposal.base)) + "; make it again");
    }
    TG_TRY(const auto stored, BookReader(*connection_, proposal.base).read());
    std::vector<ModelPrice> before;
    for (const auto& [row, price] : stored) before.push_back(price);
    canonicalise(before);
    if (proposal.base && std::ranges::equal(before, prices, same_window)) return proposal.base;
    TG_TRY(
        const std::int64_t inserted,
        connection_->execute(
            "INSERT INTO price_versions (id, created_at, published_at, valid_from, note, source, "
            "source_sha256, book_sha256, price_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            {number(version), now.micros, now.micros, proposal.valid_from.micros, std::string(note),
             proposal.source, proposal.source_sha256, hex_sha256(export_prices(prices)),
             static_cast<std::int64_t>(prices.size())}));
    (void)inserted;
    TG_CHECK_OK(write_changes(*connection_, stored, prices, version));
    if (record) TG_CHECK_OK(record(version));
    TG_CHECK_OK(transaction.commit());
    return version;
}

}  // namespace tg
