// Carries the precompiled header of the tests.
#include "base/pch_test.h"
