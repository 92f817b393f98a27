#include "app/commands.h"

#include <cstdio>
#include <filesystem>

namespace tg {
namespace {

constexpr const char* kDefaultFile = "tollgate.yaml";

}  // namespace

std::optional<Config> CommandContext::load() {
    const bool is_default = config_file.empty();
    const std::string file = is_default ? kDefaultFile : config_file;
    ConfigResult result = load_config(file, /*is_optional=*/is_default);
    if (!result.ok()) {
        std::fputs(result.report(file).c_str(), stderr);
        exit_code = 2;
        return std::nullopt;
    }
    return std::move(result.config);
}

Result<std::unique_ptr<SqlConnection>> CommandContext::open_store(const Config& config) {
    if (config.store_url.empty()) {
        std::error_code error;
        std::filesystem::create_directories(config.var_dir, error);
        if (error)
            return fail(ErrorCode::io_error,
                        "cannot create var_dir '" + config.var_dir + "': " + error.message());
    }
    TG_TRY(std::unique_ptr<SqlConnection> store, tg::open_store(config.effective_store_url()));
    TG_TRY(const int applied, migrate(*store, all_migrations()));
    (void)applied;
    return store;
}

void CommandContext::run(const std::function<Status(const Config&)>& body) {
    const std::optional<Config> config = load();
    if (!config) return;
    const Status status = body(*config);
    if (status.ok()) return;
    std::fprintf(stderr, "tollgate: %s\n", status.error().text().c_str());
    exit_code = 1;
}

void add_check_config_command(Command app, CommandContext* context) {
    Command command = app.add_subcommand(
        "check-config", "check a configuration file and say what is wrong, with line numbers");
    command.callback([context] {
        if (const std::optional<Config> config = context->load()) {
            std::printf("configuration is valid: %zu upstream(s), store %s\n",
                        config->gateway.upstreams.size(),
                        config->effective_store_url().starts_with("sqlite:")
                            ? config->effective_store_url().c_str()
                            : "PostgreSQL");
        }
    });
}

}  // namespace tg
