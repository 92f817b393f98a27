#pragma once
#include <functional>
#include <memory>
#include <string>

#include "app/command_line.h"
#include "app/config.h"
#include "base/result.h"
#include "store/sql.h"

namespace tg {

class JsonWriter;
struct LedgerVerifyReport;

/// What every subcommand shares. A command sets exit_code: 0 done, 1 failed, 2 a wrong call or
/// configuration.
struct CommandContext {
    std::string config_file;
    int exit_code = 0;

    /// The configuration; prints what is wrong and sets exit_code. nullopt then.
    std::optional<Config> load();
    /// Opens and migrates the store of the configuration.
    Result<std::unique_ptr<SqlConnection>> open_store(const Config& config);
    /// Runs a command's body and prints its error.
    void run(const std::function<Status(const Config&)>& body);
};

void add_serve_command(Command app, CommandContext* context);
void add_check_config_command(Command app, CommandContext* context);
void add_identity_commands(Command app, CommandContext* context);
void add_limit_commands(Command app, CommandContext* context);
void add_price_commands(Command app, CommandContext* context);
void add_journal_commands(Command app, CommandContext* context);
void add_usage_commands(Command app, CommandContext* context);
void add_bill_commands(Command app, CommandContext* context);
void add_bill_adjust_commands(Command group, CommandContext* context);
void add_contract_commands(Command app, CommandContext* context);
void add_credit_command(Command app, CommandContext* context);
void add_fx_commands(Command app, CommandContext* context);
void add_payment_commands(Command app, CommandContext* context);
void add_invoice_commands(Command app, CommandContext* context);
void add_refund_commands(Command app, CommandContext* context);
void add_write_off_command(Command group, CommandContext* context);
void add_statement_command(Command app, CommandContext* context);
void add_billing_commands(Command app, CommandContext* context);
void add_verify_command(Command app, CommandContext* context);
void add_zdr_commands(Command app, CommandContext* context);
void add_ledger_commands(Command app, CommandContext* context);
void add_seal_command(Command group, CommandContext* context);
void add_proof_commands(Command app, CommandContext* context);
void add_replay_command(Command app, CommandContext* context);

/// What `ledger verify` found, for people; also as a part of `verify`.
void print_ledger_report(const LedgerVerifyReport& report);

}  // namespace tg
