#!/usr/bin/env bash
# Makes sure that programs are there: as root on Debian it installs what is missing, else it names the one command that does.
#
#   require.sh postgres|redis|kafka|build|tools ...
set -euo pipefail

missing=()
need() { missing+=("$@"); }
has() { command -v "$1" >/dev/null; }

for what in "$@"; do
  case $what in
    postgres) has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need postgresql ;;
    redis) has redis-server || need redis-server ;;
    kafka)
      has java || need default-jre-headless
      has mvn || need maven
      ;;
    build) # librdkafka is built from source
      if ! has cc || ! has c++; then need build-essential; fi
      [ -e /usr/include/zlib.h ] || need zlib1g-dev
      ;;
    tools)
      if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then need python3-venv; fi
      ;;
    *) echo "require.sh: unknown: $what" >&2; exit 2 ;;
  esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" = 0 ] && has apt-get; then
  echo "installing: ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2
  "${install[@]}" >&2
elif has apt-get; then
  echo "missing: ${missing[*]}; install it with: sudo apt-get install ${missing[*]}" >&2
  exit 1
else
  echo "missing: ${missing[*]} (Debian's names); install it with your system's package manager" >&2
  exit 1
fi
