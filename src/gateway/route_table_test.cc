#include "gateway/route_table.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

UpstreamOptions upstream(std::string name, std::vector<UpstreamModel> models) {
    UpstreamOptions out;
    out.name = std::move(name);
    out.base_url = "http://" + out.name + ".test:8080/v1/";
    out.models = std::move(models);
    return out;
}

/// "east:gpt-4o west:as-asked"
std::string text(const std::vector<Route>& routes) {
    std::string out;
    for (const Route& route : routes) {
        if (!out.empty()) out += " ";
        out += route.deployment->options.name + ":";
        out += route.upstream_model.empty() ? "as-asked" : route.upstream_model;
    }
    return out;
}

TEST(RouteTableTest, an_exact_name_wins_and_the_rest_goes_to_wildcards_in_the_order_given) {
    const auto table = RouteTable::build({upstream("east", {{"gpt-4o", "deployed-4o"}, {"a", "a"}}),
                                          upstream("west", {{"*", ""}, {"gpt-4o", ""}}),
                                          upstream("south", {{"*", "always"}})})
                           .value();
    EXPECT_EQ(text(table->find("gpt-4o")), "east:deployed-4o west:as-asked");
    EXPECT_EQ(text(table->find("a")), "east:as-asked");
    EXPECT_EQ(text(table->find("anything")), "west:as-asked south:always");
    EXPECT_EQ(text(table->find("gpt-4")), "west:as-asked south:always") << "no prefixes";
    EXPECT_EQ(text(table->find("GPT-4o")), "west:as-asked south:always") << "names have case";
    EXPECT_EQ(text(table->find("")), "west:as-asked south:always");
    EXPECT_EQ(text(table->default_routes()), "west:as-asked south:always");
    EXPECT_EQ(table->model_names(), (std::vector<std::string>{"a", "gpt-4o"}));
    EXPECT_TRUE(table->has_wildcard());
}

TEST(RouteTableTest, without_a_wildcard_unknown_models_have_no_route_and_the_first_is_the_default) {
    const auto table =
        RouteTable::build({upstream("east", {{"a", "b"}}), upstream("west", {{"c", ""}})}).value();
    EXPECT_TRUE(table->find("b").empty());
    EXPECT_EQ(text(table->default_routes()), "east:as-asked");
    EXPECT_FALSE(table->has_wildcard());
    const auto none = RouteTable::build({}).value();
    EXPECT_TRUE(none->find("a").empty());
    EXPECT_TRUE(none->default_routes().empty());
    EXPECT_TRUE(none->model_names().empty());
}

TEST(RouteTableTest, what_is_the_same_in_every_request_is_made_once) {
    UpstreamOptions options = upstream("east", {{"*", ""}});
    options.api_key = "sk-account";
    options.organization = "org-1";
    options.project = "proj-1";
    UpstreamOptions bare = upstream("west", {{"*", ""}});
    bare.base_url = "http://west.test";
    const auto table = RouteTable::build({options, bare}).value();
    const Deployment& east = *table->deployments()[0];
    EXPECT_EQ(east.fixed_headers,
              "host: east.test:8080\r\nauthorization: Bearer sk-account\r\n"
              "openai-organization: org-1\r\nopenai-project: proj-1\r\n");
    EXPECT_EQ(east.url.path, "/v1");
    EXPECT_EQ(east.origin.port, 8080);
    EXPECT_EQ(east.origin.tls, nullptr);
    EXPECT_EQ(east.index, 0U);
    EXPECT_EQ(table->deployments()[1]->fixed_headers, "host: west.test\r\n");
    EXPECT_EQ(table->deployments()[1]->index, 1U);
}

TEST(RouteTableTest, a_bad_upstream_is_refused_by_its_name) {
    const auto with = [](void (*change)(UpstreamOptions*)) {
        std::vector<UpstreamOptions> out{upstream("east", {{"*", ""}}),
                                         upstream("west", {{"*", ""}})};
        change(&out[1]);
        const auto table = RouteTable::build(out);
        return table.ok() ? std::string("accepted") : table.error().text();
    };
    EXPECT_EQ(with([](UpstreamOptions* o) { o->name = ""; }),
              "invalid_config: an upstream has no name");
    EXPECT_EQ(with([](UpstreamOptions* o) { o->name = "east"; }),
              "invalid_config: upstream 'east': the name is used twice");
    EXPECT_EQ(with([](UpstreamOptions* o) { o->models.clear(); }),
              "invalid_config: upstream 'west': it serves no models; list them, or write models: "
              "[\"*\"]");
    EXPECT_EQ(with([](UpstreamOptions* o) { o->api_key = "a\r\nx-evil: 1"; }),
              "invalid_config: upstream 'west': the API key contains a line break");
    EXPECT_EQ(with([](UpstreamOptions* o) { o->base_url = "west.test"; }),
              "invalid_config: upstream 'west': 'west.test' is not a URL; write it as "
              "https://api.example.com/v1");
    EXPECT_TRUE(with([](UpstreamOptions* o) {
                    o->base_url = "https://west.test";
                    o->ca_file = "/nowhere/ca.pem";
                }).starts_with("invalid_config: upstream 'west': "));
}

}  // namespace
}  // namespace tg
