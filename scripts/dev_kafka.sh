#!/usr/bin/env bash
# A real Apache Kafka for development and tests: one JVM that is broker and controller, from Maven artifacts, without containers.
#
#   dev_kafka.sh run   DIR PORT [CONTROLLER_PORT]   become the broker (exec): it ends with whoever started it
#   dev_kafka.sh start DIR PORT [CONTROLLER_PORT]   start it in the background, wait until it answers, print HOST:PORT
#   dev_kafka.sh stop  DIR                          stop it; DIR keeps its data
#   dev_kafka.sh fetch                              only download it
#
# DIR may move to other ports between runs. The controller's port is PORT+1 unless given. Both listen on 127.0.0.1 only.
# Environment: FLORIN_KAFKA_VERSION, FLORIN_KAFKA_JARS (where the jars are kept), FLORIN_KAFKA_HEAP, FLORIN_KAFKA_JVM (its options: the
# default starts fast and stays small; a broker under load for long wants its second compiler), FLORIN_KAFKA_WAIT_S.
set -euo pipefail

version=${FLORIN_KAFKA_VERSION:-4.3.1}
log4j=2.25.5
jars=${FLORIN_KAFKA_JARS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/florin/kafka-$version}
heap=${FLORIN_KAFKA_HEAP:-384m}
read -ra jvm <<<"${FLORIN_KAFKA_JVM:--XX:+UseSerialGC -XX:TieredStopAtLevel=1}"
wait_s=${FLORIN_KAFKA_WAIT_S:-120} # the first start downloads 44 MB
java_min=17

