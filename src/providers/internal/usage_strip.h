#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "providers/internal/reply_collector.h"

namespace tg {

/// A run of bytes to leave out. Empty: nothing.
struct Cut {
    std::size_t begin = 0, end = 0;
    bool is_empty() const { return begin == end; }
};

/// The last `usage` member of the JSON object in `data` (as `event` describes it) with one of the
/// commas beside it. Only null and object values are cut.
Cut find_usage_member(std::string_view data, const ReplyCollector::Event& event);

/// The event (its lines with the blank one) without any top-level usage member: for the rare event
/// whose data is spread over several lines or has the member more than once.
std::string rebuild_without_usage(OpenAiCall call, std::string_view event);

}  // namespace tg
