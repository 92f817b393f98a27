#include <unistd.h>

#include <cstdio>

#include "app/commands.h"
#include "app/notify.h"
#include "app/output.h"
#include "app/policy_args.h"
#include "base/json_writer.h"
#include "base/time_zone.h"
#include "identity/identity_store.h"
#include "store/connection_pool.h"

namespace tg {
namespace {

/// Opens the store of the configuration for one command that changes who may call.
struct IdentitySession {
    explicit IdentitySession(const Config& config)
        : pool(config.effective_store_url(), 1), store(&pool, {}) {}
    ConnectionPool pool;
    IdentityStore store;
    Change change{.actor = "cli:" + user_name(), .at = system_clock().now()};
};

/// "Acme Trading Co." -> "acme-trading-co": a code from a name, when none is given.
std::string code_from(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        const bool is_plain = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
        if (is_plain)
            out.push_back(lower);
        else if (!out.empty() && out.back() != '-')
            out.push_back('-');
    }
    while (!out.empty() && out.back() == '-') out.pop_back();
    return out.substr(0, 32);
}

void write_customer(JsonWriter& w, const Customer& c) {
    w.begin_object().field("id", c.id.get()).field("code", c.code).field("name", c.name);
    w.field("time_zone", c.time_zone).field("active", c.is_active).key("data_policy");
    write_json(w, c.data_policy);
    w.end_object();
}

void write_project(JsonWriter& w, const Project& p) {
    w.begin_object()
        .field("id", p.id.get())
        .field("customer_id", p.customer.get())
        .field("code", p.code)
        .field("name", p.name);
    w.field("department", p.department)
        .field("environment", p.environment)
        .field("active", p.is_active)
        .key("data_policy");
    write_json(w, p.own_policy);
    w.key("effective_data_policy");
    write_json(w, p.data_policy);
    w.end_object();
}

void write_key(JsonWriter& w, const ApiKey& k, const std::string& secret) {
    w.begin_object()
        .field("id", k.id.get())
        .field("name", k.name)
        .field("hint", k.hint)
        .field("active", k.is_active);
    if (k.project) w.field("project_id", k.project->get());
    if (k.expires_at) w.field("expires_at", format_rfc3339(*k.expires_at));
    if (!secret.empty()) w.field("key", secret);
    w.end_object();
}

Result<ProjectId> find_project(IdentityStore& store, const std::string& customer,
                               const std::string& project) {
    TG_TRY(const Customer owner, store.customer(customer));
    TG_TRY(const Project found, store.project(owner.id, project));
    return found.id;
}

Result<std::optional<UtcMicros>> parse_expiry(const std::string& text) {
    if (text.empty()) return std::optional<UtcMicros>();
    TG_TRY(const UtcMicros at, parse_rfc3339(text));
    return std::optional<UtcMicros>(at);
}

Status with_store(const Config& config, CommandContext* context,
                  const std::function<Status(IdentitySession&)>& body) {
    TG_TRY(const auto migrated, context->open_store(config));
    IdentitySession session(config);
    TG_CHECK_OK(body(session));
    notify_server(config);
    return {};
}

struct CustomerArgs {
    std::string code, name, time_zone;
    bool is_json = false;
    PolicyArgs policy;
};

void print_policies(const DataPolicy& customer, const DataPolicy* project) {
    std::printf("customer's policy: %s\n", describe(customer).c_str());
    if (project == nullptr) return;
    std::printf("project's policy:  %s\n", describe(*project).c_str());
    std::printf("what holds:        %s\n", describe(narrow(customer, *project)).c_str());
}

void add_customer_policy(Command group, CommandContext* context,
                         const std::shared_ptr<CustomerArgs>& args) {
    Command policy = group.add_subcommand(
        "policy", "show or change the data policy that holds for all projects of a customer");
    policy.add_option("code", args->code, "the customer").required();
    add_policy_options(policy, &args->policy);
    policy.add_flag("--json", args->is_json, "print JSON");
    policy.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                TG_TRY(const DataPolicyPatch patch, args->policy.patch());
                TG_TRY(Customer customer, session.store.customer(args->code));
                if (!patch.is_empty()) {
                    TG_TRY(customer, session.store.update_customer(
                                         customer.id, {.data_policy = patch}, session.change));
                }
                if (args->is_json)
                    print_json([&](JsonWriter& w) { write_customer(w, customer); });
                else
                    print_policies(customer.data_policy, nullptr);
                return {};
            });
        });
    });
}

