#!/usr/bin/env bash
# Every route takes what its description says and answers as it says, whatever requests schemathesis makes up from it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

examples=500
version=4.32.5

# Python's package, kept with the other things that are built.
tools=$(realpath -m -- "${CARGO_TARGET_DIR:-$root/target}")/schemathesis-$version
if [[ ! -x $tools/bin/schemathesis ]]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet "schemathesis==$version"
fi

state=$(mktemp -d)
# Schemathesis keeps notes where it is started.
notes=$(mktemp -d)
cd "$notes"
dev() { DEV_DIR=$state "$root/scripts/dev" "$@"; }
trap 'dev reset; rm -rf -- "$notes"' EXIT
dev --detach --simulate 5

# The functions themselves rather than the balancer, which has answers of its own to bad requests.
while read -r _ name address; do
  document=http://$address/openapi.json
  [[ $(curl --silent --noproxy '*' "$document" | jq '.paths | length') != 0 ]] || continue
  say "--- $name"
  NO_PROXY='*' "$tools/bin/schemathesis" --config-file "$root/scripts/tests/full/schemathesis.toml" \
    run "$document" --checks all --max-examples "$examples" --continue-on-failure --warnings off --no-color
done < <(sed -n '/^backend /,$s/^ *server /server /p' "$state/haproxy.cfg")
