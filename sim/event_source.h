#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace tg::sim {

/// The server-sent events of one answer, in one dialect.
class EventSource {
  public:
    virtual ~EventSource() = default;
    /// Appends the pieces of the next event, valid until the next call; false when there is none
    /// left.
    virtual bool next(std::vector<std::string_view>* pieces) = 0;
    /// Tokens of text in the events returned so far.
    virtual std::int64_t generated() const = 0;
    /// What goes out with the end of the stream, after the last event.
    virtual std::string_view trailer() const { return {}; }
};

}  // namespace tg::sim
