# Writes OUT, a .cc that defines `std::string_view FUNCTION()` of namespace NAMESPACE, declared in HEADER, as the text of FILE.
cmake_minimum_required(VERSION 3.25)
file(READ ${FILE} text)
# A string literal may be limited to 64 KB; neighbours are joined by the compiler.
string(LENGTH "${text}" length)
set(pieces "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 16000 piece)
  string(APPEND pieces "    R\"tgtext(${piece})tgtext\"\n")
  math(EXPR at "${at} + 16000")
endwhile()
file(WRITE ${OUT}.new "// Generated from ${FILE} by cmake/embed_text.cmake.\n#include \"${HEADER}\"\n
namespace ${NAMESPACE} {
std::string_view ${FUNCTION}() {
    return {
${pieces}        , ${length}};
}
}  // namespace ${NAMESPACE}
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
