#!/usr/bin/env bash
# Every function, linked statically, does its work in a folder that holds nothing else, as a user without any rights: what
# its image gives it. It finds hosts by /etc/hosts, and by a name server that /etc/resolv.conf names.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
((EUID == 0)) || skip "only root may give a process another root folder; run this test as root"

programs=$("$root/scripts/build-static")
state=$(mktemp -d)
chmod 0755 "$state"
clean_up() {
  local status=$?
  ((status == 0)) || tail -n 5 -- "$state"/*.log >&2
  # shellcheck disable=SC2046  # an id for each word
  kill $(jobs -pr) 2>/dev/null || true
  wait
  rm -rf -- "$state"
}
trap clean_up EXIT

# eventually WHAT COMMAND…: within half a minute the command succeeds.
eventually() {
  local what=$1 deadline=$((SECONDS + 30))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "after half a minute it was still not so that $what"
    sleep 0.05
  done
}

port=$((20000 + RANDOM % 8000))
take_port() {
  ((port += 1))
  while listening "$port"; do ((port += 1)); done
}

take_port
postgres_port=$port
DIE_WITH_PARENT=1 PG_FSYNC=off "$root/scripts/postgres" "$state/postgres" "$postgres_port" >"$state/postgres.log" 2>&1 &
take_port
redis_port=$port
DIE_WITH_PARENT=1 "$root/scripts/redis" "$state/redis" "$redis_port" >"$state/redis.log" 2>&1 &

# A name server that knows one name, at an address of its own, since the port is always 53.
python3 - >"$state/names.log" 2>&1 <<'END' &
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.153", 53))
while True:
    query, client = server.recvfrom(512)
    question = query[12 : query.index(b"\0", 12) + 5]
    known = question == b"\x08database\x07example\x00\x00\x01\x00\x01"
    answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01" if known else b""
    server.sendto(query[:2] + b"\x81\x80\x00\x01\x00" + bytes([known]) + bytes(4) + question + answer, client)
END

# furnish FUNCTION: an empty folder of its own with the program in it.
furnish() {
  install -D --mode=0755 "$programs/$1" "$state/$1/function"
  install --mode=0755 "$programs/healthy" "$state/$1/healthy"
}

# Sets `command` to what runs a program of a function's folder as a user that no system knows: FUNCTION PROGRAM SETTING…
inside() {
  local folder=$state/$1 program=$2
  shift 2
  command=(env --ignore-environment "$@" "$(type -P chroot)" --userspec=65532:65532 "$folder" "/$program")
}

enter() {
  inside "$@"
  "${command[@]}"
}

serves() { curl --silent --fail --noproxy '*' --max-time 10 --output /dev/null "http://127.0.0.1:$port/readyz"; }

eventually "PostgreSQL answers" "$(postgres_programs)/pg_isready" --quiet --host=127.0.0.1 --port="$postgres_port"
eventually "Redis answers" listening "$redis_port"
database=postgres://tetcore@127.0.0.1:$postgres_port/tetcore

furnish migrate
enter migrate function DATABASE_URL="$database" >>"$state/migrate.log" 2>&1 || fail "migrate does not run on its own"
database_at() { enter migrate function DATABASE_URL="${database/127.0.0.1/$1}" >>"$state/migrate.log" 2>&1; }
mkdir "$state/migrate/etc"
echo "127.0.0.1 database.hosts" >"$state/migrate/etc/hosts"
! database_at elsewhere.hosts || fail "a name is found that nobody told"
database_at database.hosts || fail "a name of /etc/hosts is not found"
rm -- "$state/migrate/etc/hosts"
echo "nameserver 127.0.0.153" >"$state/migrate/etc/resolv.conf"
! database_at elsewhere.example || fail "a name is found that the name server does not know"
database_at database.example || fail "a name that the name server knows is not found"

for folder in "$root"/functions/*/; do
  name=$(basename "$folder")
  [[ $name != migrate ]] || continue
  furnish "$name"
  take_port
  settings=(BIND=127.0.0.1 PORT="$port" DATABASE_URL="$database" REDIS_URL="redis://127.0.0.1:$redis_port")
  if [[ $(jq --raw-output ".[\"$name\"].runtime" "$root/terraform/functions.json") == schedule ]]; then
    enter "$name" function "${settings[@]}" >"$state/$name.log" 2>&1 || fail "$name does not run on its own"
    continue
  fi
  ! enter "$name" healthy PORT="$port" 2>/dev/null || fail "$name is called healthy before it runs"
  inside "$name" function "${settings[@]}"
  "${command[@]}" >"$state/$name.log" 2>&1 &
  eventually "$name is ready" serves
  enter "$name" healthy PORT="$port" || fail "$name is not called healthy"
  kill -TERM %%
  wait %% || fail "$name does not end well"
done
