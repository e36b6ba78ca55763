package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
)

// row is one line of the table.
type row struct {
	name, bound     string
	times           int // how often, when not -n
	setUp, tearDown func(*bed) error
	moss, podman    func(*bed) error
	others          []other          // peers that only some rows have
	after           func(*bed) error // after each run, not timed
	// before each run, not timed: what the program needs, in rows without others.
	before func(b *bed, program string) error
	// figure makes the rest of the line by itself.
	figure func(*bed) (string, error)
}

// other is one more peer's way to do the same.
type other struct {
	name  string
	do    func(*bed) error
	ready func(*bed) error // before each run, not timed; may be nil
}

const (
	image = "localhost/bench"
	many  = 500 // containers, for what grows with them
)

// moss and podman run one command line with both.
func moss(args ...string) func(*bed) error {
	return func(b *bed) error { return b.quiet(append([]string{b.moss}, args...)...) }
}

func podman(args ...string) func(*bed) error {
	return func(b *bed) error { return b.quiet(append([]string{"podman"}, args...)...) }
}

// same is a row in which both get the same arguments.
func same(name, bound string, args ...string) row {
	return row{name: name, bound: bound, moss: moss(args...), podman: podman(args...)}
}

// both does several things in order.
func both(steps ...func(*bed) error) func(*bed) error {
	return func(b *bed) error {
		for _, step := range steps {
			if err := step(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// ignore does something whose failure does not matter.
func ignore(step func(*bed) error) func(*bed) error {
	return func(b *bed) error { _ = step(b); return nil }
}

func rows() []row {
	removeAll := ignore(both(ignore(moss("rm", "-f", "-a", "-t", "0")), podman("rm", "-f", "-a", "-t", "0")))
	run := func(flags ...string) []string {
		return slices.Concat([]string{"run", "--rm"}, flags, []string{image, "true"})
	}
	idle := func(flags ...string) []string {
		return slices.Concat([]string{"run", "-d"}, flags, []string{image, "sleep", "1000"})
	}
	none, slirp := []string{"--network", "none"}, []string{"--network", "slirp4netns"} // the latter is podman's default, whatever its configuration says
	r := []row{
		same("`--version`", "1/4", "--version"),
		same("`ps`, empty", "1/4", "ps"),
		same("`images`", "1/4", "images"),
		same("`run --rm --network none IMG true`", "1/10", run(none...)...),
		{name: "`run --rm IMG true`, default network, not the first", bound: "1/10", moss: moss(run()...), podman: podman(run(slirp...)...)},
		{name: "`run -d`", bound: "1/8", moss: moss(idle()...), podman: podman(idle(slirp...)...)},
		same("`run -d --network none`", "–", idle(none...)...),
		same("`create`", "1/5", "create", "--network", "none", image, "true"),
		same("`exec C true`", "1/12", "exec", "c", "true"),
		same("`rm -f -t 0` of a running one", "1/10", "rm", "-f", "-t", "0", "c"),
		same("`rm -f -t 0` of a running one without a network", "–", "rm", "-f", "-t", "0", "c"),
	}
	r[3].others = []other{{name: "bwrap", do: func(b *bed) error {
		return b.quiet("bwrap", "--unshare-all", "--ro-bind", filepath.Join(b.dir, "tree"), "/", "--proc", "/proc", "--dev", "/dev", "true")
	}}}
	r[5].tearDown, r[6].tearDown, r[7].tearDown = removeAll, removeAll, removeAll
	named := func(network ...string) []string { return idle(append(network, "--name", "c")...) }
	r[8].setUp, r[8].tearDown = both(moss(named(none...)...), podman(named(none...)...)), removeAll
	r[9].before = func(b *bed, program string) error {
		if program == "podman" {
			return podman(named(slirp...)...)(b)
		}
		return moss(named()...)(b)
	}
	r[10].before = func(b *bed, program string) error { return b.quiet(append([]string{program}, named(none...)...)...) }
	r = append(r, grown(run(none...), removeAll)...)
	r = append(r,
		row{name: "16 `run` at once, against 16 one after another divided by the cores", figure: atOnce},
		row{name: "left behind by one idle container, PSS, without a port", figure: leftBehind()},
		row{name: "left behind by one idle container, PSS, with a published port", figure: leftBehind("-p", "18099:80")},
		row{
			name: "200 MB of log output", bound: "–", times: 3,
			moss:   moss("run", "--rm", "--network", "none", image, "sh", "-c", "dd if=/dev/zero bs=1M count=200 2>/dev/null | busybox tr '\\0' 'x' | busybox fold -w 100"),
			podman: podman("run", "--rm", "--network", "none", "--log-driver", "k8s-file", image, "sh", "-c", "dd if=/dev/zero bs=1M count=200 2>/dev/null | busybox tr '\\0' 'x' | busybox fold -w 100"),
		},
	)
	return slices.Concat(r, builds(), transfers(), networks())
}

// grown are the commands whose time may grow with the number of containers.
func grown(none []string, removeAll func(*bed) error) []row {
	fill := func(b *bed) error {
		for i := range many {
			if err := b.quiet(b.moss, "create", "--network", "none", "--name", "m"+strconv.Itoa(i), image, "true"); err != nil {
				return err
			}
		}
		for i := range many {
			if err := b.quiet("podman", "create", "--network", "none", "--name", "m"+strconv.Itoa(i), image, "true"); err != nil {
				return err
			}
		}
		return nil
	}
	ps := same(fmt.Sprintf("`ps -a` with %d containers", many), "1/15", "ps", "-a")
	run := same(fmt.Sprintf("`run --rm --network none` with %d containers", many), "1.1 × with none", none...)
	create := same(fmt.Sprintf("`create` with %d containers", many), "–", "create", "--network", "none", image, "true")
	ps.setUp, create.tearDown = fill, removeAll
	return []row{ps, run, create}
}

// atOnce compares sixteen parallel runs with as many in turn, for both.
func atOnce(b *bed) (string, error) {
	const parallel = 16
	var figures [2]float64
	for who, program := range []string{b.moss, "podman"} {
		var ratios []time.Duration // in thousandths, to be sorted as the others are
		for range 5 {
			start := time.Now()
			for range parallel {
				if err := b.quiet(program, "run", "--rm", "--network", "none", image, "true"); err != nil {
					return "", err
				}
			}
			inTurn := time.Since(start)
			start = time.Now()
			if err := together(b, parallel, program); err != nil {
				return "", err
			}
			cores := time.Duration(runtime.NumCPU())
			ratios = append(ratios, time.Since(start)*1000*cores/inTurn)
		}
		figures[who] = float64(median(ratios)) / 1000
	}
	return fmt.Sprintf("%.2f × | %.2f × | – | 1.3 × | –", figures[0], figures[1]), nil
}

func together(b *bed, n int, program string) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = b.quiet(program, "run", "--rm", "--network", "none", image, "true") })
	}
	wg.Wait()
	return firstOf(errs...)
}

