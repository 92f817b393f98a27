#include <CLI/CLI.hpp>

#include "app/commands.h"

int main(int argc, char** argv) {
    CLI::App app{
        "Tollgate: one gate in front of large-model providers, one honest set of books behind it."};
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string("tollgate ") + TG_VERSION);
    app.fallthrough();
    tg::CommandContext context;
    app.add_option("-c,--config", context.config_file,
                   "configuration file (default: tollgate.yaml, when there is one)");
    tg::add_serve_command(app, &context);
    tg::add_check_config_command(app, &context);
    tg::add_identity_commands(app, &context);
    tg::add_limit_commands(app, &context);
    tg::add_price_commands(app, &context);
    tg::add_journal_commands(app, &context);
    tg::add_usage_commands(app, &context);
    tg::add_billing_commands(app, &context);
    tg::add_verify_command(app, &context);
    tg::add_zdr_commands(app, &context);
    tg::add_ledger_commands(app, &context);
    tg::add_proof_commands(app, &context);
    tg::add_replay_command(app, &context);
    CLI11_PARSE(app, argc, argv);
    return context.exit_code;
}
