# A `florin dev` for a script that sources this: `start` it, reach it at $port, `stop` it. $work is a folder that goes with the script, $log what
# florin said, whose end is shown when the script fails; `fail` ends it with a reason. Needs $florin, the binary.

work=$(mktemp -d)
log=$work/florin.log
pid=
ready_within_s=60

cleanup() {
  local status=$?
  trap '' INT TERM
  if [ -n "$pid" ]; then stop || true; fi
  if [ "$status" != 0 ] && [ -e "$log" ]; then
    echo "--- the end of what florin said:" >&2
    tail -n 40 "$log" >&2
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() { echo "$(basename "$0" .sh): $*" >&2; exit 1; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port i
  for ((i = 0; i < 200; i++)); do
    port=$((10000 + RANDOM % 22000))
    answers "$port" || { echo "$port"; return; }
  done
  fail "found no free port"
}

start() {
  local deadline=$((SECONDS + ready_within_s))
  export FLORIN_DATA=$work/data
  port=$(free_port)
  : >"$log"
  PROVIDER_URL=http://127.0.0.1:9 PROVIDER_SECRET=nobody KAFKA=mock GRPC_PORT=0 METRICS_PORT=0 HTTP_PORT=$port RATE_LIMIT_ENABLED=false LOG_LEVEL=warn "$florin" dev >"$log" 2>&1 </dev/null &
  pid=$!
  until grep -q '^Florin is ready' "$log"; do
    kill -0 "$pid" 2>/dev/null || fail "florin dev ended before it was ready"
    [ "$SECONDS" -lt "$deadline" ] || fail "florin dev was not ready within $ready_within_s s"
    sleep 0.1
  done
}

# Florin's servers end with it: it is asked to, and killed only when it does not.
stop() {
  local i
  kill -TERM "$pid" 2>/dev/null || true
  for ((i = 0; i < 200; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  pid=
}
