# make run     build what is needed and serve: as root the accounts of this machine, else this directory, read only
# make test    install what the tests need and run all of them
# make bench   measure beside vsftpd, ProFTPD, Pure-FTPd and pyftpdlib
# make fuzz    feed what reads foreign bytes with all the bytes a fuzzer can think of, SECONDS=60 for each target
# make documents  write anew what is generated: the sample configuration, docs/verbs.md, parts of the manual pages

CARGO ?= cargo
PORT ?= 2121
SECONDS ?= 60
FTPD = target/release/ftpd

.PHONY: run build test bench fuzz documents

run: build
	@if [ "$$(id -u)" = 0 ]; then \
	    exec $(FTPD) serve --config etc/ftpd.toml --pam-directory "$$PWD/etc/pam.d" --listen '[::]:$(PORT)' --log stderr; \
	else \
	    exec $(FTPD) share . --port $(PORT); \
	fi

build:
	@packaging/dependencies build
	$(CARGO) build --release

test:
	@packaging/dependencies test
	$(CARGO) test

bench:
	@packaging/dependencies bench
	$(CARGO) build --release
	$(CARGO) run --release -p ftpd-bench

# Inputs that are worth it go from fuzz/found to fuzz/corpus by hand. cargo-fuzz needs the unstable options of rustc.
fuzz:
	@packaging/dependencies fuzz
	@for target in $$($(CARGO) fuzz list); do \
	    mkdir -p fuzz/found/$$target && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target \
	        fuzz/found/$$target fuzz/corpus/$$target -- -dict=fuzz/words.dict -max_total_time=$(SECONDS) -timeout=10 || exit 1; \
	done

documents:
	$(CARGO) build
	@packaging/documents
