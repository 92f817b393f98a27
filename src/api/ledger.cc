#include "api/internal/route.h"
#include "api/ledger_json.h"
#include "ledger/proof_log.h"

namespace tg::api {
namespace {

/// Ids of ledger entries and sizes of the proof log.
Result<std::int64_t> path_number(const Call& call, std::string_view what) {
    const std::string& text = call.path[0];
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 1)
        return fail(ErrorCode::not_found, "'" + text.substr(0, 64) + "' is no " +
                                              std::string(what) + ": an integer above 0");
    return number;
}

Result<ApiReply> list_accounts(Call&) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("data").begin_array();
    for (const AccountInfo& each : chart_of_accounts()) write_chart_account(json, each);
    json.end_array().end_object();
    return json_reply(200, std::move(out));
}

Result<BalanceFilter> balance_filter(const Call& call, SqlConnection& store) {
    BalanceFilter out{.subject = call.query.text("subject").value_or("")};
    if (const auto customer = call.query.text("customer")) {
        TG_TRY(const Customer found, call.customer(*customer));
        out.customer = found.id;
    }
    if (const auto account = call.query.text("account")) {
        TG_TRY(out.account, parse_account(*account));
    }
    if (const auto currency = call.query.text("currency")) {
        TG_TRY(out.currency, parse_currency(*currency));
    }
    TG_TRY(const std::optional<UtcMicros> as_of, call.query.time("as_of"));
    if (as_of) {
        TG_TRY(out.up_to, number_as_of(store, *as_of));
    }
    return out;
}

Result<ApiReply> list_balances(Call& call) {
    TG_TRY(const bool has_zero, call.query.flag("zero"));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const LedgerReadSnapshot snapshot, LedgerReadSnapshot::begin(*connection));
    TG_TRY(const OwnerCodes owners, OwnerCodes::load(*connection));
    TG_TRY(const BalanceFilter filter, balance_filter(call, *connection));
    TG_TRY(const std::vector<AccountBalance> balances, read_balances(*connection, filter));
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("data").begin_array();
    for (const AccountBalance& each : balances)
        if (has_zero || each.amount.value != 0) write_balance(json, each, owners);
    json.end_array().end_object();
    return json_reply(200, std::move(out));
}

Result<EntryFilter> entry_filter(const Call& call) {
    TG_TRY(const std::int64_t after, call.query.integer("after", 0, 0, INT64_MAX - 1));
    EntryFilter out{.first = after + 1, .subject = call.query.text("subject").value_or("")};
    if (const auto customer = call.query.text("customer")) {
        TG_TRY(const Customer found, call.customer(*customer));
        out.customer = found.id;
    }
    if (const auto account = call.query.text("account")) {
        TG_TRY(out.account, parse_account(*account));
    }
    const auto cause = call.query.text("cause"), cause_id = call.query.text("cause_id");
    if (cause.has_value() != cause_id.has_value())
        return fail(ErrorCode::invalid_request, "'cause' and 'cause_id' belong together");
    if (cause) {
        TG_TRY(const CauseKind kind, parse_cause_kind(*cause));
        out.cause = Cause{kind, *cause_id};
    }
    TG_TRY(const std::optional<UtcMicros> from, call.query.time("from"));
    TG_TRY(const std::optional<UtcMicros> until, call.query.time("until"));
    out.booked_from = from.value_or(out.booked_from);
    out.booked_until = until.value_or(out.booked_until);
    return out;
}

Result<ApiReply> list_entries(Call& call) {
    TG_TRY(const std::int64_t limit, call.query.integer("limit", 100, 1, 1000));
    TG_TRY(EntryFilter filter, entry_filter(call));
    filter.limit = limit + 1;
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const LedgerReadSnapshot snapshot, LedgerReadSnapshot::begin(*connection));
    TG_TRY(const OwnerCodes owners, OwnerCodes::load(*connection));
    std::vector<BookedEntry> rows;
    TG_CHECK_OK(read_entries(*connection, filter, [&](const BookedEntry& booked) {
        rows.push_back(booked);
        return true;
    }));
    return list_reply(
        rows, static_cast<int>(limit),
        [&](JsonWriter& json, const BookedEntry& row) { write_booked_entry(json, row, owners); },
        [](const BookedEntry& row) { return row.number; });
}

Result<ApiReply> entry_reply(Call& call, std::int64_t number, int status) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const OwnerCodes owners, OwnerCodes::load(*connection));
    TG_TRY(const BookedEntry booked, read_entry(*connection, number));
    std::string out;
    JsonWriter json(out);
    write_booked_entry(json, booked, owners);
    return json_reply(status, std::move(out));
}

