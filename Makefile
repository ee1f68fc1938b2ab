# make demo: watch it work. make test: everything a change must pass. Both set this machine up first.

export VEDETTE_ORT := $(CURDIR)/.ort/cpu/libonnxruntime.so
export VEDETTE_ORT_OPENVINO := $(CURDIR)/.ort/openvino/libonnxruntime.so

# The tests that the table of faults names, as an expression for nextest.
FAULTS = $$(awk '!/^\#/ { for (i = 3; i <= NF; i++) { at = index($$i, "::"); of = substr($$i, 1, at - 1); \
	printf " or %s and test(=%s)", of == "lib" ? "kind(lib)" : "binary(" of ")", substr($$i, at + 2) } }' tests/faults/table.txt)

.PHONY: help demo demo-fleet test test-clients test-faults test-deb soak fuzz lint bench audit sbom deb setup

help:
	@echo "make demo   build and run the whole line on this machine, nothing to configure"
	@echo "make demo-fleet  a hub and three agents; a bad model is rolled out, caught and taken back"
	@echo "make test   format, lints and all tests"
	@echo "make test-faults  forty faults, the long ones too: kills by the hundred, dead disks, hostile cameras; as root for the disks"
	@echo "make test-clients  the Python clients of Triton and KServe, and schemathesis, against the hub; the hub against S3"
	@echo "make soak   eight cameras, broker, hub and agent for an hour (SOAK_MINUTES=60) with random faults; what is lost, late, grows"
	@echo "make fuzz   half an hour (FUZZ_MINUTES=30) for each parser of ours that strangers reach; goes on where it was stopped"
	@echo "make bench  what a frame costs; compares with a limit measured in the same run"
	@echo "make deb    a Debian package of what was built here, under target/debian"
	@echo "make test-deb  install, use, remove and purge it in a bare Debian 12; as root, with debootstrap"
	@echo "make audit  licences, bans and sources of all dependencies"
	@echo "make sbom   what is in the program, as CycloneDX in target/vedette.cdx.json"
	@echo "make setup  install the packages and ONNX Runtime that the others need"

setup:
	@.ci/setup cpu openvino

demo:
	@.ci/setup cpu
	cargo build --release --bin vedette
	@ln -sfn $(VEDETTE_ORT) target/release/libonnxruntime.so
	target/release/vedette demo $(DEMO)

demo-fleet:
	@$(MAKE) --no-print-directory demo DEMO=--fleet

lint: setup
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings

test: lint
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run; \
	else \
		echo "cargo-nextest is not installed: tests run one at a time"; \
		cargo test -- --test-threads=1; \
	fi

test-clients: setup
	@test -x target/clients/bin/python || python3 -m venv target/clients
	target/clients/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	VEDETTE_CLIENTS_PYTHON=$(CURDIR)/target/clients/bin/python cargo test --test it -- --nocapture serving::clients \
		hub::fuzzed hub::blobs hub::bucket with_a_bucket

test-faults: setup
	cargo nextest run --run-ignored all --success-output final -E "binary(faults)$(FAULTS)"

# What is measured is the release build. The test that starts and watches it may be any; tests/soak/main.rs has its variables.
soak: setup
	cargo build --release --bin vedette
	VEDETTE_PROGRAM=$(CURDIR)/target/release/vedette cargo test --test soak -- --ignored --exact soak --nocapture

fuzz:
	tests/fuzz/run $(or $(FUZZ_MINUTES),30)

bench: setup
	cargo bench

audit:
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check licenses bans sources

# What is linked into the program for this machine: no tests, no build scripts' own dependencies.
sbom:
	@cargo cyclonedx --version >/dev/null 2>&1 || cargo install --locked cargo-cyclonedx
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) cargo cyclonedx --format json --spec-version 1.5 --no-build-deps \
		--target $$(rustc -vV | sed -n 's/^host: //p') --override-filename vedette.cdx --quiet
	@mkdir -p target && sed 's|file://$(CURDIR)|file:///vedette|g' vedette.cdx.json > target/vedette.cdx.json
	@rm vedette.cdx.json

deb: sbom
	@.ci/setup cpu
	@cargo deb --version >/dev/null 2>&1 || cargo install --locked cargo-deb
	cargo build --release --bin vedette
	cargo deb --no-build --dbgsym

test-deb: deb
	.ci/test-deb target/debian/vedette_*_$$(dpkg --print-architecture).deb
