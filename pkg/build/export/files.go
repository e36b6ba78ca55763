package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// local copies the files of the results into a directory, as the user's own.
func (e *Exporter) local(ctx context.Context, o Output) error {
	for i := range e.Results {
		dest, err := filepath.Abs(o.Dest)
		if err != nil {
			return err
		}
		if e.List && o.Split {
			dest = filepath.Join(dest, e.Results[i].dirName())
		}
		if err := e.Results[i].copyTo(ctx, dest); err != nil {
			return errdefs.NoSpace(fmt.Errorf("cannot write the files to %s: %w", dest, err))
		}
	}
	return nil
}

// dirName is a platform as the name of a directory: linux_amd64.
func (r *Result) dirName() string { return strings.ReplaceAll(platforms.Format(r.Platform), "/", "_") }

func (r *Result) copyTo(ctx context.Context, dest string) (err error) {
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	files, err := r.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	super := &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 0}}
	action := &pb.FileAction{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{
		Src: "/", Dest: "/", DirCopyContents: true, AlwaysReplaceExistingDestPaths: true, Timestamp: -1, Mode: -1,
		// What an image marks setuid would be the user's own program, for everybody on this machine to run.
		ModeStr: "ug-s", Owner: &pb.ChownOpt{User: super, Group: super},
	}}}
	return fileop.Apply(ctx, action, fileop.Options{Dest: dest, Source: &tree.Tree{Root: files.Dir}})
}

// open opens a result's files; a result may have none.
func (r *Result) open() (*Files, error) {
	if r.Open == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "there are none")
	}
	return r.Open()
}

// tar writes an archive of the files.
func (e *Exporter) tar(ctx context.Context, o Output) error {
	write := func(to io.Writer) (err error) {
		var dirs []fsutil.Dir
		for i := range e.Results {
			files, openErr := e.Results[i].open()
			if openErr != nil {
				return openErr
			}
			defer func() { err = errors.Join(err, files.Close()) }()
			// A descriptor and not a path: what a link in /proc says of a mount that is nowhere is "/".
			root, openErr := os.OpenRoot(files.Dir)
			if openErr != nil {
				return openErr
			}
			all := fsutil.NewRoot(root)
			defer func() { err = errors.Join(err, all.Close()) }()
			dirs = append(dirs, fsutil.Dir{FS: fsutil.NewRootFS(all), Stat: &fstypes.Stat{Path: e.Results[i].dirName(), Mode: uint32(os.ModeDir | 0o755), ModTime: e.stamp()}})
		}
		return e.writeTar(ctx, dirs, to)
	}
	to, err := o.Dest, error(nil)
	if to == Stdout {
		to, err = "the standard output", write(e.Stdout)
	} else {
		err = sys.ReplaceFile(to, func(path string) error { return writeTo(path, write) })
	}
	if err != nil {
		err = errdefs.NoSpace(fmt.Errorf("cannot write the files to %s: %w", to, err))
	}
	return err
}

func (e *Exporter) writeTar(ctx context.Context, dirs []fsutil.Dir, to io.Writer) error {
	if !e.List {
		return nameError(fsutil.WriteTar(ctx, dirs[0].FS, to))
	}
	all, err := fsutil.SubDirFS(dirs)
	if err != nil {
		return err
	}
	return nameError(fsutil.WriteTar(ctx, all, to))
}

// nameError says of a name that package fs refuses what is wrong with it.
func nameError(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) && errors.Is(err, fs.ErrInvalid) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot have the directory %q in an archive: its name is not UTF-8; give it another name, or use type=local", at.Path)
	}
	return err
}

// stamp is the time of what is made for the export alone, in nanoseconds.
func (e *Exporter) stamp() int64 {
	if e.Epoch == nil {
		return 0
	}
	return e.Epoch.UnixNano()
}

// writeTo writes a file that may be there already: a pipe, a device.
func writeTo(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
