#pragma once
#include <functional>
#include <memory>

#include "app/config.h"
#include "base/clock.h"
#include "rating/catalogue.h"
#include "store/sql.h"

namespace tg {

/// Imports prices.file, or the list in the binary, when the store has no price version yet.
Status import_first_prices(SqlConnection& store, const Config& config, const Clock& clock);

/// What the configuration says of models that the book does not know.
UnknownModelRule unknown_model_rule(const Config& config);

Result<PriceVersionId> current_price_version(SqlConnection& store);
Result<std::shared_ptr<const Catalogue>> load_current_catalogue(SqlConnection& store,
                                                                const Config& config);

/// Loads any version on a connection of its own; thread-safe. For the settler and for verify.
std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)> catalogue_source(
    const Config& config);

}  // namespace tg
