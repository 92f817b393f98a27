#!/usr/bin/env bash
# Formats the C++ of the project with clang-format 19.
# usage: tools/format.sh [--check]     --check changes nothing and fails when something is not formatted
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -d '' -t files < <(git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' |
    while IFS= read -r -d '' file; do [[ -f $file ]] && printf '%s\0' "$file"; done)
if [[ "${1:-}" == --check ]]; then
    unformatted=$(printf '%s\0' "${files[@]}" |
        { xargs -0 -P "$(nproc)" -n 16 clang-format-19 --dry-run -Werror 2>&1 || true; } |
        sed -n 's/^\(.*\):[0-9]*:[0-9]*: error:.*/\1/p' | sort | uniq -c)
    if [[ -n $unformatted ]]; then
        printf 'places not formatted, by file (make format mends them):\n%s\n' "$unformatted"
        exit 1
    fi
    echo "${#files[@]} files are formatted"
else
    printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 16 clang-format-19 -i
    echo "${#files[@]} files formatted"
fi
