# What can be made here. `make run` and `make test` do their own set-up and need nothing but this clone.
#
#   make run            build, read a sample capture, show what is in it
#   make test           all tests, against the list of those that may be skipped
#   make test-live      what takes minutes: a hundred ends under load, a file that is locked for a minute, a link that flaps,
#                       an interface that goes and a daemon that is killed two hundred times (root only)
#   make packages       a .deb for each of arm64, armhf and amd64, in target/packages; ARCHES="amd64" builds only that
#   make reproduce      builds a package twice, in two folders, and compares the bytes; ARCHES as above
#   make test-packages  runs the packages' programs on captures, in emulators and on Debian 11, and compares the rows
#   make test-machine   the package's life on a machine of its own: installed, unplugged, killed, upgraded ... (root only)
#   make test-arm       the same on an ARM machine, 64 bits and 32; some minutes more (root only)
#   make check          what CI refuses: format, lints, docs, licences of what is built in
#   make fuzz           throws hostile bytes at every reader of what strangers send, three minutes each and twenty at all of
#                       it together; SECONDS=10 PIPELINE_SECONDS=60 is shorter, TARGETS="dns quic" some of them
#   make bench          micro-benchmarks of decode, flow table and rollup, and of the worst packets, which it holds to 1 ms
#   make bench-read     the two-million-packet day: CPU and memory beside softflowd and nfpcapd
#   make bench-live     `lanscribe run` at 1,000 to 200,000 packets a second beside softflowd and tcpdump (root only)
#   make bench-queries  the documented questions on a file of 300 devices and 90 days (some minutes, 1.5 GB)
#   make help           this

SHELL := /bin/sh
CARGO := cross/cargo
ARCHES := arm64 armhf amd64
PROGRAM := target/release/lanscribe
SAMPLE := tests/sample/home.pcap

.PHONY: help run build test test-live packages reproduce test-packages test-machine test-arm check deny fuzz bench bench-read bench-live bench-queries clean
.DEFAULT_GOAL := help

help:
	@sed -n '2,/^$$/ s/^# \{0,1\}//p' Makefile

run: build lanscribe.db
	@$(PROGRAM) devices --db lanscribe.db
	@echo
	@$(PROGRAM) top endpoints --limit 5 --db lanscribe.db
	@echo
	@echo "The file is lanscribe.db. Three questions to try:"
	@echo
	@sed 's/^/  /' tests/sample/queries.sh

# Made once: it is yours from then on.
lanscribe.db: | build
	$(PROGRAM) read $(SAMPLE) --db $@

build:
	@cross/prepare run
	$(CARGO) build --release --locked --package lanscribe

test:
	@cross/prepare test
	tests/run

test-live:
	@cross/prepare test
	$(CARGO) test --package lanscribe --test tests --locked -- --ignored --test-threads 1 --nocapture live:: daemon::

packages:
	@cross/prepare packages
	cross/packages $(ARCHES)

reproduce:
	@cross/prepare packages
	cross/reproduce $(ARCHES)

test-packages:
	@cross/prepare test-packages
	$(MAKE) packages
	tests/packages $(ARCHES)

test-machine:
	@cross/prepare machine
	@# Not one that was built from an older source.
	[ -n "$(PACKAGE)" ] || $(MAKE) packages ARCHES=amd64
	tests/machine/run amd64

test-arm:
	@cross/prepare machine
	[ -n "$(PACKAGE)" ] || $(MAKE) packages ARCHES="arm64 armhf"
	tests/machine/run arm64

check:
	@cross/prepare run
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

deny:
	$(CARGO) deny --locked check bans licenses sources

SECONDS := 180
PIPELINE_SECONDS := 1200
TARGETS :=

fuzz:
	@cross/prepare fuzz
	agent/core/fuzz/run $(SECONDS) $(PIPELINE_SECONDS) $(TARGETS)

bench:
	@cross/prepare run
	$(CARGO) bench --locked --package lanscribe-core
	$(CARGO) test --release --locked --package lanscribe-core --test tests worst::

bench-read: build
	@cross/prepare bench
	tests/bench/read

bench-live: build target/bench/day.pcap
	@cross/prepare bench
	tests/bench/live

# Two million packets of a home, made of smaller captures.
target/bench/day.pcap:
	mkdir -p target/bench
	$(CARGO) run --release --locked --package lanscribe --example multiply -- --out $@

bench-queries: build
	@cross/prepare test
	tests/bench/queries

clean:
	rm -rf target .setup
