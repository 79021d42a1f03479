#!/usr/bin/env bash
# scripts/dev shows simulated nodes with their names and messages, keeps them over a restart, and leaves nothing running.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

state=$(mktemp -d)
# The folder's name in the environment marks the processes of this stack, and only those.
dev() { DEV_DIR=$state "$root/scripts/dev" "$@"; }
trap 'dev reset; rm -rf -- "$state"' EXIT

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

processes() { grep --files-with-matches --null-data --line-regexp "DEV_DIR=$state" /proc/[0-9]*/environ 2>/dev/null; }
nothing_runs() { [[ -z $(processes) ]]; }

dev --detach --simulate 20
# shellcheck source=/dev/null
source "$state/env"
[[ -n $(processes) ]] || fail "the processes of the stack cannot be told from others"
eventually "/nodes lists 20 nodes with names" all_nodes_have_names
eventually "/nodes/logs lists the messages of each" all_nodes_have_messages
[[ $(get --output /dev/null --write-out '%{http_code} %{content_type}' "$BASE_URL/nowhere") == "404 application/problem+json" ]] ||
  fail "an unknown route is not a 404 with problem+json"
[[ $(get --output /dev/null --write-out '%{http_code}' "$BASE_URL/") == 426 ]] || fail "GET / does not ask for an upgrade"
second=$(dev --detach 2>&1) && fail "a second stack started beside the first"
[[ $second == *"$BASE_URL"* ]] || fail "a second start does not name the first one's URL, but says: $second"

dev stop
nothing_runs || fail "left running after stop: $(processes)"
dev stop

dev --detach
# shellcheck source=/dev/null
source "$state/env"
all_nodes_have_names || fail "the nodes did not survive a restart"
dev reset
nothing_runs || fail "left running after reset: $(processes)"
[[ ! -e $state ]] || fail "reset leaves $(ls -A "$state")"
