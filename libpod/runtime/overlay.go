package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// maxOptions is how long the options of one mount(2) can be: a page, with its terminating zero.
const maxOptions = 4095

// mount mounts the overlay at target. The working directory of the calling thread, or of the process when
// it shares it, becomes Home: the layers' short relative names keep a hundred of them within a page.
func (o *Overlay) mount(target string) error {
	options, err := o.options()
	if err != nil {
		return err
	}
	if err := o.forgetVolatile(); err != nil {
		return err
	}
	if err := os.Chdir(o.Home); err != nil {
		return fmt.Errorf("cannot enter the image store: %w", err)
	}
	if err := o.place(target, options); err != nil {
		if errors.Is(err, syscall.ENOENT) {
			return errdefs.Errorf(errdefs.ErrNotFound, "cannot mount the container's root file system: a layer is missing below %s: %w", o.Home, err)
		}
		if errors.Is(err, syscall.EINVAL) && o.Upper != "" {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot mount the container's root file system: overlayfs may not be able to write to the file system of %s; "+
				"have graphroot in storage.conf, or --root, on a disk of this machine: %w", o.Upper, err)
		}
		return fmt.Errorf("cannot mount the container's root file system from %s: %w", o.Home, err)
	}
	return nil
}

// place mounts the overlay with some options besides its layers, whose paths are from the working directory.
func (o *Overlay) place(target string, options []string) error {
	var lower []string
	for _, dir := range o.Lower {
		lower = append(lower, escapeOption(dir))
	}
	all := strings.Join(append([]string{"lowerdir=" + strings.Join(lower, ":")}, options...), ",")
	if len(all) <= maxOptions {
		return sys.Mount("overlay", target, "overlay", syscall.MS_NODEV, all)
	}
	for _, dir := range o.Lower {
		options = append(options, "lowerdir+="+dir) // one by one, as Linux takes them from 6.8 on: 500 of them
	}
	mount, err := sys.NewMount("overlay", options, sys.MountNoDev)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "an image of %d layers is more than this kernel takes; build it with --squash, or use Linux 6.8: %w", len(o.Lower), err)
	}
	defer mount.Close()
	at, err := os.OpenFile(target, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return err
	}
	defer at.Close()
	return sys.MoveMount(mount, at)
}

// Open mounts the overlay where only the descriptor leads to: it is there for as long as that is open. target is a directory to
// mount on meanwhile, which may be anybody's.
func (o *Overlay) Open(target string) (root *os.File, err error) {
	done := make(chan struct{})
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its mount namespace with it
		defer close(done)
		if err = sys.OwnMounts(); err != nil {
			return
		}
		if err = o.mount(target); err == nil {
			root, err = os.OpenFile(target, os.O_RDONLY|sys.ODirectory, 0)
		}
	}()
	<-done
	return root, err
}

// Mount is mount, for a thread with namespaces and a working directory of its own.
func (o *Overlay) Mount(target string) error { return o.mount(target) }

// forgetVolatile removes the mark that keeps the kernel from mounting a volatile layer again. Only a crash of the machine
// can have harmed one, and no container with a volatile layer outlives that.
func (o *Overlay) forgetVolatile() error {
	if !o.Volatile || o.Upper == "" {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(o.Work, "work", "incompat", "volatile")); err != nil {
		return fmt.Errorf("cannot use the container's writable layer again: %w", err)
	}
	return nil
}

// options are those of overlay(5) but the layers; see Documentation/filesystems/overlayfs.rst.
func (o *Overlay) options() (list []string, err error) {
	if o.Upper != "" {
		upper, err := filepath.Rel(o.Home, o.Upper)
		if err != nil {
			return nil, err
		}
		work, err := filepath.Rel(o.Home, o.Work)
		if err != nil {
			return nil, err
		}
		list = append(list, "upperdir="+escapeOption(upper), "workdir="+escapeOption(work))
		if o.Volatile {
			list = append(list, "volatile")
		}
	}
	if o.UserXattr {
		list = append(list, "userxattr")
	}
	return list, nil
}

// escapeOption quotes what overlay would take for the end of a path.
func escapeOption(path string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`).Replace(path)
}
