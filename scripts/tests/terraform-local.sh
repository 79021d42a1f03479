#!/usr/bin/env bash
# `terraform apply` of terraform/local brings up every function, a message goes in and a query's answer comes out, the
# dashboards' queries run, and `terraform destroy` leaves no process and no file; so it does after an apply that failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
command -v terraform >/dev/null || skip "terraform is not installed: https://developer.hashicorp.com/terraform/install shows how to get it"
cd "$root"

programs=$(scripts/build-static)
cargo build --quiet --workspace --bins --features shared/testing
simulator=${CARGO_TARGET_DIR:-target}/debug/simulate-nodes

scratch=$(mktemp -d)
state=$scratch/state
export TF_DATA_DIR=$scratch/data TF_IN_AUTOMATION=1
# Nothing but what terraform itself brings is needed, wherever its configuration says that providers are.
export TF_CLI_CONFIG_FILE=$scratch/terraform.rc
: >"$TF_CLI_CONFIG_FILE"
# Below the ports that the kernel gives to outgoing connections.
first_port=$((20000 + RANDOM % 8000))

run() {
  local verb=$1
  shift
  terraform -chdir=terraform/local "$verb" -no-color -auto-approve -input=false -state="$scratch/terraform.tfstate" \
    -var state="$state" -var programs="$programs" -var first_port="$first_port" "$@" >"$scratch/$verb.log" 2>&1
}
value() { terraform -chdir=terraform/local output -state="$scratch/terraform.tfstate" -json | jq --raw-output "$1"; }
clean_up() {
  local status=$?
  ((status == 0)) || tail -n 20 -- "$scratch"/*.log "$state"/log/* >&2 || true
  run destroy || true
  rm -rf -- "$scratch"
}
trap clean_up EXIT

get() { curl --silent --show-error --fail --noproxy '*' --max-time 10 "$@"; }

# The processes of this deployment, known by its folder among their arguments, settings or open files.
left_running() {
  local process
  for process in /proc/[0-9]*; do
    if grep --quiet --text --fixed-strings "$state" "$process"/{cmdline,environ} 2>/dev/null ||
      [[ $(readlink "$process"/fd/1 2>/dev/null) == "$state"* ]]; then
      echo "$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null)"
    fi
  done
}
assert_nothing_left() {
  [[ -z $(left_running) ]] || fail "left running after $1: $(left_running)"
  [[ ! -e $state ]] || fail "left after $1: $(ls -A "$state")"
}

terraform -chdir=terraform/local init -input=false >"$scratch/init.log"
run apply || fail "terraform apply failed"
base_url=$(value .base_url.value)

# Every function that serves, past the balancer.
served=0
while read -r name url; do
  get --output /dev/null "$url/readyz" || fail "$name is not ready"
  ((served += 1))
done < <(value '.urls.value | to_entries[] | "\(.key) \(.value)"')
((served == $(jq 'map(select(.runtime != "once")) | length' terraform/functions.json))) || fail "only $served functions serve"
[[ $(left_running | wc --lines) -ge $served ]] || fail "the processes of this deployment cannot be told from others"

"$simulator" --url "$(value .ws_url.value)" --nodes 3 --messages 30 --rate 1000 --quiet
deadline=$((SECONDS + 60))
until [[ $(get "$base_url/nodes" | jq length) == 3 ]]; do
  ((SECONDS < deadline)) || fail "after a minute the nodes that sent are not listed"
  sleep 0.1
done
peer=$(get "$base_url/nodes?limit=1" | jq --raw-output '.[0].peer_id')
get "$base_url/nodes/logs?peer_id=$peer&msg=system.connected" | jq --exit-status 'length > 0' >/dev/null ||
  fail "what a node sent is not found"

# The roles' passwords, set as after migrate in the cloud.
database_url=$(value .database_url.value)
query() { "$(postgres_programs)/psql" --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 "$@"; }
OWNER_URL=$database_url FLUSH_URL=postgres://tetcore_flush:f1@h/d QUERY_URL=postgres://tetcore_query:q2@h/d ADMIN_URL=postgres://tetcore_admin:a3@h/d \
  query --file=terraform/roles.sql "$database_url"
[[ $(query --command "SELECT count(DISTINCT rolpassword) FROM pg_authid WHERE rolname ~ '^tetcore_' AND rolpassword LIKE 'SCRAM-SHA-256%'" "$database_url") -eq 3 ]] ||
  fail "terraform/roles.sql does not give each role its password"

run destroy || fail "terraform destroy failed"
assert_nothing_left "destroy"

! run apply -var 'functions={query-nodes={environment={MAX_RESPONSE_BYTES="many"}}}' || fail "a setting that cannot be used passes"
grep --quiet MAX_RESPONSE_BYTES "$scratch/apply.log" || fail "apply does not say which setting is wrong"
run destroy || fail "terraform destroy failed after an apply that failed"
assert_nothing_left "an apply that failed"
