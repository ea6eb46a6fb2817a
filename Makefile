# make demo    the portal with example customers and a stand-in for Microsoft's cloud, on this machine
# make test    everything that is checked before a change lands; .ci/run calls this
# make check   the part of it that runs no tests

# Tests that start the demo take turns: one that waits leaves no core idle.
threads = $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))

.PHONY: demo test check

demo:
	@script/setup demo
	cargo run --locked -- demo $(ARGS)

test:
	@script/setup test
	$(MAKE) check
	cargo test --locked -- --test-threads $(threads)

check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
