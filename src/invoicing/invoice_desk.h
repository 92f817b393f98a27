#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "invoicing/invoice_platform.h"
#include "invoicing/invoices.h"
#include "store/sql.h"

namespace tg {

/// The platforms a desk works with, by name.
using InvoicePlatforms = std::map<std::string, std::unique_ptr<InvoicePlatform>, std::less<>>;

struct DeskReport {
    std::int64_t looked_at = 0, issued = 0, failed = 0;
    std::int64_t under_way = 0;  ///< afterwards, in all
};

/// Takes invoices from their request to their end. Any number of processes may do so with one
/// store: each takes an invoice for a minute at a time. What is sent is written down before it is
/// sent, so that after a crash or without an answer the platform is asked what became of it: it is
/// never asked twice to issue the same unless it has said that it does not know it.
class InvoiceDesk {
  public:
    /// `platforms` outlives the desk.
    explicit InvoiceDesk(const InvoicePlatforms* platforms) : platforms_(platforms) {}

    /// One step for each invoice under way whose time has come, or for all of them: somebody wants
    /// to know now. Errors: those of the store; of platforms none, what they say is in the invoice.
    enum class Which : std::uint8_t { due, all };
    Result<DeskReport> work(SqlConnection& store, UtcMicros now, Which which = Which::due);

    /// How long an invoice waits after `tries` answers that told nothing new.
    static std::int64_t pause_micros(InvoiceState state, std::int64_t tries);

  private:
    Result<InvoiceState> step(SqlConnection& store, const std::string& id, Which which,
                              UtcMicros now);

    const InvoicePlatforms* platforms_;
};

/// Tokens in the store, so that restarts and other processes use the same. What the store refuses
/// is logged: a new token is fetched then.
class StoredTokens final : public TokenKeeper {
  public:
    explicit StoredTokens(SqlConnection* store) : store_(store) {}
    std::optional<std::string> get(std::string_view platform, UtcMicros now) override;
    void put(std::string_view platform, std::string_view token, UtcMicros expires_at) override;

  private:
    SqlConnection* store_;
};

}  // namespace tg
