#!/usr/bin/env bash
# The tests that take minutes each.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
cd "$root"

cargo test --workspace -- --ignored
