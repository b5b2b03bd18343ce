# Everything that one does with the tree. "make help" lists it.
.DEFAULT_GOAL := help
.PHONY: help build test demo demo-keyless bench lint fuzz crash soak

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/holdfast
	go build -trimpath -o bin/holdfast ./cmd/holdfast

test: ## install what the tests need, then run every check (as .ci/run does)
	scripts/install-test-tools
	scripts/test

demo: build ## walk through the main job on a fresh server, in seconds
	go run ./cmd/demo bin/holdfast main

demo-keyless: build ## walk through TLS without giving the key away: HSM, key servers, an edge (packages softhsm2, curl, openssl)
	go run ./cmd/demo bin/holdfast keyless

bench: ## measure against the floor and moto (docs/performance.md); BENCH_FLAGS are passed on
	go run ./bench $(BENCH_FLAGS)

lint: ## format and lint
	scripts/test lint

fuzz: ## fuzz every target for FUZZTIME (default 1m) each
	FUZZTIME=$${FUZZTIME:-1m} scripts/test fuzz

crash: ## kill the server and the store many more times than "make test" does
	HOLDFAST_CRASH_ROUNDS=$${HOLDFAST_CRASH_ROUNDS:-1000} go test -count=1 -timeout=0 -v ./test/compat/crash
	HOLDFAST_CRASH_ROUNDS=$${HOLDFAST_CRASH_ROUNDS:-1000} go test -count=1 -timeout=0 -v -run PowerCut ./test/compat/byok
	HOLDFAST_CRASH_ROUNDS=$${HOLDFAST_CRASH_ROUNDS:-1000} go test -count=1 -timeout=0 -run Crash ./internal/store/... ./internal/audit/...

soak: ## live through a year of 10,000 certificates, then run the unit tests with the race detector again and again, for SOAK (default 1h)
	HOLDFAST_LONG=1 go test -count=1 -timeout=0 -v ./internal/server/year
	timeout --foreground $${SOAK:-1h} sh -c 'while go test -race -count=1 -shuffle=on ./...; do :; done'; test $$? = 124
