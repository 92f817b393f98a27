#pragma once
#include "app/config.h"

namespace tg {

/// Tells a server that runs with this configuration that the store has changed, and waits until it
/// has looked: what a command changed then holds when the command ends. Without a server nothing
/// happens; one that cannot be asked (TLS on the admin listener, another machine) notices within
/// 200 ms by itself.
void notify_server(const Config& config);

}  // namespace tg
