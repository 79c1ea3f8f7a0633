# Preflight: two commands are enough, `make demo` and `make test`. Both set up what is missing.

# `.ci/setup` puts the distribution's Rust here where the machine's own is missing or too old.
export PATH := $(CURDIR)/target/toolchain:$(PATH)
CARGO ?= cargo
PREFIX ?= /usr/local
AGENT_TARGET := $(shell uname -m)-unknown-linux-gnu

.PHONY: demo test build release install setup agent check audit bench fuzz differential upstream-tests clean

# The features of the tests, so that the demo, the tests and the work between them compile everything once.
build: setup agent ## the programs, quickly built
	$(CARGO) build --workspace --all-features --bins

release: setup agent ## the programs as users get them
	$(CARGO) build --release

setup: ## installs what is missing
	@.ci/setup

# Static, so that it runs in any guest; a target is named so that the flag does not reach build scripts. It lies where an
# installed one would: `../lib/preflight/guest-agent` from the programs.
agent: setup
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build -p preflight-guest-agent --profile agent --target $(AGENT_TARGET)
	install -D -m 755 target/$(AGENT_TARGET)/agent/preflight-guest-agent target/lib/preflight/guest-agent

demo: build ## GNU hello from the archive: .dsc to PASS in real guests
	@.ci/demo

test: build ## every test; real guests under whatever acceleration works
	$(CARGO) test --workspace --all-features

install: release ## programs, man pages and completions below PREFIX
	install -D -t $(DESTDIR)$(PREFIX)/bin target/release/preflight target/release/preflightd target/release/preflight-keeper target/release/autopkgtest-virt-preflight
	install -D -m 755 target/lib/preflight/guest-agent $(DESTDIR)$(PREFIX)/lib/preflight/guest-agent
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 tui/man/*.1
	install -D -m 644 tui/completions/preflight.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/preflight
	install -D -m 644 tui/completions/preflight.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/preflight.fish
	install -D -m 644 tui/completions/_preflight $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_preflight

bench: release ## what testbeds cost, the peer beside it; BENCH=claim,peer for parts of it, REPEAT=clones=10 for how often
	@.ci/bench

differential: build ## Debian's packages by Preflight and by Debian's autopkgtest, side by side; PACKAGES=a,b for some of them
	@.ci/differential

upstream-tests: build ## autopkgtest's own tests of virtualisation servers against ours; TESTS="test_user test_reboot" for some of them
	@.ci/upstream-tests

check: setup ## formatting and lints
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

fuzz: setup ## every parser's properties with a million inputs each; FUZZ="--only subunit" for parts of it
	$(CARGO) run --profile fuzz -p preflight-fuzz -- $(FUZZ)

audit: ## licences, bans, sources
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked check licenses bans sources

clean:
	$(CARGO) clean