// leftBehind measures the memory of everything that one idle container leaves running, but its own process.
func leftBehind(flags ...string) func(*bed) (string, error) {
	return func(b *bed) (string, error) {
		var figures [2]float64
		for who, program := range []string{b.moss, "podman"} {
			args := append([]string{program, "run", "-d", "--name", "idle"}, flags...)
			if program == "podman" {
				args = append(args, "--network", "slirp4netns")
			}
			if err := b.quiet(append(args, image, "sleep", "1000")...); err != nil {
				return "", err
			}
			time.Sleep(13 * time.Second) // until it has settled
			words := []string{"moss-monitor", "moss-holder", "moss-dns", "moss-uplink", "moss-ports", "slirp4netns"}
			if program == "podman" {
				words = []string{"conmon", "slirp4netns", "rootlessport", "podman pause", "catatonit"}
			}
			var err error
			if figures[who], err = memory(words...); err != nil {
				return "", err
			}
			if err := b.quiet(program, "rm", "-f", "-t", "0", "idle"); err != nil {
				return "", err
			}
			time.Sleep(12 * time.Second) // until the linger is over
		}
		bound := "4 MB"
		if len(flags) > 0 {
			bound = "6 MB"
		}
		return fmt.Sprintf("%.1f MB | %.1f MB | %.2f | %s | –", figures[0], figures[1], figures[0]/figures[1], bound), nil
	}
}
