#!/usr/bin/env bash
# Nothing that libFuzzer makes up in a short time breaks what reads input from outside.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
cd "$root"

scripts/fuzz 30
