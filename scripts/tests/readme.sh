#!/usr/bin/env bash
# Every ```sh block of the README succeeds, in the order in which it stands there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$root"

state=$(mktemp -d)
export DEV_DIR=$state/dev CURL_HOME=$state
clean_up() {
  local status=$?
  ((status == 0)) || tail -n 5 -- "$DEV_DIR"/log/*.log >&2 || true
  scripts/dev reset
  rm -rf -- "$state"
}
trap clean_up EXIT

# curl counts an error of the server as one, and asks nobody else.
printf '%s\n' fail silent 'noproxy = "*"' 'max-time = 10' >"$state/.curlrc"

# A newcomer has read on by the time that the first node is there.
await_nodes() {
  local deadline=$((SECONDS + 60))
  until [[ $(curl "$BASE_URL/nodes?limit=1") != "[]" ]]; do
    ((SECONDS < deadline)) || fail "after a minute no node was there"
    sleep 0.1
  done
}

run_block() {
  # The stack may have another port than the README's.
  local block=${1//localhost:8080/${BASE_URL#http://}} output
  say "$block"
  output=$(bash -euo pipefail -c "$block") || fail "this failed: $block"
  [[ $block != *curl* || $output == '[{'* ]] || fail "this shows nothing: $block"
  if [[ $block == *--simulate* ]]; then
    # shellcheck source=/dev/null
    source "$DEV_DIR/env"
    await_nodes
  fi
}

BASE_URL=http://localhost:8080
count=0 block='' inside=''
while IFS= read -r line; do
  if [[ $line == '```sh' ]]; then
    inside=yes block=''
  elif [[ $inside && $line == '```' ]]; then
    inside=''
    # That one runs this test.
    [[ $block == $'scripts/test\n' ]] || run_block "$block"
    ((count += 1))
  elif [[ $inside ]]; then
    block+=$line$'\n'
  fi
done <README.md
((count > 0)) || fail "the README has no block of commands"
[[ ! -e $DEV_DIR ]] || fail "the README's last commands leave $(ls -A "$DEV_DIR")"
