#!/usr/bin/env bash
# The servers that the tests need: PostgreSQL, Redis, a real Kafka, a mail server that keeps what it gets, and an S3; for this checkout alone.
#
#   servers.sh up              start those that do not run yet, print their addresses
#   servers.sh env             print the addresses of those that run
#   servers.sh down            stop what was started here
#   servers.sh clean           the same, and remove the data
#   servers.sh with COMMAND    run the command with the addresses in its environment, then stop what this call started,
#                              also when the command fails or is interrupted
#
# DATABASE_URL, REDIS_URL, KAFKA_BROKERS, SMTP_SINK (host:port; with SMTP_SINK_TLS, where it offers STARTTLS, and SMTP_SINK_DIR, its
# folder of mails) and S3_ENDPOINT, when set, name servers of yours: those are used as they are and never touched.
# Data may be lost: fsync is off. FLORIN_TEST_DIR chooses the folder; each checkout has its own below it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(dirname "$here")
checkout=$(basename "$root")-$(printf %s "$root" | cksum | cut -d ' ' -f 1)
dir=${FLORIN_TEST_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/florin/servers}/$checkout
started=()

fail() { echo "servers: $*" >&2; exit 1; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
alive() { kill -0 "$1" 2>/dev/null; }

# Below the ports that Linux gives to outgoing connections, so that a server can come back to its port.
free_port() {
  local port i
  for ((i = 0; i < 200; i++)); do
    port=$((10000 + RANDOM % 22000))
    answers "$port" || { echo "$port"; return; }
  done
  fail "found no free port"
}

# Waits until $1 (a command) succeeds; fails when process $2 ends or $3 seconds pass. $4 is the log.
await() {
  local deadline=$((SECONDS + $3))
  until $1; do
    alive "$2" || { tail -n 20 "$4" >&2; fail "it ended at start; its log: $4"; }
    [ "$SECONDS" -lt "$deadline" ] || fail "not ready after $3 s; its log: $4"
    sleep 0.05
  done
}

# Asks process $1 to end with signal $2; kills it after $3 seconds.
end() {
  local i
  alive "$1" || return 0
  kill "-$2" "$1"
  for ((i = 0; i < $3 * 20; i++)); do
    alive "$1" || return 0
    sleep 0.05
  done
  kill -KILL "$1"
}

# --- PostgreSQL -------------------------------------------------------------------------------------------------------

postgres_bin() {
  local newest
  newest=$(find /usr/lib/postgresql -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -t / -k 5 -n | tail -n 1)
  [ -n "$newest" ] || newest=$(command -v initdb) || fail "PostgreSQL not found; on Debian it is installed by: apt-get install postgresql"
  dirname "$newest"
}

# PostgreSQL refuses to run as root; its user may not be able to walk to the folder, so it gets it as descriptor 8.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

# The pid of the server whose working folder is our data folder, as a server's is.
postgres_pid() {
  local pid
  pid=$(head -n 1 "$dir/postgres/data/postmaster.pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$dir/postgres/data" ] && echo "$pid"
}

# A pid file that a killed server left behind says "ready" too.
postgres_ready() { postgres_pid >/dev/null && [ "$(sed -n '8s/ *$//p' "$dir/postgres/data/postmaster.pid" 2>/dev/null)" = ready ]; }

postgres_up() {
  local bin pid port data=$dir/postgres/data
  if postgres_pid >/dev/null; then return; fi
  bin=$(postgres_bin)
  if [ ! -e "$dir/postgres/whole" ] || [ "$(cat "$dir/postgres/whole")" != "$bin" ]; then
    rm -rf "$dir/postgres"
    mkdir -p "$data"
    chmod 700 "$data"
    if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$data"; fi
    (cd / && as_postgres "$bin/initdb" -D /proc/self/fd/8 -U postgres -A trust -E UTF8 --locale=C --no-sync) \
      8<"$data" >"$dir/postgres/initdb.log" 2>&1 || { cat "$dir/postgres/initdb.log" >&2; fail "initdb failed"; }
    echo "$bin" >"$dir/postgres/whole"
  fi
  port=$(free_port)
  # jit would only slow down the small statements of tests. No Unix socket: everything speaks TCP.
  (cd / && as_postgres setsid "$bin/postgres" -D /proc/self/fd/8 -p "$port" -k "" -c listen_addresses=127.0.0.1 -c max_connections=400 \
    -c fsync=off -c full_page_writes=off -c timezone=UTC -c jit=off -c cluster_name=florin-tests) \
    8<"$data" 9>&- >>"$dir/postgres/postgres.log" 2>&1 </dev/null &
  started+=(postgres)
  echo "$port" >"$dir/postgres/port"
  await postgres_ready $! 30 "$dir/postgres/postgres.log"
  pid=$(postgres_pid) || fail "PostgreSQL vanished; its log: $dir/postgres/postgres.log"
}

postgres_down() {
  local pid
  if pid=$(postgres_pid); then end "$pid" INT 20; fi
}

postgres_url() { if postgres_pid >/dev/null; then echo "postgres://postgres@127.0.0.1:$(cat "$dir/postgres/port")/postgres"; fi; }

# --- Redis ------------------------------------------------------------------------------------------------------------

redis_pid() {
  local pid
  pid=$(cat "$dir/redis/pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$dir/redis" ] && echo "$pid"
}

redis_up() {
  local port
  if redis_pid >/dev/null; then return; fi
  command -v redis-server >/dev/null || fail "redis-server not found; on Debian it is installed by: apt-get install redis-server"
  mkdir -p "$dir/redis"
  port=$(free_port)
  setsid redis-server --bind 127.0.0.1 --port "$port" --save "" --appendonly no --daemonize no --dir "$dir/redis" \
    9>&- >>"$dir/redis/redis.log" 2>&1 </dev/null &
  started+=(redis)
  echo "$!" >"$dir/redis/pid"
  echo "$port" >"$dir/redis/port"
  await "answers $port" $! 10 "$dir/redis/redis.log"
}

redis_down() {
  local pid
  if pid=$(redis_pid); then end "$pid" TERM 5; fi
}

redis_url() { if redis_pid >/dev/null; then echo "redis://127.0.0.1:$(cat "$dir/redis/port")"; fi; }

# --- Kafka ------------------------------------------------------------------------------------------------------------

kafka_pid() {
  local pid
  pid=$(cat "$dir/kafka/pid" 2>/dev/null) || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$dir/kafka/server.properties" && echo "$pid"
}

kafka_up() {
  local port
  if kafka_pid >/dev/null; then return; fi
  rm -rf "$dir/kafka" # the topics of earlier tests would only make it slower
  port=$(free_port)
  started+=(kafka)
  "$here/dev_kafka.sh" start "$dir/kafka" "$port" "$(free_port)" 9>&- >/dev/null
}

kafka_down() { "$here/dev_kafka.sh" stop "$dir/kafka"; }

kafka_brokers() { if kafka_pid >/dev/null; then echo "127.0.0.1:$(cat "$dir/kafka/port")"; fi; }

# --- Mail: scripts/smtp_sink.py ----------------------------------------------------------------------------------------

# The pid of the server of this name, whose working folder is ours.
sink_pid() {
  local pid
  pid=$(cat "$dir/$1/pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$dir/$1" ] && echo "$pid"
}

# Starts python with the arguments after $1, the name, and waits until $port is open. What the server kept is gone.
sink_up() {
  local python name=$1
  shift
  python=$("$here/tools.sh" sinks)
  rm -rf "${dir:?}/$name"
  mkdir -p "$dir/$name"
  (cd "$dir/$name" && exec setsid "$python" "$@" 9>&- >>"$dir/$name/$name.log" 2>&1 </dev/null) &
  started+=("$name")
  echo "$!" >"$dir/$name/pid"
  echo "$port" >"$dir/$name/port"
  await "answers $port" $! 30 "$dir/$name/$name.log"
}

sink_down() {
  local pid
  if pid=$(sink_pid "$1"); then end "$pid" TERM 5; fi
}

sink_address() { if sink_pid "$1" >/dev/null; then echo "127.0.0.1:$(cat "$dir/$1/port")"; fi; }

smtp_up() {
  local port tls_port
  if sink_pid smtp >/dev/null; then return; fi
  port=$(free_port)
  tls_port=$(free_port)
  sink_up smtp "$here/smtp_sink.py" "$port" "$tls_port" "$dir/smtp/mails"
  echo "$tls_port" >"$dir/smtp/tls_port"
}

smtp_down() { sink_down smtp; }

# --- S3: moto ---------------------------------------------------------------------------------------------------------

s3_up() {
  local port
  if sink_pid s3 >/dev/null; then return; fi
  port=$(free_port)
  sink_up s3 -m moto.server -H 127.0.0.1 -p "$port"
}

s3_down() { sink_down s3; }

# --- All together -----------------------------------------------------------------------------------------------------

up() {
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd -P)
  exec 9>>"$dir/lock"
  flock 9
  [ -n "${DATABASE_URL:-}" ] || postgres_up
  [ -n "${REDIS_URL:-}" ] || redis_up
  [ -n "${KAFKA_BROKERS:-}" ] || kafka_up
  [ -n "${SMTP_SINK:-}" ] || smtp_up
  [ -n "${S3_ENDPOINT:-}" ] || s3_up
  exec 9>&-
}

