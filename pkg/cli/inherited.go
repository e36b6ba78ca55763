package cli

import (
	"os"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// inherited are descriptors that whoever started moss opened for the container's command.
type inherited struct{ preserve uint }

// What a command's own descriptors begin with, and how many the kernel passes on at once, less those of ours.
const (
	firstInherited = 3
	maxInherited   = 240
)

func (o *inherited) addFlags(fs *pflag.FlagSet) {
	fs.UintVar(&o.preserve, "preserve-fds", 0, "pass so many of our descriptors on, from 3 on")
}

// files are those of --preserve-fds, from the first on behind the standard streams.
func (o *inherited) files() ([]*os.File, error) {
	if o.preserve > maxInherited {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --preserve-fds %d: %d is the most", o.preserve, maxInherited)
	}
	var files []*os.File
	for i := range o.preserve {
		f := sys.Inherited(firstInherited + int(i))
		if f == nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --preserve-fds %d: descriptor %d is not open; whoever starts moss opens them, from %d on", o.preserve, firstInherited+i, firstInherited)
		}
		files = append(files, f)
	}
	return files, nil
}

// sockets are files and those that a service manager has opened for us (sd_listen_fds(3)), and what it has told us of them.
func (o *inherited) sockets(opts *libpod.StartOptions) (err error) {
	listening, err := strconv.ParseUint(os.Getenv("LISTEN_FDS"), 10, 16)
	if err == nil && os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		o.preserve = max(o.preserve, uint(listening))
		opts.Env = []string{"LISTEN_PID=1", "LISTEN_FDS=" + strconv.FormatUint(listening, 10)}
		if names, ok := os.LookupEnv("LISTEN_FDNAMES"); ok {
			opts.Env = append(opts.Env, "LISTEN_FDNAMES="+names)
		}
	}
	opts.More, err = o.files()
	return err
}
