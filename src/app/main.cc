#include "app/commands.h"

namespace {

void add_commands(tg::Command app, tg::CommandContext* context) {
    app.add_option("-c,--config", context->config_file,
                   "configuration file (default: tollgate.yaml, when there is one)");
    tg::add_serve_command(app, context);
    tg::add_check_config_command(app, context);
    tg::add_identity_commands(app, context);
    tg::add_limit_commands(app, context);
    tg::add_price_commands(app, context);
    tg::add_journal_commands(app, context);
    tg::add_usage_commands(app, context);
    tg::add_billing_commands(app, context);
    tg::add_verify_command(app, context);
    tg::add_zdr_commands(app, context);
    tg::add_ledger_commands(app, context);
    tg::add_proof_commands(app, context);
    tg::add_replay_command(app, context);
}

}  // namespace

int main(int argc, char** argv) {
    tg::CommandContext context;
    const int refused = tg::run_command_line(
        argc, argv,
        "Tollgate: one gate in front of large-model providers, one honest set of books behind it.",
        std::string("tollgate ") + TG_VERSION,
        [&context](tg::Command app) { add_commands(app, &context); });
    return refused != 0 ? refused : context.exit_code;
}