void add_customer_create(Command group, CommandContext* context,
                         const std::shared_ptr<CustomerArgs>& args) {
    Command create = group.add_subcommand("create", "add a customer");
    create.add_option("--name", args->name, "full name, as on bills").required();
    create.add_option("--code", args->code,
                      "short name in commands and bill ids (default: made from the name)");
    create.add_option("--time-zone", args->time_zone,
                      "IANA zone that its months are cut in (default: billing.time_zone)");
    add_policy_options(create, &args->policy);
    create.add_flag("--json", args->is_json, "print JSON");
    create.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                NewCustomer request{.code = args->code.empty() ? code_from(args->name) : args->code,
                                    .name = args->name};
                TG_TRY(request.data_policy, args->policy.patch());
                request.time_zone =
                    args->time_zone.empty() ? config.default_time_zone : args->time_zone;
                TG_TRY(const auto made, session.store.create_customer(request, session.change));
                if (args->is_json)
                    print_json([&](JsonWriter& w) { write_customer(w, made.value); });
                else
                    std::printf("customer %s created\n", made.value.code.c_str());
                return {};
            });
        });
    });
}

void add_customer(Command app, CommandContext* context) {
    Command group = app.add_subcommand("customer", "who buys: customers");
    group.require_subcommand();
    auto args = std::make_shared<CustomerArgs>();
    add_customer_create(group, context, args);
    add_customer_policy(group, context, args);
    Command list = group.add_subcommand("list", "list customers");
    list.add_flag("--json", args->is_json, "print JSON");
    list.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                TG_TRY(const std::vector<Customer> all, session.store.customers({.limit = 1000}));
                if (args->is_json) {
                    print_json([&](JsonWriter& w) {
                        w.begin_array();
                        for (const Customer& c : all) write_customer(w, c);
                        w.end_array();
                    });
                    return {};
                }
                TextTable table({"code", "name", "time zone", "state"});
                for (const Customer& c : all)
                    table.row({c.code, c.name, c.time_zone, c.is_active ? "active" : "disabled"});
                table.print();
                return {};
            });
        });
    });
    for (const bool is_active : {true, false}) {
        Command command =
            group.add_subcommand(is_active ? "enable" : "disable",
                                 is_active ? "let its keys be used again" : "refuse all its keys");
        command.add_option("code", args->code, "the customer").required();
        command.callback([=] {
            context->run([=](const Config& config) {
                return with_store(config, context, [&](IdentitySession& session) -> Status {
                    TG_TRY(const Customer customer, session.store.customer(args->code));
                    TG_TRY(const Customer changed,
                           session.store.update_customer(customer.id, {.is_active = is_active},
                                                         session.change));
                    std::printf("customer %s is %s\n", changed.code.c_str(),
                                changed.is_active ? "active" : "disabled");
                    return {};
                });
            });
        });
    }
}

struct ProjectArgs {
    std::string customer, code, name, department, environment = "production";
    bool is_json = false;
    PolicyArgs policy;
};

void add_project_policy(Command group, CommandContext* context,
                        const std::shared_ptr<ProjectArgs>& args) {
    Command policy = group.add_subcommand(
        "policy", "show or change where a project's calls may go and what may be kept of them");
    policy.add_option("--customer", args->customer, "code of the customer").required();
    policy.add_option("--project", args->code, "code of the project").required();
    add_policy_options(policy, &args->policy);
    policy.add_flag("--json", args->is_json, "print JSON");
    policy.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                TG_TRY(const DataPolicyPatch patch, args->policy.patch());
                TG_TRY(const Customer customer, session.store.customer(args->customer));
                TG_TRY(Project project, session.store.project(customer.id, args->code));
                if (!patch.is_empty()) {
                    TG_TRY(project, session.store.update_project(project.id, {.data_policy = patch},
                                                                 session.change));
                }
                if (args->is_json)
                    print_json([&](JsonWriter& w) { write_project(w, project); });
                else
                    print_policies(customer.data_policy, &project.own_policy);
                return {};
            });
        });
    });
}

