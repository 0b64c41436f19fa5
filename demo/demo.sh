#!/usr/bin/env bash
# The demonstration: set-up, build, a throw-away cluster as an unprivileged user, three acts of plain SQL, clean-up.
# KEEP=1 keeps the cluster. No existing server is touched.
set -euo pipefail
. "$(dirname "$0")/../scripts/lib.sh"
cd "$ROOT"
KEEP=${KEEP:-0}

scripts/setup
scripts/build
scripts/install
use_postgres

DIR=$(mktemp -d "${TMPDIR:-/tmp}/pgseg-demo.XXXXXX")
clean_up() {
  local status=$?
  if [ "$KEEP" = 1 ] && [ $status -eq 0 ]; then
    printf '\nThe cluster runs on. To stop it and delete it:\n\n  scripts/cluster remove %s\n' "$DIR"
  else
    if scripts/cluster remove "$DIR"; then say "the demonstration's cluster is stopped and deleted"; fi
  fi
  exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say "starting a throw-away cluster in $DIR"
scripts/cluster start "$DIR"
eval "$(scripts/cluster env "$DIR")"

# act DATABASE FILE: the file's statements and comments are printed (-a) and each result under its statement, wide
# texts wrapped.
act() {
  PGTZ=UTC "$PG_BIN/psql" -X -a -q -v ON_ERROR_STOP=1 -P pager=off -P null=- -P format=wrapped -P columns=150 -d "$1" -f "$2"
}
"$PG_BIN/createdb" real
"$PG_BIN/createdb" planted
act real demo/01_real_trades.sql
act planted demo/02_planted.sql
act planted demo/03_models.sql

cat <<END

To look around, while the cluster runs:

  $PG_BIN/psql -h $PGHOST -p $PGPORT -U $PGUSER real        # or: planted

END
if [ "$KEEP" != 1 ]; then
  if [ -t 0 ] && [ -t 1 ] && [ -z "${CI:-}" ]; then
    read -r -p 'Press Enter to stop the cluster and delete it (KEEP=1 keeps it) ' || true
  else
    echo 'It stops now; KEEP=1 keeps it running.'
  fi
fi
