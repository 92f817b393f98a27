#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls.h"
#include "sim/server.h"

namespace tg::sim {

/// One answer as a client saw it.
struct Reply {
    int status = 0;
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;
    bool is_whole = false;  ///< the message ended as HTTP says
    bool is_timed_out = false;
    std::string failure;

    /// The data of each server-sent event, without "data: ".
    std::vector<std::string> events() const;
};

/// A blocking client for tests, on a loop of its own for each call.
class TestClient {
  public:
    explicit TestClient(std::uint16_t port, std::shared_ptr<TlsContext> tls = nullptr)
        : port_(port), tls_(std::move(tls)) {}

    Reply get(const std::string& path) { return send("GET", path, "", ""); }
    Reply post(const std::string& path, const std::string& body,
               const std::string& directives = "");
    /// `lines`: more header lines, each with its line end; they may name authorization or
    /// content-type to replace the usual ones.
    Reply send(const std::string& method, const std::string& path, const std::string& body,
               const std::string& lines);

    std::int64_t timeout_ms = 20'000;
    /// Closes the connection as soon as so many bytes of body have arrived.
    std::size_t leave_after_bytes = SIZE_MAX;

  private:
    std::uint16_t port_;
    std::shared_ptr<TlsContext> tls_;
};

}  // namespace tg::sim