Result<ApiReply> get_entry(Call& call) {
    TG_TRY(const std::int64_t number, path_number(call, "number of a ledger entry"));
    return entry_reply(call, number, 200);
}

Result<ApiReply> reverse(Call& call) {
    TG_TRY(const std::int64_t number, path_number(call, "number of a ledger entry"));
    TG_TRY(Body body, call.body());
    const std::string reason = body.required_text("reason");
    TG_CHECK_OK(body.finish());
    Booking booking;
    {
        TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
        TG_TRY(booking, reverse_booked_entry(*connection, number, reason, call.actor, call.now));
    }
    TG_TRY(ApiReply reply, entry_reply(call, booking.number, 201));
    reply.headers.emplace_back("location",
                               "/admin/v1/ledger/entries/" + std::to_string(booking.number));
    return reply;
}

Result<ApiReply> verify(Call& call) {
    if (!call.options->verify_books)
        return fail(ErrorCode::not_found, "this server keeps no key of the proof log");
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const LedgerVerifyReport report, call.options->verify_books(*connection));
    std::string out;
    JsonWriter json(out);
    write_ledger_report(json, report);
    return json_reply(200, std::move(out));
}

void write_head(JsonWriter& json, const Checkpoint& head, UtcMicros signed_at) {
    json.begin_object().field("size", static_cast<std::int64_t>(head.size));
    write_time(json, "signed_at", signed_at);
    json.field("root", head.root_hex).field("note", head.note).end_object();
}

Result<ApiReply> list_heads(Call& call) {
    TG_TRY(const std::int64_t limit, call.query.integer("limit", 100, 1, 1000));
    TG_TRY(const std::int64_t after, call.query.integer("after", 0, 0, INT64_MAX));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    struct Head {
        Checkpoint checkpoint;
        UtcMicros signed_at;
    };
    std::vector<Head> rows;
    TG_CHECK_OK(
        read_checkpoints(*connection, [&](const Checkpoint& checkpoint, UtcMicros signed_at) {
            if (std::cmp_greater(checkpoint.size, after)) rows.push_back({checkpoint, signed_at});
            return std::cmp_less_equal(rows.size(), limit);
        }));
    return list_reply(
        rows, static_cast<int>(limit),
        [](JsonWriter& json, const Head& row) { write_head(json, row.checkpoint, row.signed_at); },
        [](const Head& row) { return static_cast<std::int64_t>(row.checkpoint.size); });
}

Result<ApiReply> sign(Call& call) {
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    if (!call.options->seal_books)
        return fail(ErrorCode::not_found, "this server keeps no key of the proof log");
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Checkpoint head, call.options->seal_books(*connection, call.now));
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("size", static_cast<std::int64_t>(head.size));
    json.field("root", head.root_hex).field("note", head.note).end_object();
    return json_reply(200, std::move(out));
}

Result<ApiReply> verifier_key(Call& call) {
    if (!call.options->verifier_key)
        return fail(ErrorCode::not_found, "this server keeps no key of the proof log");
    TG_TRY(const std::string key, call.options->verifier_key());
    std::string out;
    JsonWriter(out).begin_object().field("verifier_key", key).end_object();
    return json_reply(200, std::move(out));
}

Result<ApiReply> prove(Call& call) {
    TG_TRY(const std::int64_t since, call.query.integer("since", -1, 0, INT64_MAX));
    std::optional<std::uint64_t> known;
    if (since >= 0) known = static_cast<std::uint64_t>(since);
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const ProofRequest request,
           make_proof_request(*connection, call.path[0], call.path[1], known));
    TG_TRY(std::string proof, proof_as_json(*connection, request));
    return json_reply(200, std::move(proof));
}

}  // namespace

std::span<const Route> ledger_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/ledger/accounts", kReaders, list_accounts},
        {"GET",
         "/ledger/balances",
         kReaders,
         list_balances,
         {"customer", "account", "currency", "subject", "as_of", "zero"}},
        {"GET",
         "/ledger/entries",
         kReaders,
         list_entries,
         {"after", "limit", "customer", "account", "subject", "cause", "cause_id", "from",
          "until"}},
        {"GET", "/ledger/entries/{entry}", kReaders, get_entry},
        {"POST", "/ledger/entries/{entry}/reverse", kFinance, reverse},
        {"GET", "/ledger/verification", kReaders, verify},
    };
    return kRoutes;
}

std::span<const Route> proof_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/proof-heads", kReaders, list_heads, {"after", "limit"}},
        {"POST", "/proof-heads", kFinance, sign},
        {"GET", "/proof-key", kReaders, verifier_key},
        {"GET", "/proofs/{kind}/{document}", kReaders, prove, {"since"}},
    };
    return kRoutes;
}

}  // namespace tg::api
