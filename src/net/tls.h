#pragma once
#include <memory>
#include <string>

#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace tg {

/// A TLS configuration (OpenSSL 3, TLS 1.2 and newer), shared by many connections. Immutable once
/// made; reload by making another.
class TlsContext {
  public:
    /// Errors: invalid_config naming the file and OpenSSL's reason.
    static Result<std::shared_ptr<TlsContext>> server(const std::string& certificate_file,
                                                      const std::string& key_file);
    /// Verifies the peer against `ca_file`, or the system's authorities when it is empty.
    static Result<std::shared_ptr<TlsContext>> client(const std::string& ca_file);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    ssl_st* new_server_connection() const;
    /// SNI and certificate check for `host` (a name or an IP address).
    ssl_st* new_client_connection(const std::string& host) const;

  private:
    explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
    ssl_ctx_st* context_;
};

}  // namespace tg
