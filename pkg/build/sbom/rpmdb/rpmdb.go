// Package rpmdb lists what is in a database of rpm. The library for that follows offsets and lengths of a file that strangers made, without
// bounds of time or memory, and has SQLite, which is C, for one of the formats. So a process of its own reads it, which moss becomes for that: it
// has neither rights nor anything to see, and whatever becomes of it, the caller gets an error.
package rpmdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless"
)

// Package is an installed one.
type Package struct {
	Name    string
	Epoch   *int   `json:",omitempty"`
	Version string // with the release: 5.2.15-3.fc39
	Arch    string
	License string
	Source  string // the file name of the package of sources; "" of what has none
}

// What a reader may use. Red Hat's largest images have databases of 35 MB, which take a second and 200 MB.
const (
	MaxDatabase = 256 << 20
	maxMemory   = 1 << 30
	maxOutput   = 64 << 20
	maxSeconds  = 60 // of a processor
	maxWait     = 5 * time.Minute
)

// name is what the process is executed as.
const name = "moss-rpmdb"

// file and log are the database in its directory, and what SQLite has written beside it.
const (
	file = "database"
	log  = file + "-wal"
)

// answer is what the process says.
type answer struct {
	Packages []Package
	Error    string `json:",omitempty"`
}

// Read lists the packages of a database: SQLite, with its log of writes (nil where there is none), ndb or Berkeley DB. dir is an empty directory for
// it alone.
func Read(ctx context.Context, dir string, database, writes io.Reader) ([]Package, error) {
	if err := save(filepath.Join(dir, file), database); err != nil {
		return nil, err
	}
	if writes != nil {
		if err := save(filepath.Join(dir, log), writes); err != nil {
			return nil, err
		}
	}
	said, err := ask(ctx, dir)
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(said, &a); err != nil {
		return nil, fmt.Errorf("what its reader says cannot be read: %w", err)
	}
	if a.Error != "" {
		return nil, fmt.Errorf("%q", a.Error)
	}
	return a.Packages, nil
}

// ask has the process read what is in a directory.
func ask(ctx context.Context, dir string) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	out := &output{rest: maxOutput}
	cmd := exec.CommandContext(bounded, "/proc/self/exe")
	cmd.Args = []string{name}
	cmd.Env = []string{rootless.EnvFull + "=1", "GODEBUG=asyncpreemptoff=1", "GOTRACEBACK=none"}
	cmd.Dir, cmd.Stdin, cmd.Stdout = dir, strings.NewReader(""), out // not /dev/null, which would be one more thing to open
	err := sys.RunEnclosed(cmd)
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case bounded.Err() != nil:
		return nil, fmt.Errorf("it takes more than %v", maxWait)
	}
	return nil, fmt.Errorf("its reader ended: %w", err)
}

// save writes a file that is not too large.
func save(path string, from io.Reader) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, io.LimitReader(from, MaxDatabase+1))
	if err == nil && n > MaxDatabase {
		err = fmt.Errorf("it has more than %d MB", MaxDatabase>>20)
	}
	return err
}

// output keeps what is written, as far as that goes.
type output struct {
	bytes.Buffer
	rest int
}

func (b *output) Write(p []byte) (int, error) {
	if b.rest -= len(p); b.rest < 0 {
		return 0, errors.New("it says too much")
	}
	return b.Buffer.Write(p)
}
