// Bench measures moss beside the peers that Debian ships and prints one table of ratios. Commands are run in turns,
// moss and peer, so that a machine whose speed drifts slows both; every figure is a median.
//
//	bench -moss bin/moss -n 20 -run 'exec|ps'
//
// It runs as an unprivileged user and keeps everything it makes in one temporary directory.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	moss := flag.String("moss", cmp.Or(os.Getenv("MOSS"), "bin/moss"), "the program to measure")
	n := flag.Int("n", 20, "how often each command is run")
	docker := flag.String("docker", "", "the address of a Docker daemon to measure too, as unix:///run/docker.sock")
	run := flag.String("run", ".", "only rows whose name matches this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *moss, *docker, *n, *run); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, moss, docker string, n int, run string) (err error) {
	only, err := regexp.Compile(run)
	if err != nil {
		return err
	}
	path, err := filepath.Abs(moss)
	if err != nil {
		return err
	}
	b, err := newBed(ctx, path, docker)
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, b.close()) }()
	b.describe(os.Stdout, n)
	fmt.Println("| what | moss | podman | ratio | bound | others |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, r := range rows() {
		if !only.MatchString(r.name) {
			continue
		}
		if err := b.measure(r, n); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// rest is how long the machine gets before each command.
const rest = 300 * time.Millisecond

// measure runs a row's commands in turns and prints its line.
func (b *bed) measure(r row, n int) error {
	if r.setUp != nil {
		if err := r.setUp(b); err != nil {
			return fmt.Errorf("cannot set up: %w", err)
		}
	}
	if r.figure != nil {
		line, err := r.figure(b)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s |\n", r.name, line)
		return b.tidy(r)
	}
	if r.times > 0 {
		n = r.times
	}
	all := append([]other{{do: r.moss}, {do: r.podman}}, b.there(r.others)...)
	times := make([][]time.Duration, len(all))
	for i := range n + 1 {
		for who, do := range all {
			ready, do := do.ready, do.do
			if do == nil {
				continue
			}
			if ready != nil {
				if err := ready(b); err != nil {
					return err
				}
			}
			if r.before != nil {
				if err := r.before(b, []string{b.moss, "podman"}[who]); err != nil {
					return err
				}
			}
			// Nobody is to pay for what another has left: in the file system's journal, which whoever syncs a file commits, and to be
			// done by processes that stay and by the kernel, which takes namespaces apart later.
			syscall.Sync()
			time.Sleep(rest)
			start := time.Now()
			if err := do(b); err != nil {
				return err
			}
			took := time.Since(start)
			if r.after != nil {
				if err := r.after(b); err != nil {
					return err
				}
			}
			if i > 0 { // the first one warms up
				times[who] = append(times[who], took)
			}
		}
	}
	print(r, all, times)
	return b.tidy(r)
}

func (b *bed) tidy(r row) error {
	if r.tearDown == nil {
		return nil
	}
	return r.tearDown(b)
}

func print(r row, all []other, times [][]time.Duration) {
	moss, podman := median(times[0]), median(times[1])
	ratio, others := "–", "–"
	if podman > 0 {
		ratio = fmt.Sprintf("%.2f", float64(moss)/float64(podman))
	}
	for i := 2; i < len(all); i++ {
		others = strings.TrimPrefix(others+", ", "–, ") + all[i].name + " " + ms(median(times[i]))
	}
	fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", r.name, ms(moss), ms(podman), ratio, r.bound, others)
}

func ms(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