fail() { echo "dev_kafka: $*" >&2; exit 1; }
usage() { sed -n '4,7s/^# *//p' "$0" >&2; exit 2; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A jar folder appears by rename, so it is complete or absent; whoever comes second waits for the first.
fetch() {
  [ -d "$jars" ] && return
  command -v mvn >/dev/null || fail "Maven not found; on Debian it is installed by: apt-get install maven"
  mkdir -p "$(dirname "$jars")"
  (
    flock 7
    [ -d "$jars" ] && exit
    work=$(mktemp -d "$jars.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>florin</groupId>
  <artifactId>dev-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$log4j</version></dependency>
  </dependencies>
</project>
POM
    mvn -B -q -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$work/jars" >&2 7>&- || fail "Maven could not fetch Kafka $version (KAFKA=mock needs no network)"
    mv "$work/jars" "$jars"
  ) 7>"$jars.lock"
}

check_java() {
  local found
  command -v java >/dev/null || fail "Java not found; on Debian it is installed by: apt-get install default-jre-headless"
  found=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${found:-0}" -ge $java_min ] || fail "Kafka $version needs Java $java_min or newer, found ${found:-an unknown version}"
}

# The pid of the broker that runs from $dir. Pids are used again: the command line must name the folder.
running() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$dir/server.properties" || return 1
  echo "$pid"
}

settings() {
  cat >"$dir/server.properties" <<CONF
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
# The voters stand here and not in the data, so that the ports may change.
controller.quorum.voters=1@127.0.0.1:$controller_port
log.dirs=$dir/data
# Topics are created on purpose, never by a typing mistake.
auto.create.topics.enable=false
# A single node: one replica of everything, and few partitions of the internal topics, so that it starts fast.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# After a SIGKILL the next start waits until the old session has lapsed.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
# The default of 128 MiB does not fit a small heap.
log.cleaner.dedupe.buffer.size=4194304
CONF
  cat >"$dir/log4j2.properties" <<'CONF'
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
CONF
}

java_command() {
  command=(java -Xms64m "-Xmx$heap" "${jvm[@]}" -Xshare:auto -Djava.awt.headless=true
    "-Dlog4j2.configurationFile=$dir/log4j2.properties" -cp "$jars/*" "$@")
}

# After a SIGKILL, lets the controller alone fence the dead broker before the broker comes back. Without this, a broker that was killed right after
# it had acknowledged a commit loses the transaction's marker: it takes up its old leadership, finds itself fenced a moment later, takes the partitions
# without a leader for deleted, and completes the transaction without them. Read-committed consumers then wait there for ever.
fence() {
  [ ! -e "$dir/data/.kafka_cleanshutdown" ] || return 0
  sed -e 's/^process.roles=.*/process.roles=controller/' -e "s|^listeners=.*|listeners=CONTROLLER://127.0.0.1:$controller_port|" \
    -e '/^advertised.listeners=/d' -e 's/^broker.heartbeat.interval.ms=.*/broker.heartbeat.interval.ms=100/' \
    -e 's/^broker.session.timeout.ms=.*/broker.session.timeout.ms=300/' "$dir/server.properties" >"$dir/fence.properties"
  printf '%s\n' controller.quorum.append.linger.ms=0 metadata.max.idle.interval.ms=100 >>"$dir/fence.properties"
  java_command kafka.Kafka "$dir/fence.properties"
  rm -f "$dir/fence.log" # the last one's says what this one has yet to do
  "${command[@]}" >"$dir/fence.log" 2>&1 9>&- </dev/null &
  local pid=$! deadline=$((SECONDS + 15)) grown=-1 size=0 now
  trap 'kill -KILL "$pid" 2>/dev/null' EXIT
  until grep -qs 'Fencing broker 1' "$dir/fence.log" || ! kill -0 "$pid" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; do sleep 0.05; done
  # It is said before it is written. Records follow in order, and an idle controller writes one every 100 ms: when the log has grown
  # three times, it is in there.
  until [ "$grown" -ge 3 ] || ! kill -0 "$pid" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; do
    now=$(cat "$dir"/data/__cluster_metadata-0/*.log | wc -c)
    if [ "$now" != "$size" ]; then size=$now grown=$((grown + 1)); fi
    sleep 0.05
  done
  kill -TERM "$pid" 2>/dev/null || true
  wait "$pid" || true
  trap - EXIT
}

# The broker inherits descriptor 9, and with it the folder's lock, for as long as it lives.
prepare() {
  check_java
  fetch
  # A broker that is shutting down, or was just killed, holds its ports for a moment longer.
  local deadline=$((SECONDS + 5))
  while answers "$port" || answers "$controller_port"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "port $port or $controller_port is taken"
    sleep 0.1
  done
  settings
  if [ ! -e "$dir/data/meta.properties" ]; then
    # A cluster id is 16 bytes in url-safe base64, and must not begin with a dash.
    java_command kafka.tools.StorageTool format -c "$dir/server.properties" -t "f$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)"
    "${command[@]}" >"$dir/format.log" 2>&1 9>&- </dev/null || { tail -n 20 "$dir/format.log" >&2; fail "could not format $dir/data"; }
  else
    fence
  fi
  java_command kafka.Kafka "$dir/server.properties"
}

run() {
  flock -w 10 9 || fail "another broker runs from $dir"
  prepare
  echo $$ >"$dir/pid"
  echo "$port" >"$dir/port"
  exec "${command[@]}" </dev/null
}

start() {
  local pid deadline=$((SECONDS + wait_s))
  if flock -n 9; then
    prepare
    setsid "${command[@]}" >>"$dir/server.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$dir/pid"
    echo "$port" >"$dir/port"
  elif pid=$(running); then # started by somebody else, perhaps a moment ago
    port=$(cat "$dir/port")
  else
    flock -w "$wait_s" 9 || fail "another broker is being started from $dir"
    exec "$BASH" "$0" start "$dir" "$port" "$controller_port" 9>&-
  fi
  until answers "$port"; do
    kill -0 "$pid" 2>/dev/null || { tail -n 20 "$dir/server.log" >&2; fail "Kafka ended at start"; }
    [ "$SECONDS" -lt "$deadline" ] || fail "Kafka was not ready within $wait_s s; see $dir/server.log"
    sleep 0.1
  done
  echo "127.0.0.1:$port"
}

stop() {
  local pid
  if pid=$(running); then
    kill -TERM "$pid" 2>/dev/null || true
    flock -w 15 9 || { kill -KILL "$pid" 2>/dev/null || true; flock -w 5 9 || fail "the broker (pid $pid) does not end"; }
  fi
  rm -f "$dir/pid" "$dir/port"
}

action=${1:-}
case $action in
  fetch) check_java; fetch; exit ;;
  run | start)
    [ $# -ge 3 ] || usage
    port=$3 controller_port=${4:-$(($3 + 1))}
    case $port$controller_port in *[!0-9]*) usage ;; esac
    mkdir -p "$2"
    ;;
  stop)
    [ $# -eq 2 ] || usage
    [ -d "$2" ] || exit 0
    ;;
  *) usage ;;
esac
dir=$(cd "$2" && pwd -P)
exec 9>>"$dir/lock"
$action
