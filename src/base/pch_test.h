#pragma once
// Precompiled for every test.
#include <gtest/gtest.h>

#include "base/pch.h"
