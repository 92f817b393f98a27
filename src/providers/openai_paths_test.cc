#include "providers/openai_paths.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

using enum OpenAiRoute;

struct PathCase {
    std::string_view method, path;
    OpenAiRoute route;
    bool retains = false;
    std::string_view model{};
};

class OpenAiPaths : public testing::TestWithParam<PathCase> {};

TEST_P(OpenAiPaths, AreClassified) {
    const PathCase& c = GetParam();
    const OpenAiPath path = classify_openai_path(c.method, c.path);
    EXPECT_EQ(static_cast<int>(path.route), static_cast<int>(c.route)) << c.method << " " << c.path;
    EXPECT_EQ(path.retains, c.retains) << c.path;
    EXPECT_EQ(path.model, c.model) << c.path;
    EXPECT_EQ(is_known_openai_path(c.method, c.path), c.route != unknown && c.route != admin);
}

INSTANTIATE_TEST_SUITE_P(
    Known, OpenAiPaths,
    testing::Values(
        PathCase{"POST", "/v1/chat/completions", chat},
        PathCase{"POST", "/v1/completions", completions},
        PathCase{"POST", "/v1/embeddings", embeddings},
        PathCase{"POST", "/v1/responses", responses}, PathCase{"GET", "/v1/models", models_list},
        PathCase{"HEAD", "/v1/models", models_list},
        PathCase{"GET", "/v1/models/gpt-5.4", model_get, false, "gpt-5.4"},
        PathCase{"GET", "/v1/models/ft:gpt-4o:org::abc", model_get, false, "ft:gpt-4o:org::abc"},
        PathCase{"GET", "/v1/models/meta%2Fllama-4", model_get, false, "meta/llama-4"},
        PathCase{"GET", "/v1/models/meta/llama-4", model_get, false, "meta/llama-4"},
        PathCase{"DELETE", "/v1/models/ft:x", pass_through, true},
        PathCase{"POST", "/v1/engines/gpt-35/chat/completions", chat, false, "gpt-35"},
        PathCase{"POST", "/v1/engines/gpt%2d35/completions", completions, false, "gpt-35"},
        PathCase{"POST", "/v1/engines/ada/embeddings", embeddings, false, "ada"},
        PathCase{"GET", "/v1/chat/completions", pass_through, true},
        PathCase{"POST", "/v1/chat/completions/c1", pass_through, true},
        PathCase{"GET", "/v1/responses/resp_1", pass_through, true},
        PathCase{"POST", "/v1/responses/input_tokens", pass_through},
        PathCase{"POST", "/v1/images/generations", pass_through},
        PathCase{"POST", "/v1/audio/speech", pass_through},
        PathCase{"POST", "/v1/files", pass_through, true},
        PathCase{"GET", "/v1/files/f/content", pass_through, true},
        PathCase{"GET", "/v1/containers/c/files/f/content", pass_through, true},
        PathCase{"POST", "/v1/batches/b/cancel", pass_through, true},
        PathCase{"POST", "/v1/decisions", pass_through},
        PathCase{"GET", "/v1/agents/a/sessions/s/items", pass_through, true},
        PathCase{"DELETE", "/v1/audio/voices/v", pass_through, true},
        PathCase{"POST", "/v1/fine_tuning/alpha/graders/run", pass_through}));

TEST(OpenAiPathObjects, AreTheFirstThatThePathNames) {
    const auto object = [](std::string_view method, std::string_view path) {
        return classify_openai_path(method, path).object;
    };
    EXPECT_EQ(object("GET", "/v1/responses/resp_1"), "resp_1");
    EXPECT_EQ(object("GET", "/v1/vector_stores/vs_1/files/file_2"), "vs_1");
    EXPECT_EQ(object("POST", "/v1/fine_tuning/jobs/ft_1/cancel"), "ft_1");
    EXPECT_EQ(object("DELETE", "/v1/models/ft:x"), "ft:x");
    EXPECT_EQ(object("POST", "/v1/files"), "");
    EXPECT_EQ(object("POST", "/v1/chat/completions"), "");
}

INSTANTIATE_TEST_SUITE_P(
    NeverForwarded, OpenAiPaths,
    testing::Values(PathCase{"GET", "/v1/organization/costs", admin},
                    PathCase{"POST", "/v1/organization/admin_api_keys", admin},
                    PathCase{"PUT", "/v1/organization/x", admin},
                    PathCase{"GET", "/v1/organization", admin},
                    PathCase{"GET", "/v1/projects/p/roles", admin},
                    PathCase{"POST", "/v1/fine_tuning/checkpoints/c/permissions", admin},
                    PathCase{"GET", "/v1/realtime", unsupported},
                    PathCase{"POST", "/v1/realtime/client_secrets", unsupported},
                    PathCase{"POST", "/v1/realtime/calls", unsupported},
                    PathCase{"GET", "/v1/live/sessions", unsupported},
                    PathCase{"GET", "/v1/responses", unsupported},
                    PathCase{"POST", "/v1/chatkit/sessions", unsupported}));

INSTANTIATE_TEST_SUITE_P(
    Unknown, OpenAiPaths,
    testing::Values(
        PathCase{"POST", "/v1/foo", unknown}, PathCase{"POST", "/chat/completions", unknown},
        PathCase{"POST", "/openai/v1/chat/completions", unknown}, PathCase{"POST", "/v1", unknown},
        PathCase{"POST", "/v1/", unknown}, PathCase{"POST", "/v1//chat/completions", unknown},
        PathCase{"POST", "/v1/chat/completions/", unknown},
        PathCase{"POST", "/v1/chat/../organization/costs", unknown},
        PathCase{"GET", "/v1/files/%2e%2e/content", unknown},
        PathCase{"GET", "/v1/files/./content", unknown},
        PathCase{"GET", "/v1/files/a%2fb", unknown}, PathCase{"GET", "/v1/files/a%252fb", unknown},
        PathCase{"GET", "/v1/files/a%0d%0ab", unknown}, PathCase{"GET", "/v1/files/a%", unknown},
        PathCase{"GET", "/v1/files/a\\b", unknown},
        PathCase{"GET", "/v1/agents/../organization", unknown},
        PathCase{"GET", "/v1/models/", unknown}, PathCase{"GET", "/v1/models/a%00", unknown},
        PathCase{"POST", "/v1/Chat/Completions", unknown},
        PathCase{"POST", "/v1/engines/m/edits", unknown},
        PathCase{"GET", "/v1/a/b/c/d/e/f/g/h/i/j/k", unknown}, PathCase{"", "", unknown}));

TEST(OpenAiPathMethods, AWrongOneIsTold) {
    for (const auto& [method, path] :
         {std::pair<std::string_view, std::string_view>{"GET", "/v1/embeddings"},
          {"PUT", "/v1/files"},
          {"PATCH", "/v1/chat/completions"},
          {"GET", "/v1/engines/m/completions"},
          {"post", "/v1/responses"}}) {
        const OpenAiPath found = classify_openai_path(method, path);
        EXPECT_TRUE(found.route == unknown && found.is_wrong_method) << method << " " << path;
    }
    EXPECT_FALSE(classify_openai_path("POST", "/v1/foo").is_wrong_method);
}

TEST(OpenAiPathErrors, UnknownUrlsAreToldAsOpenAiDoes) {
    EXPECT_EQ(
        openai_unknown_url_body("POST", "/v1/foo"),
        R"x({"error":{"message":"Invalid URL (POST /v1/foo)","type":"invalid_request_error","param":null,"code":null}})x");
}

}  // namespace
}  // namespace tg
