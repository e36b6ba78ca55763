package source

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// file is a file to get by http or https.
type file struct {
	url      *url.URL
	name     string // "" for the server's
	checksum digest.Digest
	perm     os.FileMode
	uid, gid int
	auth     string // the id of a secret; "" looks for one by the host's name
	header   http.Header
}

func parseFile(address string, attrs map[string]string) (*file, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot get %q: it is not a URL", address)
	}
	f := &file{url: u, perm: 0o600, header: http.Header{}}
	for key, value := range attrs {
		if err := f.attribute(key, value); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot get %s: %s is %q: %w", u.Redacted(), key, value, err)
		}
	}
	return f, nil
}

func (f *file) attribute(key, value string) (err error) {
	var n int64
	switch key {
	case pb.AttrHTTPChecksum:
		f.checksum, err = digest.Parse(value)
	case pb.AttrHTTPFilename:
		f.name = value
	case pb.AttrHTTPPerm:
		n, err = strconv.ParseInt(value, 0, 32)
		f.perm = os.FileMode(n & 0o777)
	case pb.AttrHTTPUID:
		f.uid, err = strconv.Atoi(value)
	case pb.AttrHTTPGID:
		f.gid, err = strconv.Atoi(value)
	case pb.AttrHTTPAuthHeaderSecret:
		f.auth = value
	case pb.AttrHTTPSignatureVerify, pb.AttrHTTPSignatureVerifyPubKey:
		err = errors.New("signatures of files are not supported")
	default:
		if name, ok := strings.CutPrefix(key, pb.AttrHTTPHeaderPrefix); ok && (name == "accept" || name == "user-agent") {
			f.header.Set(name, value)
		}
	}
	return err
}

// memory is what is remembered of a URL.
type memory struct {
	Key          string // of the tree
	Name         string
	Digest       digest.Digest
	ETag         string
	LastModified string
}

// file gets a file: from the server if it is another one than the last time. What was asked for with a checksum is
// remembered with it: whatever the server has at the URL later, that is still what is meant.
func (s *Store) file(ctx context.Context, f *file) (*Result, error) {
	path := filepath.Join(s.Dir, "http", keyOf(f.url.String(), f.checksum, f.name, f.perm, f.uid, f.gid, f.auth, f.header))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, err := sys.AwaitLockFile(ctx, path+".lock", false)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	known, result, err := s.remembered(path)
	if err != nil || result != nil && f.checksum != "" {
		return result, err
	}
	got, err := s.ask(ctx, f, known)
	if got != nil || err != nil || result == nil {
		if result != nil {
			err = errors.Join(err, result.Close())
		}
		if err != nil {
			return nil, err
		}
		return s.remember(path, got, f)
	}
	return result, nil
}

// remembered is what is known of a URL, and what was got from there.
func (s *Store) remembered(path string) (m memory, r *Result, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil || len(m.Key) != 64 || m.Name != safeName(m.Name) { // as if it had never been there
		return memory{}, nil, nil //nolint:nilerr // a damaged file is got again
	}
	dir, lock, err := s.find(m.Key)
	if err != nil || lock == nil {
		return memory{}, nil, err
	}
	r = m.result(dir, lock)
	r.Cached = true
	return m, r, nil
}

func (m *memory) result(dir string, lock *sys.Lock) *Result {
	r := &Result{Tree: &tree.Tree{Root: filepath.Join(dir, "root")}, Pin: m.Digest.String(), Key: m.Key, Name: m.Name, lock: lock}
	if t, err := http.ParseTime(m.LastModified); err == nil {
		r.Modified = t
	}
	return r
}

// download is a file that was just got.
type download struct {
	memory
	draft *draft
}

// remember keeps a file that was got.
func (s *Store) remember(path string, d *download, f *file) (*Result, error) {
	if f.checksum != "" && d.Digest != f.checksum {
		return nil, d.draft.discard(errdefs.Errorf(errdefs.ErrInvalid, "cannot get %s: its checksum is %s, not %s", f.url.Redacted(), d.Digest, f.checksum))
	}
	dir, lock, err := d.draft.keep(d.Key)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(d.memory)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return d.result(dir, lock), nil
}

// epoch is the time of files whose servers do not say one, so that they are the same each time.
var epoch = time.Unix(0, 0)
