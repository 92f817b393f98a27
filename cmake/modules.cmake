# tg_module(NAME SOURCES a.cc ... [TESTS a_test.cc ...] [LIBS lib ...] [TEST_LIBS lib ...])
# One static library per module, linked exactly as src/layers.txt allows, and one GoogleTest binary from its tests.
file(STRINGS ${CMAKE_SOURCE_DIR}/src/layers.txt TG_LAYERS)

set(TG_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror)

function(tg_layer_deps name out)
  set(deps "")
  foreach(line IN LISTS TG_LAYERS)
    if(line MATCHES "^${name}:(.*)$")
      string(STRIP "${CMAKE_MATCH_1}" names)
      string(REPLACE " " ";" deps "${names}")
    endif()
  endforeach()
  set(targets "")
  foreach(dep IN LISTS deps)
    if(EXISTS ${CMAKE_SOURCE_DIR}/src/${dep}/CMakeLists.txt)
      list(APPEND targets tollgate_${dep})
    endif()
  endforeach()
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

# The modules on a request's way are optimised across each other where the preset has ThinLTO. Their objects hold machine
# code beside the bitcode, so that tests link in a second.
set(TG_LTO_MODULES base net tokens identity providers rating metering admission gateway)

# tg_ship(TARGET): a program that is shipped or measured, linked with ThinLTO where the preset has it.
function(tg_ship target)
  if(TG_LTO)
    target_link_options(${target} PRIVATE -flto=thin -ffat-lto-objects
      -Wl,--thinlto-cache-dir=${CMAKE_BINARY_DIR}/thinlto-cache)
  endif()
endfunction()

function(tg_pch target)
  if(TARGET tollgate_base AND NOT target STREQUAL "tollgate_base")
    target_precompile_headers(${target} REUSE_FROM tollgate_base)
  endif()
endfunction()

# What starts no thread and shares nothing: ThreadSanitizer has nothing to say of its tests. It sees the code itself in
# the tests of what calls it from several threads.
set(TG_SINGLE_THREADED_MODULES providers rating documents compliance)

function(tg_module name)
  cmake_parse_arguments(M "" "COST" "SOURCES;TESTS;LIBS;TEST_LIBS" ${ARGN})
  add_library(tollgate_${name} STATIC ${M_SOURCES})
  target_include_directories(tollgate_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(tollgate_${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${TG_WARNINGS}>)
  if(TG_LTO AND name IN_LIST TG_LTO_MODULES)
    target_compile_options(tollgate_${name} PRIVATE -flto=thin -ffat-lto-objects)
  endif()
  tg_layer_deps(${name} deps)
  target_link_libraries(tollgate_${name} PUBLIC ${deps} ${M_LIBS} Threads::Threads)
  if(name STREQUAL "base")
    target_precompile_headers(tollgate_base PRIVATE <base/pch.h>)
  else()
    tg_pch(tollgate_${name})
  endif()
  if(M_TESTS AND NOT (TG_SANITIZE STREQUAL "thread" AND name IN_LIST TG_SINGLE_THREADED_MODULES))
    add_executable(${name}_test ${M_TESTS})
    target_compile_options(${name}_test PRIVATE ${TG_WARNINGS})
    target_link_libraries(${name}_test PRIVATE tollgate_${name} ${M_TEST_LIBS} GTest::gtest GTest::gtest_main)
    # Tests are compiled without optimisation, in a third of the time; what they test is optimised.
    if(NOT TARGET tollgate_test_pch)
      add_library(tollgate_test_pch OBJECT ${CMAKE_SOURCE_DIR}/src/base/pch_test.cc)
      target_include_directories(tollgate_test_pch PRIVATE ${CMAKE_SOURCE_DIR}/src)
      target_compile_options(tollgate_test_pch PRIVATE ${TG_WARNINGS} -O0)
      target_link_libraries(tollgate_test_pch PRIVATE GTest::gtest Threads::Threads)
      target_precompile_headers(tollgate_test_pch PRIVATE <base/pch_test.h>)
    endif()
    target_compile_options(${name}_test PRIVATE -O0)
    target_precompile_headers(${name}_test REUSE_FROM tollgate_test_pch)
    add_test(NAME ${name} COMMAND ${name}_test)
    # Under ThreadSanitizer the longest take several times what they take alone, and a machine may be slow. COST, in
    # seconds, is what a program takes: the long ones start first, so that the cores end together.
    set_tests_properties(${name} PROPERTIES TIMEOUT 1800 LABELS unit)
    if(M_COST)
      set_tests_properties(${name} PROPERTIES COST ${M_COST})
    endif()
  endif()
endfunction()

# tg_fuzzer(NAME SOURCE LIBS...): a libFuzzer binary fuzz_NAME; its corpus is tests/fuzz/NAME/.
function(tg_fuzzer name source)
  if(TG_FUZZ)
    add_executable(fuzz_${name} ${source})
    target_compile_options(fuzz_${name} PRIVATE ${TG_WARNINGS})
    target_link_libraries(fuzz_${name} PRIVATE ${ARGN} -fsanitize=fuzzer)
    tg_pch(fuzz_${name})
  endif()
endfunction()
