#include <cstdio>

#include "admission/limit_text.h"
#include "app/limit_args.h"
#include "app/output.h"
#include "base/json_writer.h"

namespace tg {
namespace {

struct TierArgs {
    std::string code, name, retention;
    LimitArgs limits;
    std::optional<std::int64_t> support_response_minutes, sla_availability_per_mille10,
        discount_min_per_mille, discount_max_per_mille, dedicated_instances_max;
    std::optional<bool> has_fine_tuning;
    bool is_json = false;
};

void print_tiers(const std::vector<Tier>& tiers, bool is_json) {
    if (is_json) {
        print_json([&](JsonWriter& w) {
            w.begin_array();
            for (const Tier& tier : tiers) {
                w.begin_object();
                write_tier_members(w, tier);
                w.end_object();
            }
            w.end_array();
        });
        return;
    }
    TextTable table({"code", "name", "requests", "tokens", "input", "output", "concurrency",
                     "retention", "support", "SLA", "fine-tuning", "discount", "dedicated"});
    for (const Tier& t : tiers) {
        char sla[16];
        std::snprintf(sla, sizeof sla, "%d.%02d %%", t.sla_availability_per_mille10 / 100,
                      t.sla_availability_per_mille10 % 100);
        table.row(
            {t.code, t.name, limit_text(t.limits.requests), limit_text(t.limits.total_tokens),
             limit_text(t.limits.input_tokens), limit_text(t.limits.output_tokens),
             limit_text(t.limits.concurrency), std::string(name(t.retention)),
             t.support_response_minutes == 0 ? "none"
                                             : std::to_string(t.support_response_minutes) + " min",
             t.sla_availability_per_mille10 == 0 ? "none" : sla, t.has_fine_tuning ? "yes" : "no",
             std::to_string(t.discount_min_per_mille / 10) + "-" +
                 std::to_string(t.discount_max_per_mille / 10) + " %",
             std::to_string(t.dedicated_instances_max)});
    }
    table.print();
}

Result<TierPatch> patch_of(const TierArgs& args) {
    TierPatch patch{.support_response_minutes = args.support_response_minutes,
                    .sla_availability_per_mille10 = args.sla_availability_per_mille10,
                    .has_fine_tuning = args.has_fine_tuning,
                    .discount_min_per_mille = args.discount_min_per_mille,
                    .discount_max_per_mille = args.discount_max_per_mille,
                    .dedicated_instances_max = args.dedicated_instances_max};
    if (!args.name.empty()) patch.name = args.name;
    for (const LimitKind kind : kLimitKinds) {
        TG_TRY(patch.limits.of(kind), args.limits.value(kind));
    }
    if (!args.retention.empty()) {
        patch.retention = parse_retention(args.retention);
        if (!patch.retention) {
            return fail(ErrorCode::invalid_request,
                        "--retention is '" + args.retention +
                            "'; it must be standard_30_days, seven_days or zero");
        }
    }
    return patch;
}

Status set_tier(LimitSession& session, const TierArgs& args) {
    TG_TRY(const TierPatch patch, patch_of(args));
    Result<Tier> tier = session.limits.update_tier(args.code, patch, session.change);
    const bool is_new = !tier.ok() && tier.error().code == ErrorCode::not_found;
    if (is_new) tier = session.limits.create_tier(args.code, patch, session.change);
    if (!tier.ok()) return fail(std::move(tier).error());
    if (args.is_json) {
        print_tiers({*tier}, true);
    } else {
        std::printf("tier %s %s\n", tier->code.c_str(), is_new ? "created" : "is set");
    }
    return {};
}

void add_tier_set(Command group, CommandContext* context, const std::shared_ptr<TierArgs>& args) {
    Command set = group.add_subcommand("set",
                                       "change a tier, or create one; what is not given "
                                       "stays, of a new one it is unlimited or none");
    set.add_option("code", args->code, "the tier: 1 to 32 of a-z, 0-9, _ and -").required();
    set.add_option("--name", args->name, "name for people");
    args->limits.add_to(set, "a number, or unlimited");
    set.add_option("--retention", args->retention, "standard_30_days, seven_days or zero");
    set.add_option("--support-response-minutes", args->support_response_minutes, "0 is none");
    set.add_option("--sla-per-mille10", args->sla_availability_per_mille10, "9997 is 99.97 %");
    set.add_option("--fine-tuning", args->has_fine_tuning, "true or false");
    set.add_option("--discount-min-per-mille", args->discount_min_per_mille, "50 is 5 %");
    set.add_option("--discount-max-per-mille", args->discount_max_per_mille, "300 is 30 %");
    set.add_option("--dedicated-instances-max", args->dedicated_instances_max, "0 is none");
    set.add_flag("--json", args->is_json, "print JSON");
    set.callback([=] {
        context->run([=](const Config& config) {
            return with_limits(config, context,
                               [&](LimitSession& session) { return set_tier(session, *args); });
        });
    });
}

}  // namespace

void add_tier_commands(Command app, CommandContext* context) {
    Command group = app.add_subcommand("tiers", "rows of limits and rights, given by 'limits'");
    group.require_subcommand();
    auto args = std::make_shared<TierArgs>();
    Command list = group.add_subcommand("list", "list the tiers");
    list.add_flag("--json", args->is_json, "print JSON");
    list.callback([=] {
        context->run([=](const Config& config) {
            return with_limits(config, context, [&](LimitSession& session) -> Status {
                TG_TRY(const std::vector<Tier> tiers, session.limits.tiers());
                print_tiers(tiers, args->is_json);
                return {};
            });
        });
    });
    add_tier_set(group, context, args);
    Command remove = group.add_subcommand("delete", "delete a tier that nobody has");
    remove.add_option("code", args->code, "the tier").required();
    remove.callback([=] {
        context->run([=](const Config& config) {
            return with_limits(config, context, [&](LimitSession& session) -> Status {
                TG_CHECK_OK(session.limits.delete_tier(args->code, session.change));
                std::printf("tier %s is gone\n", args->code.c_str());
                return {};
            });
        });
    });
}

}  // namespace tg
