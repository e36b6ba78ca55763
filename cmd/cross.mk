# make build ARCH=arm64, on Debian: what is built for another architecture than this machine's is below bin/ARCH, and nothing else changes.
CPU_arm64 := aarch64
CPU       := $(or $(CPU_$(ARCH)),$(error there is no way to build for the architecture "$(ARCH)": see cmd/cross.mk))

ifneq ($(filter-out all build carried front full vm,$(MAKECMDGOALS)),)
$(error only make build and make vm are for another architecture)
endif

BIN     := bin/$(ARCH)
EMBED   := $(BIN)/carried
DOZE    := $(BIN)/moss-doze
VM      := vm-$(ARCH)
OBJCOPY := $(CPU)-linux-gnu-objcopy
# Go finds what is carried where it looks for this machine's.
OVERLAY := $(CURDIR)/$(BIN)/overlay.json
DOZES    = "$(CURDIR)/libpod/monitor/doze/bin/moss-doze": "$(CURDIR)/$(DOZE)"
export GOFLAGS := $(GOFLAGS) "-overlay=$(OVERLAY)"
export GOARCH  := $(ARCH)
export CC      := $(CPU)-linux-gnu-gcc
export PKG_CONFIG_LIBDIR := /usr/lib/$(CPU)-linux-gnu/pkgconfig

# Stories and tests of packages that make vm runs: emulated, a machine takes ten to twenty times as long. RUN=. is what it does elsewhere.
ifeq ($(origin RUN),file)
RUN := TestStories/(everyone|rootless)/(hello|streams|exit-codes|lifecycle|logs|network|networks|egress|holder|ports|volumes|commit|security|build|build-words)$$
endif
UNITS := ./pkg/sys ./libpod/runtime ./libpod/monitor

FRONT_CC := $(CC) -specs /usr/lib/$(CPU)-linux-musl/musl-gcc.specs
HEADERS  := -idirafter /usr/$(CPU)-linux-gnu/include

.PHONY: crossing overlay
carried: crossing
crossing:
	@test/setup.sh build cross-$(ARCH)
	mkdir -p $(EMBED)
	echo '{"Replace": {$(DOZES)}}' >$(OVERLAY)

full front: overlay
overlay: carried
	for program in $(EMBED)/*; do \
		printf '"$(CURDIR)/libpod/embedded/bin/%s": "$(CURDIR)/%s", ' "$${program##*/}" "$$program"; \
	done | sed 's|.*|{"Replace": {&$(DOZES)}}|' >$(OVERLAY)
