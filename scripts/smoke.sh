#!/usr/bin/env bash
# Does what a newcomer does, against the clock: `make run` in an empty folder, a payment, its event, Ctrl-C, and again.
#
#   smoke.sh mock|real ...      once with each of these brokers
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
ready_within_s=${SMOKE_READY_S:-240} # with KAFKA=real the first start downloads the broker
stopped_within_ms=13000 # what Florin allows itself: calls 4 s, PostgreSQL 5 s, Kafka 4 s; a quiet disk needs less than 1 s
florin=${FLORIN:?is set by make: make smoke}

work=$(mktemp -d)
log=$work/florin.log
group=
failed= # why, said once more below the log, where a reader of the end finds it
passed=0

cleanup() {
  local status=$?
  trap '' INT TERM
  if [ -n "$group" ]; then
    kill -TERM -- "-$group" 2>/dev/null || true
    for _ in {1..100}; do kill -0 -- "-$group" 2>/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$group" 2>/dev/null || true
  fi
  if [ "$status" != 0 ] && [ -e "$log" ]; then
    echo "--- the end of what florin said:" >&2
    tail -n 60 "$log" >&2
    [ -z "$failed" ] || echo "$failed" >&2
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() { failed="smoke ($kafka): $*"; echo "$failed" >&2; exit 1; }
now_ms() { date +%s%3N; }

# Compares what a command says with what must be in it, until $1 seconds have passed.
says() {
  local limit=$1 wanted=$2 deadline said
  shift 2
  deadline=$((SECONDS + limit))
  while :; do
    said=$(timeout 30 "$@" 2>&1 </dev/null) && grep -qF -- "$wanted" <<<"$said" && break
    [ "$SECONDS" -lt "$deadline" ] || fail "'$*' did not say '$wanted' within $limit s, but: $said"
    sleep 0.2
  done
  passed=$((passed + 1))
  echo "  ok: ${*##*/} says $wanted"
}

start() {
  local began deadline=$((SECONDS + ready_within_s))
  began=$(now_ms)
  : >"$log" # here, not by what is started: the start before this one has left its "ready" in it
  set -m # a process group of its own, as a terminal gives it
  FLORIN_DATA=$data KAFKA=$kafka GRPC_PORT=0 HTTP_PORT=0 METRICS_PORT=0 make run >"$log" 2>&1 </dev/null &
  group=$!
  set +m
  until grep -q '^Florin is ready' "$log"; do
    kill -0 "$group" 2>/dev/null || fail "make run ended before it was ready"
    [ "$SECONDS" -lt "$deadline" ] || fail "make run was not ready within $ready_within_s s"
    sleep 0.1
  done
  [ -s "$data/florin.json" ] || fail "$data/florin.json is missing"
  passed=$((passed + 1))
  echo "  ok: ready after $(($(now_ms) - began)) ms"
}

# Processes that run in, or were told of, the data folder.
leftovers() {
  local process
  for process in /proc/[0-9]*; do
    [ "${process#/proc/}" != $$ ] || continue
    if [[ "$(readlink "$process/cwd" 2>/dev/null)" == "$data"* ]] || tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -qF "$data"; then
      echo "${process#/proc/}: $(tr '\0' ' ' 2>/dev/null <"$process/cmdline" | cut -c 1-120)"
    fi
  done
}

stop() {
  local began took status=0
  began=$(now_ms)
  kill -INT -- "-$group"
  while kill -0 -- "-$group" 2>/dev/null && [ $(($(now_ms) - began)) -lt 30000 ]; do sleep 0.05; done
  took=$(($(now_ms) - began))
  ! kill -0 -- "-$group" 2>/dev/null || fail "still running 30 s after Ctrl-C"
  wait "$group" || status=$?
  group=
  # make itself dies of the same Ctrl-C and says 130; anything else but 0 is an error of Florin's
  [ "$status" = 0 ] || [ "$status" = 130 ] || fail "make run ended with status $status"
  ! grep -qE '^make.*Error|panicked' "$log" || fail "it did not end cleanly"
  [ "$took" -le $stopped_within_ms ] || fail "took $took ms to stop, more than $stopped_within_ms"
  local left
  left=$(leftovers)
  [ -z "$left" ] || fail "left running: $left"
  passed=$((passed + 1))
  echo "  ok: stopped after $took ms, nothing left running"
}

run_once() {
  data=$work/$kafka/data
  mkdir -p "$work/$kafka"
  export FLORIN_DATA=$data
  echo "smoke with KAFKA=$kafka"
  start
  says 0 "1000.00" "$florin" balance acc-payer-001
  says 0 "12.50" "$florin" pay acc-payer-001 acc-payee-002 12.50 USD
  says 0 "987.50" "$florin" balance acc-payer-001
  says 0 "512.50" "$florin" balance acc-payee-002
  says 20 "PaymentAuthorized" "$florin" events
  stop
  start
  says 0 "987.50" "$florin" balance acc-payer-001
  [ "$kafka" = mock ] || says 20 "PaymentAuthorized" "$florin" events
  stop
}

# What a build left to be written would otherwise be waited for by the first fsync of PostgreSQL.
sync
[ $# -gt 0 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
for kafka in "$@"; do
  case $kafka in mock | real) run_once ;; *) fail "no such broker" ;; esac
done
echo "smoke: $passed passed, 0 failed"
