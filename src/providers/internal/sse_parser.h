#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace tg {

/// First CR or LF in [p, end), or `end`.
const char* find_line_end(const char* p, const char* end);

/// Cuts a server-sent event stream (WHATWG HTML, section 9.2.6) that arrives in any pieces into
/// data bytes and event ends. Lines end with LF, CR LF or CR; a byte order mark at the stream's
/// start is passed over; comments and fields other than `data` and `event` are ignored.
class SseParser {
  public:
    enum class Token : std::uint8_t {
        none,       ///< the input is used up
        data,       ///< bytes of a data line's value, maybe only a part of them
        event_end,  ///< the blank line that ends an event was read
        late_lf,  ///< the LF of a CR LF whose CR ended the last event at the end of the last input
    };

    /// Reads on from *p and moves it. `data` points into the input.
    Token next(const char** p, const char* end, std::string_view* data);
    /// The `data` just returned is the first part of its line.
    bool is_line_start() const { return is_line_start_; }
    /// The event has the line `event: error`.
    bool is_error_event() const { return is_error_event_; }
    /// Nothing of a line or line end is pending: the next byte begins a line.
    bool is_at_line_start() const { return state_ == State::line_start && !after_cr_; }
    void begin_event() { is_error_event_ = false; }

  private:
    enum class State : std::uint8_t {
        line_start,
        field,
        data_lead,
        data,
        event_lead,
        event_name,
        ignored
    };

    const char* end_line(const char* p, const char* end);
    Token end_field(const char** p, const char* end, std::string_view* data);
    void end_name();
    void keep(char c);
    std::string_view kept() const;

    State state_ = State::line_start;
    bool is_first_line_ = true;
    bool after_cr_ = false;
    bool after_event_cr_ = false;
    bool is_new_data_ = false;
    bool is_line_start_ = false;
    bool is_error_event_ = false;
    std::uint8_t kept_size_ = 0;  // above kKeptMax: the name was longer
    static constexpr std::uint8_t kKeptMax = 8;
    std::array<char, kKeptMax> kept_{};  // beginning of a field's name, or of the event's name
};

}  // namespace tg
