#!/usr/bin/env bash
# scripts/dev shows simulated nodes with their names and messages, keeps them over a restart, and leaves nothing running.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

state=$(mktemp -d)
dev() { DEV_DIR=$state "$root/scripts/dev" "$@"; }
clean_up() {
  local status=$?
  ((status == 0)) || tail -n 5 -- "$state"/log/*.log >&2
  dev reset
}
trap clean_up EXIT

get() { curl --silent --show-error --noproxy '*' --max-time 10 "$@"; }

# eventually WHAT COMMAND…: within a minute the command succeeds.
eventually() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "after a minute it was still not so that $what"
    sleep 0.1
  done
}

all_nodes_have_names() {
  get "$BASE_URL/nodes?limit=100" | jq --exit-status 'map(select(.name)) | length == 20' >/dev/null
}

all_nodes_have_messages() {
  local peer
  for peer in $(get "$BASE_URL/nodes?limit=100" | jq --raw-output '.[].peer_id'); do
    get "$BASE_URL/nodes/logs?peer_id=$peer&msg=system.connected" |
      jq --exit-status --arg peer "$peer" 'length > 0 and all(.peer_id == $peer)' >/dev/null || return
  done
}

# The processes of this stack, known by their environment; Redis hides its own, but not that it listens.
left_running() {
  grep --files-with-matches --null-data --line-regexp "DEV_DIR=$state" /proc/[0-9]*/environ 2>/dev/null || true
  if listening "${REDIS_URL##*:}"; then echo "Redis"; fi
}

dev --detach --simulate 20
# shellcheck source=/dev/null
source "$state/env"
[[ $(left_running) == *environ*Redis ]] || fail "the processes of the stack cannot be told from others"
eventually "/nodes lists 20 nodes with names" all_nodes_have_names
eventually "/nodes/logs lists the messages of each" all_nodes_have_messages
[[ $(get --output /dev/null --write-out '%{http_code} %{content_type}' "$BASE_URL/nowhere") == "404 application/problem+json" ]] ||
  fail "an unknown route is not a 404 with problem+json"
[[ $(get --output /dev/null --write-out '%{http_code}' "$BASE_URL/") == 426 ]] || fail "GET / does not ask for an upgrade"
second=$(dev --detach 2>&1) && fail "a second stack started beside the first"
[[ $second == *"$BASE_URL"* ]] || fail "a second start does not name the first one's URL, but says: $second"

dev stop
[[ -z $(left_running) ]] || fail "left running after stop: $(left_running)"
dev stop

dev --detach
# shellcheck source=/dev/null
source "$state/env"
all_nodes_have_names || fail "the nodes did not survive a restart"
dev reset
[[ -z $(left_running) ]] || fail "left running after reset: $(left_running)"
[[ ! -e $state ]] || fail "reset leaves $(ls -A "$state")"
