# Moss. `make demo` and `make test` need nothing beforehand on Debian or Ubuntu: they install what is
# missing, as root or through sudo.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
PREFIX  ?= /usr/local
DESTDIR ?=
RUN     ?= .
RELEASE ?=
N       ?= 20

# What to build for; only the command line says that it is not this machine's (cmd/cross.mk).
NATIVE := $(shell dpkg --print-architecture 2>/dev/null)
ARCH   := $(NATIVE)

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/moss
# Where test/setup.sh puts a Go that is new enough comes first, then the usual places.
export PATH := $(CACHE)/go/bin:$(PATH):/usr/local/go/bin

TAGS    := exclude_graphdriver_btrfs containers_image_docker_daemon_stub containers_image_openpgp seccomp osusergo netgo
BIN     := bin
VM      := vm
UNITS   :=
EMBED   := libpod/embedded/bin
DOZE    := libpod/monitor/doze/bin/moss-doze
MODULE  := github.com/mosscontainers/moss
# Where the full program is mapped beside the front one: behind whatever heap the kernel gives that (brk), and below 2 GiB.
FULL_AT := 0x60000000
LDFLAGS := -s -w -X $(MODULE)/pkg/cli.Version=$(VERSION)
GO      := go
OBJCOPY := objcopy
# The tags matter to everything that is built or tested; nothing here is built from vendored code.
export GOFLAGS := -trimpath -buildvcs=false "-tags=$(TAGS)"

# The front program is linked with musl, whose start-up is a fifth of glibc's: most of a quick command is start-up. Where there is no musl-gcc
# any C compiler will do. The kernel's headers are not in musl's directories.
FRONT_CC := $$(command -v musl-gcc || echo $(CC))
# One page: code, and a stack that the kernel gives.
BARE     := -Os -s -static -nostdlib -fno-pie -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables -Wall -Wextra -Werror \
	-Wl,--build-id=none,-z,noseparate-code,-z,norelro
HEADERS  := -idirafter /usr/include -idirafter /usr/include/$$($(CC) -print-multiarch 2>/dev/null)

ifneq ($(ARCH),$(NATIVE))
include cmd/cross.mk
endif

GOLANGCI_VERSION := v2.12.0
GOLANGCI         := $(CACHE)/bin/golangci-lint-$(GOLANGCI_VERSION)

.PHONY: all build carried front full generate install demo test unit stories vm lint bench docs clean
all: build

# Go's own cache decides what is out of date. The full program is mapped from the file: at any size that a page can have.
build: front full
	$(OBJCOPY) --add-section .moss.full=$(BIN)/moss-full $(BIN)/moss-front $(BIN)/moss
	$(OBJCOPY) --set-section-alignment .moss.full=65536 $(BIN)/moss

# The programs that moss carries come before it, and their names are in it.
carried:
	@test/setup.sh build
	$(CC) $(BARE) -o $(DOZE) cmd/moss-doze/doze.c
	CGO_ENABLED=0 $(GO) build -ldflags "-s -w" -o $(EMBED)/moss-monitor ./cmd/moss-monitor
	CGO_ENABLED=0 $(GO) build -tags "$(TAGS) moss_root" -ldflags "-s -w" -o $(EMBED)/moss-monitor-root ./cmd/moss-monitor
	CGO_ENABLED=0 $(GO) build -ldflags "-s -w" -o $(EMBED)/moss-hello ./cmd/moss-hello
	CGO_ENABLED=0 $(GO) build -ldflags "-s -w" -o $(EMBED)/moss-dns ./cmd/moss-dns
	CGO_ENABLED=0 $(GO) build -ldflags "-s -w" -o $(EMBED)/moss-uplink ./cmd/moss-uplink

MONITOR_ID := $$(cat $(EMBED)/moss-monitor $(EMBED)/moss-monitor-root | sha256sum | cut -c1-16)
LINKED     := $(LDFLAGS) -X $(MODULE)/libpod/embedded.MonitorID=$(MONITOR_ID) -linkmode external

full: carried
	CGO_ENABLED=1 $(GO) build -ldflags "$(LINKED) -extldflags '-static -Wl,-Ttext-segment=$(FULL_AT)'" -o $(BIN)/moss-full ./cmd/moss-full

