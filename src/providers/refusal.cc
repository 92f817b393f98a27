#include "providers/refusal.h"

#include <simdjson.h>

namespace tg {
namespace {

bool is_quota(std::string_view text) {
    return text == "insufficient_quota" || text == "billing_hard_limit_reached" ||
           text == "billing_not_active";
}

}  // namespace

RefusalFacts read_refusal(std::string_view body) {
    RefusalFacts out;
    const simdjson::padded_string padded(body);
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    if (parser.parse(padded).get(document) != simdjson::SUCCESS) return out;
    std::string_view type, code;
    (void)document["error"]["type"].get_string().get(type);
    (void)document["error"]["code"].get_string().get(code);
    if (type == "requests") out.meter = RefusalFacts::Meter::requests;
    if (type == "tokens") out.meter = RefusalFacts::Meter::tokens;
    if (type == "input_tokens") out.meter = RefusalFacts::Meter::input_tokens;
    if (type == "output_tokens") out.meter = RefusalFacts::Meter::output_tokens;
    out.can_heal = !is_quota(type) && !is_quota(code);
    out.is_object_missing = code == "previous_response_not_found";
    out.is_model_missing = code == "model_not_found";
    return out;
}

}  // namespace tg
