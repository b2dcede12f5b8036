# One place for every command of this repository. `make` lists them.
# POSIX sh and GNU make 4; Go (see go.mod) is the only thing that has to be there,
# and a C compiler for `make race`.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Pinned tools that are built from their own Go modules. The others (ocb, mdatagen,
# gofumpt, benchstat) are pinned in internal/tools/go.mod.
GOLANGCI_LINT_VERSION := v2.15.0
JAEGER_MODULE := github.com/jaegertracing/jaeger
JAEGER_VERSION := v1.76.0
# What that module's Jaeger calls itself: a v2 release is tagged v1.N+2 as a Go module.
JAEGER_RELEASE := v2.13.0

# A committed or inherited workspace would change what ocb resolves.
export GOWORK := off
# A checkout that belongs to somebody else (a CI volume) must build, too.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)
# Static binaries; also keeps build, tests and lint on one set of compiled packages.
export CGO_ENABLED := 0

TOOL := go tool -modfile=internal/tools/go.mod
LDFLAGS := -s -w

# "." is the module of the components; the others exist beside it (docs/adr/0003-modules.md).
MODULES := $(patsubst %/go.mod,%,$(wildcard ./go.mod demo-services/go.mod bench/go.mod test/go.mod))
COMPONENT_DIRS := $(wildcard receiver processor extension connector internal)
COMPONENT_SOURCES := $(shell find $(COMPONENT_DIRS) -path internal/tools -prune -o -path internal/stack -prune \
	-o -path internal/tailconvert -prune -o -path internal/recording -prune -o -type f ! -name '*_test.go' ! -path '*/testdata/*' ! -name '*.md' -print)
PROGRAM_SOURCES := go.mod $(shell find cmd internal -path internal/tools -prune -o -type f ! -name '*_test.go' ! -path '*/testdata/*' ! -name '*.md' -print)
SHOP_SOURCES := $(shell find demo-services -type f \( -name "*.go" -o -name "go.*" \) ! -name "*_test.go" 2>/dev/null)

##@ Run it
.PHONY: demo up down
demo: bin/demo ## shop, RabbitMQ, two Jaegers and the collector for a minute; ends with the volume table
	@bin/demo $(DEMO_FLAGS)
up: bin/demo ## the same, kept running for exploring
	@bin/demo up $(DEMO_FLAGS)
down: bin/demo ## stop what `make up` started
	@bin/demo down

##@ Build
.PHONY: build bin/shop
build: bin/otelcol-journey ## the collector: bin/otelcol-journey

# ocb writes the main package; run from the repository's root, because it resolves `path: .` from there.
# BUILDER_CONFIG builds a distribution of your own from the same sources.
BUILDER_CONFIG ?= builder-config.yaml
_build/go.mod: $(BUILDER_CONFIG) go.mod internal/tools/go.mod
	@echo "generate _build from $(BUILDER_CONFIG)"
	@out=$$($(TOOL) builder --config $(BUILDER_CONFIG) --skip-compilation 2>&1) || { echo "$$out"; exit 1; }
	@touch $@

# -mod=mod: a component may begin to import a package that _build/go.mod does not list yet.
bin/otelcol-journey: _build/go.mod $(COMPONENT_SOURCES)
	@echo "build $@"
	@go build -C _build -mod=mod -ldflags '$(LDFLAGS)' -o ../$@ .

# Rebuilt when the version above changes.
bin/.jaeger-$(JAEGER_VERSION):
	@mkdir -p bin && rm -f bin/.jaeger-* && touch $@

