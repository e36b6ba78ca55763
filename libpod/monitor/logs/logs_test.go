package logs

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 5, time.UTC)

func create(t testing.TB, max int64) (*Writer, string) { return createFiles(t, max, 0) }

func createFiles(t testing.TB, max int64, files int) (*Writer, string) {
	path := filepath.Join(t.TempDir(), "ctr.log")
	w, err := Create(path, max, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, path
}

func write(t testing.TB, w *Writer, s Stream, at time.Time, text string) {
	t.Helper()
	if err := w.Write(s, at, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string, o Options) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	if e := Read(context.Background(), path, o, Sink{&out, &err}); e != nil {
		t.Fatal(e)
	}
	return out.String(), err.String()
}

func TestTheFormatIsPodmans(t *testing.T) {
	w, path := create(t, 0)
	write(t, w, Stdout, noon, "one\ntw")
	write(t, w, Stderr, noon, "\n")
	write(t, w, Stdout, noon, "o\n")
	data, _ := os.ReadFile(path)
	want := `2026-01-02T12:00:00.000000005+00:00 stdout F one
2026-01-02T12:00:00.000000005+00:00 stdout P tw
2026-01-02T12:00:00.000000005+00:00 stderr F 
2026-01-02T12:00:00.000000005+00:00 stdout F o
`
	if string(data) != want {
		t.Fatalf("got:\n%s", data)
	}
}

func TestReading(t *testing.T) {
	w, path := create(t, 0)
	for i := range 5 {
		at := noon.Add(time.Duration(i) * time.Hour)
		write(t, w, Stdout, at, "par")
		write(t, w, Stdout, at, "t"+strconv.Itoa(i)+"\n")
	}
	write(t, w, Stdout, noon.Add(5*time.Hour), "end")
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"all":            {Options{Tail: -1}, "part0\npart1\npart2\npart3\npart4\nend"},
		"none":           {Options{Tail: 0}, ""},
		"the last":       {Options{Tail: 1}, "end"},
		"the last three": {Options{Tail: 3}, "part3\npart4\nend"},
		"more than all":  {Options{Tail: 99}, "part0\npart1\npart2\npart3\npart4\nend"},
		"since":          {Options{Tail: -1, Since: noon.Add(4 * time.Hour)}, "part4\nend"},
		"until":          {Options{Tail: -1, Until: noon.Add(time.Hour)}, "part0\npart1\n"},
		"times": {
			Options{Tail: 2, Timestamps: true},
			"2026-01-02T16:00:00.000000005+00:00 part4\n2026-01-02T17:00:00.000000005+00:00 end",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := read(t, path, c.o); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestALogThatIsNotThereIsEmpty(t *testing.T) {
	if out, _ := read(t, filepath.Join(t.TempDir(), "x"), Options{Tail: -1}); out != "" {
		t.Fatal(out)
	}
}

func TestTailOfALongLog(t *testing.T) {
	w, path := create(t, 0)
	var all []string
	for i := range 5000 {
		line := strings.Repeat("x", i*7%900) + strconv.Itoa(i) + "\n"
		all = append(all, line)
		write(t, w, Stdout, noon, line)
	}
	for _, n := range []int{1, 2, 77, 1000, 4999, 5000, 5001} {
		got, _ := read(t, path, Options{Tail: n})
		if want := strings.Join(all[max(0, 5000-n):], ""); got != want {
			t.Fatalf("tail %d: %d bytes, want %d", n, len(got), len(want))
		}
	}
}

func TestRotationKeepsTheNewest(t *testing.T) {
	w, path := create(t, 4000)
	var all strings.Builder
	for i := range 1000 {
		line := "line " + strconv.Itoa(i) + "\n"
		all.WriteString(line)
		write(t, w, Stdout, noon, line)
	}
	got, _ := read(t, path, Options{Tail: -1})
	if !strings.HasSuffix(all.String(), got) || len(got) < 300 {
		t.Fatalf("not the newest lines: %d bytes", len(got))
	}
	for _, p := range []string{path, path + ".1"} {
		if info, err := os.Stat(p); err != nil || info.Size() > 4000 {
			t.Fatal(p, info, err)
		}
	}
	if tail, _ := read(t, path, Options{Tail: 60}); strings.Count(tail, "\n") != 60 || !strings.HasSuffix(got, tail) {
		t.Fatalf("tail over two files: %q", tail)
	}
}

func TestAsManyFilesAreKeptAsWereAskedFor(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		w, path := createFiles(t, 400, n)
		var all strings.Builder
		for i := range 200 {
			line := "line " + strconv.Itoa(i) + "\n"
			all.WriteString(line)
			write(t, w, Stdout, noon, line)
		}
		found, err := filepath.Glob(path + "*")
		if err != nil || len(found) != n {
			t.Errorf("of %d files there are %d: %v %v", n, len(found), found, err)
		}
		got, _ := read(t, path, Options{Tail: -1})
		if !strings.HasSuffix(all.String(), got) || strings.Count(got, "\n") < (n-1)*5 {
			t.Errorf("%d files have not the newest lines: %q", n, got)
		}
		if n > 1 {
			last := got[strings.Index(got, "\n")+1:]
			if tail, _ := read(t, path, Options{Tail: strings.Count(last, "\n")}); tail != last {
				t.Errorf("tail over %d files: %q, want %q", n, tail, last)
			}
		}
	}
}

// A monitor that was killed while it renamed files.
func TestAFileThatIsMissingHidesNoOlderOne(t *testing.T) {
	w, path := createFiles(t, 100, 5)
	for i := range 6 {
		write(t, w, Stdout, noon, "line "+strconv.Itoa(i)+" is long enough for a file alone\n")
	}
	before, _ := read(t, path, Options{Tail: -1})
	for i := 4; i > 2; i-- {
		if err := os.Rename(olderPath(path, i), olderPath(path, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := read(t, path, Options{Tail: -1}); got != before || strings.Count(got, "\n") != 5 {
		t.Errorf("read %q, want %q", got, before)
	}
}

func TestWhatIsMissingIsSaidOnce(t *testing.T) {
	w, path := create(t, 0)
	write(t, w, Stdout, noon, "before\n")
	whole := w.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.file = full
	for range 3 {
		if err := w.Write(Stdout, noon, []byte("lost\n")); err == nil {
			t.Fatal("/dev/full took a record")
		}
	}
	w.file = whole
	full.Close()
	write(t, w, Stdout, noon, "after\n")
	write(t, w, Stdout, noon, "more\n")
	stdout, stderr := read(t, path, Options{Tail: -1})
	if want := "moss: output is missing here: no space left on device\n"; stdout != "before\nafter\nmore\n" || stderr != want {
		t.Errorf("stdout %q, stderr %q, want %q", stdout, stderr, want)
	}
}

func TestFollowEndsWhenEverythingWasRead(t *testing.T) {
	w, path := create(t, 0)
	ended := make(chan struct{})
	read, write2 := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Read(t.Context(), path, Options{Tail: -1, Follow: true, Ended: ended}, Sink{Stdout: write2})
		write2.Close()
	}()
	buf := make([]byte, 100)
	for i := range 20 {
		line := "line " + strconv.Itoa(i) + "\n"
		write(t, w, Stdout, noon, line)
		n, err := io.ReadFull(read, buf[:len(line)])
		if err != nil || string(buf[:n]) != line {
			t.Fatalf("%q %v", buf[:n], err)
		}
	}
	write(t, w, Stdout, noon, "last")
	close(ended)
	rest, _ := io.ReadAll(read)
	if string(rest) != "last" {
		t.Fatalf("%q", rest)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestFollowGoesOnInTheNextFile(t *testing.T) {
	for _, files := range []int{1, 2, 3} {
		followRotation(t, files)
	}
}

func followRotation(t *testing.T, files int) {
	w, path := createFiles(t, 100, files)
	ended := make(chan struct{})
	read, write2 := io.Pipe()
	go func() {
		Read(t.Context(), path, Options{Tail: -1, Follow: true, Ended: ended}, Sink{Stdout: write2})
		write2.Close()
	}()
	for i := range 30 {
		line := "line " + strconv.Itoa(i) + "\n"
		write(t, w, Stdout, noon, line)
		buf := make([]byte, len(line))
		if _, err := io.ReadFull(read, buf); err != nil || string(buf) != line {
			t.Fatalf("%q %v", buf, err)
		}
	}
	close(ended)
	if rest, _ := io.ReadAll(read); len(rest) != 0 {
		t.Fatalf("%q", rest)
	}
}

// stuck takes nothing until it is released.
type stuck struct {
	released chan struct{}
	bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.released
	return s.Buffer.Write(p)
}

// openers is how many descriptors of this process are of the file at path.
func openers(t *testing.T, path string) (n int) {
	t.Helper()
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if info, err := os.Stat("/proc/self/fd/" + fd.Name()); err == nil && os.SameFile(info, file) {
			n++
		}
	}
	return n
}

func TestFollowLosesNothingOfFilesThatGoWhileNobodyTakesIt(t *testing.T) {
	w, path := createFiles(t, 100, 2)
	write(t, w, Stdout, noon, "line 0\n")
	sink := &stuck{released: make(chan struct{})}
	ended, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Read(t.Context(), path, Options{Tail: -1, Follow: true, Ended: ended}, Sink{Stdout: sink})
	}()
	want := "line 0\n"
	for i := range 30 {
		for try := 0; openers(t, path) < 2; try++ { // the writer, and who reads
			if try > 2000 {
				t.Fatalf("nobody has opened the file that begins after %q", want)
			}
			time.Sleep(time.Millisecond)
		}
		line := "line " + strconv.Itoa(i+1) + strings.Repeat(" long", 10) + "\n"
		want += line
		write(t, w, Stdout, noon, line)
	}
	close(sink.released)
	close(ended)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := sink.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Files are renamed while they are opened: what is opened then is in order, and none is passed over that stays.
func TestFilesAreOpenedInTheirOrderWhileTheyAreRenamed(t *testing.T) {
	w, path := createFiles(t, 60, 20)
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range 3000 {
			if err := w.Write(Stdout, noon, []byte(strconv.Itoa(i)+"\n")); err != nil {
				t.Error(err)
			}
		}
	})
	for range 300 {
		var out bytes.Buffer
		if err := Read(t.Context(), path, Options{Tail: -1}, Sink{Stdout: &out}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(out.String())
		for i := 1; i < len(lines); i++ {
			before, _ := strconv.Atoi(lines[i-1])
			if now, _ := strconv.Atoi(lines[i]); now <= before {
				t.Fatalf("%d follows %d", now, before)
			}
		}
	}
	writing.Wait()
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("2026-01-02T12:00:00.000000005+00:00 stdout F one\ngarbage\n x stderr P: \n2026 stdout"), 1)
	f.Fuzz(func(t *testing.T, data []byte, tail int) {
		path := filepath.Join(t.TempDir(), "ctr.log")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		o := Options{Tail: tail, Timestamps: true, Since: time.Unix(1, 0)}
		if err := Read(context.Background(), path, o, Sink{io.Discard, io.Discard}); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzAnyBytesSurvive(f *testing.F) {
	f.Add([]byte("a\n\x00\n\nb"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		w, path := create(t, 0)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(cut)+1)
			write(t, w, Stdout, noon, string(rest[:n]))
			rest = rest[n:]
		}
		if got, _ := read(t, path, Options{Tail: -1}); got != string(data) {
			t.Fatalf("got %q, want %q", got, data)
		}
	})
}
