#!/usr/bin/env bash
# The web pages in a browser, on the whole system with simulated nodes: they show what was sent, follow live, go on after a
# restart of what they ask, and say what is wrong.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

state=$(mktemp -d)
export DEV_DIR=$state/dev
clean_up() {
  local status=$?
  ((status == 0)) || tail -n 5 -- "$DEV_DIR"/log/*.log >&2 || true
  "$root/scripts/dev" reset
  rm -rf -- "$state"
}
trap clean_up EXIT

"$root/scripts/web" "$state/assets"
# One connection brings thousands of nodes, so that the list is as long as in a large network.
MAX_NODES_PER_CONNECTION=10000 "$root/scripts/dev" --detach --simulate 20
set -a
# shellcheck source=/dev/null
source "$DEV_DIR/env"
set +a
TMPDIR=$state node --test --test-concurrency=1 "$root"/functions/dashboard/web/tests/*.test.mjs
