#!/usr/bin/env bash
# terraform/ is well formed, valid, passes its own tests and checkov, and says the same as the rest of the repository.
# The providers come from their registry, or from stand-ins for them in ../shared/terraform-offline where those are.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$root"

folders() { find functions -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort; }
entries() { jq --raw-output 'keys[]' terraform/functions.json | sort; }
diff <(folders) <(entries) >&2 || fail "the folders of functions/ and the entries of terraform/functions.json differ (< folder, > entry)"

for metric in $(jq --raw-output '.[].metrics[]?' terraform/functions.json); do
  grep --quiet "\"$metric\"" shared/src/metrics.rs || fail "terraform/functions.json publishes $metric, which no function has"
done
for metric in $(sed --quiet --regexp-extended 's/^ *(metric|metric_name) += "([a-z_]+)"$/\2/p' terraform/alarms.tf); do
  jq --exit-status --arg metric "$metric" 'any(.[].metrics[]?; . == $metric)' terraform/functions.json >/dev/null ||
    fail "an alarm reads $metric, which no entry of terraform/functions.json publishes"
done
# The log of purge-job holds the summaries of purges and of compactions: each pattern fits one kind of them.
kinds_read=()
while read -r pattern; do
  kinds=()
  for kind in purge compact; do
    printed=yes
    for figure in $(grep --only-matching --perl-regexp '\$\.\K\w+' <<<"$pattern"); do
      grep --quiet "pub(crate) $figure:" "functions/purge-job/src/$kind.rs" || printed=
    done
    [[ -z $printed ]] || kinds+=("$kind")
  done
  ((${#kinds[@]} == 1)) || fail "an alarm reads '$pattern', which must fit one kind of purge-job's summaries, and fits ${kinds[*]:-none}"
  kinds_read+=("${kinds[0]}")
done < <(sed --quiet --regexp-extended 's/^ *pattern += "(.*)"$/\1/p' terraform/alarms_purge.tf)
[[ ${kinds_read[*]} == "purge purge compact" ]] || fail "of purge-job's summaries the alarms read only ${kinds_read[*]:-none}"

listed_inputs() { sed --quiet '/<!-- written by scripts.terraform-inputs -->/,/^$/p' terraform/README.md | grep '^|'; }
diff <(listed_inputs) <(scripts/terraform-inputs) >&2 ||
  fail "the inputs in terraform/README.md are not those of the variables (>): put the output of scripts/terraform-inputs there"

command -v terraform >/dev/null || skip "terraform is not installed: https://developer.hashicorp.com/terraform/install shows how to get it"
export TF_DATA_DIR TF_IN_AUTOMATION=1 TF_CLI_ARGS=-no-color
state=$(mktemp -d)
trap 'rm -rf -- "$state"' EXIT
offline=$root/../shared/terraform-offline/terraform-offline
runner=terraform
if [[ -x $offline ]]; then
  runner=$offline
  export TF_OFFLINE_CACHE=${CARGO_TARGET_DIR:-$root/target}/terraform-offline
fi

terraform fmt -check -recursive -diff terraform
for folder in terraform/local terraform/examples/minimal terraform/examples/complete terraform; do
  TF_DATA_DIR=$state/${folder//\//-}
  "$runner" -chdir="$folder" init -backend=false -input=false >"$state/log" || { cat "$state/log" >&2 && fail "terraform init in $folder"; }
  "$runner" -chdir="$folder" validate
done
"$runner" -chdir=terraform test

# An example is nothing but a call of what is checked here.
"$(scripts/lint-tools)/checkov" --directory terraform --framework terraform --skip-path examples --skip-path tests \
  --skip-download --download-external-modules false --quiet --compact