# By itself this runs containers, and says of every other command that it cannot.
front: carried
	CGO_ENABLED=1 CC="$(FRONT_CC)" CGO_CFLAGS="-O2 $(HEADERS)" \
		$(GO) build -tags "$(TAGS) moss_front" -ldflags "$(LINKED) -extldflags -static" -o $(BIN)/moss-front ./cmd/moss

# What is written and read for each container as JSON, by code of its own: package json takes longer to prepare for such types than a container to
# start. Of the library that the code is made with, only the two packages for it are linked: the third brings net/http.
GENERATED := pkg/spec/spec storage/cache storage/records libpod/runtime/encode libpod/monitor/request libpod/monitor/wire libpod/monitor/recorder \
	libpod/state/record
generate:
	for file in $(GENERATED); do \
		$(GO) tool easyjson -build_tags "$(TAGS)" -output_filename $${file}_easyjson.go $$file.go && \
		sed -i '/^\/\/go:build/d; /^\/\/ +build/d; /mailru\/easyjson"$$/d; /_ easyjson\.Marshaler/d' $${file}_easyjson.go || exit 1; \
	done
	gofmt -w $(GENERATED:=_easyjson.go)

install: build docs
	install -D -m 0755 bin/moss $(DESTDIR)$(PREFIX)/bin/moss
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 0644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 completions/moss.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/moss
	install -m 0644 completions/moss.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_moss
	install -m 0644 completions/moss.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/moss.fish

demo: build
	@test/setup.sh run
	bin/moss run --rm localhost/hello

# Lint, the packages' own tests, and the stories: as an unprivileged user, as one without subordinate
# ids, and the smaller set as root.
test: build
	@test/setup.sh test
	@$(MAKE) --no-print-directory lint unit stories

unit:
	$(GO) test ./...
	$(GO) test -tags "$(TAGS) moss_front" -run Quick ./pkg/cli

stories: export MOSS := $(CURDIR)/bin/moss
stories: export STORIES := 1
stories:
	@test/setup.sh sources
	test/as-user.sh mosstest $(GO) test -count=1 -timeout 30m -run '$(RUN)' ./test
	test/as-user.sh mossplain $(GO) test -count=1 -timeout 5m -run '$(RUN)' ./test
	test/as-user.sh root $(GO) test -count=1 -timeout 10m -run '$(RUN)' ./test

# What a machine without systemd or with older control groups cannot show, in a virtual one: see CONTRIBUTING.md.
vm: export ACCEL := $(ACCEL)
vm: export RELEASE := $(RELEASE)
vm: build
	@test/setup.sh $(VM)
	$(GO) test -c -o $(BIN)/stories.test ./test
	$(if $(UNITS),rm -rf $(BIN)/units && mkdir $(BIN)/units && $(GO) test -c -o $(BIN)/units/ $(UNITS))
	UNITS=$(if $(UNITS),$(BIN)/units) test/vm/run.sh $(ARCH) /var/cache/moss-test/$(VM)$(addprefix -,$(RELEASE)) $(BIN)/moss $(BIN)/stories.test $(if $(filter-out .,$(RUN)),'$(RUN)')

# The linter's cache is this tree's own, and -trimpath is left out: with either the linter would be given the paths of another
# checkout (of cgo's output, from Go's cache). The second line looks at what only the front program is built from.
lint: export GOFLAGS := -buildvcs=false "-tags=$(TAGS)"
lint: $(GOLANGCI)
	GOLANGCI_LINT_CACHE=$(CURDIR)/bin/lint-cache $(GOLANGCI) run ./...
	$(GO) vet -tags "$(TAGS) moss_front" ./cmd/moss ./pkg/cli ./libpod

$(GOLANGCI):
	@test/setup.sh build
	GOFLAGS= GOBIN=$(CACHE)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(CACHE)/bin/golangci-lint $@

# One table of ratios against the peers that Debian ships: make bench N=40 RUN=exec
bench: export MOSS := $(CURDIR)/bin/moss
bench: build
	@test/setup.sh bench
	$(GO) build -o bin/moss-bench ./test/bench
	test/bench/docker.sh mosstest test/as-user.sh mosstest run bin/moss-bench -n $(N) -run '$(RUN)'

docs:
	@test/setup.sh build
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)} \
		$(GO) run ./docs/generate -man man -completions completions

clean:
	rm -rf bin man completions $(EMBED)/moss-monitor $(EMBED)/moss-monitor-root $(EMBED)/moss-hello $(EMBED)/moss-dns \
		$(EMBED)/moss-uplink $(DOZE)
