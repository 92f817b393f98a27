#!/usr/bin/env bash
# Runs the tests of the project's own tools and closes with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0 failed=0
while IFS= read -r test; do
    output=$(python3 "$test" 2>&1)
    code=$?
    ran=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in .*/\1/p' <<<"$output")
    bad=$(sed -n 's/^FAILED (\(.*\))$/\1/p' <<<"$output" | grep -oE '(failures|errors)=[0-9]+' |
        awk -F= '{ sum += $2 } END { print sum + 0 }')
    if [[ $code -ne 0 && ${bad:-0} -eq 0 ]]; then bad=1; fi
    if [[ ${bad:-0} -gt 0 || -z $ran ]]; then printf '%s\n%s\n' "$test" "$output"; fi
    if [[ -z $ran ]]; then ran=1 bad=1; fi
    passed=$((passed + ran - bad)) failed=$((failed + bad))
done < <(find tools bench -name '*_test.py' -not -path '*/node_modules/*' | sort)
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
