package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bed is where everything is measured: one home with one store, which moss and podman share.
type bed struct {
	ctx      context.Context
	moss     string
	docker   string // the address of a daemon, "" without
	dir      string
	env      []string
	registry *exec.Cmd
	address  string // of the registry
}

func newBed(ctx context.Context, moss, docker string) (*bed, error) {
	if os.Geteuid() == 0 {
		return nil, errors.New("run it as an unprivileged user: make bench does")
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	b := &bed{ctx: ctx, moss: moss, docker: docker, dir: dir}
	b.env = append(os.Environ(), "HOME="+dir, "DOCKER_HOST="+docker, "DOCKER_BUILDKIT=1")
	conf := filepath.Join(dir, ".config", "containers")
	return b, firstOf(
		os.MkdirAll(conf, 0o700),
		// Debian's Podman would choose vfs, and crun, which refuses machines with both versions of cgroups. Moss
		// does not take its launcher from this file.
		os.WriteFile(filepath.Join(conf, "containers.conf"), []byte("[engine]\nruntime = \"runc\"\n"), 0o600),
		os.WriteFile(filepath.Join(conf, "storage.conf"), []byte("[storage]\ndriver = \"overlay\"\n"), 0o600),
		b.images(),
	)
}

// images makes the one image that both stores run: a static busybox.
func (b *bed) images() error {
	tree := filepath.Join(b.dir, "tree")
	script := `set -e; mkdir -p "$1/bin" "$1/proc" "$1/dev"; cp "$(command -v busybox)" "$1/bin/busybox"
for a in sh true sleep echo cat dd sha256sum; do ln -s busybox "$1/bin/$a"; done; tar -C "$1" -cf "$2" .`
	tar := filepath.Join(b.dir, "busybox.tar")
	return firstOf(
		b.run("sh", "-c", script, "sh", tree, tar),
		b.run(b.moss, "import", "-q", tar, "localhost/bench"),
	)
}

// there are those of the peers that can be measured here.
func (b *bed) there(peers []other) []other {
	return slices.DeleteFunc(slices.Clone(peers), func(o other) bool {
		if o.name == "docker" && b.docker == "" {
			return true
		}
		_, err := exec.LookPath(o.name)
		return err != nil
	})
}

// run runs a command; what it printed is part of the error.
func (b *bed) run(args ...string) error {
	_, err := b.output(args...)
	return err
}

func (b *bed) output(args ...string) (string, error) {
	var out, errOut bytes.Buffer
	cmd := b.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, errOut.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func (b *bed) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, args[0], args[1:]...)
	cmd.Env, cmd.Dir = b.env, b.dir
	return cmd
}

// quiet runs a command without looking at its output, as a script would.
func (b *bed) quiet(args ...string) error {
	if err := b.command(args...).Run(); err != nil {
		return b.run(args...) // once more, for what it says
	}
	return nil
}

// describe prints what the table was made on and with.
func (b *bed) describe(w io.Writer, n int) {
	line := func(args ...string) string {
		out, err := b.output(args...)
		if err != nil {
			return "not there"
		}
		first, _, _ := strings.Cut(out, "\n")
		return first
	}
	fmt.Fprintf(w, "Medians of %d runs in turns, as an unprivileged user. %s, kernel %s, %s cores. %s; %s with %s; %s.\n\n",
		n, line("sh", "-c", ". /etc/os-release; echo $PRETTY_NAME"), line("uname", "-r"), line("nproc"),
		line(b.moss, "--version"), line("podman", "--version"), line("runc", "--version"), line("bwrap", "--version"))
}

// startRegistry starts Debian's registry on a free port of the loopback.
func (b *bed) startRegistry() error {
	if b.registry != nil {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.address = l.Addr().String()
	l.Close()
	conf := filepath.Join(b.dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\n", b.dir+"/registry", b.address)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	b.registry = b.command("docker-registry", "serve", conf)
	if err := b.registry.Start(); err != nil {
		return err
	}
	for range 100 {
		if resp, err := http.Get("http://" + b.address + "/v2/"); err == nil {
			return resp.Body.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the registry does not answer")
}

// close ends what was started and removes everything.
func (b *bed) close() error {
	if b.registry != nil {
		_ = b.registry.Process.Kill() // it keeps nothing
		_ = b.registry.Wait()
	}
	return firstOf(
		b.run(b.moss, "system", "reset", "-f"),
		b.run(b.moss, "unshare", "rm", "-rf", b.dir),
	)
}

// memory adds up the proportional set size of all of this user's processes whose command line contains one of words, in MB. Of one that lets nobody
// see that, it takes the resident size, which is more.
func memory(words ...string) (float64, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, e := range entries {
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !containsAny(strings.ReplaceAll(string(line), "\x00", " "), words) {
			continue
		}
		if size, err := size(filepath.Join("/proc", e.Name())); err == nil {
			total += size
		}
	}
	return total, nil
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// size is the memory of the process that dir is about, if it is this user's.
func size(dir string) (float64, error) {
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil || !strings.Contains(string(status), fmt.Sprintf("\nUid:\t%d\t", os.Getuid())) {
		return 0, err
	}
	mb, err := pss(filepath.Join(dir, "smaps_rollup"))
	if errors.Is(err, os.ErrPermission) {
		return rss(filepath.Join(dir, "statm"))
	}
	return mb, err
}

func rss(path string) (float64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var all, resident int
	_, err = fmt.Sscan(string(data), &all, &resident)
	return float64(resident*os.Getpagesize()) / 1e6, err
}

func pss(path string) (float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == "Pss:" {
			kb, err := strconv.ParseFloat(fields[1], 64)
			return kb / 1000, err
		}
	}
	return 0, errors.New("no Pss")
}
