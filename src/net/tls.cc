#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace tg {
namespace {

std::string openssl_reason() {
    char text[200] = "unknown reason";
    if (const unsigned long error = ERR_peek_error(); error != 0)
        ERR_error_string_n(error, text, sizeof text);
    ERR_clear_error();
    return text;
}

/// HTTP/1.1 is all that is spoken; a client that offers only something else is refused during the
/// handshake.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned int in_size, void*) {
    static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate_file,
                                                       const std::string& key_file) {
    std::shared_ptr<TlsContext> out(new TlsContext(SSL_CTX_new(TLS_server_method())));
    TG_ASSERT(out->context_ != nullptr);
    SSL_CTX_set_min_proto_version(out->context_, TLS1_2_VERSION);
    SSL_CTX_set_options(out->context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_alpn_select_cb(out->context_, choose_protocol, nullptr);
    if (SSL_CTX_use_certificate_chain_file(out->context_, certificate_file.c_str()) != 1) {
        return fail(ErrorCode::invalid_config,
                    "TLS certificate file '" + certificate_file + "': " + openssl_reason());
    }
    if (SSL_CTX_use_PrivateKey_file(out->context_, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
        return fail(ErrorCode::invalid_config,
                    "TLS key file '" + key_file + "': " + openssl_reason());
    }
    if (SSL_CTX_check_private_key(out->context_) != 1) {
        return fail(ErrorCode::invalid_config, "TLS key file '" + key_file +
                                                   "' does not belong to certificate '" +
                                                   certificate_file + "'");
    }
    return out;
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const std::string& ca_file) {
    std::shared_ptr<TlsContext> out(new TlsContext(SSL_CTX_new(TLS_client_method())));
    TG_ASSERT(out->context_ != nullptr);
    SSL_CTX_set_min_proto_version(out->context_, TLS1_2_VERSION);
    SSL_CTX_set_verify(out->context_, SSL_VERIFY_PEER, nullptr);
    // Connections are kept, not sessions: a cache that nobody looks into would only grow.
    SSL_CTX_set_session_cache_mode(out->context_, SSL_SESS_CACHE_OFF);
    static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX_set_alpn_protos(out->context_, kHttp11, sizeof kHttp11);
    const int loaded = ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(out->context_)
                           : SSL_CTX_load_verify_locations(out->context_, ca_file.c_str(), nullptr);
    if (loaded != 1)
        return fail(ErrorCode::invalid_config, "CA file '" + ca_file + "': " + openssl_reason());
    return out;
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

ssl_st* TlsContext::new_server_connection() const {
    SSL* ssl = SSL_new(context_);
    TG_ASSERT(ssl != nullptr);
    SSL_set_accept_state(ssl);
    return ssl;
}

ssl_st* TlsContext::new_client_connection(const std::string& host) const {
    SSL* ssl = SSL_new(context_);
    TG_ASSERT(ssl != nullptr);
    SSL_set_connect_state(ssl);
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    const std::string bare = has_brackets ? host.substr(1, host.size() - 2) : host;
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, bare.c_str()) != 1) {
        ERR_clear_error();
        TG_ASSERT(!bare.empty() &&
                  SSL_set1_host(ssl, bare.c_str()) == 1);  // else any name would do
        SSL_set_tlsext_host_name(ssl, bare.c_str());
    }
    return ssl;
}

}  // namespace tg
