#include <cstdio>

#include "admission/limit_text.h"
#include "app/limit_args.h"
#include "app/output.h"
#include "base/json_writer.h"

namespace tg {
namespace {

struct AssignmentArgs {
    std::string customer, project, model;
    std::uint32_t key = 0;
    bool is_default = false;
    std::string tier, weight, priority, max_wait_ms;
    LimitArgs limits;
    bool is_json = false;

    bool names_nobody() const {
        return customer.empty() && project.empty() && model.empty() && key == 0 && !is_default;
    }
};

void add_subject(Command command, AssignmentArgs* args) {
    command.add_flag("--default", args->is_default, "customers without a tier of their own");
    command.add_option("--customer", args->customer, "code of the customer");
    command.add_option("--project", args->project, "code of the project, with --customer");
    command.add_option("--key", args->key, "number of the key, see: tollgate key list");
    command.add_option("--model", args->model, "the model, of all customers or with --customer");
}

/// Errors: invalid_request when the options name nobody, or more than one.
Result<LimitSubject> subject_of(LimitSession& session, const AssignmentArgs& args) {
    const bool has_customer = !args.customer.empty();
    const int named = (args.is_default ? 1 : 0) + (args.key != 0 ? 1 : 0) +
                      (args.project.empty() ? 0 : 1) + (args.model.empty() ? 0 : 1);
    const bool is_one = named == 1 || (named == 0 && has_customer);
    const bool may_have_customer = named == 0 || !args.project.empty() || !args.model.empty();
    if (!is_one || (has_customer && !may_have_customer) ||
        (!args.project.empty() && !has_customer)) {
        return fail(ErrorCode::invalid_request,
                    "say whose limits: --default, --customer CODE, --customer CODE --project CODE, "
                    "--key ID, --model NAME, or --customer CODE --model NAME");
    }
    if (args.is_default) return LimitSubject{};
    if (args.key != 0) return LimitSubject::of(KeyId(args.key));
    if (!has_customer) return LimitSubject::of_model(args.model);
    TG_TRY(const Customer customer, session.identity.customer(args.customer));
    if (!args.model.empty()) return LimitSubject::of_model(customer.id, args.model);
    if (args.project.empty()) return LimitSubject::of(customer.id);
    TG_TRY(const Project project, session.identity.project(customer.id, args.project));
    return LimitSubject::of(project.id);
}

/// "none" takes a value away.
constexpr std::string_view kNone = "none";

Result<std::optional<std::int64_t>> number_or_none(std::string_view field,
                                                   const std::string& text) {
    if (text == kNone) return std::optional<std::int64_t>();
    if (text == kUnlimitedText)
        return fail(ErrorCode::invalid_request, std::string(field) + " cannot be unlimited");
    TG_TRY(const std::int64_t value, parse_limit(field, text));
    return std::optional(value);
}

Result<LimitPatch> patch_of(const AssignmentArgs& args) {
    LimitPatch patch;
    if (!args.tier.empty())
        patch.tier = args.tier == kNone ? std::optional<std::string>() : std::optional(args.tier);
    for (const LimitKind kind : kLimitKinds) {
        const auto at = static_cast<std::size_t>(kind);
        if (args.limits.values[at] == kNone) {
            patch.own[at] = std::optional<std::int64_t>();
            continue;
        }
        TG_TRY(const std::optional<std::int64_t> limit, args.limits.value(kind));
        if (limit) patch.own[at] = limit;
    }
    if (!args.weight.empty()) {
        TG_TRY(patch.weight, number_or_none("weight", args.weight));
    }
    if (!args.max_wait_ms.empty()) {
        TG_TRY(patch.max_wait_ms, number_or_none("max_wait_ms", args.max_wait_ms));
    }
    if (args.priority == kNone) {
        patch.priority = std::optional<PriorityClass>();
    } else if (!args.priority.empty()) {
        const auto priority = parse_priority(args.priority);
        if (!priority) {
            return fail(
                ErrorCode::invalid_request,
                "--priority is '" + args.priority + "'; it must be " + std::string(kPriorityNames));
        }
        patch.priority = priority;
    }
    return patch;
}

std::string cell(const std::optional<std::int64_t>& limit) {
    return limit ? limit_text(*limit) : "";
}

void print_view(const LimitStore::View& view, bool is_json) {
    const LimitAssignment& it = view.assignment;
    if (is_json) {
        print_json([&](JsonWriter& w) {
            w.begin_object().field("subject", it.subject.text());
            write_assignment_members(w, it);
            w.key("in_force").begin_object();
            write_limits(w, view.in_force);
            w.end_object().end_object();
        });
        return;
    }
    std::printf("limits of %s\n", it.subject.text().c_str());
    TextTable table({"", "set", "in force"});
    table.row({"tier", it.tier, ""});
    for (const LimitKind kind : kLimitKinds)
        table.row(
            {std::string(name(kind)), cell(it.own.of(kind)), limit_text(view.in_force.of(kind))});
    table.row({"weight", it.weight ? std::to_string(*it.weight) : "", ""});
    table.row({"priority", it.priority ? std::string(name(*it.priority)) : "", ""});
    table.row({"max_wait_ms", it.max_wait_ms ? std::to_string(*it.max_wait_ms) : "", ""});
    table.print();
}

Status print_all(LimitSession& session, bool is_json) {
    std::vector<LimitAssignment> all;
    for (;;) {
        const PageRequest page{.after_id = all.empty() ? 0 : all.back().row_id, .limit = 1000};
        TG_TRY(const std::vector<LimitAssignment> rows, session.limits.assignments(page));
        if (rows.empty()) break;
        all.insert(all.end(), rows.begin(), rows.end());
    }
    if (is_json) {
        print_json([&](JsonWriter& w) {
            w.begin_array();
            for (const LimitAssignment& it : all) {
                w.begin_object().field("subject", it.subject.text());
                write_assignment_members(w, it);
                w.end_object();
            }
            w.end_array();
        });
        return {};
    }
    TextTable table({"subject", "tier", "requests", "tokens", "input", "output", "concurrency",
                     "weight", "priority", "max wait ms"});
    for (const LimitAssignment& it : all) {
        table.row(
            {it.subject.text(), it.tier, cell(it.own.of(LimitKind::requests)),
             cell(it.own.of(LimitKind::total_tokens)), cell(it.own.of(LimitKind::input_tokens)),
             cell(it.own.of(LimitKind::output_tokens)), cell(it.own.of(LimitKind::concurrency)),
             it.weight ? std::to_string(*it.weight) : "",
             it.priority ? std::string(name(*it.priority)) : "",
             it.max_wait_ms ? std::to_string(*it.max_wait_ms) : ""});
    }
    table.print();
    return {};
}

using LimitAct = Result<LimitStore::View> (*)(LimitSession&, const LimitSubject&,
                                              const AssignmentArgs&);

Result<LimitStore::View> show(LimitSession& session, const LimitSubject& subject,
                              const AssignmentArgs&) {
    return session.limits.limits(subject);
}
Result<LimitStore::View> set(LimitSession& session, const LimitSubject& subject,
                             const AssignmentArgs& args) {
    TG_TRY(const LimitPatch patch, patch_of(args));
    return session.limits.change_limits(subject, patch, session.change);
}
Result<LimitStore::View> clear(LimitSession& session, const LimitSubject& subject,
                               const AssignmentArgs&) {
    return session.limits.clear_limits(subject, session.change);
}

Command add_act(Command group, CommandContext* context, const char* word, const char* help,
                LimitAct act, bool may_name_nobody) {
    Command command = group.add_subcommand(word, help);
    auto args = std::make_shared<AssignmentArgs>();
    add_subject(command, args.get());
    if (act == set) {
        command.add_option("--tier", args->tier, "code of a tier, or none");
        args->limits.add_to(command, "a number, unlimited, or none for the tier's");
        command.add_option("--weight", args->weight, "1 to 1000: share where it is contended");
        command.add_option("--priority", args->priority,
                           "interactive, standard or deferrable: the best class of its calls");
        command.add_option("--max-wait-ms", args->max_wait_ms,
                           "waiting in line where the call does not say");
    }
    command.add_flag("--json", args->is_json, "print JSON");
    command.callback([=] {
        context->run([=](const Config& config) {
            return with_limits(config, context, [&](LimitSession& session) -> Status {
                if (may_name_nobody && args->names_nobody())
                    return print_all(session, args->is_json);
                TG_TRY(const LimitSubject subject, subject_of(session, *args));
                TG_TRY(const LimitStore::View view, act(session, subject, *args));
                print_view(view, args->is_json);
                return {};
            });
        });
    });
    return command;
}

}  // namespace

void add_limit_commands(Command app, CommandContext* context) {
    add_tier_commands(app, context);
    Command group =
        app.add_subcommand("limits", "how much customers, projects, keys and models may be called");
    group.require_subcommand();
    add_act(group, context, "show", "what is set, and what is in force; of all without options",
            show, /*may_name_nobody=*/true);
    add_act(group, context, "set", "change what is given; holds at once for running servers", set,
            /*may_name_nobody=*/false);
    add_act(group, context, "clear", "take away all that is set", clear,
            /*may_name_nobody=*/false);
}

}  // namespace tg
