# make run     build what is needed and serve: as root the accounts of this machine, else this directory, read only
# make test    install what the tests need and run all of them
# make bench   measure beside vsftpd, ProFTPD, Pure-FTPd and pyftpdlib; BENCH="--rounds 3 --publish ." writes the tables here
# make fuzz    feed what reads foreign bytes with all the bytes a fuzzer can think of, SECONDS=60 for each target
# make documents  write anew what is generated: the sample configuration, docs/verbs.md, parts of the manual pages
# make install [PREFIX=/usr] [DESTDIR=/somewhere]   put what was built where it belongs; make uninstall takes it away
# make deb     build target/debian/*.deb; make rpm builds target/generate-rpm/*.rpm
# make test-package  install the .deb, then the .rpm, in a Debian that is booted for it, and use them there (as root)
# make test-reproducible  build both packages a second time, from another directory, and compare

CARGO ?= cargo
PORT ?= 2121
SECONDS ?= 60
BENCH ?=
FTPD = target/release/ftpd
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: run build test bench fuzz documents install uninstall package-files deb rpm test-package test-reproducible

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
	$(CARGO) run --release -p ftpd-bench -- $(BENCH)

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

# What is installed, as "mode source destination". The configuration is in /etc whatever PREFIX says: that is where the
# daemon and PAM look for it.
SHARE = $(PREFIX)/share
# firewalld looks nowhere else.
FIREWALLD = $(if $(filter /usr,$(PREFIX)),/usr/lib,/etc)/firewalld/services
PROGRAM_FILES = \
    755:$(FTPD):$(PREFIX)/sbin/ftpd \
    755:$(dir $(FTPD))ftpctl:$(PREFIX)/sbin/ftpctl \
    644:man/ftpctl.8:$(SHARE)/man/man8/ftpctl.8 \
    644:man/ftpd.8:$(SHARE)/man/man8/ftpd.8 \
    644:man/ftpd.toml.5:$(SHARE)/man/man5/ftpd.toml.5 \
    644:man/ftpd-users.5:$(SHARE)/man/man5/ftpd-users.5 \
    644:systemd/ftpd.service:$(PREFIX)/lib/systemd/system/ftpd.service \
    644:systemd/ftpd.socket:$(PREFIX)/lib/systemd/system/ftpd.socket \
    644:systemd/sysusers.d/ftpd.conf:$(PREFIX)/lib/sysusers.d/ftpd.conf \
    644:systemd/tmpfiles.d/ftpd.conf:$(PREFIX)/lib/tmpfiles.d/ftpd.conf \
    644:packaging/firewalld/ftpd.xml:$(FIREWALLD)/ftpd.xml \
    644:etc/completions/ftpd:$(SHARE)/bash-completion/completions/ftpd \
    644:etc/completions/ftpd.fish:$(SHARE)/fish/vendor_completions.d/ftpd.fish \
    644:etc/completions/_ftpd:$(SHARE)/zsh/site-functions/_ftpd \
    644:etc/completions/ftpctl:$(SHARE)/bash-completion/completions/ftpctl \
    644:etc/completions/ftpctl.fish:$(SHARE)/fish/vendor_completions.d/ftpctl.fish \
    644:etc/completions/_ftpctl:$(SHARE)/zsh/site-functions/_ftpctl \
    644:README.md:$(SHARE)/doc/ftpd/README.md \
    644:SECURITY.md:$(SHARE)/doc/ftpd/SECURITY.md \
    644:CHANGELOG.md:$(SHARE)/doc/ftpd/CHANGELOG.md \
    $(foreach file,$(wildcard packaging/monitoring/*),644:$(file):$(SHARE)/doc/ftpd/$(file:packaging/%=%)) \
    644:CONTRIBUTING.md:$(SHARE)/doc/ftpd/CONTRIBUTING.md \
    $(foreach file,$(wildcard docs/*.md docs/images/*),644:$(file):$(SHARE)/doc/ftpd/$(file)) \
    $(foreach file,$(wildcard docs/examples/*),644:$(file):$(SHARE)/doc/ftpd/$(file:docs/%=%)) \
    $(foreach file,$(wildcard target/package/sbom.cdx.json.gz),644:$(file):$(SHARE)/doc/ftpd/sbom.cdx.json.gz)
# An installed one of these is the administrator's: it is neither overwritten nor removed.
CONFIGURATION_FILES = \
    644:etc/ftpd.toml:/etc/ftpd/ftpd.toml \
    644:etc/pam.d/ftpd:/etc/pam.d/ftpd \
    644:packaging/logrotate/ftpd:/etc/logrotate.d/ftpd \
    644:packaging/fail2ban/filter.conf:/etc/fail2ban/filter.d/ftpd.conf \
    644:packaging/fail2ban/jail.conf:/etc/fail2ban/jail.d/ftpd.conf \
    644:packaging/ufw/ftpd:/etc/ufw/applications.d/ftpd \
    644:packaging/apparmor/ftpd:/etc/apparmor.d/usr.sbin.ftpd

# Nothing is built here, so that nothing of it belongs to root afterwards.
install:
	@[ -x $(FTPD) ] || { echo "first: make build" >&2; exit 1; }
	@for file in $(CONFIGURATION_FILES); do \
	    IFS=:; set -- $$file; unset IFS; \
	    [ ! -e "$(DESTDIR)$$3" ] || continue; \
	    install -D -m "$$1" "$$2" "$(DESTDIR)$$3" || exit 1; \
	    [ "$$2" != packaging/apparmor/ftpd ] || sed -i 's,/usr/sbin/ftpd,$(PREFIX)/sbin/ftpd,' "$(DESTDIR)$$3"; \
	done
	@for file in $(PROGRAM_FILES); do \
	    IFS=:; set -- $$file; unset IFS; \
	    install -D -m "$$1" "$$2" "$(DESTDIR)$$3" || exit 1; \
	done
	@sed -i 's,/usr/sbin/ftp,$(PREFIX)/sbin/ftp,' "$(DESTDIR)$(PREFIX)/lib/systemd/system/ftpd.service"
	@[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || { systemd-sysusers; systemd-tmpfiles --create ftpd.conf; systemctl daemon-reload; }
	@[ -n "$(DESTDIR)" ] || ! aa-enabled --quiet 2> /dev/null || apparmor_parser --replace /etc/apparmor.d/usr.sbin.ftpd
	@[ -n "$(DESTDIR)" ] || getent passwd ftpd > /dev/null || \
	    echo "Clients need an account to be served by until they have logged in: useradd --system --home-dir /nonexistent ftpd"

uninstall:
	@for file in $(PROGRAM_FILES); do rm -f "$(DESTDIR)$${file##*:}"; done
	@rm -rf "$(DESTDIR)$(SHARE)/doc/ftpd"
	@echo "The configuration stays: $(foreach file,$(CONFIGURATION_FILES),$(lastword $(subst :, ,$(file))))"

# Packages have these compressed. The time is left out, so that building twice gives the same bytes.
package-files: build
	@packaging/dependencies package
	@mkdir -p target/package
	@$(CARGO) cyclonedx --quiet --format json --override-filename sbom.cdx
	@sed 's,path+file://$(CURDIR),path+file:///ftpd,g' sbom.cdx.json | gzip -9nc > target/package/sbom.cdx.json.gz
	@rm -f sbom.cdx.json benches/sbom.cdx.json
	@gzip -9nc CHANGELOG.md > target/package/changelog.gz
	@gzip -9nc man/ftpd.8 > target/package/ftpd.8.gz
	@gzip -9nc man/ftpctl.8 > target/package/ftpctl.8.gz
	@gzip -9nc man/ftpd.toml.5 > target/package/ftpd.toml.5.gz
	@gzip -9nc man/ftpd-users.5 > target/package/ftpd-users.5.gz

# The time of everything in a package is that of the last change.
package-files deb rpm: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)
deb: package-files
	$(CARGO) deb --no-build
	@if command -v lintian >/dev/null; then lintian --allow-root --fail-on error,warning target/debian/*.deb; fi

# cargo-generate-rpm keeps the times of files that are older than that, which would tell when somebody checked them out.
rpm: package-files
	@find docs etc man packaging systemd *.md LICENSE-* target/package $(FTPD) $(dir $(FTPD))ftpctl \
	    -type f ! -name '*.in' ! -newermt "@$$SOURCE_DATE_EPOCH" -exec touch {} +
	$(CARGO) generate-rpm
	@if command -v rpmlint >/dev/null; then rpmlint --config packaging/rpm/rpmlint.toml target/generate-rpm/*.rpm; fi

test-package: deb rpm
	@packaging/dependencies test-package
	packaging/test-package "$$(ls -t target/debian/*.deb | head -n 1)" "$$(ls -t target/generate-rpm/*.rpm | head -n 1)"

test-reproducible: deb rpm
	packaging/test-reproducible
