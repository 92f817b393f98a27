#include "app/command_line.h"

#include <CLI/CLI.hpp>

namespace tg {

CommandOption CommandOption::required() {
    option_->required();
    return *this;
}
CommandOption CommandOption::one_of(std::vector<std::string> values) {
    option_->check(CLI::IsMember(std::move(values)));
    return *this;
}
CommandOption CommandOption::between(int least, int most) {
    option_->check(CLI::Range(least, most));
    return *this;
}
CommandOption CommandOption::between(double least, double most) {
    option_->check(CLI::Range(least, most));
    return *this;
}
CommandOption CommandOption::separated_by(char delimiter) {
    option_->delimiter(delimiter);
    return *this;
}
CommandOption CommandOption::value_name(const std::string& name) {
    option_->type_name(name);
    return *this;
}
CommandOption CommandOption::or_alone(const std::string& value) {
    option_->expected(0, 1)->default_str(value);
    return *this;
}

Command Command::add_subcommand(const std::string& name, const std::string& about) {
    return Command(app_->add_subcommand(name, about));
}

CommandOption Command::add_option(const std::string& name, std::string& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, int& target, const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, std::int64_t& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, std::uint32_t& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, std::uint64_t& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, double& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, std::vector<std::string>& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, std::optional<std::int64_t>& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_option(const std::string& name, std::optional<bool>& target,
                                  const std::string& help) {
    return CommandOption(app_->add_option(name, target, help));
}
CommandOption Command::add_flag(const std::string& name, bool& target, const std::string& help) {
    return CommandOption(app_->add_flag(name, target, help));
}

void Command::callback(std::function<void()> run) {
    app_->callback(std::move(run));
}
void Command::require_subcommand() {
    app_->require_subcommand(1);
}
void Command::allow_subcommand() {
    app_->require_subcommand(0, 1);
}
bool Command::has_subcommand() const {
    return !app_->get_subcommands().empty();
}

int run_command_line(int argc, char** argv, const std::string& about, const std::string& version,
                     const std::function<void(Command)>& define) {
    CLI::App app(about);
    app.require_subcommand(1);
    app.set_version_flag("--version", version);
    app.fallthrough();
    define(Command(&app));
    CLI11_PARSE(app, argc, argv);
    return 0;
}

void fail_usage(const std::string& what_is_required) {
    throw CLI::RequiredError(what_is_required);
}

}  // namespace tg
