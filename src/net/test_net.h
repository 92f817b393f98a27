#pragma once
// What tests of other modules use of the tests of this one; never included by product code.
#include "net/internal/loop_thread.h"
#include "net/internal/raw_socket.h"
#include "net/internal/test_server.h"
