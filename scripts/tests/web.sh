#!/usr/bin/env bash
# The web pages that are part of this repository are what their sources give, and all of them together take no more than 200 kB.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$root"

state=$(mktemp -d)
trap 'rm -rf -- "$state"' EXIT
scripts/web "$state/assets"
diff --recursive --brief functions/dashboard/assets "$state/assets" >&2 ||
  fail "functions/dashboard/assets is not what functions/dashboard/web gives: run scripts/web"

bytes=0
for file in "$state"/assets/*; do ((bytes += $(gzip --best --stdout -- "$file" | wc --bytes))); done
say "The pages take $bytes bytes, compressed."
((bytes > 10000 && bytes <= 200000)) || fail "the pages take $bytes bytes, compressed"