void add_project(Command app, CommandContext* context) {
    Command group = app.add_subcommand(
        "project",
        "what calls are billed to: projects of customers, with department and environment");
    group.require_subcommand();
    auto args = std::make_shared<ProjectArgs>();
    Command create = group.add_subcommand("create", "add a project to a customer");
    create.add_option("--customer", args->customer, "code of the customer").required();
    create.add_option("--name", args->name, "name, as on bills").required();
    create.add_option("--code", args->code, "short name (default: made from the name)");
    create.add_option("--department", args->department, "department whose cost it is");
    create.add_option("--environment", args->environment,
                      "production, staging, ... (default: production)");
    add_policy_options(create, &args->policy);
    create.add_flag("--json", args->is_json, "print JSON");
    create.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                TG_TRY(const Customer customer, session.store.customer(args->customer));
                NewProject request{.customer = customer.id,
                                   .code = args->code.empty() ? code_from(args->name) : args->code,
                                   .name = args->name,
                                   .department = args->department,
                                   .environment = args->environment};
                TG_TRY(request.data_policy, args->policy.patch());
                TG_TRY(const auto made, session.store.create_project(request, session.change));
                if (args->is_json)
                    print_json([&](JsonWriter& w) { write_project(w, made.value); });
                else
                    std::printf("project %s/%s created\n", customer.code.c_str(),
                                made.value.code.c_str());
                return {};
            });
        });
    });
    add_project_policy(group, context, args);
    Command list = group.add_subcommand("list", "list projects");
    list.add_option("--customer", args->customer, "only of this customer");
    list.add_flag("--json", args->is_json, "print JSON");
    list.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                std::optional<CustomerId> only;
                if (!args->customer.empty()) {
                    TG_TRY(const Customer customer, session.store.customer(args->customer));
                    only = customer.id;
                }
                TG_TRY(const std::vector<Project> all,
                       session.store.projects({.limit = 1000}, only));
                if (args->is_json) {
                    print_json([&](JsonWriter& w) {
                        w.begin_array();
                        for (const Project& p : all) write_project(w, p);
                        w.end_array();
                    });
                    return {};
                }
                TextTable table(
                    {"customer", "code", "name", "department", "environment", "policy", "state"});
                for (const Project& p : all) {
                    TG_TRY(const Customer owner, session.store.customer(p.customer));
                    table.row({owner.code, p.code, p.name, p.department, p.environment,
                               describe(p.data_policy), p.is_active ? "active" : "disabled"});
                }
                table.print();
                return {};
            });
        });
    });
}

struct KeyArgs {
    std::string customer, project, name, expires;
    std::uint32_t id = 0;
    std::int64_t overlap_hours = 0;
    bool is_json = false;
};

void print_new_key(const KeyArgs& args, const CreatedKey& made) {
    if (args.is_json) {
        print_json([&](JsonWriter& w) { write_key(w, made.key, made.secret); });
        return;
    }
    std::printf("%s\n", made.secret.c_str());
    std::fprintf(stderr, "key %u created; it is shown this once and stored only as a hash\n",
                 made.key.id.get());
}

void add_key_create(Command group, CommandContext* context, const std::shared_ptr<KeyArgs>& args) {
    Command create = group.add_subcommand("create", "make a key; it is printed once");
    create.add_option("--customer", args->customer, "code of the customer").required();
    create.add_option("--project", args->project, "code of the project that is billed").required();
    create.add_option("--name", args->name, "what it is for");
    create.add_option("--expires", args->expires, "last moment, e.g. 2027-01-01 (default: never)");
    create.add_flag("--json", args->is_json, "print JSON");
    create.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                NewKey request{.name = args->name.empty() ? std::string("key") : args->name};
                TG_TRY(request.project, find_project(session.store, args->customer, args->project));
                TG_TRY(request.expires_at, parse_expiry(args->expires));
                TG_TRY(const CreatedKey made, session.store.create_key(request, session.change));
                print_new_key(*args, made);
                return {};
            });
        });
    });
}

