#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/internal/call.h"

namespace tg {

/// The request head for an upstream: its own credentials and framing, the client's other headers as
/// they are (RFC 9110 section 7.6.1: hop-by-hop headers stay behind). `length` is the body's size
/// for a call whose body was read.
void write_upstream_head(const Call& call, const Deployment& deployment, std::uint64_t length,
                         std::string* out);

/// The provider's header lines that the client gets: without hop-by-hop ones, framing, cookies, and
/// what tells of the account. True when a Date is among them.
bool append_reply_headers(const HttpHead& head, std::string* out);

}  // namespace tg
