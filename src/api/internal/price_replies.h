#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/admin_api.h"
#include "rating/price_store.h"

namespace tg::api {

/// One page of a version's prices; the cursor is a position, which is stable because a version
/// never changes.
ApiReply price_list_reply(std::uint32_t version, const std::vector<ModelPrice>& prices,
                          std::size_t after, std::size_t limit);

/// What was, or without `version` would be, published; with `report` also what an import found.
ApiReply publication_reply(const PriceProposal& proposal, std::optional<PriceVersionId> version,
                           const ImportReport* report);

ApiReply version_list_reply(const std::vector<PriceVersion>& versions);
ApiReply diff_reply(const PriceDiff& diff);

/// For the audit log: how much changed, and why.
std::string publication_json(const PriceProposal& proposal, std::string_view note);

}  // namespace tg::api
