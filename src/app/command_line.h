#pragma once
// Commands and their options. A front of the library that reads command lines: its header costs
// more to compile than any command that uses it.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tg {

/// An option, or a positional argument when its name has no dashes. Each call returns the same.
class CommandOption {
  public:
    explicit CommandOption(CLI::Option* option) : option_(option) {}
    CommandOption required();
    CommandOption one_of(std::vector<std::string> values);
    CommandOption between(int least, int most);
    CommandOption between(double least, double most);
    /// One argument may hold several values.
    CommandOption separated_by(char delimiter);
    /// What stands for the value in the help.
    CommandOption value_name(const std::string& name);
    /// The value may be left out.
    CommandOption or_alone(const std::string& value);

  private:
    CLI::Option* option_;
};

/// A command or a group of them; a handle that may be copied. What options are written to must live
/// until the command has run.
class Command {
  public:
    explicit Command(CLI::App* app) : app_(app) {}
    Command add_subcommand(const std::string& name, const std::string& about);
    CommandOption add_option(const std::string& name, std::string& target,
                             const std::string& help = "");
    CommandOption add_option(const std::string& name, int& target, const std::string& help);
    CommandOption add_option(const std::string& name, std::int64_t& target,
                             const std::string& help);
    CommandOption add_option(const std::string& name, std::uint32_t& target,
                             const std::string& help);
    CommandOption add_option(const std::string& name, std::uint64_t& target,
                             const std::string& help);
    CommandOption add_option(const std::string& name, double& target, const std::string& help);
    CommandOption add_option(const std::string& name, std::vector<std::string>& target,
                             const std::string& help);
    CommandOption add_option(const std::string& name, std::optional<std::int64_t>& target,
                             const std::string& help);
    CommandOption add_option(const std::string& name, std::optional<bool>& target,
                             const std::string& help);
    CommandOption add_flag(const std::string& name, bool& target, const std::string& help);
    /// Runs when the command line names this command, before those below it.
    void callback(std::function<void()> run);
    void require_subcommand();
    void allow_subcommand();      ///< one at most
    bool has_subcommand() const;  ///< of the line that was read

  private:
    CLI::App* app_;
};

/// Reads the line and runs the command it names, one of those that `define` adds; options of the
/// whole line may stand behind it. Returns the exit code of help and of a line that cannot be read,
/// else 0.
int run_command_line(int argc, char** argv, const std::string& about, const std::string& version,
                     const std::function<void(Command)>& define);

/// Ends a callback: the line lacks something. The user is told how to get help.
[[noreturn]] void fail_usage(const std::string& what_is_required);

}  // namespace tg
