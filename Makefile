# What a developer and CI run. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/florin
# The build cache lives outside the checkout: a fresh clone builds warm.
export CARGO_TARGET_DIR ?= $(cache)/target
export FLORIN_TOOLS ?= $(cache)/tools
# dev or release.
PROFILE ?= dev
target_folder := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
FLORIN := $(CARGO_TARGET_DIR)/$(target_folder)/florin
# Arguments for the test binaries: make test TESTS="outbox --nocapture".
TESTS ?=

# One step after the other: they share the machine, and the last lines are those of the tests.
.NOTPARALLEL:
.PHONY: help run build test test-large test-kafka-tls fuzz-api check-openapi smoke demo-billing bench bench-large bench-memory bench-billing bench-micro bench-check up down env fmt fmt-check lint deny check-compose ci clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { gsub(/[$$][$$]/, "$$", $$2); printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build Florin and run it here with servers of its own (Ctrl-C stops it): FLORIN_DATA, GRPC_PORT, HTTP_PORT, METRICS_PORT, KAFKA=mock|real, PROFILE
	@scripts/require.sh build postgres
	@cargo build --locked --profile $(PROFILE) --bin florin
	@exec $(FLORIN) dev

build: ## Build everything: PROFILE=dev or release
	@scripts/require.sh build
	cargo build --locked --profile $(PROFILE)

test: ## Start the servers, run all tests, stop the servers: TESTS="name --nocapture" runs some
	@scripts/require.sh build postgres redis kafka tools
	@scripts/servers.sh with scripts/test.sh $(TESTS)

test-large: ## Run the tests that take too long for every day
	@scripts/require.sh build postgres redis kafka tools
	@FLORIN_LARGE=1 TEST_LIMIT_S=7200 scripts/servers.sh with scripts/test.sh walk:: paging:: beside:: fold:: crash:: crashes::

test-kafka-tls: ## Run the test of TLS towards Kafka, for which OpenSSL's headers are needed (Debian: libssl-dev)
	@scripts/require.sh build postgres redis kafka tools
	@scripts/servers.sh with cargo test --locked --features kafka-tls --test it messaging

# Cases of each call of the API.
FUZZ_EXAMPLES ?= 20

fuzz-api: build ## Throw what its description allows, and what it does not, at a REST API of its own: FUZZ_EXAMPLES, FUZZ_SEED
	@scripts/require.sh postgres tools
	@FLORIN=$(FLORIN) FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) scripts/fuzz_api.sh

check-openapi: build ## Hold the descriptions of the REST APIs against validators, and pay with clients generated from them
	@scripts/require.sh postgres tools
	@FLORIN=$(FLORIN) scripts/check_openapi.sh

smoke: build ## Run `make run` with each Kafka, pay, stop it, start it again
	@scripts/require.sh postgres kafka
	@FLORIN=$(FLORIN) scripts/smoke.sh mock real

demo-billing: build ## Show billing end to end: 100 orders, their invoices, a PDF, a mail, an export
	@scripts/require.sh postgres
	@FLORIN=$(FLORIN) scripts/demo_billing.sh

# The measuring tool goes with the Florin of the same profile: figures of anything but release mean nothing.
BENCH_PROFILE ?= release
BENCH_OUT ?= target/bench
# A broker under load for long, with its second compiler, as in production.
bench bench-large bench-memory bench-billing: export FLORIN_KAFKA_JVM ?= -XX:+UseSerialGC
bench bench-large bench-memory bench-billing: export FLORIN_KAFKA_HEAP ?= 1g
bench_folder := $(CARGO_TARGET_DIR)/$(if $(filter dev,$(BENCH_PROFILE)),debug,$(BENCH_PROFILE))

bench: ## Measure Florin and the baselines side by side, and Florin's REST, holds and balances, into target/bench; BENCH_QUICK=1: whether it works, in under 3 minutes; BENCH_ARGS
	@scripts/require.sh build postgres redis kafka
	cargo build --locked --profile $(BENCH_PROFILE) --package florin --package florin-load
	@$(bench_folder)/florin-load bench --florin $(bench_folder)/florin --out $(BENCH_OUT) $(BENCH_ARGS)

bench-large: ## Measure what a payment costs with 10 million payments in the tables, over the cost with none; BENCH_ARGS
	@scripts/require.sh build postgres redis kafka
	cargo build --locked --profile $(BENCH_PROFILE) --package florin --package florin-load
	@$(bench_folder)/florin-load bench-large --florin $(bench_folder)/florin --out $(BENCH_OUT) $(BENCH_ARGS)

bench-memory: ## Watch Florin's memory through 10 minutes of load over 100,000 accounts; BENCH_ARGS="--accounts 10000"
	@scripts/require.sh build postgres redis kafka
	cargo build --locked --profile $(BENCH_PROFILE) --package florin --package florin-load
	@$(bench_folder)/florin-load bench-memory --florin $(bench_folder)/florin --out $(BENCH_OUT) $(BENCH_ARGS)

bench-billing: ## Measure how fast orders from Kafka become invoices, beside one transaction per order; BENCH_ARGS="--orders 1000000"
	@scripts/require.sh build postgres redis kafka
	cargo build --locked --profile $(BENCH_PROFILE) --package florin --package florin-load
	@$(bench_folder)/florin-load bench-billing --florin $(bench_folder)/florin --out $(BENCH_OUT) $(BENCH_ARGS)

bench-micro: ## Measure single functions: decide, encode, the limiter
	@scripts/require.sh build
	cargo bench --locked --package florin-load --bench micro

up: ## Start the test servers and print their addresses; one test alone: eval "$$(make env)" && cargo test NAME
	@scripts/require.sh postgres redis kafka tools
	@scripts/servers.sh up

env: ## Print the addresses of the test servers that run
	@scripts/servers.sh env

down: ## Stop the test servers
	@scripts/servers.sh down

fmt: ## Format the code
	cargo fmt --all

fmt-check: ## Check the format
	cargo fmt --all --check

lint: ## Run clippy; warnings are errors
	@scripts/require.sh build
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## Check bans, licenses and sources of the dependencies, and their advisories where the network allows
	@scripts/deny.sh

check-compose: ## Check docker-compose.yml without an engine
	@scripts/check_compose.sh

bench-check: ## Run the benchmark for a minute for what it checks: it ends, the books balance, the report has its fields; never for its figures
	@BENCH_QUICK=1 BENCH_PROFILE=dev BENCH_OUT=$(CARGO_TARGET_DIR)/bench-check $(MAKE) bench

ci: fmt-check lint deny check-compose smoke check-openapi fuzz-api bench-check test ## Everything that CI runs

clean: ## Stop the test servers, remove their data and the build cache
	@scripts/servers.sh clean
	cargo clean