void add_key_list(Command group, CommandContext* context, const std::shared_ptr<KeyArgs>& args) {
    Command list = group.add_subcommand("list", "list keys (never the keys themselves)");
    list.add_option("--customer", args->customer, "only of this customer");
    list.add_flag("--json", args->is_json, "print JSON");
    list.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                std::optional<CustomerId> only;
                if (!args->customer.empty()) {
                    TG_TRY(const Customer customer, session.store.customer(args->customer));
                    only = customer.id;
                }
                TG_TRY(const std::vector<ApiKey> all,
                       session.store.keys({.limit = 1000}, std::nullopt, only));
                if (args->is_json) {
                    print_json([&](JsonWriter& w) {
                        w.begin_array();
                        for (const ApiKey& k : all) write_key(w, k, "");
                        w.end_array();
                    });
                    return {};
                }
                TextTable table({"id", "hint", "name", "project", "expires", "state"});
                for (const ApiKey& k : all) {
                    std::string project = "none";
                    if (k.project) {
                        TG_TRY(const Project found, session.store.project(*k.project));
                        project = found.code;
                    }
                    table.row({std::to_string(k.id.get()), k.hint, k.name, project,
                               k.expires_at ? format_rfc3339(*k.expires_at) : "never",
                               k.is_active ? "active" : "disabled"});
                }
                table.print();
                return {};
            });
        });
    });
}

void add_key(Command app, CommandContext* context) {
    Command group = app.add_subcommand("key", "API keys of projects");
    group.require_subcommand();
    auto args = std::make_shared<KeyArgs>();
    add_key_create(group, context, args);
    add_key_list(group, context, args);
    for (const bool is_active : {true, false}) {
        Command command =
            group.add_subcommand(is_active ? "enable" : "disable",
                                 is_active ? "accept a key again" : "refuse a key from now on");
        command.add_option("id", args->id, "number of the key, see: tollgate key list").required();
        command.callback([=] {
            context->run([=](const Config& config) {
                return with_store(config, context, [&](IdentitySession& session) -> Status {
                    TG_TRY(const ApiKey key,
                           session.store.update_key(KeyId(args->id), {.is_active = is_active},
                                                    session.change));
                    std::printf("key %u (%s) is %s\n", key.id.get(), key.hint.c_str(),
                                key.is_active ? "active" : "disabled");
                    return {};
                });
            });
        });
    }
    Command rotate =
        group.add_subcommand("rotate", "make a new key for an old one; it is printed once");
    rotate.add_option("id", args->id, "number of the old key").required();
    rotate.add_option("--overlap-hours", args->overlap_hours,
                      "how long the old key stays valid (default: it ends at once)");
    rotate.add_flag("--json", args->is_json, "print JSON");
    rotate.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                const KeyRotation rotation{.overlap_micros = args->overlap_hours * 3'600'000'000};
                TG_TRY(const CreatedKey made,
                       session.store.rotate_key(KeyId(args->id), rotation, session.change));
                print_new_key(*args, made);
                return {};
            });
        });
    });
}

void add_admin_token(Command app, CommandContext* context) {
    Command group = app.add_subcommand("admin-token", "tokens for the admin REST API");
    group.require_subcommand();
    struct Args {
        std::string name, scopes = "read,write", expires;
    };
    auto args = std::make_shared<Args>();
    Command create = group.add_subcommand("create", "make a token; it is printed once");
    create.add_option("--name", args->name, "who or what uses it").required();
    create.add_option(
        "--scopes", args->scopes,
        "what it may do: read (an auditor), finance, account_manager, platform, or write: "
        "everything (default: read,write)");
    create.add_option("--expires", args->expires, "last moment (default: never)");
    create.callback([=] {
        context->run([=](const Config& config) {
            return with_store(config, context, [&](IdentitySession& session) -> Status {
                NewAdminToken request;
                request.name = args->name;
                TG_TRY(request.scopes, parse_admin_scopes(args->scopes));
                TG_TRY(request.expires_at, parse_expiry(args->expires));
                TG_TRY(const CreatedAdminToken made,
                       session.store.create_admin_token(request, session.change));
                std::printf("%s\n", made.secret.c_str());
                std::fprintf(stderr,
                             "token %u created; it is shown this once and stored only as a hash\n",
                             made.token.id);
                return {};
            });
        });
    });
}

}  // namespace

void add_identity_commands(Command app, CommandContext* context) {
    add_customer(app, context);
    add_project(app, context);
    add_key(app, context);
    add_admin_token(app, context);
}

}  // namespace tg
