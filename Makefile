# Everything here needs Go and git only. Linters and other tools are built once, by tools/get, into
# a cache folder outside the checkout.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

COUNT    ?= 6
FUZZTIME ?= 30s
SEEDS    ?= 10000
TRIES    ?= 20
CYCLES   ?= 1000
SOAK     ?= 3m
FIRST    ?= 1
N        ?= 5
PKG      ?= ./...

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  %-8s %s\n' "$$name" "$$text"; done

.PHONY: build
build: ## build the agent into ./agent
	go build -o agent ./cmd/agent

.PHONY: check
check: lint test ## lint and test: what a change must pass

.PHONY: test
test: ## run all tests (PKG=./tracker for some)
	go test $(PKG)

.PHONY: servers
servers: ## get the real servers that the tests run: Debian packages (as root), and Consul, built once
	@internal/testservers/get

.PHONY: lint
lint: ## run the linters and check the formatting
	@lint=$$(tools/get golangci-lint); "$$lint" run --allow-parallel-runners

.PHONY: fmt
fmt: ## format the code
	@gofumpt=$$(tools/get gofumpt); "$$gofumpt" -l -w .

.PHONY: cross
cross: ## check the code for macOS, and the library for Windows
	@staticcheck=$$(tools/get staticcheck); \
	echo "darwin: everything"; \
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 "$$staticcheck" -checks 'SA*' ./...; \
	echo "windows: the library"; \
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go vet $$(go list ./... | grep -v /cmd/)

.PHONY: repeat
repeat: ## run tests COUNT times with the race detector (PKG=./tracker COUNT=50)
	@gotestsum=$$(tools/get gotestsum); "$$gotestsum" --format dots -- -race -count=$(COUNT) $(PKG)

.PHONY: bench
bench: ## run the benchmarks COUNT times into bench.out (OLD=file compares with it)
	@benchstat=$$(tools/get benchstat); \
	go test -run '^$$' -bench . -benchmem -count=$(COUNT) $(PKG) | tee bench.out; \
	"$$benchstat" $(OLD) bench.out

.PHONY: compare
compare: ## measure Muster beside what others use, in the same run (bench/)
	cd bench && go test -run '^$$' -bench . -benchtime 60x .

# Not through "go test", which would not wait for what Ctrl-C leaves to be cleaned up.
.PHONY: engines
engines: ## measure each kind of store, with N leaders killed on each, into the table of the README
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; trap '' INT; \
	go test -c -o "$$folder/measure.test" ./cmd/agent/engines/measure; \
	(trap - INT; exec "$$folder/measure.test" -test.run TestMeasure -test.timeout 1h -measure.tries $(N) -measure.page README.md $(ARGS))

.PHONY: fuzz
fuzz: ## fuzz each fuzz test for FUZZTIME
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u | while read -r folder; do \
		go test -list '^Fuzz' "$$folder" | { grep '^Fuzz' || true; } | while read -r name; do \
			echo "$$folder $$name for $(FUZZTIME)"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$folder"; \
		done; \
	done

.PHONY: mutants
mutants: ## break the code on purpose, in one way after another, and see a test fail each time (ARGS='-run R5 -v')
	go run ./internal/mutants/run $(ARGS)

# One process a core: each runs its seeds on one processor, so that they run the same way again. What
# runs in the background ignores Ctrl-C.
.PHONY: faults
faults: ## simulate SEEDS courses of faults from FIRST on; then histories, CYCLES starts and stops, a soak for SOAK
	@folder=$$(mktemp -d); trap 'kill $$(jobs -p) 2>/dev/null || true; rm -rf "$$folder"' EXIT; \
	go test -c -o "$$folder/faults.test" ./internal/sim/leadership; \
	cores=$$(getconf _NPROCESSORS_ONLN); each=$$(( ($(SEEDS) + cores - 1) / cores )); failed=0; running=(); \
	for i in $$(seq 0 $$((cores - 1))); do \
		"$$folder/faults.test" -test.run UnderAnyFaults -test.v -test.timeout 1h \
			-sim.first $$(( $(FIRST) + i * each )) -sim.seeds $$each & running+=($$!); \
	done; \
	for p in "$${running[@]}"; do wait "$$p" || failed=1; done; \
	exit $$failed
	MUSTER_TRIES=$(TRIES) go test -timeout 1h -count=1 ./internal/history
	go test -timeout 2h -p 1 ./internal/endurance ./cmd/agent/internal/endurance -run Cycles -endurance.cycles $(CYCLES)
	go test -timeout 2h -v ./internal/endurance -run Soak -soak.for $(SOAK)

.PHONY: cover
cover: ## measure the tests' coverage into coverage.html
	go test -coverprofile=coverage.out -coverpkg=./... $(PKG)
	go tool cover -html=coverage.out -o coverage.html
	@go tool cover -func=coverage.out | tail -1
