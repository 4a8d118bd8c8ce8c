#!/usr/bin/env bash
# Shows billing from end to end, on servers of its own in an empty folder: 100 orders from Kafka become invoices, a
# customer is registered and billed, and gets the PDF by mail; a day is exported.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
florin=${FLORIN:?is set by make: make demo-billing}
work=$(mktemp -d)
sink=
server=

cleanup() {
  local status=$? pid
  trap '' INT TERM
  for pid in $server $sink; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in $server $sink; do wait "$pid" 2>/dev/null || true; done
  [ "$status" = 0 ] || tail -n 40 "$work/florin.log" >&2 || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Waits until $2... says what $1 is, for a minute at most.
until_says() {
  local wanted=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" 2>/dev/null | grep -q -- "$wanted"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "demo: '$*' did not say '$wanted' within 60 s" >&2; exit 1; }
    sleep 0.2
  done
}

python=$("$root/scripts/tools.sh" sinks)
mkdir "$work/mails"
port=$((20000 + RANDOM % 9000))
"$python" "$root/scripts/smtp_sink.py" "$port" $((port + 1)) "$work/mails" >"$work/sink.log" 2>&1 &
sink=$!

export FLORIN_DATA=$work/data
HTTP_PORT=$((port + 2)) GRPC_PORT=0 METRICS_PORT=0 SMTP_HOST=127.0.0.1 SMTP_PORT=$port SMTP_FROM=billing@florin.example EXPORTS_DIR=$work/exports \
  "$florin" dev >"$work/florin.log" 2>&1 &
server=$!
http=http://127.0.0.1:$((port + 2))
until_says '"ok":true' curl -s "$http/healthz"

echo "== 100 orders of three lines"
for n in $(seq 1 100); do
  echo "{\"event_id\":\"demo-$n\",\"order_id\":\"order-$n\",\"currency\":\"USD\",\"lines\":[{\"sku\":\"tea\",\"qty\":2,\"unit_price\":\"40.00\"},{\"sku\":\"cup\",\"qty\":1,\"unit_price\":19.99},{\"sku\":\"spoon\",\"qty\":1,\"unit_price\":0.01}]}"
done | "$florin" orders send
until_says '^100$' sh -c "'$florin' invoices list --limit 1000 --json | grep -c '\"number\":\"INV-'"
"$florin" invoices list --limit 3
"$florin" events --topic billing.events --plain | tail -n 1

echo "== a customer, a bill, its PDF and the mail"
curl -s "$http/api/v1/user/register" -H 'content-type: application/json' \
  -d '{"firstname":"Ada","lastname":"Lovelace","email":"ada@florin.example","mobile":"+442079460000"}'; echo
curl -s "$http/api/v1/bill/genBill" -H 'content-type: application/json' \
  -d '{"userId":"ada@florin.example","items":[{"productId":"T1","productName":"Tea","quantity":2,"price":"40.00"}]}'; echo
deadline=$((SECONDS + 60))
until [ -s "$work/mails/ada@florin.example" ]; do
  [ "$SECONDS" -lt "$deadline" ] || { echo "demo: no mail within 60 s" >&2; exit 1; }
  sleep 0.2
done
"$python" - "$work/mails/ada@florin.example" <<'PY'
import email, json, sys
mail = email.message_from_string(json.loads(open(sys.argv[1]).readline())["data"])
print("mail:", mail["subject"], "to", mail["to"])
for part in mail.walk():
    if part.get_filename():
        print("attached:", part.get_filename(), len(part.get_payload(decode=True)), "bytes")
PY
ls -l "$work/data/documents" | tail -n +2 | awk '{ print "kept:", $NF, $5, "bytes" }'

echo "== the export of a day that has ended"
curl -s "$http/exports/daily"; echo
head -n 2 "$work"/exports/invoices_*.csv

echo "== the books"
"$florin" verify | tail -n 1
