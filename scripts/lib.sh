# shellcheck shell=bash disable=SC2034
# What every script here shares: where things are, which PostgreSQL is meant, how to speak and how to fail.
# Sourced, never run. PG_CONFIG=/path/to/pg_config chooses a PostgreSQL; without it the choice is made below.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT
EXTENSION=pg_segmentation
VENV=${VENV:-$ROOT/.venv}
PGRX_VERSION=0.18.1
SUPPORTED_MAJORS="18 17 16 15 14 13"

say() { printf '== %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint:  %s\n' "$2" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this step needs root and there is no sudo: $*" "run it as root once, then start again"
  fi
}

# A pg_config is of use only with the server's headers and the server itself beside it (libpq-dev ships one with neither).
usable_pg_config() {
  [ -n "$1" ] && command -v "$1" >/dev/null &&
    [ -f "$("$1" --includedir-server 2>/dev/null)/postgres.h" ] && [ -x "$("$1" --bindir)/initdb" ]
}

# Prints the pg_config to use, or nothing: the caller's, else the one in PATH, else the newest that Debian keeps out of PATH.
find_pg_config() {
  if [ -n "${PG_CONFIG:-}" ]; then
    command -v "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG is not a program"
    return
  fi
  local candidate major
  for candidate in pg_config $(for major in $SUPPORTED_MAJORS; do echo "/usr/lib/postgresql/$major/bin/pg_config"; done); do
    if usable_pg_config "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
}

# Sets PG_CONFIG, PG_MAJOR, PG_BIN and CARGO_FEATURES (an array), or explains what is missing.
use_postgres() {
  PG_CONFIG=$(find_pg_config)
  [ -n "$PG_CONFIG" ] || die "no PostgreSQL server with its development files found" "run scripts/setup, or set PG_CONFIG"
  usable_pg_config "$PG_CONFIG" ||
    die "$PG_CONFIG has no server or no server headers beside it" "run scripts/setup, or set PG_CONFIG to another one"
  PG_MAJOR=$("$PG_CONFIG" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
  case " $SUPPORTED_MAJORS " in
    *" $PG_MAJOR "*) ;;
    *) die "PostgreSQL $PG_MAJOR is not supported" "supported are: $SUPPORTED_MAJORS" ;;
  esac
  PG_BIN=$("$PG_CONFIG" --bindir)
  CARGO_FEATURES=()
  [ "$PG_MAJOR" = 15 ] || CARGO_FEATURES=(--no-default-features --features "pg$PG_MAJOR")
  # pgrx reads this one; with it neither the build nor `cargo pgrx schema` needs `cargo pgrx init`.
  PGRX_PG_CONFIG_PATH=$PG_CONFIG
  export PG_CONFIG PG_MAJOR PG_BIN PGRX_PG_CONFIG_PATH
}

need_cargo() {
  command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
  command -v cargo >/dev/null ||
    die "cargo is not installed" "install the Rust toolchain from https://rustup.rs (1.89 or newer) and start again"
}

extension_version() { sed -nE "s/^default_version *= *'([^']+)'.*/\1/p" "$ROOT/$EXTENSION.control"; }
target_dir() { echo "${CARGO_TARGET_DIR:-$ROOT/target}"; }
