# make demo    the portal with example customers and a stand-in for Microsoft's cloud, on this machine
# make test    everything that is checked before a change lands; .ci/run calls this
# make check   the part of it that runs no tests

.PHONY: demo test check

demo:
	@script/setup demo
	cargo run --locked -- demo $(ARGS)

test:
	@script/setup test
	$(MAKE) check
	RUST_BACKTRACE=0 cargo test --locked

check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
