package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// builds are the rows about building images. What must run anew is built with --no-cache, which podman has too.
func builds() []row {
	cold := func(name, context string, flags ...string) row {
		return building(name, "1", context, append([]string{"--no-cache"}, flags...)...)
	}
	cached := building("`build` of ten steps, all cached", "1; 3 × `images`", "ten")
	changed := building("`build` of ten steps, the fifth has a changed file", "1", "ten")
	changing := func(file string) func(*bed) error {
		return func(b *bed) error { return os.WriteFile(filepath.Join(b.dir, file), []byte(fresh()), 0o600) }
	}
	changed.after = changing("ten/changing")
	// Or else moss finds that it has the layer, and removes the copy: ext4 without a journal looks for inodes past all
	// those that were freed within the last minutes, for each file of the next copy.
	copied := cold("`build` that copies a context of 5,000 files", "files")
	copied.after = changing("files/src/0/0")
	for _, r := range []*row{&cached, &changed} {
		r.setUp = both(r.setUp, r.moss, r.podman)
	}
	build := func(*bed) []string {
		return []string{"build", "-q", "--layers", "--no-cache", "-t", "localhost/peak", "ten"}
	}
	last := row{name: "peak memory of a cold `build` of ten steps", setUp: makeContexts, figure: peak(build, "buildah")}
	last.tearDown = func(b *bed) error { return b.run(b.moss, "rmi", "-f", "-a") }
	return []row{
		cold("`build` of ten steps, cold", "ten"), cached, changed,
		cold("`build` of four stages that do not need each other, cold", "stages", "--jobs", "4"),
		copied,
		cold("`build` with a context of 1 GB of which 1 MB is not ignored", "ignored"),
		last,
	}
}

// building builds with both. Each has a name of its own for the image: to take over a name from the other is to do something.
func building(name, bound, context string, flags ...string) row {
	line := func(who string) []string {
		return append(append([]string{"build", "-q", "-t", "localhost/" + who + "-" + context}, flags...), context)
	}
	run := func(program string, args ...string) other {
		return other{name: program, do: func(b *bed) error { return b.quiet(append([]string{program}, args...)...) }}
	}
	docker := slices.DeleteFunc(line("docker"), func(arg string) bool { return arg == "--jobs" || arg == "4" }) // it has no such flag
	return row{
		name: name, bound: bound, times: 5, setUp: makeContexts, moss: moss(line("moss")...), podman: podman(line("podman")...),
		others: []other{run("buildah", append([]string{"build", "--layers"}, line("buildah")[1:]...)...), run("docker", append(docker, "--network", "none")...)},
	}
}

// peak measures the largest resident set of a command's processes, in MB, of moss, podman and others that have the same command.
func peak(args func(*bed) []string, others ...string) func(*bed) (string, error) {
	return func(b *bed) (string, error) {
		var figures []float64
		for _, program := range append([]string{b.moss, "podman"}, others...) {
			cmd := b.command(append([]string{program}, args(b)...)...)
			if err := cmd.Run(); err != nil {
				return "", err
			}
			figures = append(figures, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1000) // kB (getrusage(2))
		}
		line := fmt.Sprintf("%.0f MB | %.0f MB | %.2f | 1 | ", figures[0], figures[1], figures[0]/figures[1])
		if len(others) == 0 {
			return line + "–", nil
		}
		return line + fmt.Sprintf("%s %.0f MB", others[0], figures[2]), nil
	}
}

const tenSteps = `FROM localhost/bench
WORKDIR /work
RUN echo 1 > one
COPY first .
RUN echo 2 > two
COPY changing .
RUN echo 3 > three
COPY last .
RUN echo 4 > four
ENV five=5
RUN echo $five > five
`

// makeContexts makes the contexts of all rows, once.
func makeContexts(b *bed) error {
	if _, err := os.Stat(filepath.Join(b.dir, "ignored")); err == nil {
		return nil
	}
	if b.docker != "" {
		if err := b.run("docker", "import", "busybox.tar", image); err != nil {
			return err
		}
	}
	ignored := map[string]int64{".dockerignore": 0, "Dockerfile": 0}
	for i := range 1024 {
		ignored[fmt.Sprintf("big/%d", i)] = 1 << 20
	}
	ignored["kept"] = 1 << 20
	files := map[string]int64{}
	for i := range 5000 {
		files[fmt.Sprintf("src/%d/%d", i%100, i)] = 2000
	}
	var stages strings.Builder
	for i := range 4 {
		fmt.Fprintf(&stages, "FROM localhost/bench AS s%d\nRUN for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero bs=1M count=8 2>/dev/null | sha256sum; done > /out%d\n", i, i)
	}
	stages.WriteString("FROM localhost/bench\n")
	for i := range 4 {
		fmt.Fprintf(&stages, "COPY --from=s%d /out%d /\n", i, i)
	}
	return firstOf(
		b.context("ten", tenSteps, map[string]int64{"first": 100, "changing": 100, "last": 100}),
		b.context("stages", stages.String(), nil),
		b.context("files", "FROM localhost/bench\nCOPY src /src\n", files),
		b.context("ignored", "FROM localhost/bench\nCOPY . /all\n", ignored),
		os.WriteFile(filepath.Join(b.dir, "ignored", ".dockerignore"), []byte("big\n"), 0o600),
	)
}

// context makes a directory to build from, with files of these sizes in bytes. They are holes, which are read as any others.
func (b *bed) context(name, dockerfile string, files map[string]int64) error {
	dir := filepath.Join(b.dir, name)
	for file, size := range files {
		path := filepath.Join(dir, file)
		err := firstOf(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(file), 0o600))
		if err == nil && size > 0 {
			err = os.Truncate(path, size)
		}
		if err != nil {
			return err
		}
	}
	return firstOf(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600))
}
