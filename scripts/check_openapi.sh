#!/usr/bin/env bash
# Holds the descriptions of the REST APIs, as a `florin dev` of its own serves them, against the tools that people use: two validators, and two
# generators of clients. Each client is compiled and pays.
#
#   check_openapi.sh            environment: FLORIN (the binary)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
florin=${FLORIN:?is set by make: make check-openapi}
. "$root/scripts/florin_dev.sh"

python=$("$root/scripts/tools.sh" openapi)
tools=$(dirname "$(dirname "$python")")
export PATH=$tools/bin:$tools/node_modules/.bin:$PATH PYTHONDONTWRITEBYTECODE=1 REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true NO_COLOR=1
passed=0
ok() { passed=$((passed + 1)); echo "  ok: $*"; }

start
url=http://127.0.0.1:$port
ours=$root/scripts/openapi
mkdir "$work/client"
cd "$work/client" # what the tools leave behind goes with it
for path in /api/docs-json /openapi.json; do
  "$python" -c 'import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1], timeout=10).read())' "$url$path" >description.json
  openapi-spec-validator description.json >said 2>&1 || { cat said; fail "openapi-spec-validator refuses $path"; }
  redocly lint --config "$ours/redocly.yaml" --format stylish description.json >said 2>&1 || { cat said; fail "redocly lint refuses $path"; }
  ! grep -qi warning said || { cat said; fail "redocly lint warns of $path"; }
  ok "$path is valid"
  [ "$path" = /openapi.json ] || mv description.json api.json
done

openapi-python-client generate --path api.json --output-path python/florin_client --meta none --config "$ours/python_client.yaml" --fail-on-warning >said 2>&1 ||
  { cat said; fail "openapi-python-client cannot make a client"; }
"$python" "$ours/pay.py" "$url" python
ok "the client of openapi-python-client pays"

openapi-typescript api.json --output api.ts >said 2>&1 || { cat said; fail "openapi-typescript cannot make types"; }
cp "$ours/pay.ts" .
ln -s "$tools/node_modules" node_modules
echo '{ "type": "module" }' >package.json
tsc --strict --target es2022 --module nodenext --lib es2022,dom pay.ts || fail "the types of openapi-typescript do not compile"
node pay.js "$url"
ok "the client of openapi-typescript pays"

# Each paid once, though each asked twice.
balance=$("$florin" balance acc-payee-002)
grep -qF 503.75 <<<"$balance" || fail "acc-payee-002 has not got 1.25 and 2.50: $balance"
"$florin" verify >said || { cat said; fail "the books do not balance afterwards"; }
ok "the books balance"
stop
echo "check-openapi: $passed passed, 0 failed"
