// Package seccomp compiles seccomp profiles to the instructions that the kernel takes, and keeps the
// results, so that starting a container costs one stat(2). It links libseccomp; the launcher, which loads the
// instructions, does not.
package seccomp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// version changes with everything below that changes what a profile compiles to.
const version = "moss-seccomp-4 moby-profiles-0.2.3"

// Options change a profile.
type Options struct {
	// Dir is where compiled filters are kept; it is made when it is not there.
	Dir string
	// SingleID makes chown(2) and its kin and setgroups(2) succeed without doing anything. With one user id and
	// one group id they could only fail, and package managers would stop there. Programs see what the files really
	// have when they look.
	SingleID bool
	// Kin allows the kernel's entry point for programs of the older architecture that the processor runs too (host.Kin). Without it a program
	// that uses it is killed: it is one more way to attack the kernel, and few need it.
	Kin bool
}

// Compile gives the path of a compiled filter: an array of struct sock_filter. profile is "" for the default one,
// or a file in Docker's or in the OCI's JSON format; caps are the capabilities that the container can have, on which
// a profile may depend. The errors of a bad profile are errdefs.ErrInvalid.
func Compile(ctx context.Context, profile string, caps []string, opts Options) (string, error) {
	text, err := read(profile)
	if err != nil {
		return "", err
	}
	key, err := cacheKey(profile, text, caps, opts)
	if err != nil {
		return "", err
	}
	path := filepath.Join(opts.Dir, key)
	switch info, err := os.Stat(path); {
	case err == nil && info.Size() > 0 && info.Size()%instruction == 0:
		return path, nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("cannot look for the compiled seccomp filter: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	rules, err := load(profile, text, caps, opts)
	if err != nil {
		return "", err
	}
	if err := store(path, rules); err != nil {
		return "", fmt.Errorf("cannot compile %s: %w", describe(profile), err)
	}
	return path, nil
}

// OCI is the profile itself, for an OCI runtime that compiles it on its own.
func OCI(profile string, caps []string, opts Options) (*specs.LinuxSeccomp, error) {
	text, err := read(profile)
	if err != nil {
		return nil, err
	}
	return load(profile, text, caps, opts)
}

// instruction is the size of struct sock_filter.
const instruction = 8

// Check says whether a profile's file can be read. Its errors are those of Compile.
func Check(profile string) error {
	_, err := read(profile)
	return err
}

// maxProfile bounds the size of a profile's file; the default one has 20 KiB as JSON.
const maxProfile = 1 << 20

// read gives a profile's text, nil for the default one.
func read(profile string) ([]byte, error) {
	if profile == "" {
		return nil, nil
	}
	info, err := os.Stat(profile)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the seccomp profile: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxProfile {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s as a seccomp profile: want a file of at most 1 MiB", profile)
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the seccomp profile: %w", err)
	}
	return text, nil
}

// cacheKey names everything that a filter depends on.
func cacheKey(profile string, text []byte, caps []string, opts Options) (string, error) {
	kernel, err := sys.KernelRelease()
	if err != nil {
		return "", fmt.Errorf("cannot ask for the kernel's version: %w", err)
	}
	sorted := slices.Sorted(slices.Values(caps))
	h := sha256.New()
	fmt.Fprintln(h, version, runtime.GOARCH, kernel, opts.SingleID, opts.Kin, profile == "", strings.Join(sorted, ","))
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// store compiles rules into a file that is either whole or not there.
func store(path string, rules *specs.LinuxSeccomp) error {
	return sys.WriteWhole(path, func(f *os.File) error {
		if err := compile(f, rules); err != nil {
			return err
		}
		return f.Sync()
	})
}

func describe(profile string) string {
	if profile == "" {
		return "the default seccomp profile"
	}
	return "the seccomp profile " + profile
}

// CompileRules compiles the rules of an OCI configuration into the file path, and changes them no more than narrow does.
func CompileRules(path string, rules *specs.LinuxSeccomp) error {
	narrow(rules)
	if err := store(path, rules); err != nil {
		return fmt.Errorf("cannot compile linux.seccomp of the configuration: %w", err)
	}
	return nil
}
