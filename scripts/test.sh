#!/usr/bin/env bash
# Runs cargo test with the given arguments for the test binaries, and closes with one line for all of them.
set -euo pipefail

export INSTA_UPDATE=${INSTA_UPDATE:-no} # a snapshot that is missing or different fails, and leaves no files
limit_s=${TEST_LIMIT_S:-2700} # a test that hangs must not hang everybody

cargo test --locked --workspace --no-run # building is not what the limit is for

log=$(mktemp)
trap 'rm -f "$log"' EXIT
color=never
[ -t 1 ] && color=always
status=0
timeout --foreground --kill-after=10 "$limit_s" cargo test --locked --workspace --no-fail-fast --color "$color" -- --color "$color" "$@" 2>&1 |
  tee "$log" || status=$?

sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
  /^test result: / { passed += $4; failed += $6; ignored += $8 }
  /^test .* \.\.\. FAILED$/ { names = names "  " $2 "\n" }
  END {
    if (names != "") printf "\nfailed:\n%s", names
    printf "\n%d passed, %d failed, %d ignored\n", passed, failed, ignored
  }'
[ "$status" != 124 ] || echo "the tests were stopped: not done within $limit_s s" >&2
exit "$status"
