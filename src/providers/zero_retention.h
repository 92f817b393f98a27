#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "providers/openai_request.h"

namespace tg {

/// The version of the rules below, in reports and on answers. Raise it with every change of a rule.
inline constexpr int kZeroRetentionRules = 1;

/// Under zero data retention: what of the OpenAI dialect passes, what is changed so that it passes,
/// and what is refused because the provider would keep it. Pure.
/// Sources: OpenAI, "Data controls in the OpenAI platform" (endpoint table and its limits, read
/// Nov 2026); OpenAPI 2.3.0 of 21 Aug 2026 for members, defaults and kinds of tools. What no rule
/// names: paths and kinds of tools are refused, other members pass.
enum class RetentionAction : std::uint8_t { allow, rewrite, refuse };
std::string_view name(RetentionAction action);

/// One line of the table, for reports and refusals.
struct RetentionRule {
    std::string_view where;    ///< "POST /responses", "/files", "JSON body"
    std::string_view feature;  ///< what it is about; empty: the endpoint itself
    RetentionAction action = RetentionAction::refuse;
    std::string_view reason;   ///< what the provider would keep; of a rewrite: what is changed
    std::string_view instead;  ///< how to do it without; empty: nothing to do
};
/// All rules, endpoints first.
std::vector<RetentionRule> zero_retention_rules();

/// What a body must be for its features to be known.
enum class RetentionBody : std::uint8_t {
    json,    ///< a JSON object that is read before anything is sent
    opaque,  ///< any: nothing in it makes the provider keep something (audio to transcribe)
};
struct RetentionPath {
    RetentionBody body = RetentionBody::json;
    std::string explanation;  ///< why it is refused; empty: it is allowed
    bool is_allowed() const { return explanation.empty(); }
};
/// `path` is what follows /v1, in plain form (classify_openai_path() knows it).
RetentionPath zero_retention_path(std::string_view method, std::string_view path);

struct RetentionOptions {
    bool allows_web_search = false;
};
struct RetentionVerdict {
    std::vector<MemberEdit> edits;  ///< what makes the body one that keeps nothing
    std::string explanation;        ///< why it is refused; empty: it is allowed
    std::string param;              ///< the member that is refused
    bool is_allowed() const { return explanation.empty(); }
};
/// `body` is a JSON object that inspect_request() has taken, sent to `path`. Wherever a member
/// stands twice, each is judged. Errors: invalid_request when it is not well-formed; nothing of the
/// content is in the message.
Result<RetentionVerdict> zero_retention_body(std::string_view path, std::string_view body,
                                             const RetentionOptions& options);

/// May `model` be written to the journal and to logs, though it comes from a request's body? 1 to
/// 128 characters of letters, digits and ". _ - : / @ +".
bool is_plain_model_name(std::string_view model);

}  // namespace tg
