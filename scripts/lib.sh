# shellcheck shell=bash
# What several scripts need; sourced, never run.

# shellcheck disable=SC2034  # for the scripts that source this
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")

# Where rustup puts cargo, and Debian servers such as HAProxy: not on everyone's path.
PATH=$PATH:~/.cargo/bin:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "scripts/$(basename "$0"): $*"
  exit 1
}

# skip REASON: ends a test that cannot run on this machine. scripts/test counts and names it; where everything is at hand by
# right, as on CI, it is a failure.
skip() {
  [[ ${CI:-} != true ]] || fail "$*"
  say "SKIPPED: $*"
  exit 77
}

# Whether something listens on this port of the loopback address.
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# When a process was started, in the kernel's ticks; nothing if there is none, or only its exit code waits to be read.
birth() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} == Z ]] || echo "${fields[19]}"
}

# Where this system keeps its newest PostgreSQL server programs; empty when it has none.
postgres_programs() {
  local newest
  newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort --version-sort | tail -n 1)
  [[ -x $newest ]] || newest=$(command -v postgres) || return 0
  dirname "$newest"
}

# The account that a server runs under when root starts it: its own where the system has it.
account_of() {
  if getent passwd "$1" >/dev/null; then echo "$1"; else echo nobody; fi
}

# as_account ACCOUNT COMMAND…: gives up root's rights; for everyone else it only runs the command.
as_account() {
  local account=$1
  shift
  if ((EUID == 0)); then
    setpriv --reuid "$account" --regid "$(id -g "$account")" --clear-groups "$@"
  else
    "$@"
  fi
}

# become ACCOUNT SIGNAL COMMAND…: replaces this shell by the command, so that signals reach it directly.
# With DIE_WITH_PARENT=1 it gets SIGNAL when the thread that started this script ends.
become() {
  local account=$1 signal=$2
  shift 2
  local prefix=()
  if ((EUID == 0)); then
    prefix+=(setpriv --reuid "$account" --regid "$(id -g "$account")" --clear-groups)
  fi
  if [[ ${DIE_WITH_PARENT:-} == 1 ]]; then
    # A second setpriv, because the kernel forgets the death signal whenever the user changes.
    prefix+=(setpriv --pdeathsig "$signal")
    kill -0 "$PPID" 2>/dev/null || fail "its parent ended while it was starting"
  fi
  exec "${prefix[@]}" "$@"
}
