package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/build/tree"
)

// TempDir is a new directory that goes with this build, however it ends.
func (b *Builder) TempDir() (string, error) { return b.tempDir("input-") }

// Download gets a file by http or https. It is there until the build ends.
func (b *Builder) Download(ctx context.Context, url string) (*os.File, error) {
	got, err := b.remote(ctx, &pb.SourceOp{Identifier: url})
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(got.Tree.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(got.Name)
}

// Unpack unpacks an archive, compressed or not, into a directory.
func (b *Builder) Unpack(ctx context.Context, archive *bufio.Reader, dir string) (err error) {
	spool, err := b.TempDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(spool)) }()
	f, err := os.OpenFile(filepath.Join(spool, "archive"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, archive)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot read the build context: %w", err)
	}
	unpack := &pb.FileAction{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{
		Src: "/archive", Dest: "/", AttemptUnpackDockerCompatibility: true, Mode: -1, Timestamp: -1,
	}}}
	return fileop.Apply(ctx, unpack, fileop.Options{Dest: dir, Source: &tree.Tree{Root: spool}})
}
