#!/usr/bin/env bash
# Prometheus and Grafana on the whole system with simulated nodes: rules fire on their faults and are silent here, every
# function's metrics are in order, and every query of every dashboard answers, as Grafana would ask it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$root/terraform/compose"

dashboards=(grafana/dashboards/*.json)
# What may answer with nothing here, by dashboard, panel and query, and why.
declare -A may_be_empty=(
  [tetcore-operations/Alerts/A]="no alert fires where all is well"
  ["tetcore-operations/Rejected messages/A"]="simulated nodes send nothing that is rejected"
)

promtool check rules alerts.yml >/dev/null
promtool test rules tests/alerts.test.yml >/dev/null

# --- The shape of the dashboards -------------------------------------------------------------------------------------

sources=$(sed -n 's/^ *uid: //p' grafana/provisioning/datasources/*.yaml | jq --raw-input --slurp 'split("\n") | map(select(. != ""))')
for dashboard in "${dashboards[@]}"; do
  wrong=$(jq --raw-output --argjson sources "$sources" '
    def overlap($a; $b): $a.x < $b.x + $b.w and $b.x < $a.x + $a.w and $a.y < $b.y + $b.h and $b.y < $a.y + $a.h;
    (if (.uid and .title and .schemaVersion) then empty else "it lacks uid, title or schemaVersion" end),
    (if ([.panels[].id] | length != (unique | length)) then "ids of panels repeat" else empty end),
    (if ([.panels[].title] | length != (unique | length)) then "titles of panels repeat" else empty end),
    (.panels as $panels | range($panels | length) as $a | range($a) as $b
      | select(overlap($panels[$a].gridPos; $panels[$b].gridPos)) | "\($panels[$a].title) lies on \($panels[$b].title)"),
    (.panels[] | select(.gridPos.x + .gridPos.w > 24) | "\(.title) is too wide"),
    (.panels[] | select(.targets | length != (map(.refId) | unique | length)) | "queries of \(.title) have one name"),
    ([.. | objects | .datasource? // empty | .uid] | unique - $sources | .[] | "there is no datasource \(.)")' "$dashboard")
  [[ -z $wrong ]] || fail "$dashboard: $wrong"
done
uids=$(jq --raw-output .uid "${dashboards[@]}")
[[ $(sort --unique <<<"$uids") == "$(sort <<<"$uids")" ]] || fail "dashboards share a uid"

# --- The system, and a Prometheus that looks at it -------------------------------------------------------------------

state=$(mktemp -d)
export DEV_DIR=$state/dev
children=()
clean_up() {
  local status=$?
  ((status == 0)) || tail -n 5 -- "$DEV_DIR"/log/*.log "$state"/*.log >&2 || true
  ((${#children[@]} == 0)) || kill -- "${children[@]}" 2>/dev/null || true
  wait
  "$root/scripts/dev" reset
  rm -rf -- "$state"
}
trap clean_up EXIT

get() { curl --silent --show-error --fail --noproxy '*' --max-time 10 "$@"; }

# eventually WHAT COMMAND…: within a minute the command succeeds.
eventually() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "after a minute it was still not so that $what"
    sleep 0.2
  done
}

"$root/scripts/dev" --detach
# shellcheck source=/dev/null
source "$DEV_DIR/env"
# Half of the nodes are old ones, which still send what the panels of 0.1.4 show.
"${CARGO_TARGET_DIR:-$root/target}/debug/simulate-nodes" --url "$WS_URL" --nodes 20 --v1-percent 50 --rate 500 --quiet \
  >"$state/simulator.log" 2>&1 &
children+=($!)

# As in compose.yaml, but for the places of files and functions, and the pace.
jq --raw-output 'select(.message == "listening") | "\(input_filename | split("/")[-1] | rtrimstr(".log")) \(.address)"' \
  $(grep --files-with-matches '"message":"listening"' "$DEV_DIR"/log/*.log) |
  jq --raw-input 'split(" ") | {targets: [.[1]], labels: {function: .[0]}}' | jq --slurp . >"$state/targets.json"
functions() { jq --compact-output 'map(.labels.function) | sort' "$1"; }
[[ $(functions "$state/targets.json") == "$(functions targets.json)" ]] || fail "other functions run than targets.json lists"
cp -- alerts.yml "$state"
sed "s#/etc/prometheus#$state#; s#_interval: 15s#_interval: 1s#" prometheus.yml >"$state/prometheus.yml"
promtool check config "$state/prometheus.yml" >/dev/null
port=$((28000 + RANDOM % 2000))
while listening "$port"; do ((port += 1)); done
prometheus --config.file="$state/prometheus.yml" --storage.tsdb.path="$state/prometheus" --web.listen-address="127.0.0.1:$port" \
  >"$state/prometheus.log" 2>&1 &
children+=($!)
prometheus=http://127.0.0.1:$port

while read -r name address; do
  get "http://$address/metrics" | promtool check metrics || fail "the metrics of $name are not in order"
done < <(jq --raw-output '.[] | "\(.labels.function) \(.targets[0])"' "$state/targets.json")

# --- SQL, as tetcore_query -------------------------------------------------------------------------------------------

query() {
  "$(postgres_programs)/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command "$1" \
    "${DATABASE_URL/tetcore@/tetcore_query@}"
}
an_old_node() {
  peer=$(query "SELECT peer_id FROM nodes WHERE peer_id LIKE 'Qm%' ORDER BY peer_id LIMIT 1") && [[ -n $peer ]]
}
eventually "an old node is known" an_old_node

# expand SQL: what Grafana makes of its macros and variables, for the last hour and intervals of 15 s.
expand() {
  local from to
  from=$(date --utc --date='1 hour ago' +%FT%TZ) to=$(date --utc --date='1 minute' +%FT%TZ)
  sed --regexp-extended "
    s/\\\$__timeFilter\(([a-z_.]+)\)/\1 BETWEEN '$from' AND '$to'/g
    s/\\\$__timeGroupAlias\(([a-z_.]+), *\\\$__interval\)/floor(extract(epoch from \1)\/15)*15 AS \"time\"/g
    s/\\\$\{peer_id:sqlstring\}/'$peer'/g
    s/\\\$peer_id\b/$peer/g" <<<"$1"
}
# A time series is drawn by the column `time`.
has_rows() {
  local column='*' rows
  [[ $2 != time_series ]] || column='"time"'
  rows=$(query "SELECT count($column) FROM ($(expand "$1")) AS answer") || fail "this query fails: $(expand "$1")"
  ((rows > 0)) || [[ -n ${may_be_empty[$3]:-} ]]
}
queries=0
while read -r line; do
  { read -r place && read -r format && read -r sql; } < <(jq --raw-output '.[]' <<<"$line")
  # shellcheck disable=SC2016  # what was not expanded
  [[ $(expand "$sql") != *'$'[_a-z{]* ]] || fail "$place has a macro that is not known here: $sql"
  eventually "$place shows something" has_rows "$sql" "$format" "$place"
  ((queries += 1))
done < <(jq --compact-output '
  .uid as $uid
  | (.panels[] | .title as $title | .targets[] | select(.rawSql) | ["\($uid)/\($title)/\(.refId)", .format, .rawSql]),
    (.templating.list[] | ["\($uid)/\(.name)", "table", .query])' "${dashboards[@]}")
((queries > 20)) || fail "only $queries queries were found"

# --- PromQL ----------------------------------------------------------------------------------------------------------

has_series() {
  local answer
  answer=$(get --get --data-urlencode "query=$1" "$prometheus/api/v1/query") || fail "this query fails: $1"
  jq --exit-status '.data.result | length > 0' <<<"$answer" >/dev/null || [[ -n ${may_be_empty[$2]:-} ]]
}
is_up() { get --output /dev/null "$prometheus/-/ready" 2>/dev/null; }
eventually "Prometheus is ready" is_up
queries=0
while read -r line; do
  { read -r place && read -r expression; } < <(jq --raw-output '.[]' <<<"$line")
  eventually "$place shows something" has_series "$expression" "$place"
  ((queries += 1))
done < <(jq --compact-output '
  .uid as $uid | .panels[] | .title as $title | .targets[] | select(.expr) | ["\($uid)/\($title)/\(.refId)", .expr]' "${dashboards[@]}")
((queries > 15)) || fail "only $queries queries were found"

rules_are_evaluated() {
  get "$prometheus/api/v1/rules" | jq --exit-status '[.data.groups[].rules[]] | length > 15 and all(.health == "ok")' >/dev/null
}
eventually "all rules are evaluated without an error" rules_are_evaluated
firing=$(get "$prometheus/api/v1/alerts" | jq --raw-output '.data.alerts[] | select(.state == "firing") | .annotations.description')
[[ -z $firing ]] || fail "an alert fires though all is well: $firing"
# A rule on a metric that nobody has would be silent for ever.
known=$(get "$prometheus/api/v1/label/__name__/values" | jq --raw-output '.data[]')
for metric in $(grep --only-matching --extended-regexp '\b(compact|database|feed|flush|http|ingest|purge|queue)_[a-z_]+' alerts.yml | sort --unique); do
  grep --quiet --line-regexp "$metric" <<<"$known" || fail "an alert is about $metric, which no function has"
done
