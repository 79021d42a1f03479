#!/usr/bin/env bash
# What can be known of the images and of compose.yaml without a container engine: the linters have nothing to say, the
# files are those that scripts/compose writes, and what they speak of exists. What is linked into the images is tested by
# scripts/tests/static.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$root"

tools=$(scripts/lint-tools)
"$tools/hadolint" Dockerfile
"$tools/checkov" --file Dockerfile --framework dockerfile --skip-download --quiet --compact

if docker compose version >/dev/null 2>&1; then
  docker compose --file compose.yaml config --quiet
else
  docker-compose --file compose.yaml config --quiet
fi

state=$(mktemp -d)
trap 'rm -rf -- "$state"' EXIT
# Written anew in a copy, so that a test changes nothing here.
cp -a --parents -- compose.yaml scripts/lib.sh scripts/compose scripts/balancer-config terraform/functions.json terraform/compose "$state"
"$state/scripts/compose"
for file in compose.yaml terraform/compose/haproxy.cfg terraform/compose/targets.json; do
  cmp -- "$file" "$state/$file" || fail "$file is not what terraform/functions.json asks for: run scripts/compose"
done

# Hosts of the configuration are names of containers, which only exist there.
sed 's/ [a-z-]*:8080$/ 127.0.0.1:8080/' terraform/compose/haproxy.cfg >"$state/haproxy.cfg"
haproxy -c -q -f "$state/haproxy.cfg"
