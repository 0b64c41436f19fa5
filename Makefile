# Every target does its own set-up; `make help` says what there is. PG_CONFIG=/path/to/pg_config chooses a PostgreSQL.

.DEFAULT_GOAL := help
.PHONY: help setup build install demo test test-crate test-regress test-isolation test-client test-docs test-long bench fuzz lint schema schema-check clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'

setup: ## install what is missing to build and run (through apt, with sudo where needed)
	@scripts/setup

build: setup ## build the library
	@scripts/build

install: build ## build, and copy library, control file and SQL to where PostgreSQL looks for them
	@scripts/install

demo: ## real trades and planted archetypes, in SQL printed as it runs, on a throw-away cluster (KEEP=1 keeps it)
	@demo/demo.sh

test: ## everything: the crate, SQL, concurrency, clients, README, install script; on a throw-away cluster
	@tests/run

test-crate: ## the mathematics alone, without PostgreSQL
	@tests/run crate

test-regress: ## the SQL tests (pg_regress); REGRESS="profile keys" names some
	@tests/run regress

test-isolation: ## two sessions at once (isolationtester); SPECS="..." names some
	@tests/run isolation

test-client: ## a real client: standby, cancel, crash, dump, parallel workers; CLIENT="-k cancel" goes to pytest
	@tests/run client

test-docs: ## run the SQL blocks of README.md
	@tests/run docs

test-long: ## the same tests with many more repetitions: property cases, cancel moments, kill rounds
	@PGSEG_LONG=1 tests/run

bench: ## the figures of docs/, side by side with what else one could use
	@scripts/setup test
	@scripts/build
	@scripts/install
	@benches/run

fuzz: ## look for bytes that the decoders of models and profiles do not refuse and should: 5 minutes each
	@scripts/fuzz

lint: ## rustfmt, clippy with warnings as errors, shellcheck where it is installed, pgspot on the install script
	@scripts/lint

schema: setup ## write sql/pg_segmentation--VERSION.sql from the code (installs cargo-pgrx if missing)
	@scripts/build
	@scripts/schema

schema-check: setup ## check that the committed install script is what the code generates
	@scripts/build
	@scripts/schema check

clean: ## delete what was built and the Python environment
	@cargo clean
	@rm -rf .venv