# `go install` refuses a module with replace directives, so it is built inside its own (read-only) source.
bin/jaeger: bin/.jaeger-$(JAEGER_VERSION) ## Jaeger v2 from its Go module (minutes, the first time)
	@echo "build $@ $(JAEGER_RELEASE) (a few minutes the first time)"
	@dir=$$(go mod download -json $(JAEGER_MODULE)@$(JAEGER_VERSION) | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$$/\1/p') && \
		test -n "$$dir" && go build -C "$$dir" \
		-ldflags '$(LDFLAGS) -X $(JAEGER_MODULE)/internal/version.latestVersion=$(JAEGER_RELEASE)' -o '$(CURDIR)/$@' ./cmd/jaeger

bin/shop: bin/.shop ## the demo services: gateway, checkout, stock, orders, users, mailer, shopper
bin/.shop: $(SHOP_SOURCES)
	@echo "build bin/{gateway,checkout,stock,orders,users,mailer,shopper}"
	@mkdir -p bin && go build -C demo-services -ldflags '$(LDFLAGS)' -o ../bin/ ./... && touch $@

bin/volume: $(PROGRAM_SOURCES) ## the program that compares received and stored volume
	@echo "build $@"
	@mkdir -p bin && go build -ldflags '$(LDFLAGS)' -o $@ ./cmd/volume
bin/tailconvert: $(PROGRAM_SOURCES) $(COMPONENT_SOURCES) ## the program that turns tail_sampling's configuration into journey's
	@echo "build $@"
	@mkdir -p bin && go build -ldflags '$(LDFLAGS)' -o $@ ./cmd/tailconvert
bin/plan: $(PROGRAM_SOURCES) $(COMPONENT_SOURCES) ## the program that says what a sampling would keep of a recording
	@echo "build $@"
	@mkdir -p bin && go build -ldflags '$(LDFLAGS)' -o $@ ./cmd/plan
bin/demo: $(PROGRAM_SOURCES)
	@echo "build $@"
	@mkdir -p bin && go build -ldflags '$(LDFLAGS)' -o $@ ./cmd/demo

##@ Check
.PHONY: test lint fmt generate generate-check unit race fuzz-short e2e check-config tidy-check bench bench-amqp soak million
# The end-to-end tests come before the others because they install RabbitMQ where it has to be;
# the packages' own tests with a broker skip where there is none.
TEST_STAGES := lint generate-check e2e unit race
test: ## everything below that a change has to pass, each stage with its time
	@set -u; begin=$$(date +%s); report=''; \
	for stage in $(TEST_STAGES); do \
		printf '\n==> %s\n' "$$stage"; t=$$(date +%s); \
		$(MAKE) "$$stage" || { printf '\nmake test: %s did not pass\n' "$$stage"; exit 1; }; \
		report="$$report$$(printf '  %-16s %5d s' "$$stage" $$(( $$(date +%s) - t )))|"; \
	done; \
	printf '\nmake test: all passed\n'; printf '%s' "$$report" | tr '|' '\n'; \
	printf '  %-16s %5d s\n' total $$(( $$(date +%s) - begin ))

lint: .tools/golangci-lint ## golangci-lint, all modules
	@bad=0; for m in $(MODULES); do \
		echo "lint $$m"; (cd "$$m" && '$(CURDIR)/.tools/golangci-lint' run --config '$(CURDIR)/.golangci.yml' ./...) || bad=1; \
	done; exit $$bad

fmt: .tools/golangci-lint ## format all Go files
	@set -e; for m in $(MODULES); do \
		(cd "$$m" && '$(CURDIR)/.tools/golangci-lint' fmt --config '$(CURDIR)/.golangci.yml' ./...); done

.tools/.golangci-lint-$(GOLANGCI_LINT_VERSION):
	@mkdir -p .tools && rm -f .tools/.golangci-lint-* && touch $@
.tools/golangci-lint: .tools/.golangci-lint-$(GOLANGCI_LINT_VERSION)
	@echo "install golangci-lint $(GOLANGCI_LINT_VERSION) into .tools"
	@GOBIN='$(CURDIR)/.tools' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

generate: ## run the code generators (mdatagen)
	@go generate ./...

GENERATED_IN := $(wildcard receiver processor extension connector internal cmd)
generate-check: ## regenerate and fail, with the difference, if anything changed
	@before=$$(mktemp -d) || exit 1; trap 'rm -rf "$$before"' EXIT; \
	cp -R $(GENERATED_IN) "$$before"/ && $(MAKE) generate && \
	for d in $(GENERATED_IN); do diff -ruN "$$before/$$d" "$$d" || stale=1; done; \
	if [ -n "$${stale:-}" ]; then echo "generated files were out of date; they are regenerated, commit them"; exit 1; fi

# Only packages with tests, so that the output is their lines.
TESTED := go list -f '{{if and (or .TestGoFiles .XTestGoFiles) (ne .Name "e2e")}}{{.ImportPath}}{{end}}' ./...
unit: build ## unit tests of all modules, and the compose file and the documents' configurations
	@bad=0; for m in $(MODULES); do \
		echo "test $$m"; packages=$$(cd "$$m" && $(TESTED)) || { bad=1; continue; }; \
		[ -z "$$packages" ] || go test -C "$$m" $$packages || bad=1; \
	done; exit $$bad

# The detector needs a C compiler. demo-services and the components are what runs concurrently. Short: without what is long for its size.
race: ## unit tests under the race detector
	@command -v $${CC:-cc} >/dev/null || { echo "the race detector needs a C compiler: install gcc or clang, or set CC"; exit 1; }
	@set -e; for m in $(filter . demo-services,$(MODULES)); do \
		packages=$$(cd "$$m" && $(TESTED)); \
		echo "race $$m"; CGO_ENABLED=1 go test -C "$$m" -race -short $$packages; done

FUZZ_TIME ?= 10s
# Inputs that are only interesting are hardly made smaller: with goroutines behind a target that would take all the time.
fuzz-short: ## every fuzz target of the components for FUZZ_TIME (10s)
	@set -e; grep -rn '^func Fuzz' --include='*_test.go' $(COMPONENT_DIRS) cmd | \
	sed 's|^\(.*\)/[^/]*_test.go:[0-9]*:func \(Fuzz[A-Za-z0-9_]*\).*|\1 \2|' | sort -u | \
	while read -r dir name; do go test "./$$dir" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 5x || exit 1; done

e2e: build bin/jaeger bin/shop bin/volume bin/plan ## end to end: real RabbitMQ, real Jaeger, the real binary
	@go test -C test -count=1 -timeout 15m ./e2e/...

check-config: build ## the binary validates otelcol-config.yaml
	@bin/otelcol-journey validate --config otelcol-config.yaml && echo "otelcol-config.yaml is valid"

tidy-check: ## go.mod and go.sum of every module are tidy
	@set -e; for m in $(MODULES) internal/tools; do echo "tidy $$m"; go mod tidy -C "$$m" -diff; done

bench: build ## the whole collector beside tail_sampling and passthrough on the same load
	@go run -C bench . $(BENCH_FLAGS)

bench-amqp: ## what reading the firehose costs the collector (AMQP_RUN=consume) or the broker (AMQP_RUN=cost)
	@go run -C bench ./amqp $(or $(AMQP_RUN),consume) $(BENCH_FLAGS)

# The same test counts 50,000 messages in every `make e2e`.
MILLION_REPORT ?= bench/out/million.md
million: build bin/jaeger bin/shop ## a million messages through the real parts: every publish and every delivery is one span
	@mkdir -p '$(dir $(abspath $(MILLION_REPORT)))' && E2E_MESSAGES=1000000 E2E_REPORT='$(abspath $(MILLION_REPORT))' \
		go test -C test -count=1 -timeout 60m -v -run 'TestEveryPublishAndEveryDeliveryIsOneSpan$$' ./e2e/

SOAK_TIME ?= 10m
soak: build ## a constant load for SOAK_TIME (10m): fails if memory grows or counts differ
	@go run -C bench . -soak $(SOAK_TIME) $(BENCH_FLAGS)

##@ Other
.PHONY: clean help
clean: ## remove everything builds, demos and tests left behind
	@rm -rf _build bin .tools .run bench/out

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9\/-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
