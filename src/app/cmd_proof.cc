#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "app/proofs.h"
#include "ledger/proof_log.h"

namespace tg {
namespace {

struct ProofArgs {
    std::string kind, id;
    std::int64_t since = -1;
    std::int64_t size = -1;
};

void add_prove(Command app, CommandContext* context) {
    const auto args = std::make_shared<ProofArgs>();
    Command command =
        app.add_subcommand("prove",
                           "print a proof that a document is what was logged, as JSON for "
                           "tools/verify_proof.py");
    command.add_option("kind", args->kind, "bill, note, invoice, audit, ledger_batch, or entry")
        .required();
    command.add_option("id", args->id, "its id; of an entry, its number").required();
    command.add_option("--since", args->since,
                       "also prove that the log has only grown since its head of this size");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Sealed sealed, seal_books(*store, config, system_clock().now()));
            (void)sealed;
            std::optional<std::uint64_t> since;
            if (args->since >= 0) since = static_cast<std::uint64_t>(args->since);
            TG_TRY(const ProofRequest request,
                   make_proof_request(*store, args->kind, args->id, since));
            TG_TRY(const std::string proof, proof_as_json(*store, request));
            print_text(proof + "\n");
            return {};
        });
    });
}

void add_key(Command group, CommandContext* context) {
    Command command = group.add_subcommand(
        "key", "the verifier key: give it to auditors; it cannot sign anything");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const ProofKey key, ProofKey::open_or_create(proof_key_file(config)));
            print_text(key.verifier_text() + "\n");
            return {};
        });
    });
}

void add_heads(Command group, CommandContext* context) {
    const auto args = std::make_shared<ProofArgs>();
    Command head = group.add_subcommand(
        "head",
        "a signed head of the log; whoever keeps it can show later that nothing was "
        "changed");
    head.add_option("--size", args->size, "of this size (default: the newest)");
    head.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            std::optional<std::uint64_t> size;
            if (args->size >= 0) size = static_cast<std::uint64_t>(args->size);
            TG_TRY(const std::optional<Checkpoint> found, read_checkpoint(*store, size));
            if (!found)
                return fail(ErrorCode::not_found,
                            "there is no such signed head; 'tollgate proof heads' lists them, "
                            "'tollgate ledger seal' signs one");
            print_text(found->note);
            return {};
        });
    });
    Command heads = group.add_subcommand("heads", "all signed heads: size, time, root");
    heads.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TextTable table({"size", "signed", "root"});
            TG_CHECK_OK(read_checkpoints(*store, [&](const Checkpoint& each, UtcMicros signed_at) {
                table.row({std::to_string(each.size), format_rfc3339(signed_at), each.root_hex});
                return true;
            }));
            table.print();
            return {};
        });
    });
}

}  // namespace

void add_seal_command(Command group, CommandContext* context) {
    Command command = group.add_subcommand(
        "seal", "put new entries and audit records into the proof log and sign its head");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Sealed sealed, seal_books(*store, config, system_clock().now()));
            std::printf(
                "%d leaves of ledger entries and %lld of audit records added; signed head:"
                "\n%s",
                sealed.ledger_leaves, static_cast<long long>(sealed.audit_leaves),
                sealed.head.note.c_str());
            return {};
        });
    });
}

void add_proof_commands(Command app, CommandContext* context) {
    add_prove(app, context);
    Command group = app.add_subcommand("proof", "the log that proves documents unchanged");
    group.require_subcommand();
    add_key(group, context);
    add_heads(group, context);
}

}  // namespace tg
