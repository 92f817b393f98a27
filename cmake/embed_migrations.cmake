# Writes OUT, a .cc with every migrations/NNNN_domain.{sqlite,postgres}.sql of FOLDER as raw string literals.
# Run by the build of src/store; fails when a number has not exactly one file for each dialect.
cmake_minimum_required(VERSION 3.25)
file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*.sql)
set(entries "")
set(numbers "")
foreach(file IN LISTS files)
  if(NOT file MATCHES "^([0-9][0-9][0-9][0-9])_([a-z_0-9]+)\\.(sqlite|postgres)\\.sql$")
    message(FATAL_ERROR "migrations/${file}: the name must be NNNN_domain.sqlite.sql or NNNN_domain.postgres.sql")
  endif()
  if(CMAKE_MATCH_3 STREQUAL "postgres")
    if(NOT EXISTS ${FOLDER}/${CMAKE_MATCH_1}_${CMAKE_MATCH_2}.sqlite.sql)
      message(FATAL_ERROR "migrations/${file} has no sqlite variant")
    endif()
    continue()
  endif()
  set(number ${CMAKE_MATCH_1})
  set(domain ${CMAKE_MATCH_2})
  set(stem "${CMAKE_MATCH_1}_${CMAKE_MATCH_2}")
  if(number IN_LIST numbers)
    message(FATAL_ERROR "migrations/${file}: the number ${number} is used twice; take the next free one")
  endif()
  if(NOT EXISTS ${FOLDER}/${stem}.postgres.sql)
    message(FATAL_ERROR "migrations/${file} has no postgres variant")
  endif()
  list(APPEND numbers ${number})
  file(READ ${FOLDER}/${stem}.sqlite.sql sqlite)
  file(READ ${FOLDER}/${stem}.postgres.sql postgres)
  string(REGEX REPLACE "^0+" "" plain ${number})
  string(APPEND entries "    {${plain}, \"${domain}\", R\"tgsql(${sqlite})tgsql\",\n     R\"tgsql(${postgres})tgsql\"},\n")
endforeach()
list(LENGTH numbers count)
file(WRITE ${OUT}.new "// Generated from migrations/ by cmake/embed_migrations.cmake.\n#include \"store/sql.h\"\n
namespace tg {
namespace {
const std::array<Migration, ${count}> kMigrations = {{
${entries}}};
}  // namespace
std::span<const Migration> all_migrations() { return kMigrations; }
}  // namespace tg
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