addresses() {
  DATABASE_URL=${DATABASE_URL:-$(postgres_url)}
  REDIS_URL=${REDIS_URL:-$(redis_url)}
  KAFKA_BROKERS=${KAFKA_BROKERS:-$(kafka_brokers)}
  if [ -z "${SMTP_SINK:-}" ]; then
    SMTP_SINK=$(sink_address smtp)
    SMTP_SINK_TLS=${SMTP_SINK:+127.0.0.1:$(cat "$dir/smtp/tls_port")}
    SMTP_SINK_DIR=${SMTP_SINK:+$dir/smtp/mails}
  fi
  if [ -z "${S3_ENDPOINT:-}" ]; then
    S3_ENDPOINT=$(sink_address s3)
    S3_ENDPOINT=${S3_ENDPOINT:+http://$S3_ENDPOINT}
  fi
  export DATABASE_URL REDIS_URL KAFKA_BROKERS SMTP_SINK SMTP_SINK_TLS SMTP_SINK_DIR S3_ENDPOINT
}

print_env() {
  local name
  for name in DATABASE_URL REDIS_URL KAFKA_BROKERS SMTP_SINK SMTP_SINK_TLS SMTP_SINK_DIR S3_ENDPOINT; do
    [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
  done
}

# Stops the named servers.
down() {
  local server
  for server in "$@"; do "${server}_down" || echo "servers: could not stop $server" >&2; done
}

down_started() {
  trap '' INT TERM
  [ ${#started[@]} -eq 0 ] || down "${started[@]}"
}

[ ! -d "$dir" ] || dir=$(cd "$dir" && pwd -P)
case ${1:-} in
  up)
    up
    addresses
    print_env
    ;;
  env)
    addresses
    print_env
    ;;
  down) down s3 smtp kafka redis postgres ;;
  clean)
    down s3 smtp kafka redis postgres
    rm -rf "$dir"
    ;;
  with)
    shift
    [ $# -gt 0 ] || fail "with needs a command"
    trap down_started EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    up
    addresses
    "$@"
    ;;
  *)
    sed -n '4,12s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
