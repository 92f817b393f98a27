#pragma once
#include <cstdint>
#include <string>

namespace tg::load {

/// What to send and how hard. Loopback only: the load goes to 127.0.0.1.
struct Options {
    std::uint16_t port = 0;
    int connections = 1;
    double seconds = 5;
    double warmup_seconds = 0;  ///< answered but not counted
    /// Requests a second on a fixed schedule, independent of the answers; 0: each connection sends
    /// when it is answered.
    double rate = 0;
    /// Each connection sends one request and reads its answer to the end of the run.
    bool is_holding = false;
    std::string request;  ///< the bytes of one whole HTTP request
};

/// Ends the process with a message and exit code 2 when the arguments make no sense.
Options parse_options(int argc, char** argv);

}  // namespace tg::load
