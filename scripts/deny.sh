#!/usr/bin/env bash
# Checks the dependencies against deny.toml. The database of advisories is on the network: without it they are left out, which is said loudly, or a
# failure with ADVISORIES=required.
set -euo pipefail

deny=$("$(dirname "${BASH_SOURCE[0]}")/tools.sh" cargo-deny)
"$deny" --locked --workspace check bans licenses sources

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if timeout 60 "$deny" --locked fetch db >"$log" 2>&1; then
  "$deny" --locked --workspace check --disable-fetch advisories
else
  tail -n 2 "$log" >&2
  cat >&2 <<'LOUD'

  ##################################################################
  #  ADVISORIES WERE NOT LOOKED AT: their database is out of reach  #
  #  Known holes in the dependencies would not have been found.     #
  ##################################################################

LOUD
  [ "${ADVISORIES:-}" != required ]
fi
