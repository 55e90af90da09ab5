# make run     build what is needed and serve: as root the accounts of this machine, else this directory, read only
# make test    install what the tests need and run all of them
# make bench   measure beside vsftpd, ProFTPD, Pure-FTPd and pyftpdlib
# make documents  write anew what is generated: the sample configuration, docs/verbs.md, parts of the manual pages

CARGO ?= cargo
PORT ?= 2121
FTPD = target/release/ftpd

.PHONY: run build test bench documents

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

documents:
	$(CARGO) build
	@packaging/documents
